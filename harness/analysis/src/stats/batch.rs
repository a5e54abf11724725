//! The design effect: how many operations are worth one independent one, from batch counts.
//!
//! Latencies follow each other: one long service delays all behind it. A share counted over n operations then has
//! deff times the variance of n independent ones, and near saturation deff is in the hundreds. Batch means
//! estimate it without a model, provided that batches are longer than the correlation; several batch lengths
//! are tried, because that proviso is what usually fails.

/// Operations of one batch, and those of them over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Batch {
    /// Operations.
    pub n: f64,
    /// Over the limit.
    pub over: f64,
}

/// A design effect with the degrees of freedom it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DesignEffect {
    /// Variance of the share over that of independent operations, at least one.
    pub deff: f64,
    /// Degrees of freedom of the estimate.
    pub df: f64,
}

/// Fewest batches a series is merged down to.
const LEAST_BATCHES: usize = 8;

/// The design effect pooled over several trials, each given as its batches in order, about each trial's own share.
///
/// Trials without any operation over the limit say nothing about it and are left out. See [`design_effect_about`].
pub fn design_effect(trials: &[Vec<Batch>]) -> Option<DesignEffect> {
    let share = |batches: &Vec<Batch>| {
        let (n, over) = batches.iter().fold((0.0, 0.0), |sum, b| (sum.0 + b.n, sum.1 + b.over));
        if n > 0.0 { over / n } else { 0.0 }
    };
    let about: Vec<(&[Batch], f64)> = trials.iter().map(|batches| (batches.as_slice(), share(batches))).collect();
    design_effect_about(&about, 1.0)
}

/// The design effect pooled over several trials, about the share a model gives each.
///
/// At each level of merging (1, 2, 4, 8 neighbours, while at least eight batches remain) the pooled Pearson statistic
/// is Σ (o − n·v)² / Σ n·v(1−v): a ratio of sums, because batches are worth what they are expected to hold. The largest
/// level's estimate is taken, so that short batches do not hide the correlation; that leans to the safe side by about a
/// tenth. `lost` degrees of freedom per trial went into the shares. `None` when nothing was over the limit: the caller then
/// knows only that deff ≥ 1.
pub fn design_effect_about(trials: &[(&[Batch], f64)], lost: f64) -> Option<DesignEffect> {
    let levels = [1, 2, 4, 8].into_iter().filter_map(|level| at_level(trials, level, lost));
    levels.reduce(|best, found| if found.deff > best.deff { found } else { best })
}

fn at_level(trials: &[(&[Batch], f64)], level: usize, lost: f64) -> Option<DesignEffect> {
    let (mut squares, mut variance, mut df) = (0.0, 0.0, 0.0);
    for (batches, share) in trials {
        if *share <= 0.0 || *share >= 1.0 || batches.len() < LEAST_BATCHES * level {
            continue;
        }
        let (mut own, mut used) = (0.0, 0.0);
        for merged in batches.chunks_exact(level) {
            let (n, over) = merged.iter().fold((0.0, 0.0), |sum, b| (sum.0 + b.n, sum.1 + b.over));
            squares += (over - n * share).powi(2);
            own += n * share * (1.0 - share);
            used += f64::from(u8::from(n > 0.0));
        }
        let free = (used - lost).max(0.0);
        variance += own * if used > 0.0 { free / used } else { 0.0 };
        df += free;
    }
    (df >= 1.0 && variance > 0.0).then(|| DesignEffect { deff: (squares / variance).max(1.0), df })
}

/// Correlation of neighbours in a series of backlogs at the ends of intervals, pooled over trials: near zero when an
/// interval is longer than the queue remembers. `None` when the series are too short or constant.
pub fn neighbour_correlation(series: &[Vec<f64>]) -> Option<f64> {
    let (mut lagged, mut squares) = (0.0, 0.0);
    for values in series.iter().filter(|values| values.len() >= 10) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        squares += values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        lagged += values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>();
    }
    (squares > 0.0).then(|| (lagged / squares).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::rng::{splitmix, unit_open};

    /// Operations over the limit come in runs of this length.
    fn clustered(run: u64, batches: usize, per_batch: u64, seed: u64) -> Vec<Batch> {
        let mut left = 0;
        let mut at = seed << 32;
        (0..batches)
            .map(|_| {
                let mut over = 0;
                for _ in 0..per_batch {
                    at += 1;
                    if left == 0 && unit_open(splitmix(at)) < 0.02 / run as f64 {
                        left = run;
                    }
                    if left > 0 {
                        left -= 1;
                        over += 1;
                    }
                }
                Batch { n: per_batch as f64, over: over as f64 }
            })
            .collect()
    }

    #[test]
    fn runs_multiply_the_variance_by_their_length() {
        for run in [1, 10, 50] {
            let trials: Vec<Vec<Batch>> = (0..20).map(|seed| clustered(run, 40, 3_000, seed)).collect();
            let found = design_effect(&trials).unwrap();
            let ratio = found.deff / run as f64;
            assert!((0.8..1.35).contains(&ratio), "runs of {run}: deff {}", found.deff);
        }
    }

    #[test]
    fn short_batches_do_not_hide_the_correlation() {
        let trials: Vec<Vec<Batch>> = (0..40).map(|seed| clustered(200, 64, 200, seed)).collect();
        let about: Vec<(&[Batch], f64)> = trials.iter().map(|t| (t.as_slice(), 0.02)).collect();
        let first = at_level(&about, 1, 0.0).unwrap().deff;
        let found = design_effect(&trials).unwrap().deff;
        assert!(found > 1.3 * first, "{found} from {first}");
    }

    #[test]
    fn nothing_over_the_limit_says_nothing() {
        assert_eq!(design_effect(&[vec![Batch { n: 100.0, over: 0.0 }; 40]]), None);
        assert_eq!(design_effect(&[]), None);
    }
}
