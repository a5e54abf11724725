//! Closed forms of queues: what a simulated target must do, and what an ideal server could.
//!
//! Everything here is for Poisson arrivals served first come first served. Times are seconds, rates per second.
//! Sources are beside each formula; [`replay`] needs none, because it follows the very same operations.

mod mg1;
mod mmc;
mod replay;

use corecurve_core::{Limit, QueueLaw, Slo};

pub use mg1::{md1_wait_tail, mixture_wait};
pub use mmc::{erlang_c, mmc_sojourn_tail, tandem_sojourn_tail};
pub use replay::replay;

/// Share of operations whose sojourn exceeds `t_s` seconds in steady state at `rate_per_s`; one at or above capacity.
///
/// Costs microseconds, except for [`QueueLaw::Mixture`]: milliseconds.
pub fn sojourn_tail(law: &QueueLaw, rate_per_s: f64, t_s: f64) -> f64 {
    if rate_per_s >= law.capacity_per_s() {
        return 1.0;
    }
    match law {
        QueueLaw::Shared { mean_ns, servers } => mmc_sojourn_tail(1e9 / mean_ns, *servers, rate_per_s, t_s),
        QueueLaw::Partitioned { mean_ns, servers } => {
            mmc_sojourn_tail(1e9 / mean_ns, 1, rate_per_s / *servers as f64, t_s)
        }
        QueueLaw::Fixed { mean_ns } => md1_sojourn_tail(mean_ns / 1e9, rate_per_s, t_s),
        QueueLaw::Mixture { services } => mg1::mixture_sojourn_tail(services, rate_per_s, t_s),
        QueueLaw::Linked { mean_ns, servers, link_ns } => {
            tandem_sojourn_tail(1e9 / link_ns, 1e9 / mean_ns, *servers, rate_per_s, t_s)
        }
    }
}

/// M/D/1: the wait plus the one service time there is.
fn md1_sojourn_tail(service_s: f64, rate_per_s: f64, t_s: f64) -> f64 {
    if t_s < service_s { 1.0 } else { md1_wait_tail(service_s, rate_per_s, t_s - service_s) }
}

/// The MAT, per second: the rate at which a share `1 - quantile` of sojourns exceeds `limit_s`.
///
/// `None` when even an idle queue breaks the limit. For one server with exponential services this is
/// μ − ln(1/(1−p))/limit; for the others the root is found by bisection, to a relative 10⁻¹⁰
/// ([`QueueLaw::Mixture`]: 10⁻⁷, in about a tenth of a second).
pub fn mat(law: &QueueLaw, quantile: f64, limit_s: f64) -> Option<f64> {
    let allowed = 1.0 - quantile;
    let capacity = law.capacity_per_s();
    let mut low = capacity * 1e-9;
    if sojourn_tail(law, low, limit_s) > allowed {
        return None;
    }
    let mut high = capacity;
    let precision = if matches!(law, QueueLaw::Mixture { .. }) { 1e-7 } else { 1e-10 };
    while high - low > precision * high {
        let middle = 0.5 * (low + high);
        if sojourn_tail(law, middle, limit_s) <= allowed { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

/// The MAT at an SLO, a relative limit being a multiple of the law's own no-load mean.
pub fn mat_at(law: &QueueLaw, slo: &Slo) -> Option<f64> {
    let limit_ns = match slo.limit {
        Limit::Absolute(limit) => limit.0 as f64,
        Limit::TimesNoLoad(factor) => law.no_load_ns() * factor,
    };
    mat(law, slo.quantile, limit_ns / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN_NS: f64 = 200_000.0;

    #[test]
    fn one_exponential_server_has_the_mat_of_the_textbook() {
        let law = QueueLaw::Shared { mean_ns: MEAN_NS, servers: 1 };
        let found = mat(&law, 0.99, 0.002).unwrap();
        let known = 5_000.0 - 100f64.ln() / 0.002;
        assert!((found / known - 1.0).abs() < 1e-9, "{found} {known}");
        // The reference's examples: μ = 100k/s and 20k/s with p99 < 1 ms.
        let at = |mean_ns| mat(&QueueLaw::Shared { mean_ns, servers: 1 }, 0.99, 0.001).unwrap();
        assert!((at(10_000.0) - 95_394.8).abs() < 0.05);
        assert!((at(50_000.0) - 15_394.8).abs() < 0.05);
        assert_eq!(mat(&law, 0.99, 0.0005), None, "an idle server already breaks it");
    }

    /// Share of capacity at which p99 is k mean service times, by cores that share one queue.
    #[test]
    fn golden_table_of_shared_queues() {
        let golden: [(usize, [f64; 4]); 5] = [
            (1, [23.2, 53.9, 77.0, 95.4]),
            (2, [54.4, 75.8, 88.3, 97.7]),
            (4, [75.0, 87.5, 94.1, 98.8]),
            (8, [86.7, 93.6, 97.0, 99.4]),
            (16, [93.0, 96.8, 98.5, 99.7]),
        ];
        // Five services is less than ln(100) on no queue at all, so k = 6 is the table's tightest.
        for (servers, row) in golden {
            for (k, percent) in [6.0, 10.0, 20.0, 100.0].into_iter().zip(row) {
                let law = QueueLaw::Shared { mean_ns: MEAN_NS, servers };
                let share = 100.0 * mat(&law, 0.99, k * MEAN_NS / 1e9).unwrap() / law.capacity_per_s();
                assert!((share - percent).abs() <= 0.1, "{servers} cores, k={k}: {share:.2} against {percent}");
            }
        }
    }

    #[test]
    fn partitioned_queues_scale_exactly_and_gain_nothing() {
        let one = QueueLaw::Shared { mean_ns: MEAN_NS, servers: 1 };
        let sixteen = QueueLaw::Partitioned { mean_ns: MEAN_NS, servers: 16 };
        let ratio = mat(&sixteen, 0.99, 0.002).unwrap() / mat(&one, 0.99, 0.002).unwrap();
        assert!((ratio - 16.0).abs() < 1e-6);
    }

    #[test]
    fn tails_fall_with_time_and_rise_with_load() {
        let laws = [
            QueueLaw::Shared { mean_ns: MEAN_NS, servers: 4 },
            QueueLaw::Partitioned { mean_ns: MEAN_NS, servers: 4 },
            QueueLaw::Fixed { mean_ns: MEAN_NS },
            QueueLaw::Mixture { services: vec![(100_000.0, 0.9), (1_000_000.0, 0.1)] },
            QueueLaw::Linked { mean_ns: MEAN_NS, servers: 4, link_ns: 60_000.0 },
        ];
        for law in laws {
            let capacity = law.capacity_per_s();
            for share in [0.1, 0.4, 0.7, 0.9] {
                let tail = |share: f64, t_ms: f64| sojourn_tail(&law, share * capacity, t_ms / 1e3);
                for t_ms in [0.3, 1.0, 2.0, 5.0] {
                    assert!((0.0..=1.0).contains(&tail(share, t_ms)), "{law:?}");
                    assert!(tail(share, t_ms + 0.2) <= tail(share, t_ms) + 1e-12, "{law:?} at {share} and {t_ms} ms");
                    assert!(tail(share + 0.05, t_ms) >= tail(share, t_ms) - 1e-12, "{law:?} at {share} and {t_ms} ms");
                }
            }
            assert_eq!(sojourn_tail(&law, capacity, 1.0), 1.0);
        }
    }

    #[test]
    fn a_relative_slo_uses_the_laws_own_mean() {
        let law = QueueLaw::Shared { mean_ns: MEAN_NS, servers: 1 };
        let (relative, absolute): (Slo, Slo) = ("p99<10x".parse().unwrap(), "p99<2ms".parse().unwrap());
        assert_eq!(mat_at(&law, &relative), mat_at(&law, &absolute));
    }
}
