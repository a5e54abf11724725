//! Records to findings: everything a report may show, recomputed from what is on disk.
//!
//! Best-of-k does not exist here: a cell's number is the median over its repetitions, a cell that is not valid has
//! no ratio, no speed-up and no place in a fit, and whatever was struck out is listed with its reasons.

mod account;
#[cfg(test)]
mod account_tests;
mod analyse;
mod caveats;
mod cells;
mod crossing_words;
mod crossings;
mod curves;
mod elasticities;
mod flame;
mod frames;
mod generator;
mod headline;
mod loss;
mod machine;
mod mats;
mod objectives;
mod oracle_line;
mod profiles;
mod run_data;
mod shares;
pub(crate) mod spreads;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod types;
mod usage;
mod verdict;

pub use account::{Account, Bar, Part};
pub use analyse::{analyse, analyse_with_laws};
pub use crossing_words::{exact, limit};
pub use elasticities::{Elasticity, sentence as probe_sentence};
pub use flame::{Flame, FlameFrame, OTHER};
pub use generator::{NEAR, Perturbation, Side};
pub use loss::{LossKind, LossRow, ScalingLoss};
pub use objectives::{Crossing, ObjectiveLine, ObjectivePair, ObjectivePoint, Objectives, limit_of};
pub use profiles::{FunctionCost, ProfileFinding, WaitCost};
pub use run_data::RunData;
pub use shares::{JudgedShares, ShareFinding, ShareVerdict, Spread, judge, nearest, shares_of};
pub use types::{
    CellFinding, Curve, CurvePoint, Findings, LoadPoint, MachineSummary, MatFinding, NoLoad, NoiseFloor, NoisePair,
    OracleLine, Progress, Ratio, RunIdentity, SeriesKey, StruckOut,
};
pub use usage::{PerRequest, Usage};
pub use verdict::{Cause, Fact, Ruling, Verdict};
