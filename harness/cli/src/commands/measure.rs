//! `corecurve run`, `mat` and `sweep`: the straight line from what was asked to what was found.

use corecurve_core::{Plan, Problem, Spec};
use corecurve_engine::store::{NewRun, Store};
use corecurve_machine::Machine;

use crate::args::{MeasureArgs, OutputArgs};
use crate::catalog::Catalog;
use crate::commands::topo;
use crate::conduct::{Outputs, conduct};
use crate::exit::{Exit, Failure};
use crate::plan::{self, Kind};
use crate::{gate, runs, show, spec_args, turn};

/// Measures what the arguments ask for.
pub fn measure(args: &MeasureArgs, kind: Kind) -> Result<Exit, Failure> {
    let outputs = Outputs::check(&args.output, kind.clone())?;
    let gate = gate::Gate::check(args.gate.as_deref(), args.against.as_deref())?;
    let spec = spec_args::spec(args).map_err(Failure::wrong_use)?;
    let exit = measure_spec(&spec, kind, &args.output, &outputs)?;
    match gate {
        Some(gate) if exit == Exit::Done => gate.judge(&runs::find("latest")?, args.output.json),
        _ => Ok(exit),
    }
}

/// Measures a spec: the part that `demo` shares.
pub fn measure_spec(spec: &Spec, kind: Kind, output: &OutputArgs, outputs: &Outputs) -> Result<Exit, Failure> {
    let catalog = Catalog::new()?;
    if !output.dry_run && spec.topology.as_deref().is_none_or(|source| source == "live") {
        turn::for_targets(spec.target.iter().map(String::as_str), spec.shield.as_deref())?;
    }
    let machine = topo::machine(spec.topology.as_deref(), None)?;
    let plan = plan::expand(spec, &machine, &catalog, kind).map_err(Failure::wrong_use)?;
    if output.dry_run {
        show::plan(&plan, &machine, output.json);
        return Ok(Exit::Done);
    }
    refuse_made_up_machine(&machine, &plan)?;
    let mut store = open_store(spec, &plan, &machine, output)?;
    conduct(spec, &plan, &machine, &catalog, &mut store, outputs)
}

fn open_store(spec: &Spec, plan: &Plan, machine: &Machine, output: &OutputArgs) -> Result<Store, Problem> {
    let slug = plan.cells.first().map_or("run", |cell| cell.target.as_str());
    Store::create(&NewRun {
        results: runs::RESULTS.into(),
        dir: output.out.clone(),
        slug: slug.to_owned(),
        spec_toml: spec.to_toml(),
        plan,
        machine: crate::machine_record::machine_record(machine),
        command: crate::machine_record::command_line(),
    })
}

/// Real targets cannot run on a machine that is only described.
fn refuse_made_up_machine(machine: &Machine, plan: &Plan) -> Result<(), Failure> {
    let real = plan.cells.iter().find(|cell| !Catalog::is_virtual(&cell.target));
    match real {
        Some(cell) if !machine.live => Err(Failure::wrong_use(
            Problem::new(format!(
                "--topology describes a machine that is not this one, and `{}` is a real target",
                cell.target
            ))
            .help("add --dry-run to see the plan, or drop --topology to measure here"),
        )),
        _ => Ok(()),
    }
}
