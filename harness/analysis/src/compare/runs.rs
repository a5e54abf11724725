//! [`compare`]: one run against another, cell by cell.

use std::collections::BTreeSet;

use corecurve_core::fault::FaultList;
use corecurve_core::rng::mix;
use corecurve_core::{Cell, CellId, MatRecord, SCHEMA, Settings, Slo};
use serde_json::Value;

use super::judge::{floor_at, judge, row};
use super::spread::RESAMPLES;
use super::types::{RatioRow, RunComparison, Verdict};
use crate::findings::spreads::Spreads;
use crate::findings::{CellFinding, Findings, MatFinding, SeriesKey};

/// Facts of the environment that make a machine another machine.
const HARDWARE: [&str; 8] =
    ["architecture", "cpu_model", "hypervisor", "packages", "nodes", "cores", "cpus", "quota_cpus"];
/// Facts that may be the very thing compared, but must be known when a ratio is read.
const STATE: [&str; 9] = [
    "kernel",
    "mitigations",
    "governor",
    "turbo",
    "smt",
    "transparent_huge_pages",
    "numa_balancing",
    "clocksource",
    "corecurve_version",
];

/// Run B against run A.
///
/// Cells match when everything but their records is the same: target, workload, their settings, placement, arrival,
/// connections, cores. Simulated targets do not depend on the machine; all others are incomparable across machines.
/// Costs about two milliseconds per row.
pub fn compare(a: &Findings, b: &Findings) -> RunComparison {
    let (a_mats, b_mats) = (records(a), records(b));
    let spreads = Spreads::of_both((&a.plan.cells, &a_mats), (&b.plan.cells, &b_mats));
    let whole = (a.schema != b.schema)
        .then(|| format!("the records have different formats: schema {} and {}", a.schema, b.schema));
    let machines = machine_difference(&a.machine_record, &b.machine_record);
    let seed = mix(a.plan.seed, b.plan.seed);

    let mut rows: Vec<RatioRow> = Vec::new();
    let mut only_a = Vec::new();
    let mut used: BTreeSet<(CellId, String)> = BTreeSet::new();
    for (cell, mat) in searched(a) {
        let Some((other, other_mat, difference)) = counterpart(b, cell, mat) else {
            only_a.push(describe(cell, &mat.slo));
            continue;
        };
        used.insert((other.cell.id.clone(), other_mat.slo.to_string()));
        let elsewhere = machines.clone().filter(|_| !is_simulated(cell));
        let against = whole.clone().or(difference).or(elsewhere);
        let floors = [floor_at(a.noise_floor.as_ref(), &mat.slo), floor_at(b.noise_floor.as_ref(), &mat.slo)];
        let floor = floors.into_iter().flatten().reduce(f64::max);
        let seed = mix(seed, rows.len() as u64);
        rows.push(row((cell, mat), (other, other_mat), spreads.at(&mat.slo), floor, against, seed));
    }
    judge(&mut rows);
    let unused =
        |(cell, mat): &(&CellFinding, &MatFinding)| !used.contains(&(cell.cell.id.clone(), mat.slo.to_string()));
    let only_b: Vec<String> = searched(b).filter(unused).map(|(cell, mat)| describe(cell, &mat.slo)).collect();
    let noise_floor = rows.iter().filter_map(|row| row.noise_floor).reduce(f64::max);
    RunComparison {
        schema: SCHEMA,
        headline: headline(&rows, noise_floor),
        a: a.run.dir.clone(),
        b: b.run.dir.clone(),
        notes: notes(a, b, noise_floor, &rows),
        rows,
        only_a,
        only_b,
        noise_floor,
        method: format!(
            "ratio of medians over repetitions; 95 % intervals from {RESAMPLES} redrawn pairs of medians (search error and pooled restart variation, its uncertainty included); better or worse only below 5 % after Holm's correction and beyond the larger A/A noise floor of the two runs"
        ),
    }
}

fn records(findings: &Findings) -> Vec<MatRecord> {
    findings.cells.iter().flat_map(|cell| &cell.mats).flat_map(|mat| &mat.reps).cloned().collect()
}

/// Every answer of a run except those of controls.
fn searched(findings: &Findings) -> impl Iterator<Item = (&CellFinding, &MatFinding)> {
    let cells = findings.cells.iter().filter(|cell| !cell.cell.control);
    cells.flat_map(|cell| cell.mats.iter().map(move |mat| (cell, mat)))
}

fn is_simulated(cell: &CellFinding) -> bool {
    cell.series.is_simulated()
}

/// `1 core`, `4 cores`.
pub(super) fn count_cores(cores: usize) -> String {
    format!("{cores} core{}", if cores == 1 { "" } else { "s" })
}

fn describe(cell: &CellFinding, slo: &Slo) -> String {
    let Cell { target, workload, cores, placed, .. } = &cell.cell;
    format!("{target} {workload} {} {} {slo}", placed.kind, count_cores(*cores))
}

/// The answer in `b` to the same question, or the nearest one with what is different about it.
fn counterpart<'a>(
    b: &'a Findings,
    cell: &CellFinding,
    mat: &MatFinding,
) -> Option<(&'a CellFinding, &'a MatFinding, Option<String>)> {
    let near = |(other, _): &(&CellFinding, &MatFinding)| {
        let (x, y) = (&other.series, &cell.series);
        let same_names = x.target == y.target && x.workload == y.workload && x.placement == y.placement;
        same_names && other.cell.cores == cell.cell.cores
    };
    let candidates =
        searched(b).filter(near).map(|(other, answer)| (other, answer, difference(cell, mat, other, answer)));
    candidates.min_by_key(|(.., difference)| difference.as_ref().map_or(0, String::len))
}

/// What makes the two questions different, in words.
fn difference(a: &CellFinding, mat: &MatFinding, b: &CellFinding, other: &MatFinding) -> Option<String> {
    let (x, y) = (&a.series, &b.series);
    let mut words = Vec::new();
    words.extend(settings_difference("workload", &x.workload_settings, &y.workload_settings));
    words.extend(settings_difference("target", &x.target_settings, &y.target_settings));
    let mut field = |name: &str, a: String, b: String| {
        if a != b {
            words.push(format!("{name} {a} against {b}"));
        }
    };
    let count = |n: Option<u64>, none: &str| n.map_or(none.to_owned(), |n| n.to_string());
    field("SLO", mat.slo.to_string(), other.slo.to_string());
    field("arrival", x.arrival.clone(), y.arrival.clone());
    field(
        "connections",
        count(x.connections.map(|n| n as u64), "auto"),
        count(y.connections.map(|n| n as u64), "auto"),
    );
    field("requests per connection", count(x.requests_per_connection, "∞"), count(y.requests_per_connection, "∞"));
    // A run that says nothing is from before there was a choice.
    field("transport", x.transport.unwrap_or_default().to_string(), y.transport.unwrap_or_default().to_string());
    let faults = |key: &SeriesKey| FaultList(key.faults.clone()).to_string();
    field("faults", faults(x), faults(y));
    field("network", x.network.unwrap_or_default().to_string(), y.network.unwrap_or_default().to_string());
    field("shared cores", x.shared_cores.to_string(), y.shared_cores.to_string());
    (!words.is_empty()).then(|| format!("different question: {}", words.join(", ")))
}

fn settings_difference(owner: &str, a: &Settings, b: &Settings) -> Vec<String> {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value = |of: &Settings, key: &String| of.get(key).cloned().unwrap_or_else(|| "default".to_owned());
    let changed = keys.into_iter().filter(|key| a.get(*key) != b.get(*key));
    changed.map(|key| format!("{owner}.{key} {} against {}", value(a, key), value(b, key))).collect()
}

/// The first hardware fact that both machines state and that differs.
fn machine_difference(a: &Value, b: &Value) -> Option<String> {
    let changed = differing(a, b, &HARDWARE);
    (!changed.is_empty()).then(|| format!("different machine: {}", changed.join(", ")))
}

fn differing(a: &Value, b: &Value, keys: &[&'static str]) -> Vec<String> {
    let fact = |of: &Value, key: &str| {
        let value = of.get("environment")?.get(key)?;
        (!value.is_null() && value.get("unknown").is_none()).then(|| value.clone())
    };
    let words = |value: Value| match value {
        Value::String(text) => text,
        Value::Object(_) | Value::Array(_) => "…".to_owned(),
        plain => plain.to_string(),
    };
    let pair =
        |key: &&'static str| -> Option<(&'static str, Value, Value)> { Some((*key, fact(a, key)?, fact(b, key)?)) };
    let changed = keys.iter().filter_map(pair).filter(|(_, a, b)| a != b);
    changed.map(|(key, a, b)| format!("{} {} against {}", key.replace('_', " "), words(a), words(b))).collect()
}

fn notes(a: &Findings, b: &Findings, noise_floor: Option<f64>, rows: &[RatioRow]) -> Vec<String> {
    let mut notes = Vec::new();
    for change in differing(&a.machine_record, &b.machine_record, &STATE) {
        notes.push(format!("the runs differ in {change}: a difference may be due to that"));
    }
    if noise_floor.is_none() && !rows.is_empty() {
        notes.push("neither run has an A/A control, so verdicts rest on the intervals alone".to_owned());
    }
    for (name, run) in [("A", a), ("B", b)] {
        if !run.progress.is_complete() {
            let progress = run.progress;
            notes.push(format!("{name} is partial: {} of {} repetitions", progress.finished, progress.planned));
        }
    }
    if rows.iter().any(|row| row.ratio.is_some() && row.a.reps.min(row.b.reps) == 1) {
        notes.push(
            "a side with one repetition cannot show how much restarts vary: up to twice the search's own error is allowed for"
                .to_owned(),
        );
    }
    notes
}

fn headline(rows: &[RatioRow], noise_floor: Option<f64>) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let floor = noise_floor.map_or("no A/A control".to_owned(), |floor| format!("noise floor {:.1} %", floor * 100.0));
    match rows {
        [] => "Nothing to compare: the runs have no cell in common.".to_owned(),
        [row] => format!("{}: {} ({}).", row.b.label, row.verdict.name(), row.why),
        _ => format!(
            "B against A over {} comparisons: {} better, {} worse, {} no difference, {} incomparable ({floor}).",
            rows.len(),
            count(Verdict::Better),
            count(Verdict::Worse),
            count(Verdict::NoDifference),
            count(Verdict::Incomparable)
        ),
    }
}
