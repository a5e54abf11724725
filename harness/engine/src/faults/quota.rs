//! A quota on the CPU time of a target, by its control group, in either version of the kernel's interface.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use corecurve_core::fault::MilliCpus;
use corecurve_core::{Pid, Problem};
use corecurve_machine::procfs::cgroup::{CpuGroup, own_cpu_group};

use crate::child::control_group;

/// The kernel's usual period, microseconds.
const PERIOD_US: u64 = 100_000;
/// Looks for processes that were started while others were moved.
const LOOKS: usize = 8;

/// A quota in force. The group goes when this is dropped, if it was made for it.
#[derive(Debug)]
pub(super) struct Quota {
    /// The group that was made for it; in version 2 the target has its own already.
    made: Option<PathBuf>,
}

impl Quota {
    /// What stands in the way, if something does.
    pub fn refusal() -> Option<Problem> {
        let tried = match own_cpu_group(Path::new("/")) {
            Some(CpuGroup::One(home)) => make(&home, MilliCpus(1_000)).map(|path| control_group::remove(&path)),
            Some(CpuGroup::Two(home)) => enable(&home),
            None => Err(io::Error::other("no control group of this process governs CPU time")),
        };
        tried.err().map(|error| refused(&error))
    }

    /// Lets the processes that `pids` names use the time of so many CPUs and no more.
    ///
    /// # Errors
    /// When the kernel or the user's rights do not allow it.
    pub fn impose(cpus: MilliCpus, pids: impl Fn() -> Vec<Pid>) -> Result<Quota, Problem> {
        let imposed = match own_cpu_group(Path::new("/")) {
            Some(CpuGroup::One(home)) => impose_on_new(&home, cpus, pids),
            Some(CpuGroup::Two(home)) => impose_on_own(&home, cpus, &pids()),
            None => Err(io::Error::other("no control group of this process governs CPU time")),
        };
        imposed.map_err(|error| refused(&error))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            control_group::remove(path);
        }
    }
}

fn refused(error: &io::Error) -> Problem {
    Problem::new(format!("a quota on the target's control group cannot be had: {error}"))
        .help("run as root where control groups are writable; in version 2 the harness must be in the root group or one that may \
               delegate `cpu`")
}

/// Version 1: a group of its own beside the target's others.
fn impose_on_new(home: &Path, cpus: MilliCpus, pids: impl Fn() -> Vec<Pid>) -> io::Result<Quota> {
    let path = make(home, cpus)?;
    let quota = Quota { made: Some(path.clone()) };
    let mut moved: Vec<Pid> = Vec::new();
    for _ in 0..LOOKS {
        let fresh: Vec<Pid> = pids().into_iter().filter(|pid| !moved.contains(pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            std::fs::write(path.join("cgroup.procs"), pid.to_string())?;
            moved.push(pid);
        }
    }
    Ok(quota)
}

fn make(home: &Path, cpus: MilliCpus) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    control_group::remove_abandoned(home);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = home.join(format!("{}{}-quota{number}", control_group::PREFIX, std::process::id()));
    std::fs::create_dir(&path)?;
    let limited = std::fs::write(path.join("cpu.cfs_period_us"), PERIOD_US.to_string())
        .and_then(|()| std::fs::write(path.join("cpu.cfs_quota_us"), quota_us(cpus).to_string()));
    if limited.is_err() {
        control_group::remove(&path);
    }
    limited.map(|()| path)
}

/// Version 2: a process is in one group only, and the target in one that its guardian made.
fn impose_on_own(home: &Path, cpus: MilliCpus, pids: &[Pid]) -> io::Result<Quota> {
    enable(home)?;
    let leaf = |pid: &Pid| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let name = text.lines().find_map(|line| line.strip_prefix("0::"))?.rsplit('/').next()?.to_owned();
        name.starts_with(control_group::PREFIX).then(|| home.join(name))
    };
    let leaf = pids.first().and_then(leaf);
    let leaf = leaf.ok_or_else(|| io::Error::other("the target has no control group of its own"))?;
    std::fs::write(leaf.join("cpu.max"), format!("{} {PERIOD_US}", quota_us(cpus)))?;
    Ok(Quota { made: None })
}

/// Has the groups below `home` govern CPU time.
fn enable(home: &Path) -> io::Result<()> {
    std::fs::write(home.join("cgroup.subtree_control"), "+cpu")
}

fn quota_us(cpus: MilliCpus) -> u64 {
    u64::from(cpus.0) * PERIOD_US / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_machine::procfs::cgroup::parse_throttling;
    use std::time::{Duration, Instant};

    #[test]
    fn a_process_that_wants_more_than_its_quota_is_stopped() {
        if let Some(problem) = Quota::refusal() {
            // Seen, not passed over: the same value is what a plan refuses with.
            assert!(problem.help.is_some(), "{problem}");
            eprintln!("not tried: {problem}");
            return;
        }
        // Version 2 wants a target with a guardian, which the tests of the command line have.
        let Some(CpuGroup::One(_)) = own_cpu_group(Path::new("/")) else { return };
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let quota = Quota::impose(MilliCpus(200), || vec![child.id()]).unwrap();
        let path = quota.made.clone().unwrap();
        let stat = || parse_throttling(&std::fs::read_to_string(path.join("cpu.stat")).unwrap()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while stat().periods < 3 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let stopped = stat();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(stopped.periods >= 3 && stopped.throttled_ns > 0, "{stopped:?}");
        drop(quota);
        assert!(!path.exists());
    }
}
