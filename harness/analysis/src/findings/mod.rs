//! Records to findings: everything a report may show, recomputed from what is on disk.

mod run_data;
mod types;

pub use run_data::RunData;
pub use types::{
    CellFinding, Curve, CurvePoint, Findings, LoadPoint, MachineSummary, MatFinding, NoLoad, NoiseFloor, NoisePair,
    OracleLine, Progress, Ratio, RunIdentity, SeriesKey, StruckOut,
};
