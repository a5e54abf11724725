//! `single-loop`: one thread does everything.
//!
//! One event loop accepts, reads, answers and writes, on the first seat; further seats stay empty. Redis
//! and lighttpd's default are built this way. There is nothing to balance and nothing to share, which
//! makes it the base case: the speed-up of any other architecture is its throughput over this one's.
//!
//! **Queue discipline**: a single queue with one server.
//!
//! **Failure mode**: it never uses a second core, and one slow request delays every other connection.
//!
//! **The workload that shows it**: any with more than one core, or 1 % of requests that take milliseconds.

use corecurve_core::Problem;

use super::{SPIN, Setup};
use crate::config::ServeConfig;
use crate::registry::{Architecture, QueueDiscipline};
use crate::runtime::RunningServer;
use crate::runtime::event_loop::Intake;
use crate::runtime::listener::listen;

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "single-loop",
    summary: "one event loop on the first core; the base case every speed-up is measured against",
    queue_discipline: QueueDiscipline::Single,
    failure_mode: "one core is all it ever uses, and one slow request delays every other",
    settings: &[SPIN],
    start,
};

fn start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    let seats = &config.seats[..1];
    let setup = Setup::new(config, ARCHITECTURE.name, seats)?;
    let (listeners, addr) = listen(config, 1)?;
    let mut server = setup.server(addr);
    for (listener, seat) in listeners.into_iter().zip(seats) {
        setup.spawn_loop(&mut server, 0, *seat, Intake::Own(listener))?;
    }
    Ok(server)
}
