//! A thread that accepts and hands connections to event loops: by turns, or to the one that has the fewest.

use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use corecurve_core::Problem;
use rustix::net::SocketFlags;

use super::RunningServer;
use super::acceptor::Acceptor;
use super::event_loop::Intake;
use super::server::Wake;
use super::setup::Setup;
use crate::handler::Site;

/// Who gets the next connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The next in turn.
    RoundRobin,
    /// Whoever has the fewest open; among equals the next in turn.
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

/// Starts the event loops of `workers` and an acceptor on the first one's seat that deals out what comes to `listener`.
///
/// # Errors
/// When a thread cannot be started, pinned or set up.
pub(crate) fn spawn(
    setup: &Setup<'_>,
    server: &mut RunningServer,
    name: &str,
    listener: TcpListener,
    workers: Range<usize>,
    policy: Policy,
) -> Result<(), Problem> {
    let seat = setup.seats.get(workers.start).copied();
    let mut hands = Vec::with_capacity(workers.len());
    for worker in workers {
        let (inbox, outlet) = channel();
        let wake = setup.spawn_loop(server, worker, Intake::Inbox(outlet))?;
        hands.push(Hand { worker: setup.row(worker), inbox, wake, given: 0 });
    }
    let (site, control) = (setup.site.clone(), setup.control.clone());
    server.spawn(name, seat, move || {
        let (wake, acceptor) = Acceptor::new(listener, control)?;
        let mut dealer = Dealer { policy, hands, next: 0, site: site.clone() };
        Ok((wake, move || {
            acceptor.run(SocketFlags::NONBLOCK, |stream| dealer.deal(stream), || site.stats.count_paused());
        }))
    })?;
    Ok(())
}

/// The acceptor's end of one worker.
struct Hand {
    /// Its row in the counts.
    worker: usize,
    inbox: Sender<TcpStream>,
    wake: Wake,
    /// Connections given so far. Less those the worker has closed, this is what it has, even if it has
    /// not yet looked into its inbox.
    given: u64,
}

struct Dealer {
    policy: Policy,
    hands: Vec<Hand>,
    next: usize,
    site: Arc<Site>,
}

impl Dealer {
    fn deal(&mut self, stream: TcpStream) {
        let chosen = match self.policy {
            Policy::RoundRobin => self.next,
            Policy::LeastConnections => self.least(),
        };
        self.next = (chosen + 1) % self.hands.len();
        let hand = &mut self.hands[chosen];
        // The worker is gone only when the server stops; then the connection is closed here.
        if hand.inbox.send(stream).is_ok() {
            hand.given += 1;
            (hand.wake)();
        }
    }

    /// The worker with the fewest connections; among equals the next in turn.
    fn least(&self) -> usize {
        let count = self.hands.len();
        let turn = (0..count).map(|offset| (self.next + offset) % count);
        let closed = |hand: &Hand| self.site.stats.worker(hand.worker).closed();
        let open = |index: usize| self.hands[index].given.saturating_sub(closed(&self.hands[index]));
        turn.min_by_key(|&index| open(index)).unwrap_or(0)
    }
}
