//! CSV: one row per cell and SLO, with plain numbers that a spreadsheet can use.

use std::io::{self, Write};

use corecurve_analysis::findings::{CellFinding, Findings, MatFinding};
use corecurve_core::{Quantile, SCHEMA};

use crate::exporter::Exporter;

/// `summary.csv`.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

const HEAD: [&str; 33] = [
    "schema",
    "cell",
    "target",
    "label",
    "workload",
    "placement",
    "cores",
    "load_cores",
    "arrival",
    "slo",
    "limit_ns",
    "kind",
    "mat_per_s",
    "ci95_lo",
    "ci95_hi",
    "reps",
    "trials",
    "p50_ns",
    "p90_ns",
    "p99_ns",
    "p999_ns",
    "max_ns",
    "utilisation",
    "speedup",
    "efficiency",
    "valid",
    "invalid_reasons",
    "caveats",
    "shared_cores",
    "simulated",
    "control",
    "seed",
    "run",
];

impl Exporter for Csv {
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(HEAD)?;
        for cell in &findings.cells {
            for mat in &cell.mats {
                csv.write_record(row(findings, cell, mat).iter().map(|field| harmless(field)))?;
            }
        }
        csv.flush()
    }
}

fn row(findings: &Findings, cell: &CellFinding, mat: &MatFinding) -> [String; 33] {
    let latency = mat.latency_ns;
    [
        SCHEMA.to_string(),
        cell.cell.id.0.clone(),
        cell.series.target.clone(),
        cell.label.clone(),
        cell.series.workload.clone(),
        cell.series.placement.clone(),
        cell.cell.cores.to_string(),
        cell.cell.placed.load.len().to_string(),
        cell.series.arrival.clone(),
        mat.slo.to_string(),
        mat.limit_ns.map(|limit| limit.0.to_string()).unwrap_or_default(),
        mat.kind.map(|kind| kind.name()).unwrap_or_default().to_owned(),
        number(mat.mat_per_s),
        number(mat.ci95.map(|[lo, _]| lo)),
        number(mat.ci95.map(|[_, hi]| hi)),
        mat.used_reps.to_string(),
        mat.reps.iter().map(|rep| rep.mat.trials).sum::<u32>().to_string(),
        nanos(latency.p50),
        nanos(latency.p90),
        nanos(latency.p99),
        nanos(latency.p999),
        nanos(latency.max),
        number(mat.utilisation),
        number(mat.speedup.map(|ratio| ratio.value)),
        number(mat.efficiency.map(|ratio| ratio.value)),
        mat.valid.to_string(),
        mat.reasons.join("; "),
        cell.caveats.iter().chain(&mat.caveats).cloned().collect::<Vec<_>>().join("; "),
        cell.series.shared_cores.to_string(),
        crate::text::is_simulated(&cell.series.target).to_string(),
        cell.cell.control.to_string(),
        findings.run.seed.to_string(),
        findings.run.dir.clone(),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn nanos(quantile: Quantile) -> String {
    match quantile {
        Quantile::At(value) => value.0.to_string(),
        Quantile::Beyond => "inf".to_owned(),
        Quantile::Unstated => String::new(),
    }
}

/// A field that no spreadsheet takes for a formula and no terminal for a command.
fn harmless(field: &str) -> String {
    let shown: String = field.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    let number = shown.parse::<f64>().is_ok();
    if !number && field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula() {
        for (field, shown) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\r=1", "' =1"),
            ("-2.5", "-2.5"),
            ("plain", "plain"),
            ("a\u{1b}[0m", "a [0m"),
        ] {
            assert_eq!(harmless(field), shown);
        }
    }
}
