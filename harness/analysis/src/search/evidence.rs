//! [`Seen`]: what one trial says to the search.

use corecurve_core::{Nanos, Purpose, Quantile, Reason, Rule, TrialRecord};

use crate::stats::{Batch, drift};

/// What a trial may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts.
    Usable,
    /// Work piled up from start to end: the rate is too high, whatever else is wrong.
    Diverging,
    /// The generator could not follow.
    GeneratorBroke,
    /// Operations waited for connections.
    ConnectionsBroke,
    /// Not in steady state, yet not diverging.
    Unsteady,
    /// Invalid for another reason.
    Unusable,
}

/// One trial, digested.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The record.
    pub(super) record: TrialRecord,
    /// What it may be used for.
    pub(super) standing: Standing,
}

/// The slope of the backlog over its standard error from which a trial diverges.
const DIVERGING_T: f64 = 4.0;
/// Growth of the backlog, as a share of all arrivals, from which a trial diverges.
const DIVERGING_GROWTH: f64 = 0.01;

impl Seen {
    /// Digests a record, judged against the largest latency limit asked for.
    pub(super) fn new(record: &TrialRecord, limits: &[Nanos]) -> Seen {
        Seen { standing: standing(record, limits), record: record.clone() }
    }

    /// Offered rate.
    pub(super) fn rate(&self) -> f64 {
        self.record.offered_per_s
    }

    /// Whether it is a trial at a rate of the search's choice.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.record.purpose, Purpose::Search | Purpose::Confirm | Purpose::Fixed)
    }

    /// Whether it is an open-loop trial that counts.
    pub(super) fn is_usable(&self) -> bool {
        self.is_open() && self.standing == Standing::Usable
    }

    /// Time it took: warm-up and window, seconds.
    pub(super) fn cost_s(&self) -> f64 {
        self.record.window_s + self.record.warmup_s
    }

    /// Batches of operations over a limit.
    pub(super) fn over_batches(&self, limit: Nanos) -> Option<Vec<Batch>> {
        let index = self.record.limit_index(limit)?;
        let batch = |interval: &corecurve_core::Interval| Batch {
            n: interval.scheduled as f64,
            over: interval.over.get(index).copied().unwrap_or(0) as f64,
        };
        Some(self.record.intervals.iter().map(batch).collect())
    }

    /// Batches of operations that did not complete correctly.
    pub(super) fn bad_batches(&self) -> Vec<Batch> {
        let batch = |interval: &corecurve_core::Interval| Batch {
            n: interval.scheduled as f64,
            over: interval.scheduled.saturating_sub(interval.ok) as f64,
        };
        self.record.intervals.iter().map(batch).collect()
    }

    /// The first reason why it is invalid.
    pub(super) fn reason(&self) -> Option<&Reason> {
        self.record.invalid_reasons.first()
    }
}

fn standing(record: &TrialRecord, limits: &[Nanos]) -> Standing {
    let rules: Vec<Rule> = record.invalid_reasons.iter().map(|reason| reason.rule).collect();
    let broke = |set: &[Rule]| rules.iter().any(|rule| set.contains(rule));
    let only = |set: &[Rule]| rules.iter().all(|rule| set.contains(rule));
    // Overload shows in these as well, so they do not stand in the way of seeing it.
    const OF_OVERLOAD: [Rule; 5] = [Rule::Stationary, Rule::Little, Rule::Connections, Rule::SentRate, Rule::Samples];
    const OF_GENERATOR: [Rule; 4] = [Rule::ScheduleAdherence, Rule::SentRate, Rule::GeneratorBusy, Rule::ClientShare];
    if only(&OF_OVERLOAD) && (diverges(record) || target_alone_breaks(record, limits)) {
        return Standing::Diverging;
    }
    if record.valid || rules.is_empty() || only(&[Rule::Samples]) {
        return Standing::Usable;
    }
    if broke(&[Rule::Connections]) && only(&[Rule::Connections, Rule::SentRate, Rule::Little, Rule::Samples]) {
        return Standing::ConnectionsBroke;
    }
    if broke(&OF_GENERATOR) {
        return Standing::GeneratorBroke;
    }
    if only(&[Rule::Stationary, Rule::Little, Rule::Samples]) {
        return Standing::Unsteady;
    }
    Standing::Unusable
}

/// The backlog at the ends of the intervals rises in a straight line that is neither noise nor small.
fn diverges(record: &TrialRecord) -> bool {
    let backlog: Vec<f64> = record.intervals.iter().map(|interval| interval.in_flight as f64).collect();
    let due = record.counts.scheduled as f64;
    drift(&backlog).is_some_and(|drift| drift.t > DIVERGING_T && drift.growth > DIVERGING_GROWTH * due)
}

/// Operations waited for connections, but the target's own time, once they were sent, is over every limit already
/// at the median: more connections would not make it faster.
fn target_alone_breaks(record: &TrialRecord, limits: &[Nanos]) -> bool {
    let connections = record.invalid_reasons.iter().any(|reason| reason.rule == Rule::Connections);
    let largest = limits.iter().max();
    connections && matches!((record.service_ns.p50, largest), (Quantile::At(time), Some(limit)) if time > *limit)
}
