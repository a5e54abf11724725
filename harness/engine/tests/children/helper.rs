//! What the tests share. This process is a subreaper, so whatever a killed process leaves behind becomes its child.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use corecurve_core::{CpuId, CpuSet, Endpoint, Placed, Running, Seat, Settings, Start, Target};
use corecurve_engine::child::GuardianExe;
use corecurve_engine::targets::{ExternalTarget, Recipe};
use corecurve_machine::procfs::process;
use rustix::process::{Pid as RawPid, Signal, WaitOptions};

pub fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
}

pub fn exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub fn guardian() -> GuardianExe {
    GuardianExe::new(exe())
}

/// The children of this process that run.
pub fn orphans() -> Vec<(u32, String)> {
    let own = std::process::id();
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
    let children =
        process::all().unwrap().into_iter().filter(|pid| process::stat(*pid).is_ok_and(|stat| stat.parent == own));
    children.map(|pid| (pid, process::command(pid).unwrap_or_default())).collect()
}

/// Nobody is left two seconds from now at the latest.
pub fn expect_no_orphans() {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !orphans().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(orphans(), []);
}

/// After a failed test: leave nothing to the next.
pub fn kill_orphans() {
    for (pid, _) in orphans() {
        kill(pid, Signal::KILL);
    }
    std::thread::sleep(Duration::from_millis(20));
    let _ = orphans();
}

pub fn kill(pid: u32, signal: Signal) {
    let _ = rustix::process::kill_process(RawPid::from_raw(pid as i32).unwrap(), signal);
}

pub fn first_cpu() -> CpuId {
    first_cpu_of(&corecurve_machine::allowed::affinity().unwrap())
}

pub fn first_cpu_of(cpus: &CpuSet) -> CpuId {
    cpus.iter().next().unwrap()
}

/// A start on one CPU, with `workers` workers.
pub fn start_on(scratch: &Path, workers: usize) -> Start {
    let seat = Seat { cpu: first_cpu(), node: None };
    let placed = Placed { server: vec![seat; workers], ..Placed::default() };
    Start { placed, seed: 1, settings: Settings::new(), scratch: scratch.to_owned() }
}

/// A target from recipe text; `{me}` in it is this executable.
pub fn target(recipe: &str) -> ExternalTarget {
    let recipe = recipe.replace("{me}", exe().to_str().unwrap());
    let recipe = Recipe::parse(&recipe, "test.toml").unwrap();
    let name = recipe.name.clone();
    ExternalTarget::new(&name, recipe, Path::new("/"), &Settings::new(), guardian()).unwrap()
}

/// Our own server, which forks as much as any; see `roles`.
pub const OWN: &str = r#"
name = "own"
summary = "a server of this test"
command = ["{me}", "__server", "{port}", "plain"]
[ready]
path = "/plaintext"
body = "Hello, World!"
"#;

/// Every server there is on this machine: recipe text by name.
pub fn servers() -> Vec<(&'static str, String)> {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers/targets");
    let installed = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).any(|dir| dir.join(program(name)).is_file())
    };
    let text = |name: &'static str| (name, std::fs::read_to_string(targets.join(format!("{name}.toml"))).unwrap());
    let third: Vec<_> =
        ["nginx", "lighttpd", "haproxy", "apache", "caddy"].into_iter().filter(installed).map(text).collect();
    third.into_iter().chain([("own", OWN.to_owned())]).collect()
}

/// How many processes a server with so many workers has at least.
pub fn processes(name: &str, workers: usize) -> usize {
    if ["haproxy", "caddy"].contains(&name) { 1 } else { workers }
}

/// What a server's program is called.
fn program(name: &str) -> &str {
    if name == "apache" { "apache2" } else { name }
}

pub fn address(running: &dyn Running) -> std::net::SocketAddr {
    let Endpoint::Tcp(address) = running.endpoint() else { panic!("no address") };
    address
}

/// The whole reply to `GET path`.
pub fn get(address: std::net::SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// The failure to start, and how long it took to find out.
pub fn failure(target: &dyn Target, scratch: &Path) -> (String, Duration) {
    let began = Instant::now();
    let Err(problem) = target.start(&start_on(scratch, 1)) else { panic!("it started") };
    (problem.to_string(), began.elapsed())
}

pub fn is_free(port: u16) -> bool {
    corecurve_machine::procfs::tcp::listeners(port).unwrap().is_empty()
}
