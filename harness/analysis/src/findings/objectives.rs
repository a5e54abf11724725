//! [`Objectives`]: MAT against the objective, as plain data. Which target carries more depends on the limit.

use corecurve_core::{CellId, Limit, MatKind, Nanos, Slo};
use serde::{Deserialize, Serialize};

use super::types::SeriesKey;
use crate::compare::RatioRow;

/// The answers to one question on so many cores, from the tightest limit to the loosest. SLOs that differ in percentile or
/// error share are other charts, and so are relative limits and limits in time: a multiple of each target's own
/// no-load mean is another time for each of them, and there is no axis that both stand on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// Server cores.
    pub cores: usize,
    /// The SLOs, at least two, tightest first. All relative or all in time.
    pub slos: Vec<Slo>,
    /// One line per target, in the plan's order. Controls are left out.
    pub lines: Vec<ObjectiveLine>,
    /// Every pair of targets.
    pub pairs: Vec<ObjectivePair>,
    /// What to beware of.
    pub notes: Vec<String>,
}

impl Objectives {
    /// Whether the limits are multiples of each target's own no-load mean.
    pub fn is_relative(&self) -> bool {
        self.slos.iter().any(Slo::is_relative)
    }

    /// The pairs in which the lead changes.
    pub fn crossing(&self) -> impl Iterator<Item = &ObjectivePair> {
        self.pairs.iter().filter(|pair| !pair.crossings.is_empty())
    }
}

/// What one target carries at each limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveLine {
    /// The series.
    pub series: SeriesKey,
    /// The series in words.
    pub label: String,
    /// The cell.
    pub cell: CellId,
    /// One per SLO of the chart that the cell was asked, tightest first.
    pub points: Vec<ObjectivePoint>,
    /// `[limit, MAT per second]` of the queue that the target is known to be, ascending; the limit as in [`limit_of`].
    pub oracle: Vec<[f64; 2]>,
}

/// What one target carries at one limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectivePoint {
    /// The objective.
    pub slo: Slo,
    /// Its limit in time for this target.
    pub limit_ns: Option<Nanos>,
    /// MAT, per second.
    pub mat_per_s: Option<f64>,
    /// 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// How the searches ended.
    pub kind: Option<MatKind>,
    /// Whether the number may be used.
    pub valid: bool,
    /// The generator gave out first: the MAT is at least this.
    pub at_least: bool,
    /// Why the number may not be used.
    pub reasons: Vec<String>,
    /// The MAT that queueing theory predicts, per second, where the kind of queue is known.
    pub oracle_per_s: Option<f64>,
}

/// Two targets over all limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectivePair {
    /// The first series, in words.
    pub a: String,
    /// The second series, in words.
    pub b: String,
    /// B against A at each SLO both were asked, tightest first, corrected for the number of all rows of the chart.
    pub rows: Vec<RatioRow>,
    /// Where the lead changes, tightest first.
    pub crossings: Vec<Crossing>,
    /// Who carries more where, in a sentence without its full stop.
    pub words: String,
}

/// Where one target ceases to carry more and the other begins to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// The series that carries more at tighter limits, in words.
    pub below: String,
    /// The series that carries more at looser limits, in words.
    pub above: String,
    /// The loosest SLO at which `below` is shown to carry more.
    pub last: Slo,
    /// The tightest SLO from there at which `above` is shown to.
    pub first: Slo,
    /// Where between the two the ratio passes 1, by interpolation of its logarithm over that of the limit; as in [`limit_of`].
    pub near: f64,
}

/// An SLO's limit as a number: the multiple of the no-load mean, or nanoseconds.
pub fn limit_of(slo: &Slo) -> f64 {
    match slo.limit {
        Limit::Absolute(limit) => limit.0 as f64,
        Limit::TimesNoLoad(factor) => factor,
    }
}
