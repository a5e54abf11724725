"""What the bench scripts share: servers on one CPU, clients on another, CPU time of both, ratios with spread.

Standard library only. Everything binds to loopback; everything started is stopped, whatever happens.
"""

import grp
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORECURVE = ROOT / "target" / "release" / "corecurve"
# A client that does nothing but send and receive, see its own first lines.
FLOOR = ROOT / "target" / "release" / "examples" / "floor"
PEERS = ROOT / "servers" / "peers" / "target" / "release"
RUST_PEERS = ["hyper", "axum", "actix-web"]
GREETING = b"Hello, World!"
# Our client loads for this long before its window; the others have no warm-up.
WARMUP_S = 0.2
os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"


def die(message, fix=None):
    """Says what is wrong and how to mend it, and ends the script."""
    print(f"error: {message}", file=sys.stderr)
    if fix:
        print(f"  help: {fix}", file=sys.stderr)
    sys.exit(1)


def need(*programs):
    """Ends the script when a program is missing."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        die(f"missing: {', '.join(missing)}", "scripts/setup bench")


def need_corecurve():
    """Builds the harness in the release profile; does nothing when it is up to date."""
    for what in (["-p", "corecurve"], ["-p", "corecurve-engine", "--example", "floor"]):
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", *what], cwd=ROOT, check=True)


def check_cpus(server, client):
    """Server and client must be two CPUs this process may use."""
    allowed = os.sched_getaffinity(0)
    if server == client or not {server, client} <= allowed:
        die(f"cannot use CPU {server} for the server and CPU {client} for the client",
            f"name two different CPUs of {sorted(allowed)} with --server-cpu and --client-cpu")


def free_port():
    """A port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def answers(port):
    """Whether one correct reply comes back."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.sendall(b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            reply = b""
            while piece := sock.recv(4096):
                reply += piece
        return reply.startswith(b"HTTP/1.1 200") and reply.endswith(GREETING)
    except OSError:
        return False


def ticks_of(pids):
    """CPU seconds used so far by processes, all their threads included."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


def steal_and_total():
    """Jiffies stolen by the host and jiffies in all, over all CPUs."""
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[7], sum(fields)


def split_of(cpu):
    """Seconds a CPU has spent so far in user code, in the kernel for it, and in soft interrupts (network receive)."""
    line = next(line for line in pathlib.Path("/proc/stat").read_text().split("\n") if line.startswith(f"cpu{cpu} "))
    user, nice, system, _idle, _iowait, irq, softirq = [int(x) / os.sysconf("SC_CLK_TCK") for x in line.split()[1:8]]
    return {"user": user + nice, "system": system + irq, "softirq": softirq}


class Server:
    """A server pinned to one CPU, in a session of its own so that it can be stopped whole."""

    def __init__(self, name, cpu):
        self.name, self.port = name, free_port()
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="corecurve-bench-"))
        try:
            self.log = open(self.scratch / "log", "wb")
            self.child = subprocess.Popen(
                self.command(cpu), preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            for _ in range(100):
                if self.child.poll() is not None or answers(self.port):
                    break
                time.sleep(0.05)
            if not answers(self.port):
                log = (self.scratch / "log").read_text(errors="replace")[-2000:]
                die(f"{name} did not answer on port {self.port}", log or "it wrote nothing")
        except BaseException:
            self.stop()
            raise

    def command(self, cpu):
        """How it is started."""
        if self.name == "nginx":
            return ["nginx", "-p", str(self.scratch), "-c", self.nginx_conf(), "-e", "stderr"]
        if self.name == "lighttpd":
            return ["lighttpd", "-D", "-f", self.lighttpd_conf()]
        if self.name in RUST_PEERS:
            return [str(PEERS / f"peer-{self.name}"), "--port", str(self.port), "--workers", "1"]
        return [str(CORECURVE), "serve", "-t", self.name, "--port", str(self.port), "--server-cpus", str(cpu)]

    def nginx_conf(self):
        user = f"user nobody {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name};" if os.geteuid() == 0 else ""
        path = self.scratch / "nginx.conf"
        path.write_text(f"""
            {user} daemon off; worker_processes 1; pid {self.scratch}/pid; error_log stderr error;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; tcp_nodelay on;
                client_body_temp_path {self.scratch}/b; proxy_temp_path {self.scratch}/p;
                fastcgi_temp_path {self.scratch}/f; uwsgi_temp_path {self.scratch}/u; scgi_temp_path {self.scratch}/s;
                server {{
                    listen 127.0.0.1:{self.port} reuseport backlog=4096; default_type text/plain;
                    location = /plaintext {{ return 200 "{GREETING.decode()}"; }}
                    location = /status {{ stub_status; }}
                }}
            }}""")
        return str(path)

    def lighttpd_conf(self):
        (self.scratch / "root").mkdir()
        (self.scratch / "root" / "plaintext").write_bytes(GREETING)
        path = self.scratch / "lighttpd.conf"
        path.write_text(f"""
            server.document-root = "{self.scratch}/root"
            server.bind = "127.0.0.1"
            server.port = {self.port}
            server.max-keep-alive-requests = 1000000000
            server.max-keep-alive-idle = 300
            server.listen-backlog = 4096
            mimetype.assign = ( "" => "text/plain" )
            """)
        return str(path)

    def pids(self):
        """Every process of its session."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(stat.read_text().rpartition(")")[2].split()[3]) == self.child.pid:
                    found.append(int(stat.parent.name))
            except (OSError, ValueError):
                pass
        return found

    def cpu_s(self):
        """CPU seconds used so far."""
        return ticks_of(self.pids())

    def nginx_requests(self):
        """Requests nginx has answered so far, by its own count."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            sock.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = b""
            while piece := sock.recv(4096):
                text += piece
        return int(text.split(b"requests\n")[1].split()[2])

    def stop(self):
        """Stops it and everything of its session."""
        child = getattr(self, "child", None)
        if child:
            for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
                left = self.pids()
                for pid in left:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
                until = time.monotonic() + patience
                while time.monotonic() < until and (child.poll() is None or self.pids()):
                    time.sleep(0.02)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def is_ours(client):
    """Whether a client is our own, on whatever transport: `corecurve`, `corecurve epoll`, `corecurve io_uring`."""
    return client.partition(" ")[0] == "corecurve"


def client_command(client, port, seconds, connections, out, server_cpu, client_cpu):
    """How a client loads a port for so many seconds from one thread."""
    url = f"http://127.0.0.1:{port}/plaintext"
    if is_ours(client):
        transport = client.partition(" ")[2] or "auto"
        return [str(CORECURVE), "run", "-t", f"url:http://127.0.0.1:{port}/", "-w", "plaintext", "--transport", transport,
                "--arrival", f"closed:{connections}", "--connections", str(connections), "--warmup", f"{WARMUP_S * 1000:.0f}ms",
                "--window", f"{seconds}s", "--placement", "explicit", "--server-cpus", str(server_cpu),
                "--load-cpus", str(client_cpu), "--seed", "1", "--json", "--quiet", "--out", str(out)]
    # ab sets memory aside for every request it may make, so its count is bounded by what one core can do.
    return {
        "floor": [str(FLOOR), str(port), str(connections), str(seconds)],
        "wrk": ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url],
        "h2load": ["h2load", "--h1", "-t1", f"-c{connections}", "-D", str(seconds), url],
        "ab": ["ab", "-q", "-k", "-c", str(connections), "-t", str(seconds), "-n", str(400_000 * seconds), url],
    }[client]


def run_client(client, port, args):
    """Runs a client pinned to its CPU. Returns (standard output, CPU seconds of it and its children, wall seconds)."""
    # Our harness pins its own threads and refuses CPUs outside its mask; the others are pinned here.
    cpus = {args.server_cpu, args.client_cpu} if is_ours(client) else {args.client_cpu}
    with tempfile.TemporaryDirectory(prefix="corecurve-bench-") as scratch, tempfile.TemporaryFile() as stdout, \
            tempfile.TemporaryFile() as stderr:
        run = pathlib.Path(scratch) / "run"
        command = client_command(client, port, args.seconds, args.connections, run, args.server_cpu, args.client_cpu)
        begun = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=scratch,
                                 preexec_fn=lambda: os.sched_setaffinity(0, cpus), start_new_session=True)
        try:
            usage = wait_with_deadline(child, args.seconds + 60)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        wall_s = time.monotonic() - begun
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    text, complaint = texts
    if child.returncode not in (0, 3):
        die(f"{client} ended with exit code {child.returncode}", (complaint or text)[-1500:])
    return text, usage.ru_utime + usage.ru_stime, wall_s


def wait_with_deadline(child, seconds):
    """Waits for a child and returns what it and its waited-for children used."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.02)
    die(f"the client did not end within {seconds} s")


def rate_of(client, text):
    """Requests per second as the client itself counts correct answers."""
    if is_ours(client):
        trials = [event for event in map(json.loads, text.splitlines()) if event.get("event") == "trial"]
        if not trials:
            die("corecurve printed no trial event", text[-500:])
        return trials[-1]["achieved_per_s"]
    if client == "wrk":
        if "Non-2xx" in text or "Socket errors" in text:
            die("wrk saw errors", text[-500:])
        return float(text.split("Requests/sec:")[1].split()[0])
    if client == "floor":
        return float(text.split()[0])
    if client == "h2load":
        return float(text.split(" req/s")[0].split()[-1])
    return float(text.split("Requests per second:")[1].split()[0])


def spread(values):
    """Median, smallest and largest as text."""
    return f"{statistics.median(values):7.3f}  [{min(values):.3f}, {max(values):.3f}]"


def parse_args(description, rounds, seconds, extra=()):
    """The options both scripts share."""
    import argparse

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"interleaved rounds (default {rounds})")
    parser.add_argument("--seconds", type=int, default=seconds, help=f"seconds per measurement (default {seconds})")
    parser.add_argument("--connections", type=int, default=32, help="keep-alive connections (default 32)")
    parser.add_argument("--server-cpu", type=int, default=0, help="CPU of the server (default 0)")
    parser.add_argument("--client-cpu", type=int, default=1, help="CPU of the client (default 1)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--json", action="store_true", help="print every measurement as one JSON object per line")
    for flags, options in extra:
        parser.add_argument(*flags, **options)
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds < 1:
        parser.error("--rounds and --seconds go from 1")
    check_cpus(args.server_cpu, args.client_cpu)
    # Ctrl-C and a plain kill both run the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return args


def verdict(args, goals):
    """Prints each goal (name, median ratio, least) and ends with 1 if one is missed and --check was given."""
    missed = False
    for name, seen, least in goals:
        met = seen >= least
        missed |= not met
        print(f"{'✓' if met else '✗'} {name}: {seen:.3f} (goal: at least {least})")
    sys.exit(1 if missed and args.check else 0)
