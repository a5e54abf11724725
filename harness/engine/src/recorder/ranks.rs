//! Percentiles by rank over everything that was scheduled, so that what never completed cannot be left out.

use corecurve_core::{Nanos, Quantile, Quantiles};
use hdrhistogram::Histogram;

/// Largest time a histogram holds. Longer ones are counted apart, rank above it and are over every limit.
pub const HIGHEST: Nanos = Nanos(60_000_000_000);
/// Significant digits: a value read back is at most 0.1 % above the value recorded.
pub const DIGITS: u8 = 3;

/// Confidence with which a stated percentile has its rank among the samples.
///
/// A percentile q is stated from n samples on if the largest of n independent ones exceeds it with this confidence:
/// q^n ≤ 1 − 0.99, the column "no exceedance" of MLPerf's early-stopping table (p50 from 7, p90 from 44, p99 from 459,
/// p99.9 from 4603). It is what is needed to print the number, not to judge it: the search asks for more.
pub const CONFIDENCE: f64 = 0.99;

/// Fewest samples from which quantile `q` (in (0, 1)) is stated.
pub fn samples_needed(q: f64) -> u64 {
    ((1.0 - CONFIDENCE).ln() / q.ln()).ceil() as u64
}

/// An empty histogram of the kind used for every time here: nanoseconds, 1 ns to 60 s. Memory: 110 KB.
pub fn histogram() -> Histogram<u32> {
    match Histogram::new_with_bounds(1, HIGHEST.0, DIGITS) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("constant bounds are valid: {error:?}"),
    }
}

/// The percentiles of `total` values: those in `histogram` and, above them all, values that are not in it.
///
/// `mean` is over the finite values. Cost: one walk over the used part of the histogram.
pub fn quantiles(histogram: &Histogram<u32>, total: u64, mean: Option<f64>) -> Quantiles {
    let wanted = [0.5, 0.9, 0.99, 0.999];
    let mut found = [Quantile::Unstated; 4];
    let mut next = 0;
    let mut seen = 0u64;
    let stated = wanted.iter().take_while(|q| total >= samples_needed(**q)).count();
    for bucket in histogram.iter_recorded() {
        seen += bucket.count_since_last_iteration();
        while next < stated && seen >= rank(wanted[next], total) {
            found[next] = Quantile::At(Nanos(bucket.value_iterated_to().min(histogram.max())));
            next += 1;
        }
        if next == stated {
            break;
        }
    }
    found[next..stated].fill(Quantile::Beyond);
    let [p50, p90, p99, p999] = found;
    let max = match total {
        0 => Quantile::Unstated,
        _ if total > histogram.len() => Quantile::Beyond,
        _ => Quantile::At(Nanos(histogram.max())),
    };
    Quantiles { p50, p90, p99, p999, max, mean, count: total }
}

/// The rank of a quantile among `total` values, from 1: the smallest with at least that share at or below it.
pub fn rank(q: f64, total: u64) -> u64 {
    // Half a rank of slack per 10^12 absorbs that 0.99 and 0.999 are not binary fractions.
    ((q * total as f64 - 1e-9 * total as f64).ceil() as u64).clamp(1, total.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sample_needs_are_the_published_ones() {
        assert_eq!([0.5, 0.9, 0.99, 0.999, 0.9999].map(samples_needed), [7, 44, 459, 4_603, 46_050]);
    }

    #[test]
    fn too_few_samples_are_not_stated_and_missing_ones_are_beyond() {
        let mut h = histogram();
        for value in 1..=458 {
            h.record(value * 1_000).unwrap();
        }
        assert_eq!(quantiles(&h, 458, None).p99, Quantile::Unstated);
        assert!(matches!(quantiles(&h, 458, None).p90, Quantile::At(_)));
        // One more that never came back: p99 can be stated, its rank 455 is among the completed.
        let with_lost = quantiles(&h, 459, None);
        assert!(matches!(with_lost.p99, Quantile::At(_)));
        assert_eq!(with_lost.max, Quantile::Beyond);
        // Two in a hundred never came back: p99 is infinite, p90 is not.
        assert_eq!(quantiles(&h, 468, None).p99, Quantile::Beyond);
        assert!(matches!(quantiles(&h, 468, None).p90, Quantile::At(_)));
        assert_eq!(quantiles(&histogram(), 0, None), Quantiles::default());
        assert_eq!(quantiles(&histogram(), 100, None).p50, Quantile::Beyond);
    }

    #[test]
    fn ranks_are_exact_at_round_numbers() {
        assert_eq!((rank(0.99, 100), rank(0.99, 1_000), rank(0.999, 1_000_000)), (99, 990, 999_000));
        assert_eq!((rank(0.5, 7), rank(0.9, 44)), (4, 40));
    }

    proptest! {
        #[test]
        fn quantiles_agree_with_the_sorted_values(
            mut values in prop::collection::vec(0u64..2_000_000_000, 1..3_000), lost in 0u64..200,
        ) {
            let mut h = histogram();
            for value in &values {
                h.record(*value).unwrap();
            }
            values.sort_unstable();
            let total = values.len() as u64 + lost;
            let found = quantiles(&h, total, None);
            for (q, quantile) in [(0.5, found.p50), (0.9, found.p90), (0.99, found.p99), (0.999, found.p999)] {
                let exact = values.get(rank(q, total) as usize - 1);
                match quantile {
                    Quantile::Unstated => prop_assert!(total < samples_needed(q)),
                    Quantile::Beyond => prop_assert!(exact.is_none()),
                    Quantile::At(Nanos(at)) => {
                        let exact = *exact.unwrap();
                        prop_assert!(at >= exact && at as f64 <= exact as f64 * 1.001 + 1.0, "{} for {}", at, exact);
                    }
                }
            }
        }
    }
}
