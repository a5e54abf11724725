//! Child processes that cannot outlive the harness.
//!
//! A parent-death signal is not enough: it watches the spawning *thread*, a change of user clears it and a fork
//! does not inherit it, so nginx's workers would survive. Instead every target is started by a **guardian**: this same
//! executable run again with [`GUARDIAN_ARG`], a small process in a session of its own that holds the target's
//! output, adopts every orphan of the target (subreaper) and kills all of them when it is told to, or when the pipe
//! to the harness closes, for which the harness needs not be alive. Where the kernel has cgroup2, the target also
//! lives in a control group of its own, which dies in one write.
//!
//! Should the guardian itself be killed, its orphans fall to the harness, which is a subreaper too and clears them.

mod capture;
mod cgroup;
mod family;
mod guarded;
mod guardian;
mod job;
mod spawn;

/// Control groups that are made and removed.
pub(crate) mod control_group {
    pub(crate) use super::cgroup::{PREFIX, remove, remove_abandoned};
}

pub use guarded::{Ended, Guarded, GuardianExe};
pub(crate) use guarded::{LaunchError, ended};
pub use guardian::{guardian_main, is_guardian_call};
pub use job::{GUARDIAN_ARG, Job};
