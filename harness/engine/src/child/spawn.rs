//! The two spawns of this crate, with what must happen between fork and exec. The only `unsafe` code of the engine.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal, setsid};

/// Spawns a guardian: in a session of its own, so that no key and no closing terminal reaches it.
pub(super) fn spawn_guardian(command: &mut Command) -> io::Result<Child> {
    // SAFETY: the closure runs in the forked child and makes one system call; it neither allocates nor locks.
    unsafe { command.pre_exec(|| setsid().map(drop).map_err(Into::into)) };
    command.spawn()
}

/// Spawns a target: in a process group of its own, and killed should the calling process die first.
///
/// The death signal covers the started process alone and only until it changes its user; it is a second net below
/// the guardian's own. The calling thread must be the one that lives as long as the process, as in a guardian.
pub(super) fn spawn_target(command: &mut Command) -> io::Result<Child> {
    let guardian = getpid();
    command.process_group(0);
    let watch = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The guardian may have died before the signal was asked for.
        if getppid() == Some(guardian) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    };
    // SAFETY: the closure runs in the forked child and makes two system calls; it neither allocates nor locks.
    unsafe { command.pre_exec(watch) };
    command.spawn()
}
