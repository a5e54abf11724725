//! `corecurve compare`: is head better than base, and does a gate hold?

use std::io::Write;
use std::path::Path;

use corecurve_analysis::compare::{self, Verdict};
use corecurve_report as report;

use crate::args::CompareArgs;
use crate::conduct::{findings_of, terminal_style};
use crate::exit::{Exit, Failure};
use crate::{gate, runs};

/// Compares two runs.
pub fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let rule = args.gate.as_deref().map(gate::parse_rule).transpose()?;
    compare_runs(&runs::find(&args.base)?, &runs::find(&args.head)?, rule.as_ref(), args.json)
}

/// Compares the records of two run directories and judges a gate.
pub fn compare_runs(base: &Path, head: &Path, rule: Option<&compare::Gate>, json: bool) -> Result<Exit, Failure> {
    let comparison = compare::compare(&findings_of(base)?, &findings_of(head)?);
    let judged = rule.map(|rule| rule.judge(&comparison));
    let mut bytes = Vec::new();
    if json {
        report::json::line(
            &mut bytes,
            &serde_json::json!({ "event": "compare", "comparison": comparison, "gate": judged }),
        )?;
    } else {
        bytes = report::terminal::compare(&comparison, terminal_style()).into_bytes();
        for row in judged.iter().flatten() {
            let sign = if row.pass { "✓" } else { "✗" };
            writeln!(bytes, " {sign} gate {}: {}", row.label, row.why)?;
        }
    }
    std::io::stdout().write_all(&bytes)?;
    let failed = judged.iter().flatten().any(|row| !row.pass);
    let comparable = comparison.rows.len() > comparison.count(Verdict::Incomparable);
    Ok(match (failed, comparable) {
        (true, _) => Exit::GateFailed,
        (false, true) => Exit::Done,
        (false, false) => Exit::NoValidResult,
    })
}
