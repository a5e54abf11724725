//! JSON: the findings as one document, or as events that other programs read line by line.

use std::io::{self, Write};

use corecurve_analysis::findings::{Account, CellFinding, Curve, Elasticity, Findings, MatFinding, Verdict};
use corecurve_analysis::models::FitReport;
use corecurve_core::{Event, Nanos, Quantiles, SCHEMA, Slo, TrialRecord};
use serde::Serialize;

use crate::exporter::Exporter;

/// All findings as one JSON document.
#[derive(Clone, Copy, Debug)]
pub struct Document;

/// Events as JSON lines: `run`, then every `capacity`, `trial`, `mat`, `fit`, `account`, `probe` and `verdict`.
#[derive(Clone, Copy, Debug)]
pub struct Events;

impl Exporter for Document {
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, findings)?;
        out.write_all(b"\n")
    }
}

impl Exporter for Events {
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
        line(out, &run_event(findings))?;
        for capacity in &findings.capacities {
            line(out, &Event::Capacity(Box::new(capacity.clone())))?;
        }
        for trial in findings.cells.iter().flat_map(|cell| &cell.trials) {
            line(out, &trial_event(trial))?;
        }
        summary(findings, out)
    }
}

/// The events that end a run: `mat`, `fit`, `account`, `probe` and `verdict`. The others were printed while it went on.
///
/// # Errors
/// Those of `out`.
pub fn summary(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    for cell in &findings.cells {
        for mat in &cell.mats {
            line(out, &mat_event(findings, cell, mat))?;
        }
    }
    findings.curves.iter().try_for_each(|curve| line(out, &fit_event(curve)))?;
    findings
        .accounts
        .iter()
        .try_for_each(|account| line(out, &AccountEvent { event: "account", schema: SCHEMA, account }))?;
    findings.elasticities.iter().try_for_each(|row| line(out, &probe_event(findings, row)))?;
    findings
        .verdicts
        .iter()
        .try_for_each(|verdict| line(out, &VerdictEvent { event: "verdict", schema: SCHEMA, verdict }))
}

#[derive(Serialize)]
struct AccountEvent<'a> {
    event: &'static str,
    schema: u32,
    #[serde(flatten)]
    account: &'a Account,
}

#[derive(Serialize)]
struct VerdictEvent<'a> {
    event: &'static str,
    schema: u32,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// One JSON object and a line feed.
///
/// # Errors
/// Those of `out`.
pub fn line(out: &mut dyn Write, event: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct RunEvent<'a> {
    event: &'static str,
    schema: u32,
    dir: &'a str,
    slug: &'a str,
    turns: usize,
    finished: usize,
    seed: u64,
    expected_ns: Nanos,
    headline: &'a str,
    caveats: &'a [String],
}

fn run_event(findings: &Findings) -> impl Serialize + '_ {
    RunEvent {
        event: "run",
        schema: SCHEMA,
        dir: &findings.run.dir,
        slug: &findings.run.slug,
        turns: findings.progress.planned,
        finished: findings.progress.finished,
        seed: findings.run.seed,
        expected_ns: findings.plan.expected,
        headline: &findings.headline,
        caveats: &findings.caveats,
    }
}

#[derive(Serialize)]
struct TrialEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    record: &'a TrialRecord,
    errors: u64,
    unanswered: u64,
}

/// The `trial` event of a record: the record itself, with its failures and unanswered operations at the top level.
pub fn trial_event(record: &TrialRecord) -> impl Serialize + '_ {
    TrialEvent { event: "trial", record, errors: record.counts.failed(), unanswered: record.counts.unanswered }
}

#[derive(Serialize)]
struct MatEvent<'a> {
    event: &'static str,
    schema: u32,
    cell: &'a str,
    target: &'a str,
    label: &'a str,
    workload: &'a str,
    placement: &'a str,
    cores: usize,
    load_cores: usize,
    arrival: &'a str,
    control: bool,
    simulated: bool,
    shared_cores: bool,
    slo: Slo,
    limit_ns: Option<Nanos>,
    kind: Option<&'static str>,
    mat_per_s: Option<f64>,
    ci95: Option<[f64; 2]>,
    ci_method: &'a str,
    reps: u32,
    trials: u32,
    latency_ns: Quantiles,
    utilisation: Option<f64>,
    speedup: Option<f64>,
    efficiency: Option<f64>,
    valid: bool,
    invalid_reasons: &'a [String],
    caveats: Vec<&'a str>,
    seed: u64,
}

fn mat_event<'a>(findings: &'a Findings, cell: &'a CellFinding, mat: &'a MatFinding) -> impl Serialize + 'a {
    MatEvent {
        event: "mat",
        schema: SCHEMA,
        cell: &cell.cell.id.0,
        target: &cell.series.target,
        label: &cell.label,
        workload: &cell.series.workload,
        placement: &cell.series.placement,
        cores: cell.cell.cores,
        load_cores: cell.cell.placed.load.len(),
        arrival: &cell.series.arrival,
        control: cell.cell.control,
        simulated: crate::text::is_simulated(&cell.series.target),
        shared_cores: cell.series.shared_cores,
        slo: mat.slo,
        limit_ns: mat.limit_ns,
        kind: mat.kind.map(|kind| kind.name()),
        mat_per_s: mat.mat_per_s,
        ci95: mat.ci95,
        ci_method: &mat.ci_method,
        reps: mat.used_reps,
        trials: mat.reps.iter().map(|rep| rep.mat.trials).sum(),
        latency_ns: mat.latency_ns,
        utilisation: mat.utilisation,
        speedup: mat.speedup.map(|ratio| ratio.value),
        efficiency: mat.efficiency.map(|ratio| ratio.value),
        valid: mat.valid,
        invalid_reasons: &mat.reasons,
        caveats: cell.caveats.iter().chain(&mat.caveats).map(String::as_str).collect(),
        seed: findings.run.seed,
    }
}

#[derive(Serialize)]
struct FitEvent<'a> {
    event: &'static str,
    schema: u32,
    target: &'a str,
    label: &'a str,
    workload: &'a str,
    placement: &'a str,
    slo: Slo,
    #[serde(flatten)]
    fits: &'a FitReport,
}

fn fit_event(curve: &Curve) -> impl Serialize + '_ {
    FitEvent {
        event: "fit",
        schema: SCHEMA,
        target: &curve.series.target,
        label: &curve.label,
        workload: &curve.series.workload,
        placement: &curve.series.placement,
        slo: curve.slo,
        fits: &curve.fits,
    }
}

#[derive(Serialize)]
struct ProbeEvent<'a> {
    event: &'static str,
    schema: u32,
    target: &'a str,
    workload: &'a str,
    cores: usize,
    #[serde(flatten)]
    row: &'a Elasticity,
}

/// The `probe` event of a row, with the names of the base it was held against.
pub fn probe_event<'a>(findings: &'a Findings, row: &'a Elasticity) -> impl Serialize + 'a {
    let base = findings.cells.first();
    ProbeEvent {
        event: "probe",
        schema: SCHEMA,
        target: base.map_or("", |base| base.series.target.as_str()),
        workload: base.map_or("", |base| base.series.workload.as_str()),
        cores: base.map_or(0, |base| base.cell.cores),
        row,
    }
}
