//! [`Gate`]: a comparison that can fail a build, e.g. `mat:-3%`.

use std::fmt;
use std::str::FromStr;

use corecurve_core::Problem;
use corecurve_core::problem::printable;
use serde::{Deserialize, Serialize};

use super::runs::count_cores;
use super::types::{RunComparison, Verdict};

/// The largest loss of MAT that is let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// As a share: 0.03 for `mat:-3%`.
    pub loss: f64,
}

/// One row of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRow {
    /// What was judged: target, cores and SLO.
    pub label: String,
    /// Whether it is let through.
    pub pass: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The comparison's verdict.
    pub verdict: Verdict,
}

impl Gate {
    /// Judges every row: a shown loss beyond the gate fails, and so does a number that cannot be compared.
    ///
    /// A loss that cannot be shown passes, but the reason says when the gate is finer than what was measured.
    pub fn judge(&self, comparison: &RunComparison) -> Vec<GateRow> {
        let lowest = 1.0 - self.loss;
        let judged = comparison.rows.iter().map(|row| {
            let (pass, why) = match (row.verdict, row.ratio) {
                (Verdict::Incomparable, _) | (_, None) => (false, format!("cannot be judged: {}", row.why)),
                (Verdict::Worse, Some(ratio)) if ratio.value < lowest => (false, format!("{self} broken: {}", row.why)),
                (_, Some(ratio)) if ratio.ci95[0] < lowest => (
                    true,
                    format!("no loss beyond {self} is shown, but the interval does not exclude one: {}", row.why),
                ),
                _ => (true, format!("a loss beyond {self} is excluded: {}", row.why)),
            };
            let label = format!("{} {} {}", row.b.label, count_cores(row.cores), row.slo);
            GateRow { label, pass, why, verdict: row.verdict }
        });
        judged.collect()
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.4}", self.loss * 100.0);
        write!(f, "mat:-{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Gate {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Gate, Problem> {
        let example = "write the loss of MAT that is let through, e.g. `mat:-3%`";
        let problem = |why: &str| Problem::new(format!("gate `{}` {why}", printable(text))).help(example);
        let (what, bound) = text.split_once(':').ok_or_else(|| problem("has no `:`"))?;
        if what.trim() != "mat" {
            return Err(Problem::unknown("gate quantity", what.trim(), ["mat"], example));
        }
        let percent = bound.trim().strip_suffix('%').ok_or_else(|| problem("has no `%`"))?;
        let digits = percent.strip_prefix('-').ok_or_else(|| problem("lets only losses through: it needs a `-`"))?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match digits.parse::<f64>() {
            Ok(loss) if plain && (0.0..100.0).contains(&loss) => Ok(Gate { loss: loss / 100.0 }),
            _ => Err(problem("has no share from 0% to below 100%")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_read_and_print() {
        for (text, loss) in [("mat:-3%", 0.03), ("mat:-0.5%", 0.005), (" mat : -10% ", 0.1), ("mat:-0%", 0.0)] {
            let gate: Gate = text.parse().unwrap();
            assert!((gate.loss - loss).abs() < 1e-12, "{text}");
            assert_eq!(gate.to_string().parse::<Gate>().unwrap(), gate);
        }
        for (text, token) in [
            ("", "no `:`"),
            ("mat", "no `:`"),
            ("mta:-3%", "did you mean `mat`"),
            ("mat:-3", "no `%`"),
            ("mat:3%", "needs a `-`"),
            ("mat:-x%", "no share"),
            ("mat:-100%", "no share"),
            ("mat:-1e1%", "no share"),
            ("mat:--3%", "no share"),
        ] {
            let problem = text.parse::<Gate>().unwrap_err();
            assert!(problem.to_string().contains(token), "{text}: {problem}");
        }
    }
}
