//! `corecurve resume`: the same straight line, with finished repetitions skipped.

use corecurve_core::{Mode, Plan};
use corecurve_engine::store::Store;
use corecurve_machine::{Machine, TopologySource};

use crate::args::{OutputArgs, ResumeArgs};
use crate::catalog::Catalog;
use crate::conduct::{Outputs, conduct};
use crate::exit::{Exit, Failure};
use crate::plan::Kind;
use crate::probe::Ask;
use crate::{runs, turn};

/// Continues a run.
pub fn resume(args: &ResumeArgs) -> Result<Exit, Failure> {
    let output =
        OutputArgs { export: args.export.clone(), json: args.json, quiet: args.quiet, ..OutputArgs::default() };
    let dir = runs::find(&args.run)?;
    let (mut store, stored) = Store::resume(&dir)?;
    let outputs = Outputs::check(&output, kind_of(&stored.plan))?;
    let spec = corecurve_core::Spec::parse(&stored.spec_toml, "spec.toml")
        .map_err(|problems| Failure { exit: Exit::CouldNotRun, problems })?;
    turn::for_targets(stored.plan.cells.iter().map(|cell| cell.target.as_str()), spec.shield.as_deref())?;
    let machine = Machine::discover(&TopologySource::Live)?;
    conduct(&spec, &stored.plan, &machine, &Catalog::new()?, &mut store, &outputs)
}

/// Which command made a plan, as far as its output is concerned.
pub fn kind_of(plan: &Plan) -> Kind {
    match plan.cells.as_slice() {
        _ if !plan.probes.is_empty() => Kind::Probe(Ask::default()),
        [cell] if cell.mode != Mode::Search => Kind::Run,
        [_] => Kind::Mat,
        _ => Kind::Sweep,
    }
}
