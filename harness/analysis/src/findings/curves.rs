//! MAT against cores for each series and SLO, with models of it.

use corecurve_core::rng::mix;
use corecurve_core::{MatKind, NodeId, Slo};

use super::types::{CellFinding, Curve, CurvePoint, MatFinding, SeriesKey};
use crate::compare::spread::{Sample, usable};
use crate::models::{FitSettings, Observation, fit};

/// Half of a 95 % normal interval, in standard errors.
const Z95: f64 = 1.959_964;

/// Every curve, in the plan's order of series and SLO.
pub(super) fn curves(cells: &[CellFinding], seed: u64) -> Vec<Curve> {
    let mut keys: Vec<(SeriesKey, Slo, String)> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.cell.control) {
        for mat in &cell.mats {
            if !keys.iter().any(|(series, slo, _)| *series == cell.series && *slo == mat.slo) {
                keys.push((cell.series.clone(), mat.slo, cell.label.clone()));
            }
        }
    }
    let number = |(index, key): (usize, (SeriesKey, Slo, String))| curve(cells, key, mix(seed, index as u64));
    keys.into_iter().enumerate().map(number).collect()
}

fn curve(cells: &[CellFinding], (series, slo, label): (SeriesKey, Slo, String), seed: u64) -> Curve {
    let own = |cell: &&CellFinding| !cell.cell.control && cell.series == series;
    let answer = |cell: &'_ CellFinding| cell.mats.iter().position(|mat| mat.slo == slo);
    let mut members: Vec<(&CellFinding, &MatFinding)> =
        cells.iter().filter(own).filter_map(|cell| answer(cell).map(|at| (cell, &cell.mats[at]))).collect();
    members.sort_by_key(|(cell, _)| cell.cell.cores);

    let node_boundaries = node_boundaries(&members);
    let observations: Vec<Observation> = members.iter().filter_map(|(cell, mat)| observation(cell, mat)).collect();
    let boundary = node_boundaries.first().map(|cores| cores - 1);
    let mut fits = fit(&observations, &FitSettings { boundary, seed, ..FitSettings::default() });
    fits.notes.extend(fit_notes(&members, observations.len()));
    Curve {
        points: members.iter().map(|(cell, mat)| point(cell, mat)).collect(),
        series,
        label,
        slo,
        node_boundaries,
        fits,
    }
}

fn point(cell: &CellFinding, mat: &MatFinding) -> CurvePoint {
    CurvePoint {
        cores: cell.cell.cores,
        cell: cell.cell.id.clone(),
        mat_per_s: mat.mat_per_s,
        ci95: mat.ci95,
        kind: mat.kind,
        valid: mat.valid,
        at_least: at_least(mat),
        efficiency: mat.efficiency,
    }
}

/// The generator gave out first: what is known is a lower bound.
fn at_least(mat: &MatFinding) -> bool {
    !mat.valid && mat.kind == Some(MatKind::GeneratorLimited) && mat.mat_per_s.is_some()
}

fn observation(cell: &CellFinding, mat: &MatFinding) -> Option<Observation> {
    let at_least = at_least(mat);
    if !mat.valid && !at_least {
        return None;
    }
    let replicates =
        mat.reps.iter().filter(|record| usable(record)).filter_map(|record| record.mat.mat_per_s).collect();
    let interval_error = mat.ci95.map(|[low, high]| (high / low).ln() / (2.0 * Z95));
    let own_error = Sample::of(&mat.reps).own_variance.sqrt();
    Some(Observation {
        cores: cell.cell.cores,
        mat_per_s: mat.mat_per_s?,
        replicates,
        rel_error: interval_error.or(Some(own_error)).filter(|error| error.is_finite() && *error > 0.0),
        at_least,
    })
}

/// Core counts from which on a further NUMA node serves, from the order in which workers take their seats.
fn node_boundaries(members: &[(&CellFinding, &MatFinding)]) -> Vec<usize> {
    let mut boundaries = Vec::new();
    let mut most = members.first().map_or(0, |(cell, _)| cell.cell.placed.server_nodes().len());
    for (cell, _) in members {
        let placed = &cell.cell.placed;
        if placed.server_nodes().len() <= most || placed.server.is_empty() {
            continue;
        }
        // Two workers may share a core, so seats are scaled to cores.
        let mut seen: Vec<NodeId> = Vec::new();
        for (seat_at, seat) in placed.server.iter().enumerate() {
            let Some(node) = seat.node.filter(|node| !seen.contains(node)) else { continue };
            seen.push(node);
            let cores = seat_at * cell.cell.cores / placed.server.len() + 1;
            if seen.len() > most && !boundaries.contains(&cores) && cores > 1 {
                boundaries.push(cores);
            }
        }
        most = placed.server_nodes().len();
    }
    boundaries
}

fn fit_notes(members: &[(&CellFinding, &MatFinding)], used: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if used < members.len() {
        notes.push(format!(
            "{} of {} core counts have no valid MAT and are in no fit",
            members.len() - used,
            members.len()
        ));
    }
    if let Some((cell, _)) = members.first().filter(|(cell, _)| members.len() > 1 && cell.cell.connections.is_some()) {
        let connections = cell.cell.connections.unwrap_or(0);
        notes.push(format!(
            "connections stayed at {connections} while cores grew: fewer connections per core share load less evenly, which looks like contention σ"
        ));
    }
    if members.iter().any(|(cell, _)| cell.cell.placed.kind == corecurve_core::PlacementKind::Smt) {
        notes.push("workers sit on both hardware threads of each core: N counts cores".to_owned());
    }
    notes
}
