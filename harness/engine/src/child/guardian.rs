//! The guardian's side: start the target, watch it, and leave nothing of it behind.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use corecurve_core::Pid;
use corecurve_machine::Shield;
use corecurve_machine::procfs::limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, WaitStatus, pidfd_open};

use super::capture::Capture;
use super::cgroup::{self, Leaf};
use super::family;
use super::job::{Exit, GUARDIAN_ARG, Job, Report, STOP};
use super::spawn::spawn_target;

/// How long what is left after SIGKILL is waited for: processes in uninterruptible sleep take their time.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Longest nap between two looks at the children.
const TICK: Duration = Duration::from_secs(1);
/// Nap while children are expected to end.
const SHORT_TICK: Duration = Duration::from_millis(5);

/// Whether this process was started to be a guardian: its first argument is [`super::GUARDIAN_ARG`].
pub fn is_guardian_call() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == GUARDIAN_ARG)
}

/// The whole life of a guardian. The executable calls this and nothing else when [`is_guardian_call`];
/// the result is its exit code.
///
/// Reads one job from standard input, then waits for `stop` or the end of that pipe.
pub fn guardian_main() -> u8 {
    // A handler that does nothing, and not SIG_IGN, which the target would inherit.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    // A name of its own, so that `killall -9` of the harness leaves it to do its work.
    let _ = rustix::thread::set_name(c"cc-guardian");
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let mut control = Control::default();
    let Some(job) = control.job() else { return 0 };
    match Guardian::start(&job, control) {
        Ok(mut guardian) => {
            guardian.watch();
            guardian.end()
        }
        Err(e) => {
            tell(&Report::Refused { errno: e.raw_os_error(), why: e.to_string() });
            1
        }
    }
}

/// Tells the harness, if it is still there to hear.
fn tell(report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// What the harness says, read from standard input.
#[derive(Debug, Default)]
struct Control {
    buffer: Vec<u8>,
    ended: bool,
}

impl Control {
    /// Reads what is there; blocks when nothing is.
    fn fill(&mut self) {
        let mut bytes = [0u8; 4_096];
        match io::stdin().lock().read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(n) => self.buffer.extend_from_slice(&bytes[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.ended = true,
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    /// The first line; `None` when the harness is gone or speaks nonsense.
    fn job(&mut self) -> Option<Job> {
        loop {
            if let Some(line) = self.line() {
                return serde_json::from_slice(&line).ok();
            }
            if self.ended {
                return None;
            }
            self.fill();
        }
    }

    /// Whether a line asks to stop.
    fn asks_to_stop(&mut self) -> bool {
        std::iter::from_fn(|| self.line()).any(|line| line == STOP.as_bytes())
    }
}

/// A guardian with its target.
struct Guardian {
    control: Control,
    target: Pid,
    pidfd: Option<std::os::fd::OwnedFd>,
    alive: bool,
    out: Capture<ChildStdout>,
    err: Capture<ChildStderr>,
    line_told: bool,
    leaf: Option<Leaf>,
    shield: Option<Shield>,
    grace: Duration,
    oom_kills: u64,
}

impl Guardian {
    fn start(job: &Job, control: Control) -> io::Result<Guardian> {
        let _ = limits::raise_open_files();
        let shield = (!job.clear.is_empty()).then(|| Shield::raise(&job.clear));
        Guardian::start_behind(job, control, shield.clone()).inspect_err(|_| lower(shield))
    }

    fn start_behind(job: &Job, control: Control, shield: Option<Shield>) -> io::Result<Guardian> {
        let own = corecurve_machine::allowed::affinity();
        job.policy.apply_to_current().map_err(|problem| io::Error::other(problem.one_line()))?;
        let leaf = Leaf::make(&corecurve_machine::clock::now().0.to_string());
        let leaf = leaf.filter(Leaf::enter_or_remove);
        let spawned = spawn(job);
        if let Some(leaf) = &leaf
            && !leaf.leave()
        {
            return Err(io::Error::other("the guardian could not leave the target's control group"));
        }
        let own = if job.own_cpus.is_empty() { own.unwrap_or_default() } else { job.own_cpus.clone() };
        if !own.is_empty() {
            let _ = corecurve_machine::memory::set_affinity(&own);
        }
        let (target, out, err) = match spawned {
            Ok(spawned) => spawned,
            Err(e) => {
                if let Some(leaf) = &leaf {
                    cgroup::remove(leaf.path());
                }
                return Err(e);
            }
        };
        tell(&Report::Started {
            pid: target,
            cgroup: leaf.as_ref().map(|leaf| leaf.path().to_owned()),
            shield: shield.clone(),
        });
        let pidfd = family::raw(target).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let grace = Duration::from_millis(job.grace_ms);
        let oom_kills = oom_kills();
        Ok(Guardian { control, target, pidfd, alive: true, out, err, line_told: false, leaf, shield, grace, oom_kills })
    }

    /// Until the harness asks to stop or is gone.
    fn watch(&mut self) {
        loop {
            self.wait_for_news(TICK);
            let _ = self.reap();
            if self.control.ended || self.control.asks_to_stop() {
                return;
            }
        }
    }

    /// Waits for the harness, output or the target's end, and takes in what came.
    fn wait_for_news(&mut self, at_most: Duration) {
        let stdin = io::stdin();
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        let control = if self.control.ended { None } else { Some(stdin.as_fd()) };
        let fds = [control, self.out.fd(), self.err.fd(), self.pidfd.as_ref().map(AsFd::as_fd)];
        let mut polled: Vec<PollFd<'_>> =
            fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let ready = poll(&mut polled, Some(&timeout)).is_ok_and(|ready| ready > 0);
        let control_ready = ready && control.is_some() && polled.first().is_some_and(|fd| !fd.revents().is_empty());
        drop(polled);
        if control_ready {
            self.control.fill();
        }
        self.out.pump();
        self.err.pump();
        if !self.line_told
            && let Some(line) = self.out.first()
        {
            self.line_told = true;
            tell(&Report::Line { line });
        }
    }

    /// Reaps what has ended; `Err` when no child is left.
    fn reap(&mut self) -> Result<(), family::NoChildren> {
        while let Some((pid, status)) = family::reap_any()? {
            if pid == self.target {
                self.pidfd = None;
                self.alive = false;
                self.tell_exit(status);
            }
        }
        Ok(())
    }

    fn tell_exit(&mut self, status: WaitStatus) {
        self.out.pump();
        self.err.pump();
        let mut tail = self.err.tail();
        if tail.is_empty() {
            tail = self.out.tail();
        }
        tell(&Report::Exited(Exit {
            code: status.exit_status(),
            signal: status.terminating_signal(),
            out_of_memory: oom_kills() > self.oom_kills,
            survivors: family::descendants(std::process::id()),
            tail,
        }));
    }

    /// SIGTERM, patience, SIGKILL until nothing is left.
    fn end(mut self) -> u8 {
        if !self.control.ended {
            self.ask_to_end();
        }
        let forced = self.kill_all();
        let left = family::descendants(std::process::id());
        if let Some(leaf) = &self.leaf {
            cgroup::remove(leaf.path());
        }
        lower(self.shield);
        self.out.end();
        self.err.end();
        let code = u8::from(!left.is_empty());
        tell(&Report::Gone { forced, left });
        code
    }

    /// Asks the target's group, or what it left behind, to end, and waits as long as the job says, but not a moment
    /// longer than the harness lives.
    fn ask_to_end(&mut self) {
        if self.alive
            && let Some(group) = family::raw(self.target)
        {
            for signal in [Signal::TERM, Signal::CONT] {
                let _ = rustix::process::kill_process_group(group, signal);
            }
        }
        for child in family::children() {
            if child != self.target {
                family::signal(child, Signal::TERM);
            }
        }
        let deadline = Instant::now() + self.grace;
        while Instant::now() < deadline && !self.control.ended && self.reap().is_ok() {
            self.wait_for_news(SHORT_TICK);
        }
    }

    /// Kills all children, then those whom they leave to us, until there is none. Whether anything had to be killed.
    fn kill_all(&mut self) -> bool {
        let mut forced = false;
        let deadline = Instant::now() + KILL_PATIENCE;
        while self.reap().is_ok() && Instant::now() < deadline {
            forced = true;
            if let Some(leaf) = &self.leaf {
                cgroup::kill(leaf.path());
            }
            for child in family::children() {
                family::signal(child, Signal::KILL);
            }
            self.out.pump();
            self.err.pump();
            std::thread::sleep(Duration::from_millis(1));
        }
        forced
    }
}

fn lower(shield: Option<Shield>) {
    if let Some(shield) = shield {
        shield.lower();
    }
}

fn spawn(job: &Job) -> io::Result<(Pid, Capture<ChildStdout>, Capture<ChildStderr>)> {
    let (program, arguments) = job.argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&job.environment).current_dir(&job.directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn_target(&mut command)?;
    let log = |name: &str| -> std::path::PathBuf { Path::new(&job.logs).join(name) };
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let captures = out
        .zip(err)
        .ok_or_else(|| io::Error::other("no pipes"))
        .and_then(|(out, err)| Ok((Capture::new(out, &log("stdout.log"))?, Capture::new(err, &log("stderr.log"))?)));
    match captures {
        Ok((out, err)) => Ok((child.id(), out, err)),
        Err(e) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(e)
        }
    }
}

/// How often the kernel has killed a process for lack of memory, machine-wide; 0 where it does not say.
fn oom_kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}
