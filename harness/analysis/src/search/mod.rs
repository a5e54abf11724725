//! The search for the MAT: a pure state machine that asks for trials and answers with an interval.
//!
//! A trial at the knee says little: operations follow each other, so ten seconds may hold a few hundred independent
//! epochs, and a search that believes each trial walks off on the first unlucky one. [`MatSearch`] instead keeps all
//! trials, fits ln(share over the limit) against the offered rate where the share is near what the SLO allows,
//! places each next trial where it narrows the crossing most, and stops when the crossing's 95 % interval is as
//! narrow as asked. Verdicts with controlled error guard the line: what was seen at a rate itself is never overruled.
//!
//! [`NaiveSearch`] is the plain search everybody writes first, kept to show what the difference is.
//!
//! Formulas and sources are in docs/methodology.md and beside the code.

mod answer;
mod bracket;
mod evidence;
mod fit;
mod goal;
mod mat;
mod naive;
mod pace;
mod place;
mod reference;
mod staircase;
#[cfg(test)]
mod testing;

pub use mat::{Hints, MatSearch};
pub use naive::NaiveSearch;
