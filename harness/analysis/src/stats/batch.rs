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

/// The design effect pooled over several trials, each given as its batches in order.
///
/// At each level of merging (1, 2, 4, … neighbours, while at least eight batches remain) the pooled Pearson statistic
/// X² = Σ (o − n·v)² / (n·v(1−v)), each trial with its own share v, has mean deff·df. The largest level's estimate
/// is taken as long as merging raises it, so short batches do not hide the correlation; a level must hold
/// at least one expected count over the limit in most batches to be used at all. Trials without any
/// operation over the limit say nothing about it and are left out. `None` when none is left: the caller then knows
/// only that deff ≥ 1.
pub fn design_effect(trials: &[Vec<Batch>]) -> Option<DesignEffect> {
    let mut best: Option<DesignEffect> = None;
    for level in [1usize, 2, 4, 8] {
        let Some(found) = at_level(trials, level) else { continue };
        if best.is_none_or(|best| found.deff > best.deff) {
            best = Some(found);
        }
    }
    best
}

fn at_level(trials: &[Vec<Batch>], level: usize) -> Option<DesignEffect> {
    let (mut statistic, mut df) = (0.0, 0.0);
    for batches in trials {
        let n: f64 = batches.iter().map(|batch| batch.n).sum();
        let over: f64 = batches.iter().map(|batch| batch.over).sum();
        if over <= 0.0 || over >= n || batches.len() < LEAST_BATCHES * level {
            continue;
        }
        let share = over / n;
        let mut used = 0.0;
        for merged in batches.chunks_exact(level) {
            let (n, over) = merged.iter().fold((0.0, 0.0), |sum, b| (sum.0 + b.n, sum.1 + b.over));
            if n > 0.0 {
                statistic += (over - n * share).powi(2) / (n * share * (1.0 - share));
                used += 1.0;
            }
        }
        df += (used - 1.0_f64).max(0.0);
    }
    (df >= 1.0).then(|| DesignEffect { deff: (statistic / df).max(1.0), df })
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
        let first = at_level(&trials, 1).unwrap().deff;
        let found = design_effect(&trials).unwrap().deff;
        assert!(found > 1.3 * first, "{found} from {first}");
    }

    #[test]
    fn nothing_over_the_limit_says_nothing() {
        assert_eq!(design_effect(&[vec![Batch { n: 100.0, over: 0.0 }; 40]]), None);
        assert_eq!(design_effect(&[]), None);
    }
}
