//! The curves of the made-up runs, with fits as the models module would state them.

use super::*;

pub(super) fn curves(cells: &[CellFinding]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.cell.control) {
        let mat = &cell.mats[0];
        let point = CurvePoint {
            cores: cell.cell.cores,
            cell: cell.cell.id.clone(),
            mat_per_s: mat.mat_per_s,
            ci95: mat.ci95,
            kind: mat.kind,
            valid: mat.valid,
            at_least: false,
            efficiency: mat.efficiency,
        };
        match curves.iter_mut().find(|curve| curve.series == cell.series) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                series: cell.series.clone(),
                label: cell.label.clone(),
                slo: mat.slo,
                points: vec![point],
                node_boundaries: Vec::new(),
                fits: FitReport::default(),
            }),
        }
    }
    curves.iter_mut().for_each(fit);
    curves
}

fn fit(curve: &mut Curve) {
    let refuse = |model, why: &str| Refusal { model, why: why.into() };
    if curve.points.len() < 3 {
        let why = "1 core count; a curve needs at least 3";
        curve.fits.refused = ModelKind::ALL.map(|kind| refuse(kind, why)).to_vec();
        return;
    }
    if !curve.label.starts_with("sim") && curve.points.iter().any(|point| point.cores > 16) {
        curve.node_boundaries = vec![17];
    }
    let gamma = curve.points[0].mat_per_s.unwrap();
    let (sigma, kappa) = match curve.label.as_str() {
        "thread-per-core" => (0.004, 2.1e-5),
        "work-stealing" => (0.024, 8.8e-5),
        "sim:usl" => (0.03, 6e-4),
        _ => (0.121, 9.0e-4),
    };
    let top = curve.points.last().unwrap().cores;
    let usl = |n: f64| gamma * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
    let line = (1..=top * 2).map(|i| f64::from(i as u32) / 2.0).map(|n| [n, usl(n)]).collect();
    let param = |name: &str, unit: &str, value: f64| Param {
        name: name.into(),
        unit: unit.into(),
        value,
        ci95: Some([value * 0.9, value * 1.12]),
        unconstrained: None,
        identified: true,
    };
    let cores = ((1.0 - sigma) / kappa).sqrt();
    let fit = ModelFit {
        model: ModelKind::Usl,
        params: vec![
            param("gamma", "per second per core", gamma),
            param("sigma", "share", sigma),
            param("kappa", "share", kappa),
        ],
        points: curve.points.len(),
        rss: 3.2,
        aicc: Some(11.4),
        delta_aicc: Some(0.0),
        peak: Some(Peak {
            cores,
            cores_ci95: Some((cores * 0.8, Some(cores * 1.4))),
            mat_per_s: usl(cores),
            mat_ci95: Some([usl(cores) * 0.95, usl(cores) * 1.07]),
            extrapolated: cores > top as f64,
        }),
        peak_refused: None,
        ceiling_per_s: None,
        held_out_error: Some(0.021),
        line,
        notes: Vec::new(),
    };
    let amdahl = ModelFit {
        model: ModelKind::Amdahl,
        params: fit.params[..2].to_vec(),
        aicc: Some(29.0),
        delta_aicc: Some(17.6),
        peak: None,
        ceiling_per_s: Some(gamma / sigma),
        held_out_error: Some(0.094),
        ..fit.clone()
    };
    curve.fits = FitReport {
        chosen: Some(ModelKind::Usl),
        fits: vec![amdahl, fit],
        refused: vec![refuse(ModelKind::TwoSegments, "only 1 point lies beyond the boundary; at least 2 are needed")],
        method:
            "weighted least squares (Levenberg-Marquardt), AICc, 2000 bootstrap resamples within core counts, seed 42"
                .into(),
        notes: Vec::new(),
    };
}
