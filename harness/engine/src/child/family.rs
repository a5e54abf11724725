//! The children of this process: found in `/proc`, signalled, reaped.
//!
//! Only direct children are ever signalled. Their pids cannot be recycled before they are reaped here, and what they
//! leave behind becomes a direct child in its turn, because this process is a subreaper. So no stranger is hit.

use corecurve_core::Pid;
use corecurve_machine::procfs::process;
use rustix::process::{Pid as RawPid, Signal, WaitOptions, WaitStatus};

/// A pid as the system calls want it; `None` for 0 and for what is no pid.
pub(super) fn raw(pid: Pid) -> Option<RawPid> {
    RawPid::from_raw(i32::try_from(pid).ok()?)
}

/// Every child of this process, zombies included.
pub(super) fn children() -> Vec<Pid> {
    let own = std::process::id();
    let all = process::all().unwrap_or_default();
    all.into_iter().filter(|pid| process::stat(*pid).is_ok_and(|stat| stat.parent == own)).collect()
}

/// Every descendant of `pid`, nearest first, zombies left out.
pub(super) fn descendants(pid: Pid) -> Vec<Pid> {
    let found = process::descendants(pid).unwrap_or_default();
    let alive = |pid: &Pid| process::stat(*pid).is_ok_and(|stat| stat.state != 'Z');
    found.into_iter().filter(alive).collect()
}

/// Sends `signal` to a child of this process.
pub(super) fn signal(child: Pid, signal: Signal) {
    if let Some(pid) = raw(child) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Reaps one ended child, whichever; `Err` when there is no child at all.
pub(super) fn reap_any() -> Result<Option<(Pid, WaitStatus)>, NoChildren> {
    match rustix::process::wait(WaitOptions::NOHANG) {
        Ok(found) => Ok(found.map(|(pid, status)| (pid.as_raw_nonzero().get().unsigned_abs(), status))),
        Err(rustix::io::Errno::INTR) => Ok(None),
        Err(_) => Err(NoChildren),
    }
}

/// There is nothing to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoChildren;

/// Reaps `child` if it has ended.
pub(super) fn reap(child: Pid) {
    if let Some(pid) = raw(child) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// The session of a process.
pub(super) fn session(pid: Pid) -> Option<Pid> {
    let session = rustix::process::getsid(Some(raw(pid)?)).ok()?;
    Some(session.as_raw_nonzero().get().unsigned_abs())
}
