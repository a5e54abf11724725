//! `shared-accept`: one listener that every worker's event loop waits on.
//!
//! The workers share a single listening socket, registered in each worker's own epoll with
//! `EPOLLEXCLUSIVE`, so that a new connection wakes one of them instead of all (the thundering herd of
//! pre-fork servers before Linux 4.5). Whoever wakes accepts, and keeps the connection for its life.
//! nginx without `reuseport` works like this, and so do many servers that fork after listening.
//!
//! **Queue discipline**: partitioned once a connection is accepted; shared only for the accept itself.
//!
//! **Failure mode**: the kernel wakes the worker that went to sleep last, so under light load one worker
//! takes nearly every new connection (a production box of eight showed 349, 17, 4, 0, 0, 0, 0, 0). With
//! keep-alive those connections stay there, and when load rises one core is full while others sleep.
//! nginx softens this by registering the listener anew every 16 accepts; here it is left as it is.
//!
//! **The workload that shows it**: many keep-alive connections opened at low load, then a step in load.
//!
//! **What it does not show**: the thundering herd itself; there is no mode without `EPOLLEXCLUSIVE`.

use std::sync::Arc;

use corecurve_core::Problem;

use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::event_loop::Intake;
use crate::runtime::setup::{SPIN, Setup};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "shared-accept",
    summary: "an event loop per pinned core, all waiting on one listener with EPOLLEXCLUSIVE",
    accept_path: AcceptPath::SharedListener,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "the last worker to sleep is woken first, so one worker collects the long-lived connections",
    exposed_by: &["lifo-trap"],
    exposed_when: "connections opened at low load, then a step in load, on more than one core",
    settings: &[SPIN],
    has_one_worker: false,
    start,
};

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let listener = Arc::new(setup.listen_once()?);
    for index in 0..setup.seats.len() {
        setup.spawn_loop(server, index, Intake::Exclusive(listener.clone()))?;
    }
    Ok(())
}
