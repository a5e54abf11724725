//! [`Search`]: a pure state machine that asks for trials until it knows the MAT or why there is none.

use serde::{Deserialize, Serialize};

use crate::plan::CellId;
use crate::record::{Purpose, Quantiles, TrialRecord};
use crate::slo::Slo;
use crate::units::{Nanos, Rate};
use crate::validity::Reason;

/// What a search asks for next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Run this trial and show me the record.
    Try(TrialRequest),
    /// The answer, one for each SLO, in the order of the cell's SLOs.
    Converged(Vec<Mat>),
    /// There is no answer, and no further trial would give one.
    Doomed(Reason),
}

/// A trial to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialRequest {
    /// Why.
    pub purpose: Purpose,
    /// How much load.
    pub load: Load,
    /// Length of the measured window.
    pub window: Nanos,
    /// Latency limits to count exactly, at most 16.
    pub limits: Vec<Nanos>,
    /// Restart the target before it.
    pub fresh_target: bool,
}

/// The load of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Open loop at this offered rate with the cell's arrival process.
    Open(Rate),
    /// Closed loop with this many operations in flight.
    Closed(u32),
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatKind {
    /// The target's own limit, inside the stated interval.
    Regular,
    /// The generator gave out first: the MAT is at least this.
    GeneratorLimited,
    /// Operations waited for a connection: more connections would move the answer.
    ConnectionLimited,
    /// Errors broke the SLO before latency did.
    ErrorLimited,
    /// No window was in steady state.
    NonStationary,
    /// Even the smallest load breaks the SLO.
    MinLoadFails,
    /// Time ran out with an interval wider than asked for.
    NotConverged,
}

impl MatKind {
    /// The name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            MatKind::Regular => "regular",
            MatKind::GeneratorLimited => "generator-limited",
            MatKind::ConnectionLimited => "connection-limited",
            MatKind::ErrorLimited => "error-limited",
            MatKind::NonStationary => "non-stationary",
            MatKind::MinLoadFails => "min-load-fails",
            MatKind::NotConverged => "not-converged",
        }
    }

    /// Whether the number is the target's MAT, fit for ratios and models.
    pub fn is_regular(self) -> bool {
        matches!(self, MatKind::Regular)
    }
}

/// The answer of one search at one SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mat {
    /// The objective.
    pub slo: Slo,
    /// Its latency limit in time.
    pub limit_ns: Nanos,
    /// How the search ended.
    pub kind: MatKind,
    /// The MAT, per second; for `generator-limited` a lower bound; `None` when there is no number.
    pub mat_per_s: Option<f64>,
    /// 95 % interval of it.
    pub ci95: Option<[f64; 2]>,
    /// Trials spent on it.
    pub trials: u32,
    /// Latency at the tried rate nearest below the MAT.
    pub latency_ns: Quantiles,
    /// Utilisation of the server cores there.
    pub utilisation: Option<f64>,
    /// Whether the number may be used in ratios and fits.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<Reason>,
    /// What must travel with it (loss inversion seen, …).
    pub caveats: Vec<String>,
}

/// The answer of one repetition, with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatRecord {
    /// Format version.
    pub schema: u32,
    /// The cell.
    pub cell: CellId,
    /// The repetition.
    pub rep: u32,
    /// The answer.
    #[serde(flatten)]
    pub mat: Mat,
}

/// A search for the MAT. Pure: the same trials in the same order give the same steps.
pub trait Search {
    /// What to do next; does not change until a trial is observed.
    fn next(&self) -> Step;
    /// Takes a finished trial into account, valid or not.
    fn observe(&mut self, trial: &TrialRecord);
}
