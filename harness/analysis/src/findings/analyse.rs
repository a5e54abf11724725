//! [`analyse`]: the straight line from records to findings.

use std::collections::BTreeMap;

use corecurve_core::rng::mix;
use corecurve_core::{CellId, QueueLaw, SCHEMA};

use super::account::accounts;
use super::caveats::{run_caveats, struck_out};
use super::cells::cell_findings;
use super::crossings::objectives;
use super::curves::curves;
use super::elasticities::elasticities;
use super::generator::held_against_capacity;
use super::headline::headline;
use super::loss::scaling_losses;
use super::machine::machine_summary;
use super::mats::fill_speedups;
use super::oracle_line::measured_laws;
use super::profiles::profile_findings;
use super::run_data::RunData;
use super::shares::shares;
use super::spreads::Spreads;
use super::types::{Findings, Progress, RunIdentity};
use super::verdict::verdicts;
use crate::compare::within::{comparisons, noise_floor};

/// Everything a report may show, from the records of a run. Pure: the same records give the same findings, bit for bit.
///
/// Costs a few milliseconds per cell and SLO, mostly bootstrap.
pub fn analyse(run: &RunData) -> Findings {
    analyse_with_laws(run, &BTreeMap::new())
}

/// [`analyse`] for cells of which it is known what kind of queue they are: their load curves get an oracle line. A
/// simulation's law is taken as it is, a real server's gets the service time that was measured.
pub fn analyse_with_laws(run: &RunData, laws: &BTreeMap<CellId, QueueLaw>) -> Findings {
    let seed = run.plan.seed;
    let laws = &measured_laws(run, laws);
    let mats = held_against_capacity(&run.plan.cells, &run.mats, &run.capacities);
    let spreads = Spreads::of(&run.plan.cells, &mats);
    let mut cells = cell_findings(run, &mats, laws, &spreads);
    fill_speedups(&mut cells, &spreads, mix(seed, 1));
    let shares = shares(&mut cells);
    let curves = curves(&cells, mix(seed, 2));
    let noise_floor = noise_floor(&cells, &spreads, mix(seed, 3));
    let comparisons = comparisons(&cells, &spreads, noise_floor.as_ref(), mix(seed, 4));
    let objectives = objectives(&cells, laws, &spreads, noise_floor.as_ref(), mix(seed, 5));
    let profiles = profile_findings(&cells, &run.profiles);
    let losses = scaling_losses(&cells, &run.profiles, &profiles);
    let elasticities = elasticities(&run.plan.probes, &cells, &spreads, mix(seed, 6));
    let mut findings = Findings {
        schema: SCHEMA,
        headline: String::new(),
        run: RunIdentity {
            dir: run.dir.clone(),
            slug: run.slug.clone(),
            command: run.command.clone(),
            seed,
            started: run.started.clone(),
            version: run.version.clone(),
        },
        machine: machine_summary(&run.machine),
        machine_record: run.machine.clone(),
        plan: run.plan.clone(),
        progress: Progress { finished: run.finished.len(), planned: run.plan.order.len() },
        struck_out: struck_out(&cells),
        accounts: accounts(&cells),
        verdicts: verdicts(&cells, run, &profiles, laws),
        cells,
        curves,
        noise_floor,
        comparisons,
        objectives,
        elasticities,
        capacities: run.capacities.clone(),
        shares,
        profiles,
        losses,
        caveats: Vec::new(),
        notes: run.notes.clone(),
    };
    findings.caveats = run_caveats(&findings);
    findings.headline = headline(&findings);
    findings
}
