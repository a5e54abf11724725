//! Latency: against offered load, one small figure per cell; and by percentile at the MAT.

use std::io;

use maud::{Markup, html};

use super::chart::canvas::Frame;
use super::chart::latency::latency as draw_cell;
use super::chart::spectrum::spectrum as draw_spectrum;
use super::figure::{Gathered, SMALL, drawing, full, legend};
use super::mark;
use crate::groups::{Group, Legend, Row};
use crate::text::{count, is_simulated};
use corecurve_analysis::findings::{CellFinding, Findings};

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
    html! {
        @if is_simulated(&cell.series.target) { (mark("simulated")) " " }
        @if cell.series.shared_cores { (mark("shared-cores")) }
    }
}

/// The percentile spectrum at the MAT, for the largest core count of each series.
pub(super) fn spectrum(groups: &[Group<'_>], names: &Legend<'_>, gathered: &mut Gathered) -> io::Result<Markup> {
    let mut parts = Vec::new();
    for group in groups {
        let rows = largest(group);
        if rows.is_empty() {
            continue;
        }
        let series: Vec<usize> = rows.iter().map(|row| names.index(&row.cell.series)).collect();
        let about = format!("Latency by percentile at the MAT, {}", group.title());
        let caption = html! { "Latency by percentile at the tried rate nearest below the MAT, on the most cores each target was tried with." };
        let draw = |frame: Frame| draw_spectrum(&rows, names, Frame { height: frame.height * 4 / 5, ..frame });
        let picture = full(gathered, &about, caption, legend(names, &series), &[("", &draw)])?;
        parts.push(html! { h3 { (group.title()) " " (super::answer::marks(group)) } (picture) });
    }
    Ok(html! {
        @for part in &parts { (part) }
        @if parts.is_empty() { p { "No valid MAT, so there is no rate to show percentiles at." } }
    })
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
