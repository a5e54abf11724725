//! [`Target`] and [`Running`]: how a system under test is started, found and stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::placement::Placed;
use crate::plan::Settings;
use crate::problem::Problem;
use crate::server_stats::ServerStats;
use crate::units::Nanos;

/// A process id.
pub type Pid = u32;

/// Something that can be started on given cores.
pub trait Target: Send + Sync {
    /// The name the user gave.
    fn name(&self) -> &str;
    /// Starts it; returns once it has given one correct answer.
    ///
    /// # Errors
    /// When it cannot be started, exits at once, does not answer in time or the port is not its own.
    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem>;
    /// Whether it lives in virtual time, so that a trial takes no wall time.
    fn is_virtual(&self) -> bool {
        false
    }
}

/// What a target is told when it is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Who sits where; one server worker per seat.
    pub placed: Placed,
    /// Seed of anything random inside the target (virtual service times).
    pub seed: u64,
    /// The target's settings.
    pub settings: Settings,
    /// A directory of its own for configuration and logs; made before the start, removed with the run's scratch space.
    pub scratch: PathBuf,
}

/// A started target.
pub trait Running: Send {
    /// Where load goes.
    fn endpoint(&self) -> Endpoint;
    /// Its processes, the first the one that was started; empty for a virtual one.
    fn pids(&self) -> Vec<Pid>;
    /// Whether it is still the same and alive.
    ///
    /// # Errors
    /// How it died: signal or exit code, and the last lines it wrote.
    fn check(&mut self) -> Result<(), Problem>;
    /// The queue behind [`Endpoint::Virtual`].
    fn virtual_server(&mut self) -> Option<&mut dyn VirtualServer> {
        None
    }
    /// Its counts per worker, if it is of a kind that tells them.
    fn counts_per_worker(&mut self) -> Option<&mut dyn CountsPerWorker> {
        None
    }
    /// Stops it and everything it started. Must leave nothing behind.
    ///
    /// # Errors
    /// When something could not be stopped.
    fn stop(self: Box<Self>) -> Result<TargetStats, Problem>;
}

/// Where load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A listening socket.
    Tcp(SocketAddr),
    /// A queue in virtual time, see [`Running::virtual_server`].
    Virtual,
    /// Nothing: each operation completes as soon as it is submitted. Measures the harness itself.
    Null,
}

/// A target that tells what each of its workers did.
pub trait CountsPerWorker: Send {
    /// The counts of all workers as they stand, less what it took to ask for them. Not to be called in a measured window:
    /// asking is a request. Takes no longer than `patience`.
    ///
    /// # Errors
    /// Why they are not known.
    fn read(&mut self, patience: Nanos) -> Result<ServerStats, String>;
}

/// A server in virtual time: told when each operation arrives, it says when it is done.
///
/// Arrivals are in ascending order of time within one trial. Deterministic: the same seed and arrivals
/// give the same completions, bit for bit.
pub trait VirtualServer: Send {
    /// Completion time of operation `id` arriving at `arrival`; `None` if it is never answered.
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos>;
    /// A new trial begins at time zero with no operation in the system; what the server remembers
    /// beyond its queue (hysteresis, warm caches) stays.
    fn begin_trial(&mut self, seed: u64);
    /// Share of time its servers were busy since the trial began, up to `now`, 0 to 1.
    fn utilisation(&self, now: Nanos) -> f64;
}

/// What a target says about itself at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStats {
    /// How it ended, when not as asked.
    pub notes: Vec<String>,
}
