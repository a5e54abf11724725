//! `corecurve topo`: draws the machine and what a placement would use.

use corecurve_core::{CpuSet, PlacementKind, Problem, Problems};
use corecurve_machine::{Machine, PlacementRequest, TopologySource, draw};

use crate::args::TopoArgs;
use crate::exit::{Exit, Failure};
use crate::spec_args::{value, whole_number};

/// Draws to stdout.
pub fn topo(args: &TopoArgs) -> Result<Exit, Failure> {
    let mut problems = Problems::default();
    let kind = args.placement.as_deref().map(|text| value::<PlacementKind>(text, "placement"));
    let kind = problems.take(kind.transpose()).flatten();
    let mut cpus = |text: &Option<String>, flag: &str| -> Option<CpuSet> {
        problems.take(text.as_deref().map(|text| value(text, flag)).transpose()).flatten()
    };
    let server_cpus = cpus(&args.server_cpus, "server-cpus");
    let load_cpus = cpus(&args.load_cpus, "load-cpus");
    let only = cpus(&args.only, "only");
    let mut count = |text: &Option<String>, flag: &str| -> Option<usize> {
        let number = text.as_deref().map(|text| whole_number(text, flag)).transpose();
        problems.take(number).flatten().map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let cores = count(&args.cores, "cores");
    let load_cores = count(&args.load_cores, "load-cores");
    if args.cores.is_some() && args.placement.is_none() {
        problems.0.push(Problem::new("--cores without --placement").help("add e.g. `--placement compact`"));
    }
    problems.finish(()).map_err(Failure::wrong_use)?;

    let machine = machine(args.topology.as_deref(), only.as_ref())?;
    let placed = match kind {
        None => None,
        Some(kind) => {
            let half = (machine.usable_cores() / 2).max(1);
            let request = PlacementRequest {
                kind,
                server_cores: cores.unwrap_or(half.min(machine.max_server_cores(kind, load_cores).max(1))),
                load_cores,
                server_cpus,
                load_cpus,
                allow_shared: args.allow_shared_cores,
            };
            Some(machine.place(&request).map_err(Failure::wrong_use)?)
        }
    };
    if args.json {
        println!("{}", serde_json::json!({ "event": "topo", "machine": machine, "placed": placed }));
    } else {
        print!("{}", draw::draw(&machine, placed.as_ref()));
    }
    Ok(Exit::Done)
}

/// The machine that is meant: this one, a made-up one or one from a file.
pub fn machine(topology: Option<&str>, only: Option<&CpuSet>) -> Result<Machine, Failure> {
    let source: TopologySource = match topology {
        None => TopologySource::Live,
        Some(text) => text.parse().map_err(|problem: Problem| Failure::wrong_use(problem.at("--topology")))?,
    };
    let machine = Machine::discover(&source).map_err(|problem| match source.is_live() {
        true => Failure::could_not_run(problem),
        false => Failure::wrong_use(problem.at("--topology")),
    })?;
    match only {
        None => Ok(machine),
        Some(cpus) => machine.limited_to(cpus).map_err(|problem| Failure::wrong_use(problem.at("--only"))),
    }
}
