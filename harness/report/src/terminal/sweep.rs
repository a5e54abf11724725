//! The table of a sweep, and the answer of a single search.

use corecurve_analysis::findings::{CellFinding, Findings, MatFinding};
use corecurve_analysis::models::ModelFit;
use corecurve_analysis::oracle;
use corecurve_core::units::three_digits;
use corecurve_core::{ArrivalKind, MatKind, Nanos, QueueLaw, Replay};

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::groups::{Group, Row, any_shared_cores, groups};
use crate::text::{change, count, plain, plain_long, rate, rate_interval, relative_interval, share, time, times};

/// The whole result of a sweep: the answer, a table per group, ratios, models, what was struck out, caveats.
pub fn sweep(findings: &Findings, style: Style) -> String {
    let mut out = style.paragraph(" ", Paint::Strong, &plain_long(&findings.headline, 1_000));
    for group in groups(findings) {
        out += "\n";
        out += &heading(&group, style);
        out += &table(&group, style);
    }
    out += &super::objectives::objectives(findings, style);
    out += &ratios(findings, style);
    out += &scaling(findings, style);
    out += &super::verdicts::verdicts(findings, style);
    out += &super::losses::losses(findings, style);
    out += &generator(findings, style);
    out + &ending(findings, style)
}

/// The answer of one search: the MAT in a line, its interval, how it came about, what was struck out.
pub fn mat(findings: &Findings, style: Style) -> String {
    let mut out = String::new();
    for row in groups(findings).iter().flat_map(|group| group.rows.clone()) {
        out += &answer(findings, &row, style);
    }
    out += &super::verdicts::verdicts(findings, style);
    out += &generator(findings, style);
    out + &ending(findings, style)
}

/// What ends every result: what was struck out, caveats, where the report is.
pub(super) fn ending(findings: &Findings, style: Style) -> String {
    let mut out = valid(findings, style);
    out += &caveats(findings, style);
    out + &foot(findings, style)
}

fn answer(findings: &Findings, row: &Row<'_>, style: Style) -> String {
    let (cell, found) = (row.cell, row.mat);
    let name = format!("{} on {}", plain(&cell.label), count(cell.cell.cores, "core", "cores"));
    let shared = if cell.series.shared_cores { "  shared-cores" } else { "" };
    let limit = match (found.slo.is_relative(), found.limit_ns) {
        (true, Some(limit)) => format!(" ({limit})"),
        _ => String::new(),
    };
    let mut out = format!(
        " {}  {} at {}{limit}{}\n",
        style.paint(Paint::Strong, &name),
        style.paint(if found.valid { Paint::Good } else { Paint::Bad }, &value(found)),
        found.slo,
        style.paint(Paint::Warn, shared),
    );
    if found.mat_per_s.is_some() {
        let method = plain_long(&found.ci_method, 200);
        out += &style.paragraph(" ", Paint::Plain, &format!("95 % CI {}  ({method})", rate_interval(found.ci95)));
        let latency = found.latency_ns;
        let (p50, p99, p999) = (time(latency.p50), time(latency.p99), time(latency.p999));
        out += &format!(" latency there: p50 {p50}  p99 {p99}  p99.9 {p999}  ·  CPU {}\n", share(found.utilisation));
    }
    let told = findings.shares.iter().find(|shares| shares.cell == cell.cell.id && shares.slo == Some(found.slo));
    if let Some(shares) = told {
        out += &style.paragraph(" ", Paint::Plain, &plain_long(&format!("shares: {}", shares.judged.words), 500));
    }
    for line in replayed(cell, found) {
        out += &style.paragraph(" ", Paint::Plain, &line);
    }
    let trials: u32 = found.reps.iter().map(|rep| rep.mat.trials).sum();
    let reps = count(found.reps.len(), "repetition", "repetitions");
    out += &format!(" {trials} trials in {reps}\n");
    for reason in &found.reasons {
        out += &style.paragraph("   ✗ ", Paint::Bad, &plain_long(reason, 400));
    }
    for caveat in &found.caveats {
        out += &style.paragraph("   ! ", Paint::Warn, &plain_long(caveat, 400));
    }
    out
}

/// What queueing theory makes of the service times that were measured, and how far each latency was from a replay.
fn replayed(cell: &CellFinding, found: &MatFinding) -> Vec<String> {
    let replays: Vec<Replay> =
        cell.trials.iter().filter(|trial| trial.valid).filter_map(|trial| trial.replay).collect();
    let operations: u64 = replays.iter().map(|replay| replay.count).sum();
    if operations == 0 {
        return Vec::new();
    }
    let mean_ns = replays.iter().map(|r| r.service_mean_ns * r.count as f64).sum::<f64>() / operations as f64;
    let middle = |mut values: Vec<i64>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    let (p50, p99) = (
        middle(replays.iter().map(|r| r.error_p50_ns).collect()),
        middle(replays.iter().map(|r| r.error_p99_ns).collect()),
    );
    let signed = |ns: i64| format!("{}{}", if ns < 0 { "−" } else { "" }, Nanos(ns.unsigned_abs()));
    let mut lines = vec![format!(
        "own error, measured − replayed latency: p50 {}, p99 {} (median over {} of {operations} operations)",
        signed(p50),
        signed(p99),
        count(replays.len(), "trial", "trials"),
    )];
    let exponential = cell.cell.workload_settings.get("dist").is_none_or(|dist| dist == "exp");
    let poisson = cell.cell.arrival == ArrivalKind::Poisson;
    if let (true, Some(mat), Some(limit)) = (exponential && poisson, found.mat_per_s, found.limit_ns) {
        let law = QueueLaw::Shared { mean_ns, servers: 1 };
        if let Some(theory) = oracle::mat(&law, found.slo.quantile, limit.as_secs_f64()) {
            lines.push(format!(
                "theory: M/M/1 with the measured services (mean {}) carries μ − ln({:.0})/SLO = {}; seen {}",
                Nanos(mean_ns.round() as u64),
                1.0 / found.slo.allowed_over(),
                rate(Some(theory)),
                change(mat / theory),
            ));
        }
    }
    lines
}

fn heading(group: &Group<'_>, style: Style) -> String {
    let mut out = style.paragraph(" ", Paint::Plain, &format!("MAT at {}", group.title()));
    if group.simulated {
        out += &format!(" {}\n", style.paint(Paint::Warn, "simulated: computed in virtual time, not measured"));
    }
    if group.shared_cores {
        let words = "shared-cores: server and load ran on the same cores";
        out += &format!(" {}\n", style.paint(Paint::Warn, words));
    }
    out
}

fn table(group: &Group<'_>, style: Style) -> String {
    let base = group.rows.iter().find_map(|row| row.mat.base_cores);
    let against = base.map_or("vs 1 core".into(), |n| format!("vs {}", count(n, "core", "cores")));
    let mut table = Table::new(&[
        ("target", Side::Left),
        ("cores", Side::Right),
        ("MAT", Side::Right),
        ("95 % CI", Side::Right),
        ("p50", Side::Right),
        ("p99", Side::Right),
        ("p99.9", Side::Right),
        ("CPU", Side::Right),
        (&against, Side::Right),
        ("eff.", Side::Right),
    ]);
    let mut last = "";
    for row in group.by_series() {
        let label = row.cell.label.as_str();
        add_row(&mut table, &row, label == last);
        last = label;
    }
    table.show(style)
}

fn add_row(table: &mut Table, row: &Row<'_>, again: bool) {
    let (cell, found) = (row.cell, row.mat);
    let name = match (again, cell.cell.control) {
        (true, true) => "  A/A control".to_owned(),
        (true, false) => String::new(),
        (false, true) => format!("{} (A/A)", plain(&cell.label)),
        (false, false) => plain(&cell.label),
    };
    let plain_cell = |text: String| (text, Paint::Plain);
    let mut cells = vec![
        plain_cell(name),
        plain_cell(cell.cell.cores.to_string()),
        (value(found), if found.valid { Paint::Strong } else { Paint::Bad }),
    ];
    if found.valid {
        let latency = found.latency_ns;
        cells.extend(
            [
                relative_interval(found.mat_per_s, found.ci95),
                time(latency.p50),
                time(latency.p99),
                time(latency.p999),
                share(found.utilisation),
                times(found.speedup.map(|r| r.value)),
                share(found.efficiency.map(|r| r.value)),
            ]
            .map(plain_cell),
        );
    }
    table.row(cells);
    if let (false, Some(reason)) = (found.valid, found.reasons.first()) {
        let more = match found.reasons.len() - 1 {
            0 => String::new(),
            n => format!(" (+{n} more)"),
        };
        table.words(format!("✗ {}{more}", plain_long(reason, 300)), Paint::Bad);
    }
}

/// The number in a table: the rate, `≥ rate`, or `invalid`.
fn value(found: &MatFinding) -> String {
    match (found.valid, found.kind, found.mat_per_s) {
        (true, _, per_s) => rate(per_s),
        (false, Some(MatKind::GeneratorLimited), Some(_)) => format!("≥ {}", rate(found.mat_per_s)),
        (false, Some(_), _) => "invalid".into(),
        (false, None, _) => "not yet".into(),
    }
}

fn ratios(findings: &Findings, style: Style) -> String {
    if findings.comparisons.is_empty() {
        return String::new();
    }
    let base = super::compare::common_base(&findings.comparisons);
    let against = base.map_or_else(String::new, |base| format!("  against {}", plain(base)));
    let mut out = format!(
        "\n {}{against}{}\n{}",
        style.paint(Paint::Strong, "Summary"),
        shared(any_shared_cores(findings), style),
        super::compare::rows(&findings.comparisons, base.is_none(), style)
    );
    match &findings.noise_floor {
        Some(noise) => {
            let pairs = count(noise.pairs.len(), "A/A pair", "A/A pairs");
            out += &format!(" noise floor {:.1} % ({pairs})\n", noise.floor * 100.0);
        }
        None => out += " noise floor unknown: no A/A control was measured\n",
    }
    out
}

fn scaling(findings: &Findings, style: Style) -> String {
    let many: Vec<_> = findings.curves.iter().filter(|curve| curve.points.len() > 1).collect();
    if many.is_empty() {
        return String::new();
    }
    let shared_cores = many.iter().any(|curve| curve.series.shared_cores);
    let mut table = Table::new(&[
        ("target", Side::Left),
        ("model", Side::Left),
        ("contention σ", Side::Right),
        ("coherency κ", Side::Right),
        ("peak at", Side::Right),
        ("ceiling", Side::Right),
        ("held-out error", Side::Right),
    ]);
    for curve in many {
        let name = (plain(&curve.label), Paint::Plain);
        match curve.fits.best() {
            Some(fit) => table.row([name].into_iter().chain(fit_cells(fit).map(|text| (text, Paint::Plain)))),
            None => {
                table.row([name, ("none".into(), Paint::Warn)]);
                let refused = curve.fits.refused.first().map(|refusal| refusal.why.as_str());
                table.words(plain_long(refused.unwrap_or("no model could be fitted"), 300), Paint::Faint);
            }
        }
    }
    format!("\n {}{}\n{}", style.paint(Paint::Strong, "Scaling"), shared(shared_cores, style), table.show(style))
}

/// The mark of a table that rests on cells in which server and load shared cores.
fn shared(any: bool, style: Style) -> String {
    if any { style.paint(Paint::Warn, "  shared-cores") } else { String::new() }
}

fn fit_cells(fit: &ModelFit) -> [String; 6] {
    let param = |name: &str| {
        let found = fit.params.iter().find(|p| p.name == name);
        found.map_or("—".into(), |p| if p.identified { coefficient(p.value) } else { "not identified".into() })
    };
    let peak = match &fit.peak {
        Some(peak) if peak.extrapolated => format!("{:.0} (beyond range)", peak.cores),
        Some(peak) => format!("{:.0} cores", peak.cores),
        None => "—".into(),
    };
    let error = fit.held_out_error.map_or("—".into(), |error| format!("{:.1} %", error * 100.0));
    [fit.model.name().into(), param("sigma"), param("kappa"), peak, rate(fit.ceiling_per_s), error]
}

/// A small coefficient: `0.121`, `2.1e-5`.
pub(crate) fn coefficient(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 1e-3 => format!("{value:.1e}"),
        v if v < 1.0 => format!("{value:.3}"),
        _ => three_digits(value),
    }
}

/// What the generator itself can do, and whether answers depend on it, where that was measured.
fn generator(findings: &Findings, style: Style) -> String {
    let words = crate::text::generator(findings);
    let mut out = String::new();
    for (i, line) in words.iter().enumerate() {
        let head = if i == 0 { " Generator " } else { "           " };
        out += &style.paragraph(head, Paint::Plain, &plain_long(line, 500));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

fn valid(findings: &Findings, style: Style) -> String {
    let searched: Vec<&MatFinding> = findings.cells.iter().flat_map(|cell| &cell.mats).collect();
    if searched.is_empty() {
        return String::new();
    }
    let good = searched.iter().filter(|mat| mat.valid).count();
    let paint = if good == searched.len() { Paint::Good } else { Paint::Bad };
    let of = count(searched.len(), "result", "results");
    let mut out =
        format!("\n {}    {}\n", style.paint(Paint::Strong, "Valid"), style.paint(paint, &format!("{good} of {of}")));
    let mats: Vec<_> = findings.struck_out.iter().filter(|struck| struck.trial.is_none()).collect();
    for struck in mats.iter().take(10) {
        let why: Vec<String> = struck.reasons.iter().map(|reason| plain_long(reason, 300)).collect();
        let text = format!("{} #{}  {}: {}", plain(&struck.cell.0), struck.rep, plain(&struck.what), why.join("; "));
        out += &style.paragraph("   ✗ ", Paint::Plain, &text);
    }
    if mats.len() > 10 {
        out += &format!("   … and {} more; see the report\n", mats.len() - 10);
    }
    let trials = findings.struck_out.len() - mats.len();
    if trials > 0 {
        let words = count(trials, "invalid trial was", "invalid trials were");
        out += &format!("   {words} not used; the report lists each with its reasons\n");
    }
    out
}

fn caveats(findings: &Findings, style: Style) -> String {
    let mut out = String::new();
    for (i, caveat) in findings.caveats.iter().chain(&findings.notes).enumerate() {
        let head = if i == 0 { " Caveat   " } else { "          " };
        out += &style.paragraph(head, Paint::Warn, &plain_long(caveat, 500));
    }
    out
}

fn foot(findings: &Findings, style: Style) -> String {
    let progress = findings.progress;
    let mut out = format!(" {}   {}/report.html\n", style.paint(Paint::Strong, "Report"), plain(&findings.run.dir));
    if !progress.is_complete() {
        let words = format!("{} of {} repetitions done", progress.finished, progress.planned);
        out += &format!(" {}   {words}\n", style.paint(Paint::Warn, "Partly"));
    }
    if findings.plan.expected > Nanos::ZERO {
        out += &format!(" seed {}\n", findings.run.seed);
    }
    out
}
