//! Latency: against offered load, one small figure per cell; and by percentile at the MAT.

use std::io;

use maud::{Markup, html};

use super::chart::canvas::Frame;
use super::chart::latency::latency as draw_cell;
use super::chart::spectrum::{Line, spectrum as draw_spectrum};
use super::figure::{Gathered, SMALL, drawing, full, legend};
use crate::groups::{Group, Legend, Row};
use crate::text::{count, is_simulated};
use corecurve_analysis::findings::{CellFinding, Findings};
use corecurve_core::Rate;

/// Small figures shown at once; the others wait behind a summary.
const AT_ONCE: usize = 12;

/// Latency against offered load, cell by cell.
pub(super) fn against_load(findings: &Findings, names: &Legend<'_>, gathered: &mut Gathered) -> io::Result<Markup> {
    let mut figures = Vec::new();
    for cell in &findings.cells {
        let series = names.index(&cell.series);
        let Some(picture) = draw_cell(cell, series, SMALL)? else { continue };
        let title = title(cell, names.name(series));
        let about = format!("Latency against offered load: {title}");
        figures.push(html! {
            div {
                h3 { (title) " " (marks(cell)) }
                figure data-legend { (drawing(gathered, &about, picture)) @if let Some(oracle) = &cell.oracle {
                    p .keys { "theory: " (crate::text::plain(&oracle.queue)) }
                } }
            }
        });
    }
    let (shown, more) = figures.split_at(figures.len().min(AT_ONCE));
    Ok(html! {
        p .lead {
            "One marker per trial at its p99; the solid line follows p99, the dotted one p50. Dashed across: the objective's \
             limit. Upright: the MAT. Dashed grey curve: what queueing theory says, where the queue is known. Hollow markers \
             were struck out; a marker at the top edge had more unanswered operations than the percentile allows."
        }
        div .many { @for figure in shown { (figure) } }
        @if !more.is_empty() {
            details { summary { (more.len()) " more" } div .many { @for figure in more { (figure) } } }
        }
        @if figures.is_empty() { p { "No open-loop trial is on record yet." } }
    })
}

fn title(cell: &CellFinding, name: &str) -> String {
    let control = if cell.cell.control { " · A/A control" } else { "" };
    format!("{name} · {}{control}", count(cell.cell.cores, "core", "cores"))
}

fn marks(cell: &CellFinding) -> Markup {
    super::marks(is_simulated(&cell.series.target), cell.series.shared_cores)
}

/// The percentile spectrum: at the MAT, for the largest core count of each series, and at the rate of fixed trials.
pub(super) fn spectrum(
    findings: &Findings,
    groups: &[Group<'_>],
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Markup> {
    let mut parts = Vec::new();
    for group in groups {
        let rows = largest(group);
        let about = |row: &Row<'_>| {
            let cores = count(row.cell.cell.cores, "core", "cores");
            format!("{} · {cores}, at the MAT", names.name(names.index(&row.cell.series)))
        };
        let lines: Vec<Line> = rows
            .iter()
            .map(|row| Line { series: names.index(&row.cell.series), about: about(row), latency: row.mat.latency_ns })
            .collect();
        let slo = group.slo.to_string();
        let limit = rows.iter().find_map(|row| Some((row.mat.limit_ns?.0 as f64, slo.as_str())));
        let caption = "Latency by percentile at the tried rate nearest below the MAT, on the most cores each target was tried with.";
        parts.extend(one_spectrum(
            &group.title(),
            super::answer::marks(group),
            caption,
            &lines,
            limit,
            names,
            gathered,
        )?);
    }
    let fixed = fixed(findings, names);
    let caption = "Latency by percentile of the last valid trial at the rate that was asked for.";
    parts.extend(one_spectrum(
        "At the given rate",
        super::fixed_marks(findings),
        caption,
        &fixed,
        None,
        names,
        gathered,
    )?);
    Ok(html! {
        @for part in &parts { (part) }
        @if parts.is_empty() { p { "No valid result, so there is no rate to show percentiles at." } }
    })
}

/// A heading and a figure; nothing when there is no line to draw.
fn one_spectrum(
    title: &str,
    marks: Markup,
    caption: &str,
    lines: &[Line],
    limit: Option<(f64, &str)>,
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Option<Markup>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut series: Vec<usize> = lines.iter().map(|line| line.series).collect();
    series.dedup();
    let draw = |frame: Frame| draw_spectrum(lines, limit, Frame { height: frame.height * 4 / 5, ..frame });
    let about = format!("Latency by percentile, {title}");
    let picture = full(gathered, &about, html! { (caption) }, legend(names, &series), &[("", &draw)])?;
    Ok(Some(html! { h3 { (title) " " (marks) } (picture) }))
}

/// The last valid trial of every cell that was no search.
fn fixed(findings: &Findings, names: &Legend<'_>) -> Vec<Line> {
    let cells = findings.cells.iter().filter(|cell| cell.mats.is_empty());
    let lines = cells.filter_map(|cell| {
        let trial = cell.trials.iter().rfind(|trial| trial.valid)?;
        let series = names.index(&cell.series);
        let (cores, rate) = (count(cell.cell.cores, "core", "cores"), Rate(trial.offered_per_s));
        Some(Line { series, about: format!("{} · {cores}, at {rate}", names.name(series)), latency: trial.latency_ns })
    });
    lines.collect()
}

/// The valid row with the most cores of each series.
fn largest<'a>(group: &'a Group<'a>) -> Vec<Row<'a>> {
    let rows = group.by_series();
    let usable = |row: &&Row<'_>| row.mat.valid && !row.cell.cell.control;
    let mut best: Vec<Row<'a>> = Vec::new();
    for row in rows.iter().filter(usable) {
        match best.last_mut() {
            Some(last) if last.cell.series == row.cell.series => *last = *row,
            _ => best.push(*row),
        }
    }
    best
}
