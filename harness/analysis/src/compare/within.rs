//! Inside one run: the A/A noise floor, and every target against the first one.

use corecurve_core::rng::mix;

use super::judge::{floor_at, judge, reach, row};
use super::spread::{Sample, ratio};
use super::types::RatioRow;
use crate::findings::spreads::Spreads;
use crate::findings::{CellFinding, NoiseFloor, NoisePair, Ratio};

/// The noise floor from every control cell and its twin; `None` without a usable pair.
pub(crate) fn noise_floor(cells: &[CellFinding], spreads: &Spreads, seed: u64) -> Option<NoiseFloor> {
    let mut pairs = Vec::new();
    for control in cells.iter().filter(|cell| cell.cell.control) {
        let twin = |cell: &&CellFinding| {
            !cell.cell.control && cell.series == control.series && cell.cell.cores == control.cell.cores
        };
        let Some(cell) = cells.iter().find(twin) else { continue };
        for (a, b) in cell.mats.iter().zip(&control.mats).filter(|(a, b)| a.slo == b.slo && a.valid && b.valid) {
            let seed = mix(seed, pairs.len() as u64);
            let Some(judged) = ratio(&Sample::of(&a.reps), &Sample::of(&b.reps), spreads.at(&a.slo), seed) else {
                continue;
            };
            pairs.push(NoisePair {
                cell: cell.cell.id.clone(),
                control: control.cell.id.clone(),
                slo: a.slo,
                ratio: Ratio { value: judged.ratio, ci95: judged.ci95 },
            });
        }
    }
    let floor = pairs.iter().map(|pair| reach(&pair.ratio)).reduce(f64::max)?;
    Some(NoiseFloor { pairs, floor })
}

/// Every series against the first one that answers the same question: same workload, placement, arrival,
/// connections, cores and SLO. Controls are left out.
pub(crate) fn comparisons(
    cells: &[CellFinding],
    spreads: &Spreads,
    floor: Option<&NoiseFloor>,
    seed: u64,
) -> Vec<RatioRow> {
    let same = |a: &CellFinding, b: &CellFinding| a.cell.cores == b.cell.cores && a.series.asks_the_same_as(&b.series);
    let searched: Vec<&CellFinding> = cells.iter().filter(|cell| !cell.cell.control && !cell.mats.is_empty()).collect();
    let mut rows = Vec::new();
    for (at, b) in searched.iter().enumerate() {
        let Some(a) = searched[..at].iter().find(|a| same(a, b)) else { continue };
        for mat in &b.mats {
            let Some(base) = a.mats.iter().find(|base| base.slo == mat.slo) else { continue };
            let floor = floor_at(floor, &mat.slo);
            let seed = mix(seed, rows.len() as u64);
            rows.push(row((a, base), (b, mat), spreads.at(&mat.slo), floor, None, seed));
        }
    }
    judge(&mut rows);
    rows
}
