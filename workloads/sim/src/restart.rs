//! A server that is slow after a start and recovers: cold caches, lazy set-up, a compiler that has not warmed.
//!
//! A measurement that does not wait for steady state sees the start and not the server.

use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};
use crate::station::Servers;

/// A station whose services are longer at first.
#[derive(Debug)]
pub(crate) struct SlowRestart {
    servers: Servers,
    services: Services,
    slow_factor: f64,
    recovery: u64,
    /// Time lived in earlier trials since the start.
    lived: u64,
    latest: u64,
}

impl SlowRestart {
    /// A server just started: services `slow_factor` times as long, falling to normal in a straight line over
    /// `recovery` nanoseconds of its life.
    pub(crate) fn new(servers: usize, law: Law, slow_factor: f64, recovery: u64, seed: u64) -> SlowRestart {
        let services = Services::new(law, seed);
        SlowRestart { servers: Servers::new(servers), services, slow_factor, recovery, lived: 0, latest: 0 }
    }

    fn factor(&self, now: u64) -> f64 {
        let age = self.lived + now;
        if age >= self.recovery {
            return 1.0;
        }
        1.0 + (self.slow_factor - 1.0) * (1.0 - age as f64 / self.recovery as f64)
    }
}

impl VirtualServer for SlowRestart {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        self.latest = arrival.0;
        let service = (self.services.time(id) as f64 * self.factor(arrival.0)).round() as u64;
        Some(Nanos(self.servers.serve(arrival.0, service)))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.lived += self.latest;
        self.latest = 0;
        self.servers.clear();
        self.services.reseed(seed);
    }

    fn utilisation(&self, now: Nanos) -> f64 {
        self.servers.utilisation(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_recovers_once_and_stays_recovered() {
        let mut server = SlowRestart::new(1, Law::Fixed(100), 3.0, 10_000, 1);
        assert_eq!(server.complete(Nanos(0), 0), Some(Nanos(300)));
        assert_eq!(server.complete(Nanos(5_000), 1), Some(Nanos(5_200)));
        server.begin_trial(2);
        assert_eq!(server.complete(Nanos(0), 0), Some(Nanos(200)), "age goes on through trials");
        assert_eq!(server.complete(Nanos(5_000), 1), Some(Nanos(5_100)));
    }
}
