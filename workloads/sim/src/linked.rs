//! A link in front of a server: whichever carries less is the capacity.
//!
//! Times on the link are exponential, so its departures are Poisson again (Burke 1956) and an operation's times in
//! the two stations are independent (Reich 1963, Burke 1969): the sum has a closed form.

use corecurve_core::rng::mix;
use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};
use crate::station::Servers;

/// Keeps the link's times apart from the servers'.
const LINK_STREAM: u64 = 0x11_4c;

/// A single-server station, then a station with c servers.
#[derive(Debug)]
pub(crate) struct Linked {
    link: Servers,
    link_times: Services,
    servers: Servers,
    services: Services,
}

impl Linked {
    /// A link with this mean time per operation, nanoseconds, before so many servers.
    pub(crate) fn new(servers: usize, law: Law, link_ns: f64, seed: u64) -> Linked {
        Linked {
            link: Servers::new(1),
            link_times: Services::new(Law::Exp(link_ns), mix(seed, LINK_STREAM)),
            servers: Servers::new(servers),
            services: Services::new(law, seed),
        }
    }
}

impl VirtualServer for Linked {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        // A single server keeps the order, so arrivals at the second station ascend as well.
        let through = self.link.serve(arrival.0, self.link_times.time(id));
        Some(Nanos(self.servers.serve(through, self.services.time(id))))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.link.clear();
        self.servers.clear();
        self.link_times.reseed(mix(seed, LINK_STREAM));
        self.services.reseed(seed);
    }

    /// Of the servers: a full link leaves them idle, which is what makes it visible as the bottleneck.
    fn utilisation(&self, now: Nanos) -> f64 {
        self.servers.utilisation(now.0).min(1.0)
    }
}
