//! A station: one queue, c servers, first come first served.
//!
//! Kiefer–Wolfowitz: keep the instants at which the servers become free; an arrival takes the earliest. With one
//! server that is Lindley's recursion. No event list, no queue to store: 10–30 ns an operation, no allocation.

use corecurve_core::{Nanos, VirtualServer};

use crate::service::{Law, Services};

/// When each server becomes free, as a binary min-heap.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    free: Vec<u64>,
    busy: u64,
}

impl Servers {
    /// `count` idle servers, at least one.
    pub(crate) fn new(count: usize) -> Servers {
        Servers { free: vec![0; count.max(1)], busy: 0 }
    }

    /// Everything idle again at time zero.
    pub(crate) fn clear(&mut self) {
        self.free.fill(0);
        self.busy = 0;
    }

    /// How long an arrival at this instant would wait, nanoseconds.
    #[inline]
    pub(crate) fn wait(&self, arrival: u64) -> u64 {
        self.free[0].saturating_sub(arrival)
    }

    /// Serves an arrival; its completion.
    #[inline]
    pub(crate) fn serve(&mut self, arrival: u64, service: u64) -> u64 {
        let done = self.free[0].max(arrival) + service;
        self.busy += service;
        self.replace_earliest(done);
        done
    }

    #[inline]
    fn replace_earliest(&mut self, done: u64) {
        let free = &mut self.free[..];
        let mut hole = 0;
        loop {
            let left = 2 * hole + 1;
            if left >= free.len() {
                break;
            }
            let right = left + 1;
            let child = if right < free.len() && free[right] < free[left] { right } else { left };
            if free[child] >= done {
                break;
            }
            free[hole] = free[child];
            hole = child;
        }
        free[hole] = done;
    }

    /// Share of server time spent serving up to `now`. What has been taken on beyond `now` is contiguous with
    /// it, because nothing arrives in the future, so it is simply taken off.
    pub(crate) fn utilisation(&self, now: u64) -> f64 {
        if now == 0 {
            return 0.0;
        }
        let beyond: u64 = self.free.iter().map(|free| free.saturating_sub(now)).sum();
        (self.busy.saturating_sub(beyond)) as f64 / (now as f64 * self.free.len() as f64)
    }
}

/// The station as a target: M/M/c, M/D/1, M/G/1 by its service law.
#[derive(Debug)]
pub(crate) struct Station {
    servers: Servers,
    services: Services,
}

impl Station {
    /// A station with so many servers.
    pub(crate) fn new(servers: usize, law: Law, seed: u64) -> Station {
        Station { servers: Servers::new(servers), services: Services::new(law, seed) }
    }
}

impl VirtualServer for Station {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        Some(Nanos(self.servers.serve(arrival.0, self.services.time(id))))
    }

    fn begin_trial(&mut self, seed: u64) {
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
    fn two_servers_serve_two_at_once_and_the_third_waits() {
        let mut servers = Servers::new(2);
        assert_eq!([servers.serve(0, 10), servers.serve(1, 4), servers.serve(2, 3)], [10, 5, 8]);
        assert_eq!(servers.wait(6), 2);
        assert_eq!(servers.utilisation(10), 17.0 / 20.0);
        assert_eq!(servers.utilisation(4), (4.0 + 3.0) / 8.0);
        servers.clear();
        assert_eq!((servers.wait(0), servers.utilisation(5)), (0, 0.0));
    }

    #[test]
    fn the_heap_agrees_with_a_plain_scan() {
        let mut rng = corecurve_core::rng::stream(5, 0);
        for count in [1usize, 2, 3, 7, 16, 33] {
            let mut servers = Servers::new(count);
            let mut plain = vec![0u64; count];
            let mut now = 0;
            for _ in 0..2_000 {
                now += rand::Rng::next_u64(&mut rng) % 50;
                let service = rand::Rng::next_u64(&mut rng) % (90 * count as u64);
                let earliest = (0..count).min_by_key(|&i| plain[i]).unwrap();
                plain[earliest] = plain[earliest].max(now) + service;
                assert_eq!(servers.serve(now, service), plain[earliest]);
            }
        }
    }
}
