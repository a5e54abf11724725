//! `acceptor-handoff`: one thread accepts and hands each connection to a worker.
//!
//! The acceptor owns the only listener. It picks a worker, by turns (`policy=round-robin`) or the one with
//! the fewest open connections (`policy=least-connections`), puts the connection in that worker's inbox and
//! wakes its event loop through an event descriptor. From then on the connection stays there. memcached,
//! Seastar's POSIX stack, HAProxy and Envoy's exact balance do this. The acceptor shares the first core with
//! the first worker, as it does in those when no core is spared for it.
//!
//! **Queue discipline**: partitioned, with connections spread evenly instead of by chance. Round-robin
//! evens out how many connections each worker was given; least-connections also evens out how many it
//! still has, which differs as soon as connections live for different times.
//!
//! **Failure mode**: every connection costs a write and a wake-up of another core on top of the accept, and
//! all accepts go through one thread: with short connections that thread is the ceiling, and it takes its
//! time from the worker it shares a core with. Even counts are not even load: the policy does not know
//! which connections are busy.
//!
//! **The workload that shows it**: one request per connection; or a few connections that carry most requests.
//!
//! **What it does not show**: an acceptor with a core of its own, which would cost one worker.

use corecurve_core::Problem;

use crate::config::{Setting, reads};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::dealer::{self, Policy};
use crate::runtime::setup::{SPIN, Setup};

/// The registered row: by turns unless the policy is set.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "acceptor-handoff",
    summary: "one thread accepts and hands connections to pinned event loops, by turns",
    accept_path: AcceptPath::HandOff,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "the acceptor is the ceiling when connections are short, and even counts are not even load",
    exposed_by: &["tcp", "k-per-conn", "elephant", "elephant-bytes"],
    exposed_when: "short connections; connections of which a few carry most",
    settings: &[POLICY, SPIN],
    has_one_worker: false,
    start,
};

/// The same with `policy=least-connections`, as a row of its own so that both can stand in one sweep.
pub const LEAST_CONNECTIONS: Architecture = Architecture {
    name: "acceptor-handoff-least",
    summary: "one thread accepts and hands each connection to the event loop that has the fewest",
    accept_path: AcceptPath::HandOff,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "the acceptor is the ceiling when connections are short, and a quiet connection counts like a busy one",
    exposed_by: &["tcp", "k-per-conn"],
    exposed_when: "short connections",
    settings: &[SPIN],
    has_one_worker: false,
    start: start_least,
};

const POLICY: Setting = Setting {
    name: "policy",
    default: "round-robin",
    summary: "who gets the next connection: round-robin or least-connections",
    check: reads::<Policy>,
};

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let policy = setup.config.setting(&POLICY)?;
    start_with(setup, server, policy)
}

fn start_least(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    start_with(setup, server, Policy::LeastConnections)
}

fn start_with(setup: &mut Setup<'_>, server: &mut RunningServer, policy: Policy) -> Result<(), Problem> {
    let listener = setup.listen_once()?;
    dealer::spawn(setup, server, "acceptor", listener, 0..setup.seats.len(), policy)
}
