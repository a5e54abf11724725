//! Each worker's share of the load, against what chance gives.

use std::io;

use maud::{Markup, html};

use super::chart::shares::shares as draw_shares;
use super::figure::{Gathered, SMALL, drawing};
use crate::groups::Legend;
use crate::text::{count, grouped, plain_long, share};
use corecurve_analysis::findings::{CellFinding, Findings, ShareFinding, ShareVerdict};
use corecurve_core::Slo;

/// Small figures shown at once; the others wait behind a summary.
const AT_ONCE: usize = 6;

/// The shares of these cells at an objective, or at the rate that was asked for.
pub(super) fn shares(
    findings: &Findings,
    cells: &[&CellFinding],
    slo: Option<Slo>,
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Markup> {
    let of = |cell: &&CellFinding| findings.shares.iter().find(|found| found.cell == cell.cell.id && found.slo == slo);
    let found: Vec<(&CellFinding, &ShareFinding)> = cells.iter().filter_map(|cell| Some((*cell, of(cell)?))).collect();
    let mut figures = Vec::new();
    for (cell, finding) in &found {
        let series = names.index(&cell.series);
        let Some(picture) = draw_shares(&finding.judged, series, SMALL)? else { continue };
        let title = title(cell, names);
        let about = format!("Share of each worker: {title}");
        figures.push(html! { div { h3 { (title) } figure data-legend { (drawing(gathered, &about, picture)) } } });
    }
    let (shown, more) = figures.split_at(figures.len().min(AT_ONCE));
    Ok(html! {
        @if found.is_empty() {
            p .note { "Each worker's share of the load is not on record here." }
        } @else {
            (table(&found, names))
            @if !figures.is_empty() {
                p .note {
                    "One bar per worker: its share of the connections; the hollow marker is its share of the requests. The band is \
                     what chance keeps every share within, in 95 of 100 dealings of so many connections, when each goes to any \
                     worker alike."
                }
            }
            div .many { @for figure in shown { (figure) } }
            @if !more.is_empty() {
                details { summary { (more.len()) " more" } div .many { @for figure in more { (figure) } } }
            }
        }
    })
}

fn title(cell: &CellFinding, names: &Legend<'_>) -> String {
    let control = if cell.cell.control { " · A/A control" } else { "" };
    format!("{} · {}{control}", names.name(names.index(&cell.series)), count(cell.cell.cores, "core", "cores"))
}

fn table(found: &[(&CellFinding, &ShareFinding)], names: &Legend<'_>) -> Markup {
    let body = html! {
        div .scroll tabindex="0" { table {
            thead { tr {
                th { "shares of workers" } th .n { "workers" } th .n { "connections" } th .n { "largest share," br; "connections" }
                th .n { "largest share," br; "requests" } th .n { "busy, least" br; "to most" }
                th .n { "chance, 95" br; "of 100" } th .n { "trials" br; "outside" } th { "verdict" }
            } }
            tbody { @for (cell, finding) in found { (row(cell, finding, names)) } }
        } }
    };
    super::folded(found.len(), body)
}

fn row(cell: &CellFinding, finding: &ShareFinding, names: &Legend<'_>) -> Markup {
    let (judged, [outside, all]) = (&finding.judged, finding.outside);
    let busy = judged.workers.iter().map(|worker| worker.busy);
    let ends = busy.clone().reduce(f64::min).zip(busy.reduce(f64::max));
    let between = |ends: Option<(f64, f64)>| {
        ends.map_or_else(|| "—".to_owned(), |(low, high)| format!("{} … {}", share(Some(low)), share(Some(high))))
    };
    let meaning = match judged.dealing {
        Some(_) => judged.meaning().to_owned(),
        None => plain_long(&judged.words, 300),
    };
    html! {
        tr {
            td .name { (title(cell, names)) }
            td .n { @if judged.workers.is_empty() { "—" } @else { (judged.workers.len()) } }
            td .n { @if judged.workers.is_empty() { "—" } @else { (grouped(judged.dealt)) } }
            td .n { (share(judged.connections.map(|spread| spread.largest))) }
            td .n { (share(judged.requests.map(|spread| spread.largest))) }
            td .n { (between(ends)) }
            td .n { (between(judged.chance.map(|[low, high]| (low, high)))) }
            td .n { @if all == 0 { "—" } @else { (outside) " of " (all) } }
            td .why { @if judged.verdict == ShareVerdict::Outside { span .bad { (meaning) } } @else { (meaning) } }
        }
    }
}
