//! Verdicts: a table of ratios judged against chance, corrected for its size, and against the noise floor.

use corecurve_core::Slo;

use super::spread::{Sample, Spread, holm, ratio};
use super::types::{RatioRow, RatioSide, Verdict};
use crate::findings::{CellFinding, MatFinding, Ratio};

/// Largest two-sided p-value, after Holm's correction, at which a difference is claimed.
const ALPHA: f64 = 0.05;

/// Two answers side by side, with their ratio when both may be used. `against` says why they must not be compared.
pub(crate) fn row(
    a: (&CellFinding, &MatFinding),
    b: (&CellFinding, &MatFinding),
    spread: Spread,
    noise_floor: Option<f64>,
    against: Option<String>,
    seed: u64,
) -> RatioRow {
    let against = against.or_else(|| unusable("A", a.1)).or_else(|| unusable("B", b.1));
    let judged = match &against {
        None => ratio(&Sample::of(&a.1.reps), &Sample::of(&b.1.reps), spread, seed),
        Some(_) => None,
    };
    RatioRow {
        cores: b.0.cell.cores,
        workload: b.0.series.workload.clone(),
        placement: b.0.series.placement.clone(),
        slo: b.1.slo,
        a: side(a),
        b: side(b),
        ratio: judged.map(|judged| Ratio { value: judged.ratio, ci95: judged.ci95 }),
        p_value: judged.map(|judged| judged.p_value),
        p_holm: None,
        noise_floor,
        verdict: Verdict::Incomparable,
        why: against.unwrap_or_default(),
    }
}

fn unusable(side: &str, mat: &MatFinding) -> Option<String> {
    let first = mat.reasons.first().map_or(String::new(), |reason| format!(": {reason}"));
    (!mat.valid).then(|| format!("{side} has no valid MAT{first}"))
}

fn side((cell, mat): (&CellFinding, &MatFinding)) -> RatioSide {
    let usable = mat.valid;
    RatioSide {
        cell: cell.cell.id.clone(),
        label: cell.label.clone(),
        mat_per_s: mat.mat_per_s.filter(|_| usable),
        ci95: mat.ci95.filter(|_| usable),
        reps: mat.used_reps,
    }
}

/// Gives every row of one table its verdict. A claim needs a corrected p-value below 5 % and a ratio beyond the
/// noise floor.
pub(crate) fn judge(rows: &mut [RatioRow]) {
    let tested: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].p_value.is_some()).collect();
    let adjusted = holm(&tested.iter().filter_map(|i| rows[*i].p_value).collect::<Vec<f64>>());
    for (index, p_holm) in tested.iter().zip(adjusted) {
        let row = &mut rows[*index];
        let Some(Ratio { value, ci95: [low, high] }) = row.ratio else { continue };
        row.p_holm = Some(p_holm);
        let shown = format!("{value:.3} (95 % {low:.3} to {high:.3})");
        let floor = row.noise_floor.unwrap_or(0.0);
        let floor_words = row
            .noise_floor
            .map_or("no A/A control was measured".to_owned(), |floor| format!("noise floor {:.1} %", floor * 100.0));
        let hidden = (high.max(1.0 / low) - 1.0) * 100.0;
        (row.verdict, row.why) = if low <= 1.0 && high >= 1.0 {
            (Verdict::NoDifference, format!("{shown} includes 1; a difference up to {hidden:.1} % could hide"))
        } else if p_holm >= ALPHA {
            let many = format!("not beyond chance among {} comparisons (Holm p = {p_holm:.2})", tested.len());
            (Verdict::NoDifference, format!("{shown}, {many}"))
        } else if value.ln().abs() <= floor.ln_1p() {
            (Verdict::NoDifference, format!("{shown} is within the {floor_words}"))
        } else {
            let verdict = if value > 1.0 { Verdict::Better } else { Verdict::Worse };
            (verdict, format!("{shown}, Holm p = {p_holm:.4}, {floor_words}"))
        };
    }
}

/// The floor to judge an SLO against: that SLO's own A/A pair where there is one, else the run's largest.
pub(crate) fn floor_at(floor: Option<&crate::findings::NoiseFloor>, slo: &Slo) -> Option<f64> {
    let floor = floor?;
    let own = floor.pairs.iter().filter(|pair| pair.slo == *slo).map(|pair| reach(&pair.ratio));
    own.reduce(f64::max).or(Some(floor.floor))
}

/// How far from 1 an interval reaches, as a share: 0.03 for 0.98 to 1.03.
pub(crate) fn reach(ratio: &Ratio) -> f64 {
    let [low, high] = ratio.ci95;
    high.max(1.0 / low) - 1.0
}
