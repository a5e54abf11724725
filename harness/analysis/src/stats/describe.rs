//! Mean, variance, quantiles of a sample and of the distributions used for intervals.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Unbiased sample variance; `None` of fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

/// Quantile with linear interpolation between order statistics (type 7 of Hyndman & Fan 1996); `None` of nothing.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64))
}

/// Median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The `p` quantile of Student's t with `df` degrees of freedom (at least one; above 10⁶ the normal's).
pub fn t_quantile(p: f64, df: f64) -> f64 {
    if df > 1e6 {
        return normal_quantile(p);
    }
    StudentsT::new(0.0, 1.0, df.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}

/// The `p` quantile of the standard normal.
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_by_hand() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(mean(&values), Some(2.5));
        assert!((variance(&values).unwrap() - 5.0 / 3.0).abs() < 1e-12);
        assert_eq!(median(&values), Some(2.5));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!(quantile(&values, 0.25), Some(1.75));
        assert_eq!((mean(&[]), median(&[]), variance(&[1.0])), (None, None, None));
    }

    #[test]
    fn quantiles_of_the_textbook_tables() {
        assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-5);
        for (df, t) in [(1.0, 12.7062), (5.0, 2.5706), (30.0, 2.0423)] {
            assert!((t_quantile(0.975, df) - t).abs() < 1e-3, "{df}: {}", t_quantile(0.975, df));
        }
        assert!((t_quantile(0.975, 1e7) - 1.959_964).abs() < 1e-5);
    }
}
