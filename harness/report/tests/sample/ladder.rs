//! A made-up chart of MAT against the objective.

use corecurve_analysis::compare::{RatioRow, RatioSide, Verdict};
use corecurve_analysis::findings::*;
use corecurve_core::*;

/// Three targets on 16 cores at six limits: one pair crosses, one number is struck out, one is a lower bound, one target
/// is a known queue.
pub fn objectives(cells: &[CellFinding]) -> Vec<Objectives> {
    let slos = "p99<3x..50x".parse::<Ladder>().unwrap().0;
    let mats = [
        [Some(310e3), Some(720e3), Some(1_320e3), Some(1_640e3), Some(1_760e3), Some(1_840e3)],
        [Some(980e3), Some(1_280e3), Some(1_490e3), Some(1_610e3), Some(1_640e3), Some(1_660e3)],
        [None, Some(610e3), Some(900e3), Some(1_020e3), Some(1_050e3), Some(1_060e3)],
    ];
    let lines: Vec<ObjectiveLine> = cells.iter().zip(mats).map(|(cell, mats)| line(cell, &slos, &mats)).collect();
    let pair = |a: usize, b: usize, crossings: Vec<Crossing>, words: String| ObjectivePair {
        a: lines[a].label.clone(),
        b: lines[b].label.clone(),
        rows: slos.iter().enumerate().map(|(i, slo)| row(&lines[a], &lines[b], i, *slo)).collect(),
        crossings,
        words,
    };
    let (first, second) = (&lines[0].label, &lines[1].label);
    let crossing = Crossing { below: second.clone(), above: first.clone(), last: slos[2], first: slos[4], near: 18.4 };
    let pairs = vec![
        pair(
            0,
            2,
            Vec::new(),
            format!(
                "{first} carries more at every limit from 5x to 30x; the lead grows from 1.18 to 1.68 times; not comparable at 3x, 50x"
            ),
        ),
        pair(
            0,
            1,
            vec![crossing],
            format!(
                "{second} carries more from 3x to 10x (3.16 to 1.13 times); no difference is shown at 20x; {first} carries more from 30x to 50x (1.07 to 1.11 times); they cross between 10x and 30x, near 18.4x"
            ),
        ),
        pair(
            1,
            2,
            Vec::new(),
            format!(
                "{second} carries more at every limit from 5x to 30x; the lead shrinks from 2.10 to 1.56 times; not comparable at 3x, 50x"
            ),
        ),
    ];
    let notes = vec!["limits are multiples of each target's own no-load mean, and these differ: p99<50x is 2.75 ms for one and 3.10 ms for another".to_owned()];
    vec![Objectives { cores: 16, slos, lines, pairs, notes }]
}

fn line(cell: &CellFinding, slos: &[Slo], mats: &[Option<f64>; 6]) -> ObjectiveLine {
    let points = slos.iter().zip(mats).enumerate().map(|(i, (slo, mat))| {
        let at_least = i == 5 && mats[0].is_none();
        ObjectivePoint {
            slo: *slo,
            limit_ns: Some(slo.limit_ns(Nanos(55_000))),
            mat_per_s: *mat,
            ci95: mat.map(|mat| [mat * 0.985, mat * 1.02]),
            kind: Some(if at_least {
                MatKind::GeneratorLimited
            } else if mat.is_some() {
                MatKind::Regular
            } else {
                MatKind::MinLoadFails
            }),
            valid: mat.is_some() && !at_least,
            at_least,
            reasons: if mat.is_none() { vec!["even almost no load breaks the SLO".into()] } else { Vec::new() },
            oracle_per_s: mats[0].filter(|first| *first < 500e3).and(mat.map(|mat| mat * 1.03)),
        }
    });
    let points: Vec<ObjectivePoint> = points.collect();
    let oracle = points.iter().filter_map(|p| Some([limit_of(&p.slo), p.oracle_per_s?])).collect();
    ObjectiveLine { series: cell.series.clone(), label: cell.label.clone(), cell: cell.cell.id.clone(), points, oracle }
}

fn row(a: &ObjectiveLine, b: &ObjectiveLine, i: usize, slo: Slo) -> RatioRow {
    let side = |line: &ObjectiveLine| RatioSide {
        cell: line.cell.clone(),
        label: line.label.clone(),
        mat_per_s: line.points[i].mat_per_s.filter(|_| line.points[i].valid),
        ci95: line.points[i].ci95,
        reps: 3,
    };
    let (a, b) = (side(a), side(b));
    let ratio = a.mat_per_s.zip(b.mat_per_s).map(|(a, b)| b / a);
    let verdict = match ratio {
        None => Verdict::Incomparable,
        Some(r) if r > 1.03 => Verdict::Better,
        Some(r) if r < 0.97 => Verdict::Worse,
        Some(_) => Verdict::NoDifference,
    };
    RatioRow {
        cores: 16,
        workload: "plaintext".into(),
        placement: "compact".into(),
        slo,
        a,
        b,
        ratio: ratio.map(|value| Ratio { value, ci95: [value * 0.975, value * 1.025] }),
        p_value: ratio.map(|_| 0.001),
        p_holm: ratio.map(|_| 0.01),
        noise_floor: Some(0.012),
        verdict,
        why: ratio.map_or("A has no valid MAT".into(), |r| format!("{r:.3}, noise floor 1.2 %")),
    }
}
