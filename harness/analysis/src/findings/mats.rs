//! The MAT of a cell: the median over its repetitions, with an interval that knows about restarts.

use std::collections::{BTreeMap, BTreeSet};

use corecurve_core::{Cell, MatKind, MatRecord, Mode, Nanos, Quantiles, Slo};

use super::spreads::Spreads;
use super::types::{CellFinding, MatFinding, Ratio, SeriesKey};
use crate::compare::spread::{RESAMPLES, Sample, Spread, median_factors, ratio, usable};
use crate::stats::median;

/// The MAT at each SLO of a cell.
pub(super) fn mat_findings(cell: &Cell, mats: &[MatRecord], spreads: &Spreads, seed: u64) -> Vec<MatFinding> {
    if cell.mode != Mode::Search {
        return Vec::new();
    }
    let of = |slo: &Slo| {
        let mut reps: Vec<MatRecord> =
            mats.iter().filter(|record| record.cell == cell.id && record.mat.slo == *slo).cloned().collect();
        reps.sort_by_key(|record| record.rep);
        mat_finding(*slo, reps, spreads.at(slo), seed)
    };
    cell.slos.iter().map(of).collect()
}

fn mat_finding(slo: Slo, reps: Vec<MatRecord>, spread: Spread, seed: u64) -> MatFinding {
    let sample = Sample::of(&reps);
    let (kind, kinds) = common_kind(&reps);
    let numbers: Vec<f64> = reps.iter().filter_map(|record| record.mat.mat_per_s).collect();
    let mat_per_s = sample.median().or_else(|| median(&numbers));
    let factors = median_factors(&sample, spread, seed);
    // More than half of the repetitions must stand, else the median is one of a biased choice.
    let valid = !sample.is_empty() && 2 * sample.len() > reps.len();
    let nearest = nearest_to(&reps, mat_per_s);
    let limits: Vec<f64> = reps.iter().map(|record| record.mat.limit_ns.0 as f64).collect();
    MatFinding {
        slo,
        limit_ns: median(&limits).map(|limit| Nanos(limit.round() as u64)),
        kind,
        mat_per_s,
        ci95: mat_per_s.zip(factors).map(|(mat, [low, high])| [mat * low, mat * high]),
        ci_method: ci_method(&sample, spread),
        used_reps: sample.len() as u32,
        speedup: None,
        efficiency: None,
        base_cores: None,
        latency_ns: nearest.map_or_else(Quantiles::default, |record| record.mat.latency_ns),
        utilisation: nearest.and_then(|record| record.mat.utilisation),
        valid,
        reasons: if valid { Vec::new() } else { reasons(&reps) },
        caveats: caveats(&reps, &sample, spread, &kinds),
        reps,
    }
}

/// The kind of most repetitions (of the first such one on a tie), and all kinds seen.
fn common_kind(reps: &[MatRecord]) -> (Option<MatKind>, BTreeSet<&'static str>) {
    let mut count: BTreeMap<&'static str, usize> = BTreeMap::new();
    for record in reps {
        *count.entry(record.mat.kind.name()).or_default() += 1;
    }
    let most = count.values().copied().max().unwrap_or(0);
    let kind = reps.iter().map(|record| record.mat.kind).find(|kind| count.get(kind.name()) == Some(&most));
    (kind, count.into_keys().collect())
}

fn nearest_to(reps: &[MatRecord], mat: Option<f64>) -> Option<&MatRecord> {
    let distance = |record: &MatRecord| Some((record.mat.mat_per_s? / mat? - 1.0).abs());
    let with_number = reps.iter().filter_map(|record| distance(record).map(|distance| (distance, record)));
    with_number
        .min_by(|a, b| (!usable(a.1), a.0).partial_cmp(&(!usable(b.1), b.0)).unwrap_or(std::cmp::Ordering::Equal))
        .map(|(_, record)| record)
}

fn ci_method(sample: &Sample, spread: Spread) -> String {
    match sample.len() {
        0 => "no usable repetition, so no interval".to_owned(),
        1 if spread.freedom == 0.0 => "the search's own 95 % interval; restarts were not repeated".to_owned(),
        n => format!(
            "median of {n}; {RESAMPLES} redrawn medians from search error and restart variation ({:.0} degrees of freedom)",
            spread.freedom
        ),
    }
}

fn reasons(reps: &[MatRecord]) -> Vec<String> {
    if reps.is_empty() {
        return vec!["no repetition is finished".to_owned()];
    }
    let mut reasons = Vec::new();
    for record in reps.iter().filter(|record| !usable(record)) {
        for reason in why_unusable(record) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}

/// Why one repetition's answer may not be used.
pub(super) fn why_unusable(record: &MatRecord) -> Vec<String> {
    let mut why: Vec<String> = record.mat.invalid_reasons.iter().map(ToString::to_string).collect();
    if record.mat.kind == MatKind::GeneratorLimited {
        why.push("generator-limited: the number is a lower bound, not the target's MAT".to_owned());
    }
    if why.is_empty() {
        why.push(format!("{}: the search has no number to stand on", record.mat.kind.name()));
    }
    why
}

fn caveats(reps: &[MatRecord], sample: &Sample, spread: Spread, kinds: &BTreeSet<&str>) -> Vec<String> {
    let mut caveats = Vec::new();
    if sample.len() == 1 && spread.freedom == 0.0 {
        caveats.push("one repetition: variation between restarts is not in the interval".to_owned());
    }
    if sample.len() < reps.len() && !sample.is_empty() {
        caveats.push(format!("{} of {} repetitions struck out", reps.len() - sample.len(), reps.len()));
    }
    if kinds.len() > 1 {
        let kinds: Vec<&str> = kinds.iter().copied().collect();
        caveats.push(format!("repetitions ended differently: {}", kinds.join(", ")));
    }
    for caveat in reps.iter().flat_map(|record| &record.mat.caveats) {
        if !caveats.contains(caveat) {
            caveats.push(caveat.clone());
        }
    }
    caveats
}

/// Fills in speed-up and efficiency against the smallest usable core count of each series and SLO.
pub(super) fn fill_speedups(cells: &mut [CellFinding], spreads: &Spreads, seed: u64) {
    let mut bases: BTreeMap<(SeriesKey, String), (usize, Sample)> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| !cell.cell.control) {
        for mat in cell.mats.iter().filter(|mat| mat.valid) {
            let base = (cell.cell.cores, Sample::of(&mat.reps));
            let entry = bases.entry((cell.series.clone(), mat.slo.to_string())).or_insert_with(|| base.clone());
            if base.0 < entry.0 {
                *entry = base;
            }
        }
    }
    for (index, cell) in cells.iter_mut().enumerate() {
        let cores = cell.cell.cores;
        for mat in cell.mats.iter_mut().filter(|mat| mat.valid) {
            let Some((base_cores, base)) = bases.get(&(cell.series.clone(), mat.slo.to_string())) else { continue };
            mat.base_cores = Some(*base_cores);
            let speedup = if *base_cores == cores && !cell.cell.control {
                Ratio { value: 1.0, ci95: [1.0, 1.0] }
            } else {
                let seed = corecurve_core::rng::mix(seed, index as u64);
                let Some(judged) = ratio(base, &Sample::of(&mat.reps), spreads.at(&mat.slo), seed) else { continue };
                Ratio { value: judged.ratio, ci95: judged.ci95 }
            };
            let share = *base_cores as f64 / cores as f64;
            mat.speedup = Some(speedup);
            mat.efficiency = Some(Ratio { value: speedup.value * share, ci95: speedup.ci95.map(|end| end * share) });
        }
    }
}
