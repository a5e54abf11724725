//! [`RunData`]: a run directory as read from disk, the only input of an analysis.

use corecurve_core::{CapacityRecord, MatRecord, Plan, Profile, TrialRecord, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything a run directory holds that findings are computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunData {
    /// The run directory, as it should be shown.
    pub dir: String,
    /// The run's short name.
    pub slug: String,
    /// The command line that made it, one element per argument.
    pub command: Vec<String>,
    /// When it started, RFC 3339; `None` for a run in memory, so that the same records give the same findings.
    pub started: Option<String>,
    /// Version of corecurve that measured.
    pub version: String,
    /// `machine.json`: topology, kernel, limits, versions.
    pub machine: Value,
    /// `plan.json`.
    pub plan: Plan,
    /// Every trial on disk, in the order they ended.
    pub trials: Vec<TrialRecord>,
    /// What the generator itself can do, where that was measured.
    #[serde(default)]
    pub capacities: Vec<CapacityRecord>,
    /// Where the targets' time went, where that was looked at.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// The answer of every finished search, one per cell, repetition and SLO.
    pub mats: Vec<MatRecord>,
    /// Repetitions that are finished.
    pub finished: Vec<Turn>,
    /// What the store or the engine noticed: a torn last line, a repetition that failed and why.
    pub notes: Vec<String>,
}
