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
//!
//! **What it does not show**: anything about balance or sharing, since there is nobody to share with.

use corecurve_core::Problem;

use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::event_loop::Intake;
use crate::runtime::setup::{SPIN, Setup};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "single-loop",
    summary: "one event loop on the first core; the base case every speed-up is measured against",
    accept_path: AcceptPath::OneListener,
    queue_discipline: QueueDiscipline::Single,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "one core is all it ever uses, and one slow request delays every other",
    exposed_by: &["bimodal", "work", "blocker", "support-like"],
    exposed_when: "more than one core, or a few requests that take milliseconds",
    settings: &[SPIN],
    has_one_worker: true,
    start,
};

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let listener = setup.listen_once()?;
    setup.spawn_loop(server, 0, Intake::Own(listener))?;
    Ok(())
}
