//! A whole run, from spec to findings, in a directory that is gone afterwards: what a user's command does, without its output.

use corecurve_analysis::findings::Findings;
use corecurve_core::{Problem, Problems, Silent, Spec};
use corecurve_engine::StopFlag;
use corecurve_engine::execute::{Outcome, execute};
use corecurve_engine::store::{NewRun, Store};
use corecurve_machine::{Machine, TopologySource};

use crate::catalog::Catalog;
use crate::conduct::{findings_of, with_lab};
use crate::plan::{self, Kind};
use crate::{machine_record, turn};

/// Runs a spec.
///
/// # Errors
/// What the user's command would have refused or failed with, and the user's own Ctrl-C.
pub fn findings_of_run(spec: &Spec, kind: Kind) -> Result<Findings, Problem> {
    turn::take()?;
    let catalog = Catalog::new()?;
    let machine = Machine::discover(&TopologySource::Live)?;
    let plan = plan::expand(spec, &machine, &catalog, kind).map_err(first)?;
    let scratch = std::env::temp_dir().join(format!("corecurve-validate-run-{}", std::process::id()));
    let run = NewRun {
        results: scratch.clone(),
        dir: Some(scratch.join("run")),
        slug: "validate".to_owned(),
        spec_toml: spec.to_toml(),
        plan: &plan,
        machine: machine_record::machine_record(&machine),
        command: Vec::new(),
    };
    let found = within(&run, spec, &catalog);
    // Nothing but the records of a run that is over.
    let _ = std::fs::remove_dir_all(&scratch);
    found
}

fn within(run: &NewRun<'_>, spec: &Spec, catalog: &Catalog) -> Result<Findings, Problem> {
    let mut store = Store::create(run)?;
    let dir = store.dir().to_owned();
    let stop = StopFlag::with_signals();
    let ended = with_lab(spec, catalog, |lab| execute(run.plan, &mut store, lab, &mut Silent, &stop))?;
    drop(store);
    match ended {
        Outcome::Finished { .. } => findings_of(&dir),
        Outcome::Interrupted => Err(Problem::new("interrupted")),
    }
}

/// What is told of several mistakes in a spec that is not the user's: the first.
fn first(problems: Problems) -> Problem {
    problems.0.into_iter().next().unwrap_or_else(|| Problem::new("a spec that cannot be planned, without a reason"))
}
