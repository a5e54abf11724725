//! Exact binomial limits, and how many samples a percentile needs.

use statrs::function::beta::{beta_reg, inv_beta_reg};

/// Exact two-sided interval of a share at this confidence: `hits` of `n` (Clopper & Pearson 1934).
///
/// Real-valued counts are allowed, for sample sizes corrected for autocorrelation. Nothing seen gives (0, 1).
pub fn clopper_pearson(hits: f64, n: f64, confidence: f64) -> (f64, f64) {
    let alpha = (1.0 - confidence) / 2.0;
    (clopper_pearson_lower(hits, n, alpha), clopper_pearson_upper(hits, n, alpha))
}

/// The share below which the truth lies with probability at most `alpha`: the α quantile of Beta(x, n−x+1).
pub fn clopper_pearson_lower(hits: f64, n: f64, alpha: f64) -> f64 {
    if hits <= 0.0 || n <= 0.0 { 0.0 } else { inv_beta_reg(hits, (n - hits).max(0.0) + 1.0, alpha) }
}

/// The share above which the truth lies with probability at most `alpha`: the 1−α quantile of Beta(x+1, n−x).
pub fn clopper_pearson_upper(hits: f64, n: f64, alpha: f64) -> f64 {
    if n <= 0.0 || hits >= n { 1.0 } else { inv_beta_reg(hits.max(0.0) + 1.0, n - hits.max(0.0), 1.0 - alpha) }
}

/// Least number of independent samples, at most `over` of them above the limit, that shows with this confidence
/// that the quantile lies below it: P(Bin(N, 1−q) ≤ over) ≤ 1−confidence. The early-stopping rule of MLPerf.
pub fn samples_needed(quantile: f64, over: u64, confidence: f64) -> u64 {
    let allowed = 1.0 - quantile;
    // P(Bin(n, a) ≤ t) = I_{1−a}(n−t, t+1).
    let enough = |n: u64| beta_reg((n - over) as f64, over as f64 + 1.0, quantile) <= 1.0 - confidence;
    let mut high = ((over + 5) as f64 / allowed).ceil() as u64 + over + 1;
    while !enough(high) {
        high *= 2;
    }
    let mut low = over + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_table_of_samples() {
        let allowed = [0, 1, 2, 5, 10, 50, 100];
        let golden: [(f64, [u64; 7]); 5] = [
            (0.5, [7, 11, 14, 22, 35, 128, 237]),
            (0.9, [44, 64, 81, 127, 197, 681, 1_246]),
            (0.99, [459, 662, 838, 1_307, 2_010, 6_898, 12_571]),
            (0.999, [4_603, 6_636, 8_403, 13_105, 20_140, 69_058, 125_826]),
            (0.9999, [46_050, 66_381, 84_057, 131_081, 201_442, 690_663, 1_258_374]),
        ];
        for (quantile, row) in golden {
            for (over, known) in allowed.into_iter().zip(row) {
                assert_eq!(samples_needed(quantile, over, 0.99), known, "p{} with {over}", quantile * 100.0);
            }
        }
        for (over, known) in [(0, 299), (1, 473), (5, 1_049), (10, 1_693), (50, 6_323)] {
            assert_eq!(samples_needed(0.99, over, 0.95), known);
        }
    }

    #[test]
    fn limits_are_exact() {
        // The rule of three's exact form: with nothing seen the upper limit is 1 − α^(1/n).
        assert!((clopper_pearson_upper(0.0, 100.0, 0.05) - (1.0 - 0.05f64.powf(0.01))).abs() < 1e-9);
        assert_eq!(clopper_pearson_lower(0.0, 100.0, 0.05), 0.0);
        assert_eq!(clopper_pearson_upper(9.0, 9.0, 0.05), 1.0);
        assert_eq!(clopper_pearson(0.0, 0.0, 0.95), (0.0, 1.0));
        // 10 of 100 at 95 %: 0.0490 to 0.1762 (Clopper–Pearson tables).
        let (low, high) = clopper_pearson(10.0, 100.0, 0.95);
        assert!((low - 0.0490).abs() < 1e-4 && (high - 0.1762).abs() < 1e-4, "{low} {high}");
    }
}
