//! What is true of a whole run, and which of its numbers were struck out.

use std::collections::BTreeMap;

use corecurve_core::{Mode, Rate};

use super::mats::why_unusable;
use super::types::{CellFinding, Findings, StruckOut};
use crate::compare::spread::usable;

/// The caveats that travel with every number of the run.
pub(super) fn run_caveats(findings: &Findings) -> Vec<String> {
    let mut caveats = Vec::new();
    let real: Vec<&CellFinding> = findings.cells.iter().filter(|cell| !cell.series.is_simulated()).collect();
    let searched = findings.cells.iter().any(|cell| cell.cell.mode == Mode::Search);
    if !findings.progress.is_complete() {
        let progress = findings.progress;
        caveats.push(format!("partial: {} of {} repetitions are finished", progress.finished, progress.planned));
    }
    if findings.cells.iter().any(|cell| cell.cell.placed.shared) {
        caveats.push("shared-cores: server and load share cores, so each slows the other".to_owned());
    }
    if let Some(hypervisor) = findings.machine.hypervisor.as_ref().filter(|_| !real.is_empty()) {
        caveats.push(format!("virtual machine ({hypervisor}): other guests can slow this one without a trace"));
    }
    if real.len() < findings.cells.len() {
        caveats.push("`sim:` targets run in virtual time: their numbers say nothing about this machine".to_owned());
    }
    if searched && findings.cells.len() > 1 && findings.noise_floor.is_none() {
        caveats.push("no A/A control with a valid number: ratios are not judged against a noise floor".to_owned());
    }
    if searched && findings.cells.iter().any(|cell| cell.planned_reps == 1) {
        caveats.push("one repetition per cell: how much restarts vary is not known".to_owned());
    }
    for (caveat, cells) in shared_by_cells(&findings.cells) {
        if cells == findings.cells.len() && !caveats.contains(&caveat) {
            caveats.push(caveat);
        }
    }
    caveats
}

/// How many cells carry each caveat, in the order first seen.
fn shared_by_cells(cells: &[CellFinding]) -> Vec<(String, usize)> {
    let mut order = Vec::new();
    let mut count: BTreeMap<&String, usize> = BTreeMap::new();
    for caveat in cells.iter().flat_map(|cell| &cell.caveats) {
        if count.insert(caveat, count.get(caveat).copied().unwrap_or(0) + 1).is_none() {
            order.push(caveat);
        }
    }
    order.into_iter().map(|caveat| (caveat.clone(), count[caveat])).collect()
}

/// Every trial and every MAT that may not be used, in the plan's order.
pub(super) fn struck_out(cells: &[CellFinding]) -> Vec<StruckOut> {
    let mut struck = Vec::new();
    for cell in cells {
        for trial in cell.trials.iter().filter(|trial| !trial.valid) {
            struck.push(StruckOut {
                cell: cell.cell.id.clone(),
                rep: trial.rep,
                trial: Some(trial.trial),
                slo: None,
                what: format!("trial at {}", Rate(trial.offered_per_s)),
                reasons: trial.invalid_reasons.iter().map(ToString::to_string).collect(),
            });
        }
        for record in cell.mats.iter().flat_map(|mat| &mat.reps).filter(|record| !usable(record)) {
            let number = record.mat.mat_per_s.map_or("without a number".to_owned(), |mat| Rate(mat).to_string());
            struck.push(StruckOut {
                cell: cell.cell.id.clone(),
                rep: record.rep,
                trial: None,
                slo: Some(record.mat.slo),
                what: format!("MAT {number}"),
                reasons: why_unusable(record),
            });
        }
    }
    struck
}
