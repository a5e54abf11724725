//! Is B better than A? Ratios of medians with intervals, judged against chance and against the measured noise floor.

pub mod spread;
mod types;

pub use types::{RatioRow, RatioSide, RunComparison, Verdict};
