//! `thread-per-core`: one event loop per core, each with a listener of its own.
//!
//! Every worker opens its own listening socket on the same port with `SO_REUSEPORT`, and the kernel picks
//! the socket by a hash of the connection's four-tuple when the SYN arrives. After that nothing is shared:
//! a connection lives and dies on its worker, and no lock, queue or cache line is touched by two of them.
//! nginx with `reuseport`, Seastar, glommio and monoio are built this way.
//!
//! **Queue discipline**: partitioned. With c workers these are c separate M/G/1 queues, so a request can
//! wait behind another while a worker next door is idle. With exponential service and a limit of ten times
//! the mean on the 99th percentile, a partitioned server reaches 53.9 % of its capacity, however many cores
//! it has; a shared queue over 16 cores reaches 96.8 %.
//!
//! **Failure mode**: the hash neither knows nor cares how busy a worker is. Few connections per worker
//! spread unevenly (64 connections on 8 workers: the fullest has 1.5 times its share on average), long-lived
//! ones stay that way, and a worker stuck in one slow request strands everything the kernel queued for it.
//!
//! **The workload that shows it**: few long-lived connections, or `work` with `dist=bimodal` under a tight SLO.
//!
//! **What it does not show**: what a hash that follows the network card would do; on loopback nothing is
//! steered, and the receiving work is done on the sender's core (see `reuseport-cpu`).

use corecurve_core::Problem;

use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::event_loop::Intake;
use crate::runtime::setup::{SPIN, Setup};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "thread-per-core",
    summary: "an event loop and an SO_REUSEPORT listener per pinned core; nothing shared",
    accept_path: AcceptPath::HashedListeners,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "the kernel's hash spreads few connections unevenly, and a slow request strands those behind it",
    exposed_by: &["bimodal", "work", "blocker", "keepalive"],
    exposed_when: "few long-lived connections, or a tight SLO",
    settings: &[SPIN],
    has_one_worker: false,
    start,
};

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    for (index, listener) in setup.listen(setup.seats.len())?.into_iter().enumerate() {
        setup.spawn_loop(server, index, Intake::Own(listener))?;
    }
    Ok(())
}
