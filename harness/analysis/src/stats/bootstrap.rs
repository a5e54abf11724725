//! Percentile bootstrap with a generator that is given, so that it repeats.

use corecurve_core::Rng;
use rand::Rng as _;

use crate::stats::describe::quantile;

/// A sample of the same size drawn with replacement, into `out`.
pub fn resample(values: &[f64], rng: &mut Rng, out: &mut Vec<f64>) {
    out.clear();
    let n = values.len() as u128;
    out.extend((0..values.len()).map(|_| values[((u128::from(rng.next_u64()) * n) >> 64) as usize]));
}

/// Percentile interval of a statistic (Efron 1979) over `rounds` resamples. Rounds in which the statistic is
/// undefined are left out; `None` when more than a tenth is, or the sample is empty.
pub fn bootstrap_interval(
    values: &[f64],
    confidence: f64,
    rounds: usize,
    rng: &mut Rng,
    statistic: impl Fn(&[f64]) -> Option<f64>,
) -> Option<[f64; 2]> {
    if values.is_empty() {
        return None;
    }
    let mut sample = Vec::with_capacity(values.len());
    let mut seen = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        resample(values, rng, &mut sample);
        seen.extend(statistic(&sample).filter(|value| value.is_finite()));
    }
    if seen.len() * 10 < rounds * 9 {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    Some([quantile(&seen, tail)?, quantile(&seen, 1.0 - tail)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::mean;

    #[test]
    fn interval_of_a_mean_is_near_the_normal_one_and_repeats() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let run = || bootstrap_interval(&values, 0.95, 2_000, &mut corecurve_core::rng::stream(1, 1), mean).unwrap();
        let [low, high] = run();
        let spread = 1.96 * (33.25f64 / 400.0).sqrt();
        assert!((low - (9.5 - spread)).abs() < 0.06 && (high - (9.5 + spread)).abs() < 0.06, "{low} {high}");
        assert_eq!(run(), [low, high]);
        let nothing = |_: &[f64]| None;
        assert_eq!(bootstrap_interval(&values, 0.95, 50, &mut corecurve_core::rng::stream(1, 1), nothing), None);
    }
}
