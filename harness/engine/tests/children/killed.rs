//! SIGKILL to the harness, to the guardian, and to both: nothing of the target lives two seconds later.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use corecurve_core::{CpuSet, Target};
use corecurve_machine::allowed::affinity;
use corecurve_machine::procfs::process::{self, Identity};
use rustix::process::Signal;

use crate::helper::{self, address, servers, start_on, target};

/// A harness process that holds a server: itself, the server's port and its processes.
fn hold(name: &str, scratch: &std::path::Path) -> (Child, u16, Vec<Identity>) {
    let mut harness = Command::new(helper::exe())
        .args(["__hold", name, scratch.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(harness.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut words = line.split_whitespace().map(|word| word.parse::<u32>().unwrap());
    let port = words.next().unwrap() as u16;
    let pids = words.map(|pid| Identity::of(pid).unwrap()).collect();
    (harness, port, pids)
}

fn expect_gone(name: &str, port: u16, pids: &[Identity]) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while pids.iter().any(Identity::is_alive) || !helper::is_free(port) {
        assert!(Instant::now() < deadline, "{name}: {:?} live, port {port} free: {}", pids, helper::is_free(port));
        std::thread::sleep(Duration::from_millis(5));
    }
    helper::expect_no_orphans();
}

pub fn the_harness() {
    for (name, _) in servers() {
        for signal in [Signal::KILL, Signal::TERM, Signal::HUP] {
            let scratch = tempfile::tempdir().unwrap();
            let (mut harness, port, pids) = hold(name, scratch.path());
            assert!(pids.len() >= helper::processes(name, 2) && pids.iter().all(Identity::is_alive));
            helper::kill(harness.id(), signal);
            harness.wait().unwrap();
            expect_gone(name, port, &pids);
        }
    }
}

fn guardian_of(harness: u32) -> u32 {
    let all = process::descendants(harness).unwrap();
    all.into_iter().find(|pid| process::stat(*pid).is_ok_and(|stat| stat.name == "cc-guardian")).unwrap()
}

pub fn the_guardian() {
    for (name, recipe) in servers() {
        let scratch = tempfile::tempdir().unwrap();
        let mut start = start_on(scratch.path(), 2);
        // With one CPU there is nowhere to send others.
        let cpus = affinity().unwrap();
        start.placed.clear = start.placed.server_cpus();
        let mut running = target(&recipe).start(&start).unwrap();
        running.check().unwrap();
        let elsewhere: CpuSet = cpus.iter().filter(|cpu| *cpu != helper::first_cpu_of(&cpus)).collect();
        assert!(elsewhere.is_empty() || affinity().unwrap() == elsewhere, "this process is one of the others");
        let port = address(running.as_ref()).port();
        let pids: Vec<Identity> = running.pids().into_iter().map(|pid| Identity::of(pid).unwrap()).collect();
        helper::kill(guardian_of(std::process::id()), Signal::KILL);
        let deadline = Instant::now() + Duration::from_secs(2);
        while running.check().is_ok() {
            assert!(Instant::now() < deadline, "{name}");
        }
        expect_gone(name, port, &pids);
        assert!(running.check().is_err());
        assert_eq!(affinity().unwrap(), cpus, "the harness lowers the shield of a guardian that cannot");
        running.stop().unwrap();
    }
}

/// The guardian dies first, the harness right after: what is left is what the death signal and the session leave. The
/// started process goes with the guardian; its children are given to whoever adopts them, here to this test, which
/// stands for the machine's init. Nobody listens for long without its master where the server sees that it is alone.
pub fn both_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut harness, _, pids) = hold("own", scratch.path());
    let guardian = guardian_of(harness.id());
    helper::kill(harness.id(), Signal::STOP);
    helper::kill(guardian, Signal::KILL);
    helper::kill(harness.id(), Signal::KILL);
    harness.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    while pids[0].is_alive() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    helper::kill_orphans();
}
