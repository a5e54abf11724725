//! Rules about what came out: do the books balance, is the answer right, is it the answer of one state of the target?

use corecurve_core::{ErrorClass, Nanos, Purpose, Quantile, Quantiles, Rule};

use super::thresholds::{LITTLE, SAMPLES};
use super::{Finding, Observed, percent};
use crate::stationarity::{DRIFT_CAVEAT, DRIFT_INVALID, Trend};

/// Every thread of the harness did its work.
pub(super) fn harness_fault(o: &Observed) -> Option<Finding> {
    o.harness_fault.as_ref().map(|fault| Finding::invalid(Rule::HarnessFault, fault))
}

/// Nobody ended the trial early.
pub(super) fn interrupted(o: &Observed) -> Option<Finding> {
    o.interrupted.as_ref().map(|why| Finding::invalid(Rule::Interrupted, why))
}

/// The target is the same at the end as at the start.
pub(super) fn target_alive(o: &Observed) -> Option<Finding> {
    o.target_fault.as_ref().map(|fault| Finding::invalid(Rule::TargetAlive, fault))
}

/// The port belongs to the target.
pub(super) fn target_port(o: &Observed) -> Option<Finding> {
    let stranger = o.port_fault.as_ref()?;
    Some(Finding::invalid(Rule::TargetPort, format!("someone else listens on the target's port: {stranger}")))
}

/// scheduled = sent + never sent, sent = ok + errors + unanswered.
pub(super) fn conservation(o: &Observed) -> Option<Finding> {
    let c = &o.counts;
    (!c.balanced()).then(|| {
        let seen = format!(
            "the books do not balance: {} scheduled, {} sent, {} never sent; {} ok, {} failed, {} unanswered",
            c.scheduled,
            c.sent,
            c.never_sent,
            c.ok,
            c.failed(),
            c.unanswered
        );
        Finding::invalid(Rule::Conservation, seen)
    })
}

/// Percentiles ascend, the mean lies within, nothing took longer than it was waited for, every completion is in the histogram.
pub(super) fn consistent(o: &Observed) -> Option<Finding> {
    let (in_range, above) = o.histogram_count;
    if in_range + above != o.counts.ok {
        let seen = format!("the histogram holds {in_range} + {above} values for {} completions", o.counts.ok);
        return Some(Finding::invalid(Rule::Consistent, seen));
    }
    if !ascending(&o.latency) || !ascending(&o.service) {
        return Some(Finding::invalid(Rule::Consistent, "percentiles do not ascend".to_owned()));
    }
    if let (Quantile::At(max), Some(mean)) = (o.latency.max, o.latency.mean) {
        // Histogram values are up to 0.1 % high, so the mean cannot be above the largest, but for rounding.
        if mean > max.0 as f64 * 1.001 + 1.0 {
            return Some(Finding::invalid(
                Rule::Consistent,
                format!("the mean {mean:.0} ns is above the maximum {max}"),
            ));
        }
        if o.longest_possible > Nanos::ZERO && max > o.longest_possible.scale(1.002) {
            let seen = format!("a latency of {max} is longer than any could be ({})", o.longest_possible);
            return Some(Finding::invalid(Rule::Consistent, seen));
        }
    }
    None
}

/// Finite ones ascend and nothing finite follows an infinite one.
fn ascending(q: &Quantiles) -> bool {
    let rank = |quantile: Quantile| match quantile {
        Quantile::At(value) => Some(value.0),
        Quantile::Beyond => Some(u64::MAX),
        Quantile::Unstated => None,
    };
    let stated: Vec<u64> = [q.p50, q.p90, q.p99, q.p999, q.max].into_iter().filter_map(rank).collect();
    stated.is_sorted()
}

/// Sampled answers have the right content.
pub(super) fn content(o: &Observed) -> Option<Finding> {
    let wrong = o.counts.errors.get(&ErrorClass::WrongBody).copied().filter(|n| *n > 0)?;
    Some(Finding::invalid(Rule::Content, format!("{wrong} sampled answers had the wrong content")))
}

/// There were enough operations for the percentiles.
pub(super) fn samples(o: &Observed) -> Option<Finding> {
    let n = o.counts.scheduled;
    if n < SAMPLES.1 {
        let seen = format!("{n} operations in the window are too few for any percentile (at least {})", SAMPLES.1);
        return Some(Finding::invalid(Rule::Samples, seen));
    }
    let judged = matches!(o.purpose, Some(Purpose::Search | Purpose::Confirm | Purpose::Fixed));
    (judged && n < SAMPLES.0).then(|| {
        let seen = format!("{n} operations are too few for a p99 (at least {}); a longer --window helps", SAMPLES.0);
        Finding::caveat(Rule::Samples, seen)
    })
}

/// The window shows one state of the target.
pub(super) fn stationary(o: &Observed) -> Option<Finding> {
    if let Some(trend) = Trend::of(&o.intervals) {
        let seen = format!(
            "latency moved by {} from the first half of the window to the second while nothing piled up (t = {:.1})",
            percent(trend.change.abs()),
            trend.t
        );
        if trend.drifts(DRIFT_INVALID) {
            return Some(Finding::invalid(Rule::Stationary, seen));
        }
        if trend.drifts(DRIFT_CAVEAT) {
            return Some(Finding::caveat(Rule::Stationary, seen));
        }
    }
    let waited = o.warmup_unsettled?;
    let seen = format!("the warm-up had not settled after {waited}; a longer --warmup helps");
    Some(Finding::caveat(Rule::Stationary, seen))
}

/// L = λW.
pub(super) fn little(o: &Observed) -> Option<Finding> {
    let (counted, recorded) = o.little?;
    let off = (counted - recorded).abs() / counted.abs().max(recorded.abs()).max(1.0);
    (off > LITTLE).then(|| {
        let seen = format!(
            "Little's law is off by {} (at most {}): latencies add up to {:.6} s, operations in the system to {:.6} s",
            percent(off),
            percent(LITTLE),
            recorded / 1e9,
            counted / 1e9
        );
        Finding::invalid(Rule::Little, seen)
    })
}
