//! Gates: a comparison that can fail a build.

use std::path::{Path, PathBuf};

use corecurve_analysis::compare;
use corecurve_core::Problem;

use crate::commands::compare::compare_runs;
use crate::exit::{Exit, Failure};
use crate::runs;

/// A gate on a run against another.
#[derive(Debug)]
pub struct Gate {
    base: PathBuf,
    rule: Option<compare::Gate>,
}

impl Gate {
    /// Reads `--gate` and `--against` before anything is measured, so that a slip costs no hour.
    ///
    /// # Errors
    /// Rules that cannot be read and runs that do not exist.
    pub fn check(rule: Option<&str>, against: Option<&str>) -> Result<Option<Gate>, Failure> {
        let rule = rule.map(parse_rule).transpose()?;
        let Some(against) = against else { return Ok(None) };
        let base = runs::find(against).map_err(|problem| Failure::wrong_use(problem.at("--against")))?;
        Ok(Some(Gate { base, rule }))
    }

    /// Compares `head` with the base and judges.
    pub fn judge(&self, head: &Path, json: bool) -> Result<Exit, Failure> {
        compare_runs(&self.base, head, self.rule.as_ref(), json)
    }
}

/// Reads a gate rule such as `mat:-3%`.
///
/// # Errors
/// A wrong-use failure that shows the form.
pub fn parse_rule(text: &str) -> Result<compare::Gate, Failure> {
    text.parse().map_err(|problem: Problem| Failure::wrong_use(problem.at("--gate")))
}
