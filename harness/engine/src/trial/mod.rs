//! One trial: a schedule, a system and a recorder. The schedule, the recorder, the end of the warm-up, the rules and the
//! record are the same code for sockets, for queues in virtual time and for the null target; only the system differs.

mod assemble;
mod counting;
mod null;
mod orders;
mod readings;
mod real;
mod receiving;
mod setup;
mod simulated;
mod tcp;

pub use null::{SelfCost, self_cost};
pub use setup::{
    CONNECTIONS_OVER_LITTLE, MAX_CONNECTIONS, MIN_CONNECTIONS, MIN_DRAIN, TraceRow, TrialOutput, TrialSetup,
};
pub use simulated::{TrialScratch, virtual_record, virtual_trial};

pub(crate) use assemble::on_time_within;
pub(crate) use orders::{Orders, Totals, UNDECIDED};
pub(crate) use real::{Post, Report};

use corecurve_core::{Endpoint, Problem, Running, Wire};

use crate::stop::StopFlag;

/// Runs one trial against a started target and returns its record, distributions and, if asked for, its trace.
///
/// `workload` makes the workload of each load worker from its number and its seed. `progress` is called about four times a
/// second, from the thread that called this, with the share of the trial done and what is going on. A trial that was
/// stopped, or whose target died, still has a record: an invalid one with balanced books.
///
/// # Errors
/// When the trial could not be run at all: no file descriptors, no threads, a CPU that cannot be pinned to.
pub fn run_trial<W: Wire>(
    setup: &TrialSetup,
    running: &mut dyn Running,
    workload: &(dyn Fn(usize, u64) -> W + Sync),
    stop: &StopFlag,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<TrialOutput, Problem> {
    match running.endpoint() {
        Endpoint::Tcp(address) => tcp::tcp_trial(setup, running, address, workload, stop, progress),
        Endpoint::Null => null::null_trial(setup, running, workload, stop, progress),
        Endpoint::Virtual => match running.virtual_server() {
            Some(server) => Ok(virtual_trial(setup, server)),
            None => Err(Problem::new(format!("target `{}` lives in virtual time but has no queue", setup.target))
                .help("this is a fault of the target's code: Endpoint::Virtual needs Running::virtual_server")),
        },
    }
}
