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

use std::net::TcpStream;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use corecurve_core::Problem;
use rustix::net::SocketFlags;

use super::{SPIN, Setup};
use crate::config::{ServeConfig, Setting, reads};
use crate::handler::Site;
use crate::registry::{Architecture, QueueDiscipline};
use crate::runtime::RunningServer;
use crate::runtime::acceptor::Acceptor;
use crate::runtime::event_loop::Intake;
use crate::runtime::listener::listen;
use crate::runtime::server::Wake;

/// The registered row: by turns unless the policy is set.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "acceptor-handoff",
    summary: "one thread accepts and hands connections to pinned event loops, by turns",
    queue_discipline: QueueDiscipline::Partitioned,
    failure_mode: "the acceptor is the ceiling when connections are short, and even counts are not even load",
    settings: &[POLICY, SPIN],
    start,
};

/// The same with `policy=least-connections`, as a row of its own so that both can stand in one sweep.
pub const LEAST_CONNECTIONS: Architecture = Architecture {
    name: "acceptor-handoff-least",
    summary: "one thread accepts and hands each connection to the event loop that has the fewest",
    queue_discipline: QueueDiscipline::Partitioned,
    failure_mode: "the acceptor is the ceiling when connections are short, and a quiet connection counts like a busy one",
    settings: &[SPIN],
    start: start_least,
};

const POLICY: Setting = Setting {
    name: "policy",
    default: "round-robin",
    summary: "who gets the next connection: round-robin or least-connections",
    check: reads::<Policy>,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    RoundRobin,
    LeastConnections,
}

impl FromStr for Policy {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Policy, Problem> {
        match text {
            "round-robin" => Ok(Policy::RoundRobin),
            "least-connections" => Ok(Policy::LeastConnections),
            _ => Err(Problem::unknown("policy", text, ["round-robin", "least-connections"], "")),
        }
    }
}

fn start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    start_with(config, ARCHITECTURE.name, config.setting(&POLICY)?)
}

fn start_least(config: &ServeConfig) -> Result<RunningServer, Problem> {
    start_with(config, LEAST_CONNECTIONS.name, Policy::LeastConnections)
}

fn start_with(config: &ServeConfig, name: &'static str, policy: Policy) -> Result<RunningServer, Problem> {
    let setup = Setup::new(config, name, &config.seats)?;
    let (listeners, addr) = listen(config, 1)?;
    let mut server = setup.server(addr);
    let mut workers = Vec::with_capacity(config.seats.len());
    for (index, seat) in config.seats.iter().enumerate() {
        let (inbox, outlet) = channel();
        let wake = setup.spawn_loop(&mut server, index, *seat, Intake::Inbox(outlet))?;
        workers.push(Hand { inbox, wake, given: 0 });
    }
    for listener in listeners {
        let (site, control, workers) = (setup.site.clone(), setup.control.clone(), std::mem::take(&mut workers));
        server.spawn("acceptor", config.seats.first().copied(), move || {
            let (wake, acceptor) = Acceptor::new(listener, control)?;
            let mut dealer = Dealer { policy, workers, next: 0, site: site.clone() };
            Ok((wake, move || {
                acceptor.run(SocketFlags::NONBLOCK, |stream| dealer.deal(stream), || site.stats.count_paused());
            }))
        })?;
    }
    Ok(server)
}

/// The acceptor's end of one worker.
struct Hand {
    inbox: Sender<TcpStream>,
    wake: Wake,
    /// Connections given so far. Less those the worker has closed, this is what it has, even if it has
    /// not yet looked into its inbox.
    given: u64,
}

struct Dealer {
    policy: Policy,
    workers: Vec<Hand>,
    next: usize,
    site: Arc<Site>,
}

impl Dealer {
    fn deal(&mut self, stream: TcpStream) {
        let chosen = match self.policy {
            Policy::RoundRobin => self.next,
            Policy::LeastConnections => self.least(),
        };
        self.next = (chosen + 1) % self.workers.len();
        let hand = &mut self.workers[chosen];
        // The worker is gone only when the server stops; then the connection is closed here.
        if hand.inbox.send(stream).is_ok() {
            hand.given += 1;
            (hand.wake)();
        }
    }

    /// The worker with the fewest connections; among equals the next in turn.
    fn least(&self) -> usize {
        let count = self.workers.len();
        let turn = (0..count).map(|offset| (self.next + offset) % count);
        let open = |index: usize| self.workers[index].given.saturating_sub(self.site.stats.worker(index).closed());
        turn.min_by_key(|&index| open(index)).unwrap_or(0)
    }
}
