//! The no-load mean: what the `x` of a relative SLO stands for, with its uncertainty.

use corecurve_core::TrialRecord;

use crate::stats::{mean, variance};

/// Blocks the intervals are merged into: enough to leave out a disturbed few, few enough to be long.
const BLOCKS: usize = 20;

/// Mean latency without load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reference {
    /// The mean, nanoseconds.
    pub(super) mean_ns: f64,
    /// Its relative standard error.
    pub(super) error: f64,
}

/// Mean of the block means without the lowest and the highest fifth, so that a hiccup in four blocks of twenty
/// does not count; the error from the winsorised variance (Tukey & McLaughlin 1963). Operations weigh alike.
pub(super) fn reference<'a>(trials: impl Iterator<Item = &'a TrialRecord>) -> Option<Reference> {
    let intervals: Vec<(f64, f64)> = trials
        .flat_map(|trial| &trial.intervals)
        .filter_map(|interval| Some((interval.ok as f64, interval.mean_ns?)))
        .filter(|(ok, _)| *ok > 0.0)
        .collect();
    let mut blocks = equal_blocks(&intervals);
    blocks.sort_by(f64::total_cmp);
    let n = blocks.len();
    let cut = n / 5;
    let kept = blocks.get(cut..n - cut)?;
    let mean_ns = mean(kept)?;
    let winsorised: Vec<f64> = blocks.iter().map(|block| block.clamp(kept[0], kept[kept.len() - 1])).collect();
    let share = kept.len() as f64 / n as f64;
    let error = variance(&winsorised).map_or(0.25, |v| v.sqrt() / (share * (n as f64).sqrt()) / mean_ns);
    (mean_ns > 0.0).then_some(Reference { mean_ns, error })
}

/// Mean latency of consecutive intervals, as many together as make up a twentieth of all operations: trials of different
/// lengths then weigh by what they saw.
fn equal_blocks(intervals: &[(f64, f64)]) -> Vec<f64> {
    let per_block = intervals.iter().map(|(n, _)| n).sum::<f64>() / BLOCKS as f64;
    let mut blocks = Vec::with_capacity(BLOCKS);
    let (mut n, mut sum) = (0.0, 0.0);
    for (ok, mean) in intervals {
        n += ok;
        sum += ok * mean;
        // A whisker less, so that rounding does not swallow the last block.
        if n >= 0.999 * per_block {
            blocks.push(sum / n);
            (n, sum) = (0.0, 0.0);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::testing::record;
    use corecurve_core::{Interval, Purpose};

    #[test]
    fn a_disturbed_interval_does_not_count() {
        let mut trial = record(Purpose::NoLoad, 0.0);
        trial.intervals = (0..40)
            .map(|i| Interval {
                ok: 100,
                mean_ns: Some(if i == 7 { 9e6 } else { 1_000.0 + f64::from(i % 4) }),
                ..Interval::default()
            })
            .collect();
        let found = reference([&trial].into_iter()).unwrap();
        assert!((found.mean_ns - 1_001.5).abs() < 0.6, "{found:?}");
        assert!(found.error < 0.01);
        assert_eq!(reference([].into_iter()), None);
    }
}
