//! How MAT grows with cores: Amdahl, USL and their like, fitted, chosen among, and refused where data do not carry them.
//!
//! A fit is easy to make and easy to believe. So every model here needs more points than parameters, the simplest
//! model within reach of the best is the one chosen, and a peak is stated only if it survives leaving out any point.

mod bootstrap;
mod fit;
mod law;
mod observation;
mod types;
mod usl;

pub use fit::{FitSettings, fit};
pub use observation::{Observation, Weights};
pub use types::{FitReport, ModelFit, ModelKind, Param, Peak, Refusal};
