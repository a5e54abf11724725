//! Where the order of two targets turns over as the limit is relaxed: from the MATs of one question at several SLOs.
//!
//! A lead is a verdict of a table of ratios ([`judge`]): beyond chance after correction for all pairs and limits of the
//! chart, and beyond the noise floor. Between the last lead of one side and the first of the other lies the crossing; it
//! is an interval of limits, because between them nothing is shown.

use std::collections::BTreeMap;

use corecurve_core::rng::mix;
use corecurve_core::{CellId, Limit, MatKind, Nanos, QueueLaw, Slo};

use super::crossing_words::words;
use super::objectives::{Crossing, ObjectiveLine, ObjectivePair, ObjectivePoint, Objectives, limit_of};
use super::spreads::Spreads;
use super::types::{CellFinding, MatFinding, NoiseFloor};
use crate::compare::judge::{floor_at, judge, row};
use crate::compare::{RatioRow, Verdict};
use crate::oracle::mat_at;

/// Points of an oracle line from one SLO to the next.
const STEPS: u32 = 4;

/// Limits of one SLO that differ by more than this factor between targets are worth a note.
const SAME_LIMIT: f64 = 1.05;

/// A chart for every question, core count and kind of SLO of which there are two or more, in the plan's order.
///
/// Costs two milliseconds per pair and SLO.
pub(super) fn objectives(
    cells: &[CellFinding],
    laws: &BTreeMap<CellId, QueueLaw>,
    spreads: &Spreads,
    floor: Option<&NoiseFloor>,
    seed: u64,
) -> Vec<Objectives> {
    let charts =
        questions(cells).into_iter().flat_map(|asked| kinds(&asked).into_iter().map(move |k| (asked.clone(), k)));
    let one = |(index, (asked, slos)): (usize, (Vec<&CellFinding>, Vec<Slo>))| {
        let pairs = pairs(&asked, &slos, spreads, floor, mix(seed, index as u64));
        let lines: Vec<ObjectiveLine> =
            asked.iter().filter_map(|cell| line(cell, &slos, laws.get(&cell.cell.id))).collect();
        Objectives { cores: asked[0].cell.cores, notes: notes(&lines), slos, lines, pairs }
    };
    charts.enumerate().map(one).collect()
}

/// The cells that were searched, those side by side that answer the same question on as many cores.
fn questions(cells: &[CellFinding]) -> Vec<Vec<&CellFinding>> {
    let mut groups: Vec<Vec<&CellFinding>> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.cell.control && !cell.mats.is_empty()) {
        let same =
            |first: &CellFinding| first.cell.cores == cell.cell.cores && first.series.asks_the_same_as(&cell.series);
        match groups.iter_mut().find(|group| same(group[0])) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

/// The SLOs of a question by what they have in common: all but the limit's value. Only kinds with a choice of limits.
fn kinds(asked: &[&CellFinding]) -> Vec<Vec<Slo>> {
    let mut kinds: Vec<Vec<Slo>> = Vec::new();
    for slo in asked.iter().flat_map(|cell| &cell.mats).map(|mat| mat.slo) {
        let like = |other: &Slo| {
            slo.is_relative() == other.is_relative() && slo.quantile == other.quantile && slo.errors == other.errors
        };
        match kinds.iter_mut().find(|kind| like(&kind[0])) {
            Some(kind) if kind.contains(&slo) => {}
            Some(kind) => kind.push(slo),
            None => kinds.push(vec![slo]),
        }
    }
    kinds.retain(|kind| kind.len() > 1);
    kinds.iter_mut().for_each(|kind| kind.sort_by(|a, b| limit_of(a).total_cmp(&limit_of(b))));
    kinds
}

fn answer<'a>(cell: &'a CellFinding, slo: &Slo) -> Option<&'a MatFinding> {
    cell.mats.iter().find(|mat| mat.slo == *slo)
}

fn line(cell: &CellFinding, slos: &[Slo], law: Option<&QueueLaw>) -> Option<ObjectiveLine> {
    // A mixture's tail costs too much to invert so often.
    let law = law.filter(|law| !matches!(law, QueueLaw::Mixture { .. }));
    let points: Vec<ObjectivePoint> =
        slos.iter().filter_map(|slo| answer(cell, slo)).map(|mat| point(mat, law)).collect();
    let oracle = law.map_or_else(Vec::new, |law| oracle(law, slos));
    (!points.is_empty()).then(|| ObjectiveLine {
        series: cell.series.clone(),
        label: cell.label.clone(),
        cell: cell.cell.id.clone(),
        points,
        oracle,
    })
}

fn point(mat: &MatFinding, law: Option<&QueueLaw>) -> ObjectivePoint {
    ObjectivePoint {
        slo: mat.slo,
        limit_ns: mat.limit_ns,
        mat_per_s: mat.mat_per_s,
        ci95: mat.ci95,
        kind: mat.kind,
        valid: mat.valid,
        at_least: !mat.valid && mat.kind == Some(MatKind::GeneratorLimited) && mat.mat_per_s.is_some(),
        reasons: mat.reasons.clone(),
        oracle_per_s: law.and_then(|law| mat_at(law, &mat.slo)),
    }
}

/// The MAT of an ideal queue from the first limit to the last, at even steps of the logarithm.
fn oracle(law: &QueueLaw, slos: &[Slo]) -> Vec<[f64; 2]> {
    let between = slos.windows(2).flat_map(|pair| {
        let (low, high) = (limit_of(&pair[0]), limit_of(&pair[1]));
        (0..STEPS).map(move |step| low * (high / low).powf(f64::from(step) / f64::from(STEPS)))
    });
    let limits = between.chain(slos.last().map(limit_of));
    let at = |limit: f64| Some([limit, mat_at(law, &Slo { limit: same_kind(&slos[0], limit), ..slos[0] })?]);
    limits.filter_map(at).collect()
}

fn same_kind(slo: &Slo, limit: f64) -> Limit {
    if slo.is_relative() { Limit::TimesNoLoad(limit) } else { Limit::Absolute(Nanos(limit.round() as u64)) }
}

/// Every pair, later targets against earlier ones, judged as one table.
fn pairs(
    asked: &[&CellFinding],
    slos: &[Slo],
    spreads: &Spreads,
    floor: Option<&NoiseFloor>,
    seed: u64,
) -> Vec<ObjectivePair> {
    let mut rows: Vec<RatioRow> = Vec::new();
    let mut members: Vec<(&CellFinding, &CellFinding, usize)> = Vec::new();
    for (at, b) in asked.iter().enumerate() {
        for a in &asked[..at] {
            let both = slos.iter().filter_map(|slo| Some((answer(a, slo)?, answer(b, slo)?)));
            for (mat_a, mat_b) in both {
                let (spread, floor) = (spreads.at(&mat_b.slo), floor_at(floor, &mat_b.slo));
                rows.push(row((a, mat_a), (b, mat_b), spread, floor, None, mix(seed, rows.len() as u64)));
            }
            members.push((a, b, rows.len()));
        }
    }
    judge(&mut rows);
    let starts = std::iter::once(0).chain(members.iter().map(|(.., end)| *end));
    let of =
        |((a, b, end), start): (&(&CellFinding, &CellFinding, usize), usize)| pair(a, b, rows[start..*end].to_vec());
    members.iter().zip(starts).map(of).collect()
}

fn pair(a: &CellFinding, b: &CellFinding, rows: Vec<RatioRow>) -> ObjectivePair {
    let (a, b) = (a.label.clone(), b.label.clone());
    let crossings = crossings(&a, &b, &rows);
    let words = words(&a, &b, &rows, &crossings);
    ObjectivePair { a, b, rows, crossings, words }
}

/// Where a shown lead of one side is followed by one of the other.
fn crossings(a: &str, b: &str, rows: &[RatioRow]) -> Vec<Crossing> {
    let leads: Vec<usize> = (0..rows.len()).filter(|at| leader(&rows[*at], a, b).is_some()).collect();
    let turns = leads.windows(2).filter(|pair| rows[pair[0]].verdict != rows[pair[1]].verdict);
    let crossing = |turn: &[usize]| {
        let (last, first) = (&rows[turn[0]], &rows[turn[1]]);
        Some(Crossing {
            below: leader(last, a, b)?.to_owned(),
            above: leader(first, a, b)?.to_owned(),
            last: last.slo,
            first: first.slo,
            near: near(&rows[turn[0]..=turn[1]])?,
        })
    };
    turns.filter_map(crossing).collect()
}

/// Who is shown to carry more.
pub(super) fn leader<'a>(row: &RatioRow, a: &'a str, b: &'a str) -> Option<&'a str> {
    match row.verdict {
        Verdict::Better => Some(b),
        Verdict::Worse => Some(a),
        Verdict::NoDifference | Verdict::Incomparable => None,
    }
}

/// The limit at which the ratio passes 1. Where noise makes it pass several times, half way between first and last.
fn near(rows: &[RatioRow]) -> Option<f64> {
    let known: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((limit_of(&row.slo).ln(), row.ratio?.value.ln()))).collect();
    let turns = known.windows(2).filter(|pair| (pair[0].1 < 0.0) != (pair[1].1 < 0.0));
    let places: Vec<f64> = turns
        .map(|pair| {
            let ((x, y), (next_x, next_y)) = (pair[0], pair[1]);
            x + (next_x - x) * y / (y - next_y)
        })
        .collect();
    Some((0.5 * (places.first()? + places.last()?)).exp())
}

/// That a relative limit is another time for each target, where it is.
fn notes(lines: &[ObjectiveLine]) -> Vec<String> {
    let last = lines.iter().filter_map(|line| line.points.iter().rfind(|point| point.valid && point.slo.is_relative()));
    let limits: Vec<(&Slo, Nanos)> = last.filter_map(|point| Some((&point.slo, point.limit_ns?))).collect();
    let Some((slo, _)) = limits.first().copied() else { return Vec::new() };
    let times = || limits.iter().filter(|(other, _)| *other == slo).map(|(_, limit)| *limit);
    let (Some(least), Some(most)) = (times().min(), times().max()) else { return Vec::new() };
    if most.0 as f64 <= SAME_LIMIT * least.0 as f64 {
        return Vec::new();
    }
    vec![format!(
        "limits are multiples of each target's own no-load mean, and these differ: {slo} is {least} for one and {most} for another"
    )]
}

#[cfg(test)]
#[path = "crossings_tests.rs"]
mod tests;
