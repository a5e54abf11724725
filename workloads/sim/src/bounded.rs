//! A single server with a queue of limited length: what finds it full is never answered (M/M/1/K).
//!
//! Latency stays bounded whatever the load, so only counting the unanswered shows the overload.

use std::collections::VecDeque;

use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};
use crate::station::Servers;

/// A station that turns away what finds `room` operations in it.
#[derive(Debug)]
pub(crate) struct Bounded {
    servers: Servers,
    services: Services,
    room: usize,
    /// Completions of those in the system, ascending (one server keeps the order); never grows beyond `room`.
    inside: VecDeque<u64>,
}

impl Bounded {
    /// A server with room for so many operations, the one in service included.
    pub(crate) fn new(law: Law, room: usize, seed: u64) -> Bounded {
        let inside = VecDeque::with_capacity(room + 1);
        Bounded { servers: Servers::new(1), services: Services::new(law, seed), room, inside }
    }
}

impl VirtualServer for Bounded {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        while self.inside.front().is_some_and(|done| *done <= arrival.0) {
            self.inside.pop_front();
        }
        if self.inside.len() >= self.room {
            return None;
        }
        let done = self.servers.serve(arrival.0, self.services.time(id));
        self.inside.push_back(done);
        Some(Nanos(done))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.servers.clear();
        self.services.reseed(seed);
        self.inside.clear();
    }

    fn utilisation(&self, now: Nanos) -> f64 {
        self.servers.utilisation(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_it_full_is_never_answered() {
        let mut server = Bounded::new(Law::Fixed(10), 2, 1);
        let done: Vec<Option<Nanos>> = [0, 1, 2, 10].iter().map(|at| server.complete(Nanos(*at), *at)).collect();
        assert_eq!(done, [Some(Nanos(10)), Some(Nanos(20)), None, Some(Nanos(30))]);
    }
}
