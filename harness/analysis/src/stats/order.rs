//! Intervals from order statistics: no distribution assumed.

use crate::stats::describe::normal_quantile;

/// Ranks (from 1) of the order statistics that enclose the `q` quantile of `n` independent samples at this
/// confidence: nq ∓ z√(nq(1−q)), rounded outwards. `None` when the sample is too small to have them.
pub fn quantile_interval_ranks(n: u64, q: f64, confidence: f64) -> Option<(u64, u64)> {
    let z = normal_quantile(0.5 + confidence / 2.0);
    let (centre, spread) = (n as f64 * q, z * (n as f64 * q * (1.0 - q)).sqrt());
    let (low, high) = ((centre - spread).floor(), (centre + spread).ceil() + 1.0);
    (low >= 1.0 && high <= n as f64).then_some((low as u64, high as u64))
}

/// Median of a few repetitions with the tightest pair of order statistics that covers it with at least `confidence`,
/// and the coverage that pair has exactly: 1 − 2·P(Bin(n, ½) < k).
///
/// When even the extremes fall short (n below 6 for 95 %) they are returned with the coverage they have. `None` of
/// nothing.
pub fn median_interval(values: &[f64], confidence: f64) -> Option<(f64, [f64; 2], f64)> {
    let centre = crate::stats::median(values)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let mut term = 0.5f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut outside = 0.0;
    let mut best = (0, (1.0 - 2.0 * term).max(0.0));
    for k in 0..n.div_ceil(2) {
        outside += term;
        let coverage = 1.0 - 2.0 * outside;
        if coverage < confidence {
            break;
        }
        best = (k, coverage);
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    let (k, coverage) = best;
    Some((centre, [sorted[k], sorted[n - 1 - k]], coverage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_of_six_cover_the_median_with_the_known_probability() {
        let (centre, interval, coverage) = median_interval(&[6.0, 1.0, 2.0, 5.0, 3.0, 4.0], 0.95).unwrap();
        assert_eq!((centre, interval), (3.5, [1.0, 6.0]));
        assert!((coverage - 0.96875).abs() < 1e-12);
        let five = median_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert_eq!((five.1, five.2), ([1.0, 5.0], 0.9375), "stated, although short of what was asked");
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(median_interval(&values, 0.95).unwrap().1, [6.0, 15.0]);
        assert!(median_interval(&[], 0.95).is_none());
    }

    #[test]
    fn ranks_enclose_the_quantile_or_are_refused() {
        assert_eq!(quantile_interval_ranks(1_000, 0.5, 0.95), Some((469, 532)));
        assert_eq!(quantile_interval_ranks(200, 0.99, 0.95), None);
        let (low, high) = quantile_interval_ranks(10_000, 0.99, 0.95).unwrap();
        assert!(low < 9_900 && high > 9_900);
    }
}
