//! Whether a quantity grows over the window: a straight line through it, with the residuals' own correlation.

/// A straight line through a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Growth from the first value to the last along the line.
    pub growth: f64,
    /// The slope over its standard error, the error widened for lag-one correlation of the residuals.
    pub t: f64,
}

/// Fits a line to equally spaced values; `None` for fewer than five.
///
/// Ordinary least squares; the variance of the slope is multiplied by (1+r)/(1−r), r the lag-one
/// autocorrelation of the residuals held to 0..0.9, as for an AR(1) process.
pub fn drift(series: &[f64]) -> Option<Drift> {
    let n = series.len();
    if n < 5 {
        return None;
    }
    let centre = (n - 1) as f64 / 2.0;
    let level = series.iter().sum::<f64>() / n as f64;
    let spread: f64 = (0..n).map(|i| (i as f64 - centre).powi(2)).sum();
    let slope = series.iter().enumerate().map(|(i, y)| (i as f64 - centre) * (y - level)).sum::<f64>() / spread;
    let residuals: Vec<f64> = series.iter().enumerate().map(|(i, y)| y - level - slope * (i as f64 - centre)).collect();
    let squares: f64 = residuals.iter().map(|r| r * r).sum();
    let lagged: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let r = if squares > 0.0 { (lagged / squares).clamp(0.0, 0.9) } else { 0.0 };
    let error = (squares / (n - 2) as f64 / spread * (1.0 + r) / (1.0 - r)).sqrt();
    let growth = slope * (n - 1) as f64;
    let t = if error > 0.0 { slope / error } else { slope.signum() * if slope == 0.0 { 0.0 } else { f64::INFINITY } };
    Some(Drift { growth, t })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        (corecurve_core::rng::splitmix(i as u64) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    #[test]
    fn growth_is_seen_and_noise_is_not() {
        let growing: Vec<f64> = (0..40).map(|i| 3.0 * i as f64 + 5.0 * noise(i)).collect();
        let seen = drift(&growing).unwrap();
        assert!(seen.t > 20.0 && (seen.growth - 117.0).abs() < 5.0, "{seen:?}");
        let level: Vec<f64> = (0..40).map(noise).collect();
        assert!(drift(&level).unwrap().t.abs() < 4.0);
        let flat = drift(&[2.0; 9]).unwrap();
        assert_eq!((flat.growth, flat.t), (0.0, 0.0));
        assert!(drift(&[1.0, 2.0]).is_none());
    }

    #[test]
    fn a_wandering_series_is_rarely_called_growth() {
        let mut alarms = 0;
        for seed in 0..200 {
            let mut level = 0.0;
            let series: Vec<f64> = (0..40)
                .map(|i| {
                    level = 0.7 * level + noise(seed * 1_000 + i);
                    level
                })
                .collect();
            alarms += usize::from(drift(&series).is_some_and(|d| d.t > 4.0));
        }
        assert!(alarms <= 10, "{alarms} of 200");
    }
}
