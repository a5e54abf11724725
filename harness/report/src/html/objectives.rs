//! MAT against the objective: chart, who carries more where, and the numbers.

use std::io;

use maud::{Markup, html};

use super::chart::objective::objective;
use super::column::Column;
use super::figure::{Gathered, View, full, legend};
use crate::groups::Legend;
use crate::objectives::{at, limit_words, marks, most, sentences, title};
use crate::text::{plain, plain_long};
use corecurve_analysis::findings::{Findings, ObjectivePoint, Objectives};

/// Sentences shown at once; the others wait behind a summary.
const AT_ONCE: usize = 8;

/// Chart, sentences and tables of every question that was asked at several limits; `None` when none was.
pub(super) fn objectives(
    findings: &Findings,
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Option<Markup>> {
    if findings.objectives.is_empty() {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for chart in &findings.objectives {
        parts.push(one(chart, names, gathered)?);
    }
    let both = findings.objectives.iter().any(Objectives::is_relative)
        && findings.objectives.iter().any(|chart| !chart.is_relative());
    Ok(Some(html! {
        p .lead {
            "How much each target carries as the limit is relaxed. Which one carries more can depend on it. A lead is claimed only \
             where the ratio is beyond chance and beyond the noise floor. "
            @if both {
                "Limits in time and multiples of the no-load mean stand apart: the same multiple is another time for each target."
            }
        }
        @for part in &parts { (part) }
    }))
}

fn one(chart: &Objectives, names: &Legend<'_>, gathered: &mut Gathered) -> io::Result<Markup> {
    let series: Vec<usize> = chart.lines.iter().map(|line| names.index(&line.series)).collect();
    let linear = |frame| objective(chart, names, frame, false);
    let log = |frame| objective(chart, names, frame, true);
    let views: [View<'_>; 2] = [("linear", &linear), ("logarithmic", &log)];
    let about = format!("MAT against the objective, {}", title(chart));
    let picture = full(gathered, &about, caption(chart), legend(names, &series), &views)?;
    let (simulated, shared_cores) = marks(chart);
    let sentences = sentences(chart);
    let (shown, more) = sentences.split_at(sentences.len().min(AT_ONCE));
    Ok(html! {
        h3 { (title(chart)) " " (super::marks(simulated, shared_cores)) }
        (picture)
        @for sentence in shown { p { (sentence) } }
        @if !more.is_empty() { details { summary { (more.len()) " more pairs" } @for sentence in more { p { (sentence) } } } }
        @for note in &chart.notes { p .note { "Note: " (plain_long(note, 400)) "." } }
        (super::folded(chart.slos.len(), numbers(chart)))
        (ratios(chart))
    })
}

fn caption(chart: &Objectives) -> Markup {
    let (simulated, shared_cores) = marks(chart);
    html! {
        "Highest offered rate that meets the objective, by its limit, with 95 % intervals; hollow markers were struck out. "
        @if chart.lines.iter().any(|line| !line.oracle.is_empty()) {
            "Dashed grey: what queueing theory says, where the queue is known. "
        }
        @if chart.crossing().next().is_some() {
            "Dashed upright: where two cross; the bar at its foot spans the limits between which nothing is shown. "
        }
        @if simulated { "Computed in virtual time, not measured. " }
        @if shared_cores { "Server and load shared cores. " }
    }
}

/// MAT by limit and target.
fn numbers(chart: &Objectives) -> Markup {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let mat = Column::rates(points().filter_map(|point| point.mat_per_s));
    let theory =
        |line: usize| chart.lines.get(line).is_some_and(|line| line.points.iter().any(|p| p.oracle_per_s.is_some()));
    let rows: Vec<_> = chart.slos.iter().map(|slo| (slo, at(chart, slo))).collect();
    html! {
        div .scroll tabindex="0" { table {
            thead { tr {
                th { "limit" }
                @for (i, line) in chart.lines.iter().enumerate() {
                    th .n { (plain(&line.label)) ", " (mat.unit) } th .n { "95 % CI" }
                    @if theory(i) { th .n { "theory" } }
                }
            } }
            tbody { @for (slo, row) in &rows { tr {
                td { (limit_words(slo)) }
                @for (i, point) in row.iter().enumerate() {
                    (number(*point, &mat, most(row) == Some(i)))
                    @if theory(i) { td .n { (mat.maybe(point.and_then(|point| point.oracle_per_s))) } }
                }
            } } }
        } }
    }
}

/// A MAT and its interval.
fn number(point: Option<&ObjectivePoint>, mat: &Column, most: bool) -> Markup {
    let Some(point) = point else { return html! { td .n { "—" } td {} } };
    match (point.valid, point.mat_per_s) {
        (true, value) => html! { td .n .strong[most] { (mat.maybe(value)) } td .n { (mat.interval(point.ci95)) } },
        (false, Some(value)) if point.at_least => html! { td .n { "≥ " (mat.show(value)) } td {} },
        (false, value) => html! {
            td .n { @if let Some(value) = value { s { (mat.show(value)) } } @else { "—" } }
            td { small { (point.kind.map_or("no result yet", |kind| kind.name())) } }
        },
    }
}

/// Every ratio with its verdict, behind a summary.
fn ratios(chart: &Objectives) -> Markup {
    let rows: Vec<_> = chart.pairs.iter().flat_map(|pair| &pair.rows).collect();
    html! { @if !rows.is_empty() { details {
        summary { "The " (rows.len()) " ratios behind it" }
        div .scroll tabindex="0" { table {
            thead { tr { th { "target" } th { "against" } th .n { "limit" } th .n { "MAT ratio" } th .n { "95 % CI" } th { "verdict" } th { "why" } } }
            tbody { @for row in rows { tr {
                td .name { (plain(&row.b.label)) } td .name { (plain(&row.a.label)) } td .n { (limit_words(&row.slo)) }
                td .n .strong { (row.ratio.map_or("—".into(), |r| format!("{:.3}×", r.value))) }
                td .n { (row.ratio.map_or("—".into(), |r| format!("{:.3} … {:.3}", r.ci95[0], r.ci95[1]))) }
                td { (row.verdict.name()) } td .why { small { (plain_long(&row.why, 300)) } }
            } } }
        } }
    } } }
}
