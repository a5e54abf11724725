//! Is B better than A? Ratios of medians with intervals, judged against chance and against the measured noise floor.

mod gate;
pub(crate) mod judge;
mod runs;
pub mod spread;
#[cfg(test)]
mod tests;
mod types;
pub(crate) mod within;

pub use gate::{Gate, GateRow};
pub use runs::compare;
pub use types::{RatioRow, RatioSide, RunComparison, Verdict};
