//! The answer: a sentence, what must travel with it, then MAT by target and cores.

use std::io;

use maud::{Markup, html};

use super::chart::bars::bars;
use super::chart::curve::curve;
use super::column::Column;
use super::figure::{Gathered, View, full, legend, swatch};
use super::mark;
use crate::groups::{Group, Legend, Row, any_shared_cores};
use crate::text::{count, plain, plain_long, share, times};
use corecurve_analysis::findings::Findings;
use corecurve_core::MatKind;

/// The headline with its caveats.
pub(super) fn headline(findings: &Findings) -> Markup {
    let progress = findings.progress;
    html! {
        h1 { (unbroken(&plain_long(&findings.headline, 1_000))) }
        @if !progress.is_complete() {
            p { (mark("incomplete")) " " (progress.finished) " of " (progress.planned) " repetitions are done; the numbers below rest on those." }
        }
        @if !findings.caveats.is_empty() || !findings.notes.is_empty() {
            ul .caveats { @for caveat in findings.caveats.iter().chain(&findings.notes) { li { (plain_long(caveat, 600)) } } }
        }
    }
}

/// Numbers stay with their units at the end of a line.
fn unbroken(text: &str) -> String {
    let units = [" k/s", " M/s", " /s", " ms", " µs", " ns", " %"];
    units.iter().fold(text.to_owned(), |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")))
}

/// Chart and table of every group.
pub(super) fn throughput(groups: &[Group<'_>], names: &Legend<'_>, gathered: &mut Gathered) -> io::Result<Markup> {
    let mut parts = Vec::new();
    for group in groups {
        let series: Vec<usize> = group.series().iter().map(|key| names.index(key)).collect();
        let is_curve = group.curves.iter().any(|curve| curve.points.len() > 1);
        let about = format!("MAT at {}", group.title());
        let picture = if is_curve {
            let linear = |frame| curve(group, names, frame, false);
            let log = |frame| curve(group, names, frame, true);
            let views: [View<'_>; 2] = [("linear", &linear), ("logarithmic", &log)];
            full(gathered, &about, curve_caption(group), legend(names, &series), &views)?
        } else {
            let draw = |frame| bars(group, names, frame);
            full(gathered, &about, bars_caption(group), html! {}, &[("", &draw)])?
        };
        parts.push(html! {
            h3 { "MAT at " (group.title()) " " (marks(group)) }
            (picture)
            (table(group, names))
        });
    }
    Ok(html! {
        @if groups.is_empty() { p { "Nothing was searched in this run, so there is no MAT. The trials are below." } }
        @for part in &parts { (part) }
    })
}

/// The marks of a group.
pub(super) fn marks(group: &Group<'_>) -> Markup {
    super::marks(group.simulated, group.shared_cores)
}

fn curve_caption(group: &Group<'_>) -> Markup {
    html! {
        "Highest offered rate that meets the objective, by server cores, with 95 % intervals. Lines are the fitted model where \
         one was accepted, dotted where none was; hollow markers were struck out. "
        @if group.simulated { "Computed in virtual time, not measured. " }
        @if group.shared_cores { "Server and load shared cores. " }
    }
}

fn bars_caption(group: &Group<'_>) -> Markup {
    html! {
        "Highest offered rate that meets the objective, with 95 % intervals. "
        @if group.simulated { "Computed in virtual time, not measured. " }
        @if group.shared_cores { "Server and load shared cores, so the load took CPU time from the server. " }
    }
}

fn table(group: &Group<'_>, names: &Legend<'_>) -> Markup {
    let rows = group.by_series();
    let good = || rows.iter().filter(|row| row.mat.valid);
    let mat = Column::rates(rows.iter().filter_map(|row| row.mat.mat_per_s));
    let latency =
        Column::times(good().flat_map(|row| [row.mat.latency_ns.p50, row.mat.latency_ns.p99, row.mat.latency_ns.p999]));
    let base = rows.iter().find_map(|row| row.mat.base_cores);
    let head = html! {
        tr {
            th { "target" } th .n { "cores" } th .n { "MAT, " (mat.unit) } th .n { "95 % CI, " (mat.unit) }
            th .n { "p50, " (latency.unit) } th .n { "p99, " (latency.unit) } th .n { "p99.9, " (latency.unit) }
            th .n { "CPU" }
            th .n { "vs " (base.map_or("1 core".into(), |n| count(n, "core", "cores"))) } th .n { "efficiency" }
            th .n { "repetitions" }
        }
    };
    let mut last = usize::MAX;
    let lines: Vec<Markup> = rows
        .iter()
        .map(|row| {
            let index = names.index(&row.cell.series);
            let first = std::mem::replace(&mut last, index) != index;
            line(row, names.name(index), index, first, &mat, &latency)
        })
        .collect();
    let body =
        html! { div .scroll tabindex="0" { table { thead { (head) } tbody { @for line in &lines { (line) } } } } };
    let foot = html! {
        p .note { "Latency and CPU are those of the tried rate nearest below the MAT. Intervals: " (method(&rows)) "." }
    };
    html! { (super::folded(lines.len(), body)) (foot) }
}

fn method(rows: &[Row<'_>]) -> String {
    let method = rows.iter().find(|row| row.mat.valid).map(|row| row.mat.ci_method.as_str()).unwrap_or_default();
    if method.is_empty() { "none, for want of a valid result".into() } else { plain_long(method, 300) }
}

fn line(row: &Row<'_>, name: &str, index: usize, first: bool, mat: &Column, latency: &Column) -> Markup {
    let (cell, found) = (row.cell, row.mat);
    let head = html! {
        td .name { @if first { (swatch(index)) " " (name) } @if cell.cell.control { " A/A control" } }
        td .n { (cell.cell.cores) }
    };
    let first = first.then_some("first");
    if !found.valid {
        let at_least = found.kind == Some(MatKind::GeneratorLimited);
        let value = found.mat_per_s.map(|v| format!("{}{}", if at_least { "≥ " } else { "" }, mat.show(v)));
        return html! {
            tr class=[first.map_or(Some("dim"), |_| Some("dim first"))] {
                (head)
                td .n { @match value { Some(value) if at_least => (value), Some(value) => s { (value) }, None => "—" } }
                td .why colspan="8" {
                    span .bad { (found.kind.map_or("no result yet", |kind| kind.name())) }
                    @for reason in &found.reasons { " · " (plain_long(reason, 400)) }
                }
            }
        };
    }
    html! {
        tr class=[first] {
            (head)
            td .n .strong { (mat.maybe(found.mat_per_s)) } td .n { (mat.interval(found.ci95)) }
            td .n { (latency.quantile(found.latency_ns.p50)) } td .n { (latency.quantile(found.latency_ns.p99)) }
            td .n { (latency.quantile(found.latency_ns.p999)) }
            td .n { (share(found.utilisation)) }
            td .n { (times(found.speedup.map(|ratio| ratio.value))) } td .n { (share(found.efficiency.map(|ratio| ratio.value))) }
            td .n { (found.used_reps) }
        }
        @for caveat in &found.caveats { tr { td {} td .why colspan="10" { small { (plain_long(caveat, 400)) } } } }
    }
}

/// Every target against the first: ratio, interval, verdict, and the noise floor it was judged by.
pub(super) fn ratios(findings: &Findings) -> Markup {
    html! {
        @if !findings.comparisons.is_empty() {
            h2 #ratios { "Against each other " @if any_shared_cores(findings) { (mark("shared-cores")) } }
            p .lead {
                @match &findings.noise_floor {
                    Some(noise) => {
                        "The same target measured twice in this run differed by up to " b { (format!("{:.1} %", noise.floor * 100.0)) }
                        " (" (count(noise.pairs.len(), "A/A pair", "A/A pairs")) "). A smaller difference is not claimed."
                    }
                    None => "No A/A control was measured, so this machine's noise floor is unknown and verdicts rest on chance alone.",
                }
            }
            div .scroll tabindex="0" { table {
                thead { tr { th { "target" } th .n { "cores" } th { "against" } th { "SLO" } th .n { "MAT ratio" } th .n { "95 % CI" } th { "verdict" } th { "why" } } }
                tbody { @for row in &findings.comparisons {
                    tr {
                        td .name { (plain(&row.b.label)) } td .n { (row.cores) } td .name { (plain(&row.a.label)) } td { (row.slo) }
                        td .n .strong { (row.ratio.map_or("—".into(), |r| format!("{:.3}×", r.value))) }
                        td .n { (row.ratio.map_or("—".into(), |r| format!("{:.3} … {:.3}", r.ci95[0], r.ci95[1]))) }
                        td { (row.verdict.name()) } td .why { small { (plain_long(&row.why, 300)) } }
                    }
                } }
            } }
        }
    }
}
