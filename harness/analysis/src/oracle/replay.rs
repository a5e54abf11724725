//! Lindley's recursion over given arrivals and services: what an ideal queue would have done with the very same work.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use corecurve_core::Nanos;

/// Sojourn of each operation in a first-come-first-served queue with `servers` servers: W' = max(0, W + S − A) for
/// one, Kiefer–Wolfowitz for several. No distribution is assumed, so measured minus replayed is the measurement's
/// and the server's own overhead, operation by operation.
///
/// Served in the order given; the shorter of the two slices ends it. Costs n log(servers).
pub fn replay(arrivals: &[Nanos], services: &[Nanos], servers: usize) -> Vec<Nanos> {
    let mut free: BinaryHeap<Reverse<Nanos>> = (0..servers.max(1)).map(|_| Reverse(Nanos::ZERO)).collect();
    let mut sojourns = Vec::with_capacity(arrivals.len().min(services.len()));
    for (arrival, service) in arrivals.iter().zip(services) {
        let earliest = free.pop().map_or(Nanos::ZERO, |Reverse(at)| at);
        let done = earliest.max(*arrival) + *service;
        free.push(Reverse(done));
        sojourns.push(done - *arrival);
    }
    sojourns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(values: &[u64]) -> Vec<Nanos> {
        values.iter().copied().map(Nanos).collect()
    }

    #[test]
    fn follows_the_work_by_hand() {
        let (arrivals, services) = (nanos(&[0, 1, 2, 30]), nanos(&[10, 4, 3, 5]));
        assert_eq!(replay(&arrivals, &services, 1), nanos(&[10, 13, 15, 5]));
        assert_eq!(replay(&arrivals, &services, 2), nanos(&[10, 4, 6, 5]));
        assert_eq!(replay(&arrivals[..2], &services, 0), nanos(&[10, 13]));
    }

    #[test]
    fn long_runs_have_the_tail_of_the_closed_form() {
        let mut rng = corecurve_core::rng::stream(4, 2);
        let mut draw = |mean: f64| -mean * corecurve_core::rng::unit_open(rand::Rng::next_u64(&mut rng)).ln();
        let (mut at, mut arrivals, mut services) = (0.0, Vec::new(), Vec::new());
        for _ in 0..400_000 {
            at += draw(250.0);
            arrivals.push(Nanos(at as u64));
            services.push(Nanos(draw(400.0) as u64));
        }
        for (servers, t) in [(2usize, 2_000.0), (4, 1_000.0)] {
            let over = replay(&arrivals, &services, servers).iter().filter(|s| s.0 as f64 > t).count();
            let known = crate::oracle::mmc_sojourn_tail(1.0 / 400.0, servers, 1.0 / 250.0, t);
            assert!((over as f64 / 400_000.0 / known - 1.0).abs() < 0.12, "{servers}: {over} {known}");
        }
    }
}
