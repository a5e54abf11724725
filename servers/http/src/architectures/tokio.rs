//! `tokio` and `tokio-per-core`: the same engine on the runtime most Rust servers use.
//!
//! A connection is a task: a future that reads, answers and writes, polled when its socket is ready. Parser, handlers and replies
//! are those of every other architecture, so what differs from `work-stealing` and `thread-per-core` is the runtime, not a
//! framework on top of it.
//!
//! * `tokio` is the multi-thread runtime with one pinned worker thread per core. One task accepts. Ready tasks are queued on the worker
//!   that polled the reactor, and idle workers steal them.
//! * `tokio-per-core` is a single-thread runtime on each pinned core with a listener of its own; nothing is shared. This is
//!   what actix-web and pingora's `no-steal` mode do.
//!
//! **Queue discipline**: `tokio` shared, as far as stealing goes: a worker that has found tasks takes them to its own queue, from
//! which idle ones steal all but the one in its LIFO slot: that one can wait behind a long request although a worker is free.
//! `tokio-per-core` partitioned.
//!
//! **Failure mode**: `tokio` wakes and searches for work across all workers, and one worker at a time drives the
//! reactor, so with few connections and tiny requests it costs more than it gives; what is spawned from outside goes through a
//! queue under one lock. `tokio-per-core` fails as `thread-per-core` does.
//!
//! **The workload that shows it**: `tokio`: tiny requests on few connections; `tokio-per-core`: few long-lived connections, or
//! `dist=bimodal` under a tight SLO.
//!
//! **What it does not show**: hyper, whose peer is in `servers/peers`; blocking work, which tokio would give to other threads.
//!
//! tokio comes with the cargo feature `tokio`, which the command line has by default. Without it both rows stay in
//! the table and are refused.

use corecurve_core::Problem;

use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::setup::Setup;
#[cfg(feature = "tokio")]
use crate::runtime::tasks;

/// The registered row of the multi-thread runtime.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "tokio",
    summary: "tokio's multi-thread runtime with pinned workers: a task per connection, stolen by idle workers",
    accept_path: AcceptPath::SharedListener,
    queue_discipline: QueueDiscipline::AlmostShared,
    scheduling: Scheduling::Stealing,
    io: IoKind::Tokio,
    failure_mode: "waking and searching for work costs more than it gives when requests are tiny and connections few",
    exposed_by: &["plaintext", "keepalive"],
    exposed_when: "few connections",
    settings: &[],
    has_one_worker: false,
    start,
};

/// The registered row of one single-thread runtime per core.
pub const PER_CORE: Architecture = Architecture {
    name: "tokio-per-core",
    summary: "a single-thread tokio runtime and an SO_REUSEPORT listener per pinned core; nothing shared",
    accept_path: AcceptPath::HashedListeners,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Tokio,
    failure_mode: "the kernel's hash spreads few connections unevenly, and a slow request strands those behind it",
    exposed_by: &["bimodal", "work", "blocker", "keepalive"],
    exposed_when: "few long-lived connections, or a tight SLO",
    settings: &[],
    has_one_worker: false,
    start: start_per_core,
};

#[cfg(feature = "tokio")]
fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let listener = setup.listen_once()?;
    tasks::spawn_multi_thread(setup, server, listener)
}

#[cfg(feature = "tokio")]
fn start_per_core(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    for (index, listener) in setup.listen(setup.seats.len())?.into_iter().enumerate() {
        tasks::spawn_single_thread(setup, server, index, listener)?;
    }
    Ok(())
}

#[cfg(not(feature = "tokio"))]
fn start(_: &mut Setup<'_>, _: &mut RunningServer) -> Result<(), Problem> {
    Err(Problem::new("this build has no tokio").help("build with the feature `tokio`, which is on by default"))
}

#[cfg(not(feature = "tokio"))]
fn start_per_core(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    start(setup, server)
}
