//! The table of architectures. A new one is one file in `architectures/` and one line here.

use corecurve_core::Problem;
use serde::Serialize;

use crate::architectures as arch;
use crate::config::{ServeConfig, Setting};
use crate::runtime::RunningServer;

/// How requests wait for workers, which decides what queueing theory predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueDiscipline {
    /// One worker, one queue.
    Single,
    /// One queue per worker; a connection keeps to the worker it got (c × M/M/1).
    Partitioned,
    /// One queue for all workers; an idle worker takes what waits (M/M/c).
    Shared,
    /// The operating system runs a thread per connection on all CPUs (close to processor sharing).
    OsScheduled,
}

/// One architecture.
#[derive(Debug)]
pub struct Architecture {
    /// Its name in specs, records and on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// How requests wait.
    pub queue_discipline: QueueDiscipline,
    /// What it is known to do badly.
    pub failure_mode: &'static str,
    /// Its own settings, besides [`crate::config::COMMON_SETTINGS`].
    pub settings: &'static [Setting],
    /// Starts it. Called through [`start`], which checks the settings first.
    pub start: fn(&ServeConfig) -> Result<RunningServer, Problem>,
}

/// Every architecture, in the order lists show them.
pub const ARCHITECTURES: &[Architecture] = &[
    arch::thread_per_core::ARCHITECTURE,
    arch::shared_accept::ARCHITECTURE,
    arch::work_stealing::ARCHITECTURE,
    arch::single_loop::ARCHITECTURE,
    arch::acceptor_handoff::ARCHITECTURE,
    arch::acceptor_handoff::LEAST_CONNECTIONS,
    arch::thread_per_connection::ARCHITECTURE,
];

/// The architecture of that name.
///
/// # Errors
/// When there is none; the nearest name is suggested.
pub fn find(name: &str) -> Result<&'static Architecture, Problem> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name).ok_or_else(|| {
        let known = ARCHITECTURES.iter().map(|architecture| architecture.name);
        Problem::unknown("architecture", name, known, "See `corecurve list targets`")
    })
}

/// The architecture of a configuration whose settings it takes. Starts nothing.
///
/// # Errors
/// Unknown architecture or setting, or a value that cannot be read.
pub fn check(config: &ServeConfig) -> Result<&'static Architecture, Problem> {
    let architecture = find(&config.architecture)?;
    config.check_settings(architecture.settings)?;
    config.effective_limits()?;
    Ok(architecture)
}

/// Starts a server and returns when every worker is pinned and listening.
///
/// # Errors
/// Unknown architecture or setting, no seat, address not allowed or taken, CPU not available.
pub fn start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    let architecture = check(config)?;
    if config.seats.is_empty() {
        return Err(Problem::new("a server needs at least one CPU").help("name one, e.g. `--cores 1`"));
    }
    (architecture.start)(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_slips_are_recognised() {
        for (i, architecture) in ARCHITECTURES.iter().enumerate() {
            assert!(ARCHITECTURES[..i].iter().all(|other| other.name != architecture.name), "{}", architecture.name);
            assert!(!architecture.summary.is_empty() && !architecture.failure_mode.is_empty());
        }
        assert!(find("thread-percore").unwrap_err().one_line().contains("`thread-per-core`"));
    }
}
