//! A queue of its own for every server, as in a thread-per-core server: work is never shared.

use corecurve_core::rng::mix;
use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};
use crate::station::Servers;

/// Keeps the choice of queue apart from the service times.
const ROUTE_STREAM: u64 = 0x0207_0e5e;

/// How an operation finds its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// At random, independent for each operation: every queue sees a Poisson share.
    Random,
    /// By a hash of its connection, one of so many: the shares are as unequal as chance makes them, and stay so.
    Connection(u64),
}

/// Several single-server queues.
#[derive(Debug)]
pub(crate) struct Partitioned {
    queues: Vec<Servers>,
    services: Services,
    route: Route,
    /// Seed of the connection hash: one for the life of the server, as connections are.
    hash_seed: u64,
    route_seed: u64,
}

impl Partitioned {
    /// So many queues with one server each.
    pub(crate) fn new(queues: usize, law: Law, route: Route, seed: u64) -> Partitioned {
        let route_seed = mix(seed, ROUTE_STREAM);
        Partitioned {
            queues: vec![Servers::new(1); queues.max(1)],
            services: Services::new(law, seed),
            route,
            hash_seed: route_seed,
            route_seed,
        }
    }

    #[inline]
    fn queue_of(&self, id: u64) -> usize {
        let bits = mix(self.route_seed, id);
        let bits = match self.route {
            Route::Random => bits,
            Route::Connection(connections) => mix(self.hash_seed, scaled(bits, connections)),
        };
        scaled(bits, self.queues.len() as u64) as usize
    }
}

/// A number below `n` from 64 random bits, by multiplication (no division, bias below 2^-32 for any n here).
fn scaled(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

impl VirtualServer for Partitioned {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        let queue = self.queue_of(id);
        Some(Nanos(self.queues[queue].serve(arrival.0, self.services.time(id))))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.queues.iter_mut().for_each(Servers::clear);
        self.services.reseed(seed);
        self.route_seed = mix(mix(self.hash_seed, seed), ROUTE_STREAM);
    }

    fn utilisation(&self, now: Nanos) -> f64 {
        self.queues.iter().map(|queue| queue.utilisation(now.0)).sum::<f64>() / self.queues.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(route: Route) -> Vec<f64> {
        let server = Partitioned::new(8, Law::Fixed(1), route, 11);
        let mut counts = vec![0.0; 8];
        (0..80_000).for_each(|id| counts[server.queue_of(id)] += 1.0 / 80_000.0);
        counts
    }

    #[test]
    fn random_routing_is_even_and_hashing_few_connections_is_not() {
        let even = shares(Route::Random);
        assert!(even.iter().all(|share| (share - 0.125).abs() < 0.01), "{even:?}");
        let uneven = shares(Route::Connection(16));
        let largest = uneven.iter().copied().fold(0.0, f64::max);
        assert!(largest > 0.18, "{uneven:?}");
    }
}
