//! The named bottleneck: rules asked in order, every one kept with its evidence.

mod evidence;
mod facts;
mod rules;
#[cfg(test)]
mod tests;
mod thresholds;
mod types;

use corecurve_core::{CellId, QueueLaw, Slo};
use std::collections::BTreeMap;

use self::evidence::{Evidence, Surroundings};
pub use self::types::{Cause, Fact, Ruling, Verdict};
use super::profiles::ProfileFinding;
use super::run_data::RunData;
use super::types::CellFinding;

/// How many of the nearest rules an unknown cause names.
const NEAREST: usize = 3;

/// The verdict of every cell and objective that was measured on a real target.
pub(super) fn verdicts(
    cells: &[CellFinding],
    run: &RunData,
    profiles: &[ProfileFinding],
    laws: &BTreeMap<CellId, QueueLaw>,
) -> Vec<Verdict> {
    let real =
        cells.iter().filter(|cell| !cell.series.is_simulated() && cell.cell.target != "null" && !cell.cell.control);
    let of_cell = |cell: &CellFinding| -> Vec<Verdict> {
        let around = Surroundings { cells, profiles, capacities: &run.capacities, law: laws.get(&cell.cell.id) };
        let slos: Vec<Option<Slo>> = match cell.mats.is_empty() {
            true => vec![None],
            false => cell.mats.iter().map(|mat| Some(mat.slo)).collect(),
        };
        slos.into_iter().filter_map(|slo| judge(&Evidence::gather(cell, slo, &around)?, slo)).collect()
    };
    real.flat_map(of_cell).collect()
}

/// Asks the rules. A trial without counters (a record of before they were read) is not judged: nothing would hold.
fn judge(evidence: &Evidence<'_>, slo: Option<Slo>) -> Option<Verdict> {
    evidence.at.counters()?;
    let rulings = rules::all(evidence);
    let also: Vec<Cause> = rulings.iter().filter(|ruling| ruling.hit).map(|ruling| ruling.cause).collect();
    let cause = also.first().copied().unwrap_or(Cause::Unknown);
    let mut nearest: Vec<&Ruling> = rulings.iter().collect();
    nearest.sort_by(|a, b| b.nearness().total_cmp(&a.nearness()));
    let nearest = match cause {
        Cause::Unknown => nearest.iter().take(NEAREST).map(|ruling| ruling.cause).collect(),
        _ => Vec::new(),
    };
    let cell = &evidence.cell;
    let mut verdict = Verdict {
        cell: cell.cell.id.clone(),
        label: cell.label.clone(),
        slo,
        cores: cell.cell.cores,
        cause,
        sentence: String::new(),
        also,
        rulings,
        nearest,
        disputed: None,
        missing: missing(evidence),
    };
    verdict.sentence = sentence(&verdict);
    Some(verdict)
}

/// The verdict in one sentence.
fn sentence(verdict: &Verdict) -> String {
    let Some(ruling) = verdict.ruling() else {
        let near: Vec<String> = verdict.nearest.iter().map(|cause| cause.name().to_owned()).collect();
        let probes: Vec<&str> = verdict.nearest.iter().filter_map(|cause| cause.probe()).collect();
        let ask = match probes.first() {
            Some(_) => format!("; `corecurve probe --probe {}` would tell", unique(probes).join(",")),
            None => String::new(),
        };
        return format!("unknown: no rule holds; nearest are {}{ask}", near.join(", "));
    };
    let mut text = format!("{}: {}", ruling.cause, ruling.cause.meaning());
    if let Some(detail) = &ruling.detail {
        text.push_str(&format!(" ({detail})"));
    }
    let held: Vec<String> = ruling
        .facts
        .iter()
        .filter(|fact| fact.holds == Some(true))
        .map(|fact| format!("{} {}", fact.what, fact.seen))
        .collect();
    if !held.is_empty() {
        text.push_str(&format!("; {}", held.join(", ")));
    }
    text
}

fn unique(mut words: Vec<&str>) -> Vec<&str> {
    let mut seen = Vec::new();
    words.retain(|word| {
        let new = !seen.contains(word);
        seen.push(word);
        new
    });
    words
}

/// What was not there and would have helped.
fn missing(evidence: &Evidence<'_>) -> Vec<String> {
    let counters = evidence.at.counters().into_iter().flat_map(|counters| &counters.missing);
    let profile = evidence.profile.into_iter().flat_map(|profile| &profile.missing);
    let mut found: Vec<String> = counters
        .chain(profile)
        .map(|missing| match &missing.help {
            Some(help) => format!("{}: {}; {help}", missing.what, missing.why),
            None => format!("{}: {}", missing.what, missing.why),
        })
        .collect();
    if evidence.profile.is_none() {
        found.push("profile: none was taken; locks and system calls are not known".to_owned());
    }
    found.sort();
    found.dedup();
    found
}
