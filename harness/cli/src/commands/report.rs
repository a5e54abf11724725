//! `corecurve report`: renders a run's records again.

use crate::args::{OutputArgs, ReportArgs};
use crate::commands::resume::kind_of;
use crate::conduct::{Outputs, findings_of, print_findings, write_derived};
use crate::exit::{Exit, Failure};
use crate::plan::Kind;
use crate::runs;

/// Recomputes the findings, rewrites the derived files and prints the answer.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let output = OutputArgs { export: args.export.clone(), json: args.json, ..OutputArgs::default() };
    let checked = Outputs::check(&output, Kind::Sweep)?;
    let dir = runs::find(&args.run)?;
    let findings = findings_of(&dir)?;
    let outputs = Outputs { kind: kind_of(&findings.plan), ..checked };
    write_derived(&dir, &findings, &outputs.exports)?;
    print_findings(&findings, &outputs)?;
    Ok(Exit::Done)
}
