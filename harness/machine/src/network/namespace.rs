//! [`Namespace`]: a network namespace without a name.
//!
//! It has no entry under `/run/netns` that could be left behind: it lives as long as this handle, a process or a socket in it,
//! and the kernel removes it, its devices and its routes with the last of them, however the harness ends.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use corecurve_core::Problem;
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// A new one, with nothing in it but a loopback device that is down. Cost: a thread and about a millisecond.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn new() -> Result<Namespace, Problem> {
        let made = on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("the kernel makes none: {}", error.desc()))?;
            File::open("/proc/thread-self/ns/net").map_err(|error| format!("/proc/thread-self/ns/net: {error}"))
        });
        let handle = made.map_err(|why| Problem::new(format!("no network namespace can be had: {why}")))?;
        Ok(Namespace { handle })
    }

    /// Moves the calling thread in, for good. What it starts is born there; sockets it has already stay where they are.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> Result<(), Problem> {
        move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| Problem::new(format!("a thread could not enter its network namespace: {error}")))
    }

    /// Does `work` on a thread of its own inside.
    ///
    /// # Errors
    /// When the thread cannot enter.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Problem> {
        on_a_thread(|| self.enter().map(|()| work()))
    }

    /// A path by which another process of this user can name it while this one lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd())
    }
}

/// Does `work` on a thread that ends with it, so that nothing it does to its thread lasts.
pub(super) fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
