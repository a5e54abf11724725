//! One cell: its trials as points, its latency without load, its name in words.

use std::collections::{BTreeMap, BTreeSet};

use corecurve_core::{Cell, MatRecord, Purpose, QueueLaw, Settings, TrialRecord};

use super::generator::{Perturbation, perturbation};
use super::mats::mat_findings;
use super::oracle_line::{oracle_line, p99_ns};
use super::run_data::RunData;
use super::spreads::Spreads;
use super::types::{CellFinding, LoadPoint, MatFinding, NoLoad, SeriesKey};
use crate::stats::mean;

/// Every cell of the plan. Speed-ups are filled in later, once all cells are known.
pub(super) fn cell_findings(
    run: &RunData,
    mats: &[MatRecord],
    laws: &BTreeMap<corecurve_core::CellId, QueueLaw>,
    spreads: &Spreads,
) -> Vec<CellFinding> {
    let varied = Varied::of(&run.plan.cells);
    let one = |(index, cell): (usize, &Cell)| {
        let mut trials: Vec<TrialRecord> = run.trials.iter().filter(|t| t.cell == cell.id).cloned().collect();
        trials.sort_by_key(|t| (t.rep, t.attempt, t.trial));
        let perturbation = perturbation(&trials);
        let law = laws.get(&cell.id);
        let count = |turns: &[corecurve_core::Turn]| turns.iter().filter(|turn| turn.cell == index).count() as u32;
        CellFinding {
            cell: cell.clone(),
            series: SeriesKey::of(cell),
            label: varied.label(cell),
            finished_reps: count(&run.finished),
            planned_reps: count(&run.plan.order),
            mats: with_perturbation(
                mat_findings(cell, mats, spreads, corecurve_core::rng::mix(run.plan.seed, index as u64)),
                perturbation.as_ref(),
            ),
            perturbation,
            load_curve: load_curve(&trials, law),
            no_load: no_load(&trials),
            oracle: law.and_then(oracle_line),
            caveats: caveats(cell, &trials),
            trials,
        }
    };
    run.plan.cells.iter().enumerate().map(one).collect()
}

/// The caveat of the perturbation check, with the answer it was made of: the first that has a number.
fn with_perturbation(mut mats: Vec<MatFinding>, found: Option<&Perturbation>) -> Vec<MatFinding> {
    if let (Some(caveat), Some(mat)) =
        (found.and_then(Perturbation::caveat), mats.iter_mut().find(|mat| mat.mat_per_s.is_some()))
    {
        mat.caveats.push(caveat);
    }
    mats
}

fn load_curve(trials: &[TrialRecord], law: Option<&QueueLaw>) -> Vec<LoadPoint> {
    let point = |trial: &TrialRecord| LoadPoint {
        offered_per_s: trial.offered_per_s,
        sent_per_s: trial.sent_per_s,
        achieved_per_s: trial.achieved_per_s,
        p50: trial.latency_ns.p50,
        p90: trial.latency_ns.p90,
        p99: trial.latency_ns.p99,
        p999: trial.latency_ns.p999,
        bad_share: match trial.counts.scheduled {
            0 => 0.0,
            due => trial.counts.bad() as f64 / due as f64,
        },
        utilisation: trial.utilisation,
        purpose: trial.purpose,
        rep: trial.rep,
        trial: trial.trial,
        valid: trial.valid,
        oracle_p99_ns: law.filter(|_| trial.arrival.is_open()).and_then(|law| p99_ns(law, trial.offered_per_s)),
    };
    let mut points: Vec<LoadPoint> = trials.iter().map(point).collect();
    points.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    points
}

fn no_load(trials: &[TrialRecord]) -> Option<NoLoad> {
    let usable: Vec<&TrialRecord> = trials.iter().filter(|t| t.purpose == Purpose::NoLoad && t.valid).collect();
    let means: Vec<f64> = usable.iter().filter_map(|trial| trial.latency_ns.mean).collect();
    let first = usable.first()?;
    Some(NoLoad { mean_ns: mean(&means)?, p50: first.latency_ns.p50, p99: first.latency_ns.p99 })
}

/// What is true of the cell, and every caveat its trials carry, once each; of those of one rule that differ in their
/// figures the first, with how many more there are.
fn caveats(cell: &Cell, trials: &[TrialRecord]) -> Vec<String> {
    let mut caveats = Vec::new();
    if cell.placed.shared {
        caveats.push("shared-cores: server and load share cores, so each slows the other".to_owned());
    }
    if !cell.arrival.is_open() {
        caveats
            .push("closed loop: the load waits for the target, so this is a capacity probe and never a MAT".to_owned());
    }
    let mut seen = BTreeSet::new();
    let asked = trials.iter().filter(|trial| !matches!(trial.purpose, Purpose::Perturb | Purpose::Profile));
    let distinct = asked.flat_map(|trial| &trial.caveats).filter(|caveat| seen.insert(*caveat));
    let mut by_rule: Vec<(&str, &str, usize)> = Vec::new();
    for caveat in distinct {
        let rule = caveat.split_once(": ").map_or(caveat.as_str(), |(rule, _)| rule);
        match by_rule.iter_mut().find(|(known, _, _)| *known == rule) {
            Some((_, _, more)) => *more += 1,
            None => by_rule.push((rule, caveat, 0)),
        }
    }
    caveats.extend(by_rule.into_iter().map(|(_, first, more)| match more {
        0 => first.to_owned(),
        1 => format!("{first} (and 1 more trial)"),
        _ => format!("{first} (and {more} more trials)"),
    }));
    caveats
}

/// What differs between the cells of a run, and so must be part of a series' name.
struct Varied {
    target_settings: BTreeSet<String>,
    workload: bool,
    workload_settings: BTreeSet<String>,
    placement: bool,
    arrival: bool,
    connections: bool,
    requests_per_connection: bool,
}

impl Varied {
    fn of(cells: &[Cell]) -> Varied {
        let differs = |of: &dyn Fn(&Cell) -> String| cells.iter().map(of).collect::<BTreeSet<String>>().len() > 1;
        Varied {
            target_settings: varied_keys(cells, &|cell| (&cell.target, &cell.target_settings)),
            workload: differs(&|cell| cell.workload.clone()),
            workload_settings: varied_keys(cells, &|cell| (&cell.workload, &cell.workload_settings)),
            placement: differs(&|cell| cell.placed.kind.to_string()),
            arrival: differs(&|cell| cell.arrival.to_string()),
            connections: differs(&|cell| format!("{:?}", cell.connections)),
            requests_per_connection: differs(&|cell| format!("{:?}", cell.requests_per_connection)),
        }
    }

    fn label(&self, cell: &Cell) -> String {
        let mut words = vec![cell.target.clone()];
        let settings = |of: &Settings, varied: &BTreeSet<String>| -> Vec<String> {
            of.iter().filter(|(key, _)| varied.contains(*key)).map(|(key, value)| format!("{key}={value}")).collect()
        };
        words.extend(settings(&cell.target_settings, &self.target_settings));
        words.extend(self.workload.then(|| cell.workload.clone()));
        words.extend(settings(&cell.workload_settings, &self.workload_settings));
        words.extend(self.placement.then(|| cell.placed.kind.to_string()));
        words.extend(self.arrival.then(|| cell.arrival.to_string()));
        if self.connections {
            words.push(cell.connections.map_or("connections=auto".to_owned(), |n| format!("connections={n}")));
        }
        if self.requests_per_connection {
            let kept = || "keep-alive".to_owned();
            words.push(cell.requests_per_connection.map_or_else(kept, |n| format!("{n} requests/connection")));
        }
        words.join(" ")
    }
}

/// Keys whose values differ between cells of the same name.
fn varied_keys(cells: &[Cell], of: &dyn Fn(&Cell) -> (&String, &Settings)) -> BTreeSet<String> {
    let mut values: BTreeMap<(&String, &String), BTreeSet<Option<&String>>> = BTreeMap::new();
    let keys: BTreeSet<(&String, &String)> =
        cells.iter().flat_map(|cell| of(cell).1.keys().map(move |key| (of(cell).0, key))).collect();
    for cell in cells {
        let (name, settings) = of(cell);
        for (owner, key) in keys.iter().filter(|(owner, _)| *owner == name) {
            values.entry((owner, key)).or_default().insert(settings.get(*key));
        }
    }
    values.into_iter().filter(|(_, seen)| seen.len() > 1).map(|((_, key), _)| key.clone()).collect()
}
