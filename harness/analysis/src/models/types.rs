//! What a fit says: plain data for reports.

use serde::{Deserialize, Serialize};

/// A model of MAT against cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// `γN`: every core adds the same.
    Linear,
    /// `γN / (1 + σ(N−1))`: a serial share σ.
    Amdahl,
    /// `γN / (1 + σ(N−1) + κN(N−1))`: contention σ and coherency κ.
    Usl,
    /// `min(USL, cap)`: a link or another resource that does not grow with cores.
    UslCapped,
    /// Two straight segments that meet at a socket boundary.
    TwoSegments,
}

impl ModelKind {
    /// Every model, simplest first.
    pub const ALL: [ModelKind; 5] =
        [ModelKind::Linear, ModelKind::Amdahl, ModelKind::Usl, ModelKind::UslCapped, ModelKind::TwoSegments];

    /// The name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::Linear => "linear",
            ModelKind::Amdahl => "amdahl",
            ModelKind::Usl => "usl",
            ModelKind::UslCapped => "usl-capped",
            ModelKind::TwoSegments => "two-segments",
        }
    }

    /// The formula, for people.
    pub fn formula(self) -> &'static str {
        match self {
            ModelKind::Linear => "γN",
            ModelKind::Amdahl => "γN / (1 + σ(N−1))",
            ModelKind::Usl => "γN / (1 + σ(N−1) + κN(N−1))",
            ModelKind::UslCapped => "min(γN / (1 + σ(N−1) + κN(N−1)), cap)",
            ModelKind::TwoSegments => "γN up to N₀, then γN₀ + δ(N−N₀)",
        }
    }
}

/// Every model of one curve, the choice among them, and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitReport {
    /// The model AICc prefers; `None` when none could be fitted.
    pub chosen: Option<ModelKind>,
    /// The models that could be fitted, simplest first.
    pub fits: Vec<ModelFit>,
    /// The models that could not, and why.
    pub refused: Vec<Refusal>,
    /// How the fit was made: weights, optimiser, criterion, bootstrap, seed.
    pub method: String,
    /// What was left out and what to beware of.
    pub notes: Vec<String>,
}

impl FitReport {
    /// The fit of the chosen model.
    pub fn best(&self) -> Option<&ModelFit> {
        self.chosen.and_then(|kind| self.get(kind))
    }

    /// The fit of one model.
    pub fn get(&self, kind: ModelKind) -> Option<&ModelFit> {
        self.fits.iter().find(|fit| fit.model == kind)
    }
}

/// A model that was not fitted or not stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The model.
    pub model: ModelKind,
    /// Why, in a sentence.
    pub why: String,
}

/// One fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFit {
    /// The model.
    pub model: ModelKind,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Distinct core counts it rests on.
    pub points: usize,
    /// Weighted sum of squared residuals.
    pub rss: f64,
    /// Corrected Akaike criterion; `None` with too few points for the correction.
    pub aicc: Option<f64>,
    /// Distance from the best model; 0 is the best.
    pub delta_aicc: Option<f64>,
    /// The peak, for models that have one and data that identify it.
    pub peak: Option<Peak>,
    /// Why the peak is not stated, when the model has one.
    pub peak_refused: Option<String>,
    /// The throughput that no number of cores exceeds, per second: `γ/σ` (Amdahl), the cap.
    pub ceiling_per_s: Option<f64>,
    /// Relative prediction error when each core count is left out in turn, root mean square.
    pub held_out_error: Option<f64>,
    /// The model as a line for a chart: `[cores, MAT per second]`.
    pub line: Vec<[f64; 2]>,
    /// What to beware of.
    pub notes: Vec<String>,
}

impl ModelFit {
    /// A parameter's value by name.
    pub fn param(&self, name: &str) -> Option<f64> {
        self.params.iter().find(|param| param.name == name).map(|param| param.value)
    }
}

/// A fitted parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// `gamma`, `sigma`, `kappa`, `cap`, `delta` or `boundary`.
    pub name: String,
    /// Its unit: `per second per core`, `share`, `per second`, `cores`.
    pub unit: String,
    /// The value, constrained to be ≥ 0.
    pub value: f64,
    /// 95 % percentile interval of the bootstrap.
    pub ci95: Option<[f64; 2]>,
    /// The value when the constraint is lifted, where that differs: a negative σ means superlinear data.
    pub unconstrained: Option<f64>,
    /// Whether the value may be quoted; when not, `notes` of the fit say why.
    pub identified: bool,
}

/// The peak of a USL: more cores than this make it slower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// `N* = √((1−σ)/κ)`, cores.
    pub cores: f64,
    /// Its 95 % interval; the upper end is `None` when more than 2.5 % of the bootstrap has no peak at all.
    pub cores_ci95: Option<(f64, Option<f64>)>,
    /// `X(N*)`, per second.
    pub mat_per_s: f64,
    /// 95 % interval of it, over the bootstrap replicates that have a peak.
    pub mat_ci95: Option<[f64; 2]>,
    /// The peak lies outside the tested range: an extrapolation.
    pub extrapolated: bool,
}
