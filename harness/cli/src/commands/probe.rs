//! `corecurve probe`: slow one resource by a known amount and see whether the MAT moves.

use crate::args::ProbeArgs;
use crate::commands::measure::measure_spec;
use crate::conduct::Outputs;
use crate::exit::{Exit, Failure};
use crate::plan::Kind;
use crate::probe::Ask;
use crate::spec_args;

/// Probes what the arguments name.
pub fn probe(args: &ProbeArgs) -> Result<Exit, Failure> {
    let ask = Ask::read(&args.probe, args.added.as_deref()).map_err(Failure::wrong_use)?;
    let kind = Kind::Probe(ask);
    let outputs = Outputs::check(&args.output, kind.clone())?;
    let spec = spec_args::read(args.spec.as_deref(), &args.what).map_err(Failure::wrong_use)?;
    measure_spec(&spec, kind, &args.output, &outputs)
}
