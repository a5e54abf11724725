//! Elasticities: by how much the MAT moved when one resource was made scarcer or more plentiful.
//!
//! The elasticity of the MAT to a resource is d ln MAT / d ln resource: 1 where the resource is all that limits, 0 where it limits
//! nothing. Coz speeds code up by slowing everything else down; this is the same idea the other way round, and needs no
//! counters: what is limiting shows by what it does.

use corecurve_core::rng::mix;
use corecurve_core::{CellId, Nanos, ProbeAmount, ProbeKind, ProbeStep, Slo};
use serde::{Deserialize, Serialize};

use super::spreads::Spreads;
use super::types::{CellFinding, MatFinding, Ratio};
use crate::compare::spread::{Sample, ratio};

/// Largest two-sided p-value, before correction over the table, at which a MAT is said to have moved.
const ALPHA: f64 = 0.05;

/// What came of one probe at one SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elasticity {
    /// Which probe.
    pub probe: ProbeKind,
    /// The bottleneck it would show: `cpu`, `lock`, `memory`, `link`, `accept-queue`, `imbalance`, `generator`, `interconnect`.
    pub resource: String,
    /// What was changed, in words.
    pub change: String,
    /// The cell it was measured in; `None` when it was not.
    pub cell: Option<CellId>,
    /// The objective.
    pub slo: Slo,
    /// The MAT without the change, per second.
    pub base_mat: Option<f64>,
    /// The MAT with it.
    pub changed_mat: Option<f64>,
    /// MAT with it over MAT without.
    pub mat_ratio: Option<Ratio>,
    /// How many times as much of the resource there was; `None` where nobody knows.
    pub resource_ratio: Option<f64>,
    /// d ln MAT / d ln resource, with its 95 % interval.
    pub elasticity: Option<Ratio>,
    /// The ratio of MATs to expect if this resource alone limited.
    pub predicted: Option<f64>,
    /// CPU time per request without the change, nanoseconds, where the prediction rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_per_request_ns: Option<f64>,
    /// Whether the MAT moved beyond chance, corrected for the number of probes (Holm).
    pub significant: bool,
    /// Why there is no answer.
    pub not_run: Option<String>,
}

impl Elasticity {
    /// How strongly the MAT depends on the resource: the elasticity, or where the amount is not known the change itself.
    pub fn strength(&self) -> Option<f64> {
        let by_ratio = || self.mat_ratio.map(|ratio| ratio.value.ln().abs());
        self.elasticity.map(|elasticity| elasticity.value).or_else(by_ratio)
    }

    /// Whether more of the resource means more throughput, beyond chance.
    pub fn limits(&self) -> bool {
        self.significant && self.strength().is_some_and(|strength| strength > 0.0)
    }
}

/// A row for each probe of the plan and each SLO of its base, which is the first cell.
pub(super) fn elasticities(
    steps: &[ProbeStep],
    cells: &[CellFinding],
    spreads: &Spreads,
    seed: u64,
) -> Vec<Elasticity> {
    let Some(base) = cells.iter().find(|cell| cell.cell.probe.is_none() && !cell.cell.control) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for step in steps {
        let cell = step.cell.as_ref().and_then(|id| cells.iter().find(|cell| cell.cell.id == *id));
        for mat in &base.mats {
            let changed = cell.and_then(|cell| cell.mats.iter().find(|changed| changed.slo == mat.slo));
            rows.push(row(step, (base, mat), changed, spreads, mix(seed, rows.len() as u64)));
        }
    }
    let p_values: Vec<f64> = rows.iter().filter_map(|(_, p_value)| *p_value).collect();
    let mut corrected = crate::compare::spread::holm(&p_values).into_iter();
    let judged = rows.into_iter().map(|(row, p_value)| {
        let corrected = p_value.and_then(|_| corrected.next());
        Elasticity { significant: corrected.is_some_and(|p| p < ALPHA), ..row }
    });
    judged.collect()
}

fn row(
    step: &ProbeStep,
    (base, mat): (&CellFinding, &MatFinding),
    changed: Option<&MatFinding>,
    spreads: &Spreads,
    seed: u64,
) -> (Elasticity, Option<f64>) {
    let mut row = Elasticity {
        probe: step.probe,
        resource: step.probe.row().resource.to_owned(),
        change: step.change.clone(),
        cell: step.cell.clone(),
        slo: mat.slo,
        base_mat: mat.mat_per_s.filter(|_| mat.valid),
        changed_mat: changed.and_then(|changed| changed.mat_per_s.filter(|_| changed.valid)),
        mat_ratio: None,
        resource_ratio: None,
        elasticity: None,
        predicted: None,
        cpu_per_request_ns: None,
        significant: false,
        not_run: step.not_run.clone(),
    };
    if row.not_run.is_some() {
        return (row, None);
    }
    let Some(changed) = changed else {
        row.not_run = Some("not measured yet".to_owned());
        return (row, None);
    };
    for (what, mat) in [("base", mat), ("changed", changed)] {
        if !mat.valid {
            let first = mat.reasons.first().map_or(String::new(), |reason| format!(": {reason}"));
            row.not_run = Some(format!("the {what} cell has no valid MAT{first}"));
            return (row, None);
        }
    }
    let judged = ratio(&Sample::of(&mat.reps), &Sample::of(&changed.reps), spreads.at(&mat.slo), seed);
    row.mat_ratio = judged.map(|judged| Ratio { value: judged.ratio, ci95: judged.ci95 });
    row.resource_ratio = match step.amount {
        ProbeAmount::AddedCpu(added) => {
            row.cpu_per_request_ns = cpu_per_request_ns(base, mat);
            row.cpu_per_request_ns.map(|before| times_the_cpu(before, added))
        }
        ProbeAmount::Times(times) => Some(times),
        ProbeAmount::Unknown => None,
    };
    // What limits alone is followed in proportion.
    row.predicted = row.resource_ratio.filter(|_| is_proportional(step.probe));
    row.elasticity = row.mat_ratio.zip(row.resource_ratio).and_then(|(mats, resource)| elasticity(mats, resource));
    (row, judged.map(|judged| judged.p_value))
}

/// How many times as much CPU there is for what was done before, when each request takes `added` more: T/(T+d). The MAT of a CPU-bound
/// server changes by −d/(T+d).
fn times_the_cpu(before_ns: f64, added: Nanos) -> f64 {
    before_ns / (before_ns + added.0 as f64)
}

/// T: CPU time per request, of the server's cores.
fn cpu_per_request_ns(cell: &CellFinding, mat: &MatFinding) -> Option<f64> {
    let cpus = cell.cell.placed.server_cpus().len().max(1) as f64;
    let spent = mat.utilisation.filter(|share| *share > 0.0)? * cpus;
    Some(spent / mat.mat_per_s? * 1e9)
}

/// Whether a server that one resource alone limits does twice as much with twice as much of it. Twice the room for connections or
/// copies is not of that kind.
fn is_proportional(probe: ProbeKind) -> bool {
    matches!(probe, ProbeKind::Cpu | ProbeKind::Lock | ProbeKind::Link | ProbeKind::Generator)
}

fn elasticity(mats: Ratio, resource: f64) -> Option<Ratio> {
    let change = resource.ln();
    if change.abs() < 1e-9 {
        return None;
    }
    let of = |ratio: f64| ratio.ln() / change;
    let (one, other) = (of(mats.ci95[0]), of(mats.ci95[1]));
    Some(Ratio { value: of(mats.value), ci95: [one.min(other), one.max(other)] })
}

/// The largest significant elasticity in a sentence; what can be said where there is none.
pub fn sentence(rows: &[Elasticity]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let strength = |row: &&Elasticity| row.strength().unwrap_or(0.0);
    let largest = rows.iter().filter(|row| row.limits()).max_by(|a, b| strength(a).total_cmp(&strength(b)));
    let measured: Vec<&str> = rows.iter().filter(|row| row.not_run.is_none()).map(|row| row.probe.name()).collect();
    Some(match largest {
        Some(row) => match row.elasticity {
            Some(Ratio { value, ci95: [low, high] }) => format!(
                "The MAT at {} depends most on `{}`: elasticity {value:.2} (95 % {low:.2} to {high:.2}) to {}.",
                row.slo, row.resource, row.change
            ),
            None => format!(
                "The MAT at {} depends on `{}`: it moved with {}, by an amount that has no scale.",
                row.slo, row.resource, row.change
            ),
        },
        None if measured.is_empty() => "No probe could be measured; each row says why.".to_owned(),
        None => {
            format!("No probe moved the MAT beyond chance ({}): what limits is none of these.", measured.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::analyse;
    use crate::findings::testing::{answer, cell, invalid, run};

    /// A base that does 1000/s at 93 % of one CPU, and a cell with so much more work per request.
    fn probed(changed: [f64; 3], added: Nanos) -> Vec<Elasticity> {
        let (base, mut slow) = (cell("00", "single-loop", 1, false), cell("01", "single-loop", 1, false));
        slow.probe = Some(ProbeKind::Cpu);
        let mut mats: Vec<_> =
            (0..3).zip([990.0, 1_000.0, 1_010.0]).map(|(rep, x)| answer(&base, rep, x, 0.005)).collect();
        mats.extend((0..3).zip(changed).map(|(rep, x)| answer(&slow, rep, x, 0.005)));
        let mut data = run(vec![base, slow.clone()], mats);
        let step = |probe, cell: Option<CellId>, amount, not_run: Option<&str>| ProbeStep {
            probe,
            change: "a change".to_owned(),
            cell,
            amount,
            not_run: not_run.map(str::to_owned),
        };
        data.plan.probes = vec![
            step(ProbeKind::Cpu, Some(slow.id), ProbeAmount::AddedCpu(added), None),
            step(ProbeKind::Link, None, ProbeAmount::Unknown, Some("there is no link")),
        ];
        analyse(&data).elasticities
    }

    #[test]
    fn a_cpu_bound_server_loses_what_the_added_work_takes() {
        // T is 930 µs; as much again halves what it does.
        let rows = probed([495.0, 500.0, 505.0], Nanos(930_000));
        let row = &rows[0];
        assert_eq!((row.base_mat, row.changed_mat), (Some(1_000.0), Some(500.0)));
        assert!((row.cpu_per_request_ns.unwrap() - 930_000.0).abs() < 1.0);
        assert!((row.predicted.unwrap() - 0.5).abs() < 1e-9 && row.significant && row.limits());
        let elasticity = row.elasticity.unwrap();
        assert!((elasticity.value - 1.0).abs() < 0.01 && elasticity.ci95[0] < 1.0 && elasticity.ci95[1] > 1.0);
        assert!(sentence(&rows).unwrap().contains("depends most on `cpu`: elasticity 1.00"));
    }

    #[test]
    fn a_server_that_waits_for_something_else_does_not_move() {
        let rows = probed([995.0, 1_001.0, 1_004.0], Nanos(930_000));
        assert!(!rows[0].significant && rows[0].elasticity.unwrap().value.abs() < 0.02, "{:?}", rows[0]);
        assert!(sentence(&rows).unwrap().contains("none of these"));
    }

    #[test]
    fn a_probe_that_was_not_run_is_a_row_with_its_reason() {
        let rows = probed([500.0; 3], Nanos(930_000));
        assert_eq!(rows[1].not_run.as_deref(), Some("there is no link"));
        assert!(rows[1].elasticity.is_none() && !rows[1].significant);
        assert_eq!(sentence(&rows[1..]).unwrap(), "No probe could be measured; each row says why.");
        assert_eq!(sentence(&[]), None);
    }

    #[test]
    fn no_elasticity_comes_of_an_invalid_mat() {
        let (base, mut slow) = (cell("00", "single-loop", 1, false), cell("01", "single-loop", 1, false));
        slow.probe = Some(ProbeKind::Cpu);
        let mats = vec![answer(&base, 0, 1_000.0, 0.01), invalid(answer(&slow, 0, 500.0, 0.01))];
        let mut data = run(vec![base, slow.clone()], mats);
        data.plan.probes = vec![ProbeStep {
            probe: ProbeKind::Cpu,
            change: String::new(),
            cell: Some(slow.id),
            amount: ProbeAmount::Times(0.5),
            not_run: None,
        }];
        let rows = analyse(&data).elasticities;
        assert!(rows[0].elasticity.is_none() && rows[0].not_run.as_ref().unwrap().contains("busy"), "{rows:?}");
    }
}
