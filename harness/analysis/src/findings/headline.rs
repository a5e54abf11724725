//! The answer in a sentence or two.

use corecurve_core::{Mode, Rate};

use super::crossing_words::exact;
use super::objectives::{Crossing, Objectives};
use super::types::{CellFinding, Curve, Findings, MatFinding, Ratio};
use crate::compare::Verdict;
use crate::models::{ModelFit, ModelKind};

/// Answer first: the best MAT at the largest core count and the first SLO, how it stands against the others, how it
/// scales, and what must be known before it is believed.
pub(super) fn headline(findings: &Findings) -> String {
    let mut sentences = vec![answer(findings)];
    sentences.extend(crossing(findings));
    sentences.extend(scaling(findings));
    if !findings.progress.is_complete() {
        let progress = findings.progress;
        sentences.push(format!("Partial: {} of {} repetitions are finished.", progress.finished, progress.planned));
    }
    if findings.cells.iter().any(|cell| cell.cell.placed.shared) {
        sentences
            .push("Server and load share cores, so these numbers do not carry over to a real deployment.".to_owned());
    }
    sentences.join(" ")
}

fn answer(findings: &Findings) -> String {
    match leaders(findings).as_slice() {
        [] => no_mat(findings),
        [(cell, mat)] => format!("{}.", stated(cell, mat)),
        [(cell, mat), (second, second_mat), ..] => {
            format!("{}, {}.", stated(cell, mat), against(findings, cell, second, second_mat))
        }
    }
}

/// The valid answers that may be ranked against each other, measured ones if any cell is measured: the question with the largest core count and, among
/// those, the first in the plan; best first.
fn leaders(findings: &Findings) -> Vec<(&CellFinding, &MatFinding)> {
    // Beside measured numbers, simulated ones are an illustration.
    let measured = findings.cells.iter().any(|cell| !cell.series.is_simulated());
    let valid = || {
        let cells = findings.cells.iter().filter(|cell| is_asked(cell) && (!measured || !cell.series.is_simulated()));
        cells.flat_map(|cell| cell.mats.iter().filter(|mat| mat.valid).map(move |mat| (cell, mat)))
    };
    let Some(cores) = valid().map(|(cell, _)| cell.cell.cores).max() else { return Vec::new() };
    let Some((first, first_mat)) = valid().find(|(cell, _)| cell.cell.cores == cores) else { return Vec::new() };
    let same = |(cell, mat): &(&CellFinding, &MatFinding)| {
        cell.cell.cores == cores && mat.slo == first_mat.slo && cell.series.asks_the_same_as(&first.series)
    };
    let mut all: Vec<_> = valid().filter(same).collect();
    all.sort_by(|a, b| b.1.mat_per_s.partial_cmp(&a.1.mat_per_s).unwrap_or(std::cmp::Ordering::Equal));
    all
}

/// Whether a cell answers what was asked: a control and a step of a probe are there for the sake of another one.
fn is_asked(cell: &CellFinding) -> bool {
    !cell.cell.control && cell.cell.probe.is_none()
}

/// `nginx carries 18.2 k/s of plaintext on 4 cores at p99<5ms (95 % 17.9 k/s to 18.5 k/s)`.
fn stated(cell: &CellFinding, mat: &MatFinding) -> String {
    let Some(rate) = mat.mat_per_s.map(Rate) else { return format!("{} has no MAT", cell.label) };
    let interval = mat.ci95.map_or(String::new(), |[low, high]| format!(" (95 % {} to {})", Rate(low), Rate(high)));
    let cores = if cell.cell.cores == 1 { "1 core".to_owned() } else { format!("{} cores", cell.cell.cores) };
    format!("{} carries {rate} of {} on {cores} at {}{interval}", cell.label, cell.cell.workload, mat.slo)
}

/// How the leader stands against the second, by the run's own table of ratios where it holds the pair.
fn against(findings: &Findings, first: &CellFinding, second: &CellFinding, mat: &MatFinding) -> String {
    let pair = |row: &&crate::compare::RatioRow| {
        let cells = [&row.a.cell, &row.b.cell];
        row.slo == mat.slo && cells.contains(&&first.cell.id) && cells.contains(&&second.cell.id)
    };
    match findings.comparisons.iter().find(pair) {
        Some(row) if matches!(row.verdict, Verdict::Better | Verdict::Worse) => {
            let Some(Ratio { value, ci95: [low, high] }) = row.ratio else {
                return format!("ahead of {}", second.label);
            };
            let (value, low, high) =
                if row.b.cell == first.cell.id { (value, low, high) } else { (1.0 / value, 1.0 / high, 1.0 / low) };
            format!("{value:.2} times {} ({low:.2} to {high:.2})", second.label)
        }
        Some(_) => format!("not to be told apart from {}", second.label),
        None => {
            let rate = mat.mat_per_s.map_or(String::new(), |mat| format!(" ({})", Rate(mat)));
            format!("followed by {}{rate}", second.label)
        }
    }
}

/// Where the order of the leader and another turns over at another limit.
fn crossing(findings: &Findings) -> Option<String> {
    let (cell, mat) = *leaders(findings).first()?;
    let asked =
        |chart: &&Objectives| chart.slos.contains(&mat.slo) && chart.lines.iter().any(|line| line.cell == cell.cell.id);
    let chart = findings.objectives.iter().find(asked)?;
    let pair = chart.crossing().find(|pair| [&pair.a, &pair.b].contains(&&cell.label))?;
    let Crossing { below, above, last, first, .. } = pair.crossings.first()?;
    let again = if pair.crossings.len() > 1 { ", and that is not the only turn" } else { "" };
    let (last, first) = (exact(last), exact(first));
    Some(format!("The order depends on the limit: {below} leads up to {last}, {above} from {first} on{again}."))
}

fn no_mat(findings: &Findings) -> String {
    let fixed: Vec<&CellFinding> = findings.cells.iter().filter(|cell| cell.cell.mode != Mode::Search).collect();
    if let Some((cell, trial)) = fixed.iter().find_map(|cell| cell.trials.iter().find(|t| t.valid).map(|t| (cell, t))) {
        let closed = if cell.cell.mode == Mode::Closed { " in a closed loop, which is no MAT" } else { "" };
        return format!(
            "{} answered {} of {} offered{closed}, p99 {}.",
            cell.label,
            Rate(trial.achieved_per_s),
            Rate(trial.offered_per_s),
            trial.latency_ns.p99
        );
    }
    let reason = findings.struck_out.first().and_then(|struck| struck.reasons.first());
    match (findings.progress.finished, reason) {
        (0, None) => "No repetition is finished, so there is no number yet.".to_owned(),
        (_, Some(reason)) => format!("No valid number: {reason}."),
        (_, None) => "No valid number.".to_owned(),
    }
}

/// How the leader's curve grows.
fn scaling(findings: &Findings) -> Option<String> {
    let (cell, mat) = *leaders(findings).first()?;
    let (base, speedup, efficiency) = (mat.base_cores?, mat.speedup?, mat.efficiency?);
    if base == cell.cell.cores {
        return None;
    }
    let curve = findings.curves.iter().find(|curve| curve.series == cell.series && curve.slo == mat.slo);
    Some(format!(
        "From {base} to {} cores it grows {:.2} times, {:.0} % of ideal{}.",
        cell.cell.cores,
        speedup.value,
        efficiency.value * 100.0,
        curve.map_or(String::new(), model)
    ))
}

fn model(curve: &Curve) -> String {
    // A model that does not predict what it has not seen says nothing worth a headline.
    let predicts = |fit: &&ModelFit| fit.held_out_error.is_some_and(|error| error < 0.15);
    let Some(fit) = curve.fits.best().filter(predicts) else { return String::new() };
    let percent = |name: &str| fit.param(name).map_or(String::new(), |value| format!("{:.1} %", value * 100.0));
    match fit.model {
        ModelKind::Linear => "; a straight line fits best".to_owned(),
        ModelKind::Amdahl => format!("; Amdahl's law with a serial share of {} fits best", percent("sigma")),
        ModelKind::Usl => match &fit.peak {
            Some(peak) => format!("; it peaks near {:.0} cores", peak.cores),
            None => format!("; contention of {} fits best", percent("sigma")),
        },
        ModelKind::UslCapped => {
            let cap = fit.ceiling_per_s.map_or(String::new(), |cap| format!(" of {}", Rate(cap)));
            format!("; it runs into a cap{cap} that does not grow with cores")
        }
        ModelKind::TwoSegments => "; it bends where a further socket begins".to_owned(),
    }
}
