//! What a comparison says: plain data for reports.

use corecurve_core::{CellId, Slo};
use serde::{Deserialize, Serialize};

use crate::findings::Ratio;

/// What may be said about B against A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// B's MAT is higher, beyond chance and beyond the noise floor.
    Better,
    /// B's MAT is lower, beyond chance and beyond the noise floor.
    Worse,
    /// No difference could be shown; the interval says how large one could hide.
    NoDifference,
    /// The two numbers must not be compared.
    Incomparable,
}

impl Verdict {
    /// The words in tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::NoDifference => "no difference",
            Verdict::Incomparable => "incomparable",
        }
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioSide {
    /// The cell.
    pub cell: CellId,
    /// The series in words.
    pub label: String,
    /// MAT, per second; `None` when there is no usable number.
    pub mat_per_s: Option<f64>,
    /// 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// Repetitions it rests on.
    pub reps: u32,
}

/// B against A, at one core count and SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioRow {
    /// Server cores.
    pub cores: usize,
    /// Workload name.
    pub workload: String,
    /// Placement name.
    pub placement: String,
    /// The objective.
    pub slo: Slo,
    /// The reference.
    pub a: RatioSide,
    /// What is judged.
    pub b: RatioSide,
    /// MAT of B over MAT of A; `None` when incomparable.
    pub ratio: Option<Ratio>,
    /// Two-sided p-value of "no difference", before Holm's correction.
    pub p_value: Option<f64>,
    /// The same after Holm's correction over all rows of the table.
    pub p_holm: Option<f64>,
    /// The noise floor it was judged against, as a share; `None` when no A/A control was measured.
    pub noise_floor: Option<f64>,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
}

/// Run B against run A, cell by cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunComparison {
    /// Version of this format, [`corecurve_core::SCHEMA`].
    pub schema: u32,
    /// The answer in a sentence.
    pub headline: String,
    /// The reference run's directory or baseline name.
    pub a: String,
    /// The judged run's directory or baseline name.
    pub b: String,
    /// One row per pair of matching cells and SLO, in the order of A's plan.
    pub rows: Vec<RatioRow>,
    /// Cells and SLOs of A with no counterpart in B, in words.
    pub only_a: Vec<String>,
    /// Cells and SLOs of B with no counterpart in A, in words.
    pub only_b: Vec<String>,
    /// The larger of the two runs' noise floors, as a share; `None` when neither measured one.
    pub noise_floor: Option<f64>,
    /// How ratios, intervals and verdicts were made.
    pub method: String,
    /// What to beware of.
    pub notes: Vec<String>,
}

impl RunComparison {
    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }
}
