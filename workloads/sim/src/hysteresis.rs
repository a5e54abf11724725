//! A server that, once its backlog has passed a mark, stays slow until it has been nearly idle for a while.
//!
//! Like a cache that thrashes or a collector that falls behind. What it does at a rate depends on what it has been
//! through: a small load fails after a large one, and the same load passes on a fresh server (loss inversion).

use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};
use crate::station::Servers;

/// The marks between which the server changes its pace, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// A wait above this makes it slow.
    pub(crate) high: u64,
    /// A wait above this keeps it slow.
    pub(crate) low: u64,
    /// It recovers after waits have stayed at or below `low` for so long.
    pub(crate) hold: u64,
}

/// A station with two paces and a memory.
#[derive(Debug)]
pub(crate) struct Hysteresis {
    servers: Servers,
    services: Services,
    slow_factor: f64,
    marks: Marks,
    slow: bool,
    calm_since: u64,
}

impl Hysteresis {
    /// A fresh server, at its normal pace.
    pub(crate) fn new(servers: usize, law: Law, slow_factor: f64, marks: Marks, seed: u64) -> Hysteresis {
        let services = Services::new(law, seed);
        Hysteresis { servers: Servers::new(servers), services, slow_factor, marks, slow: false, calm_since: 0 }
    }

    fn notice(&mut self, now: u64, wait: u64) {
        if wait > self.marks.low {
            self.calm_since = now;
        }
        if wait > self.marks.high {
            self.slow = true;
        } else if self.slow && now.saturating_sub(self.calm_since) >= self.marks.hold {
            self.slow = false;
        }
    }
}

impl VirtualServer for Hysteresis {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        self.notice(arrival.0, self.servers.wait(arrival.0));
        let service = self.services.time(id);
        let service = if self.slow { (service as f64 * self.slow_factor).round() as u64 } else { service };
        Some(Nanos(self.servers.serve(arrival.0, service)))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.servers.clear();
        self.services.reseed(seed);
        self.calm_since = 0;
    }

    fn utilisation(&self, now: Nanos) -> f64 {
        self.servers.utilisation(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_is_remembered_into_the_next_trial_and_a_calm_spell_heals() {
        let marks = Marks { high: 1_000, low: 100, hold: 5_000 };
        let mut server = Hysteresis::new(1, Law::Fixed(100), 3.0, marks, 1);
        let sojourn = |server: &mut Hysteresis, at: u64, id| server.complete(Nanos(at), id).unwrap().0 - at;
        assert_eq!(sojourn(&mut server, 0, 0), 100);
        for id in 1..30 {
            server.complete(Nanos(1), id);
        }
        server.begin_trial(2);
        assert_eq!(sojourn(&mut server, 0, 0), 300, "still slow although its queue is empty");
        assert_eq!(sojourn(&mut server, 6_000, 1), 100, "calm for long enough");
    }
}
