//! MSER-5: where the initial transient of a series ends (White 1997; White & Robinson 2010).

/// Number of leading values to drop: batches of five, and the cut d that minimises Σ_{i>d}(x_i − mean_d)²/(n−d)².
///
/// `None` when the best cut lies in the second half: the series then has no steady part to speak of.
/// A series of fewer than ten values is left alone.
pub fn mser5(series: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = series.chunks_exact(5).map(|five| five.iter().sum::<f64>() / 5.0).collect();
    let n = batches.len();
    if n < 2 {
        return Some(0);
    }
    // From the end, so that each cut's mean and sum of squares follow from the next one's (Welford).
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, n);
    for (cut, value) in batches.iter().enumerate().rev() {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
        let score = squares / (count * count);
        // A handful of batches at the very end has a small score by chance alone.
        if count >= 5.0_f64.min(n as f64) && score <= best.0 {
            best = (score, cut);
        }
    }
    (best.1 <= n / 2).then_some(best.1 * 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        (corecurve_core::rng::splitmix(i as u64) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    #[test]
    fn a_decaying_start_is_cut_and_a_level_series_kept() {
        let decaying: Vec<f64> = (0..200).map(|i| 10.0 * (-(i as f64) / 10.0).exp() + noise(i)).collect();
        let cut = mser5(&decaying).unwrap();
        assert!((15..=60).contains(&cut), "{cut}");
        let level: Vec<f64> = (0..200).map(noise).collect();
        assert!(mser5(&level).unwrap() <= 100);
        let ramp: Vec<f64> = (0..200).map(|i| i as f64 + noise(i)).collect();
        assert_eq!(mser5(&ramp), None);
        assert_eq!(mser5(&[1.0, 2.0]), Some(0));
    }
}
