//! How MAT grows with cores: Amdahl, USL and their like, fitted, chosen among, and refused where data do not carry them.

mod types;

pub use types::{FitReport, ModelFit, ModelKind, Param, Peak, Refusal};
