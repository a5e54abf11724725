//! What a terminal shows: tables that fit in 100 columns, the same bytes for the same findings.
//!
//! Nothing here asks whether there is a terminal; [`Style`] says what may be used.

mod capacity;
mod compare;
mod lists;
mod losses;
mod objectives;
mod paint;
mod probe;
mod progress;
mod sweep;
mod table;
mod trial;
mod verdicts;

pub use capacity::capacity;
pub use compare::compare;
pub use lists::{Check, Condition, Level, Listing, doctor, list, validate};
pub use probe::probe;
pub use progress::{elapsed_line, mat_line, struck_line, trial_line};
pub(crate) use sweep::coefficient;
pub use sweep::{mat, sweep};
pub use trial::trial;

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours are welcome: standard output is a terminal and `NO_COLOR` is not set.
    pub colour: bool,
    /// Columns; tables are made for 80 to 120.
    pub width: usize,
}

impl Style {
    /// No colour, 100 columns: for files and pipes.
    pub const PLAIN: Style = Style { colour: false, width: 100 };
}

impl Default for Style {
    fn default() -> Style {
        Style::PLAIN
    }
}
