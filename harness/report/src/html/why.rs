//! Why: the verdict of each cell, what it rests on, and where efficiency went.

use std::collections::BTreeMap;
use std::io;

use maud::{Markup, html};

use super::column::Column;
use super::figure::Gathered;
use super::shares::shares;
use super::{account, verdicts};
use crate::groups::{Group, Legend};
use crate::text::{bad_share, grouped, plain, share, small_share};
use corecurve_analysis::findings::{CellFinding, Findings, Verdict, nearest};
use corecurve_core::{Counts, ErrorClass, Nanos, Quantile, Slo, TrialRecord};

/// What was seen at the MAT of each cell.
pub(super) fn why(
    findings: &Findings,
    groups: &[Group<'_>],
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Markup> {
    let fixed: Vec<Seen<'_>> = findings.cells.iter().filter_map(at_given_rate).collect();
    let mut found = Vec::new();
    for group in groups {
        let near = at_mat(group);
        let cells: Vec<&CellFinding> = near.iter().map(|(cell, _)| *cell).collect();
        let shares = shares(findings, &cells, Some(group.slo), names, gathered)?;
        let verdicts = group.rows.iter().filter_map(|row| verdict_of(findings, row.cell, Some(group.slo))).collect();
        let accounts: Vec<_> = group
            .rows
            .iter()
            .filter_map(|row| {
                Some((findings.accounts.iter().find(|a| a.cell == row.cell.cell.id && a.slo == group.slo)?, row.cell))
            })
            .collect();
        let accounts = account::accounts(&accounts, names, gathered)?;
        found.push(html! {
            h3 { (group.title()) " " (super::answer::marks(group)) }
            (judged(group, verdicts)) (table(&near, names)) (accounts) (account::costs(&near, names)) (shares)
        });
    }
    if !fixed.is_empty() {
        let cells: Vec<&CellFinding> = fixed.iter().map(|(cell, _)| *cell).collect();
        let shares = shares(findings, &cells, None, names, gathered)?;
        let verdicts: Vec<&Verdict> = cells.iter().filter_map(|cell| verdict_of(findings, cell, None)).collect();
        found.push(html! {
            h3 { "At the given rate " (super::fixed_marks(findings)) }
            (verdicts::verdicts(&verdicts)) (table(&fixed, names)) (account::costs(&fixed, names)) (shares)
        });
    }
    Ok(html! {
        p .note {
            "Rules are asked in order, first those that would make the number meaningless, then those about waiting, then those about \
             cost; the first that holds is the verdict. What it rests on, and what every other rule saw, is folded behind it. "
            "Where the target tells, each worker's share of the load stands beside what chance would give."
        }
        @for part in &found { (part) }
        (errors(findings))
    })
}

fn verdict_of<'a>(findings: &'a Findings, cell: &CellFinding, slo: Option<Slo>) -> Option<&'a Verdict> {
    findings.verdicts.iter().find(|verdict| verdict.cell == cell.cell.id && verdict.slo == slo)
}

/// The verdicts of a group, or why it has none.
fn judged(group: &Group<'_>, found: Vec<&Verdict>) -> Markup {
    match (found.is_empty(), group.simulated) {
        (false, _) => verdicts::verdicts(&found),
        (true, true) => html! { p { b { "No verdict. " } "A simulation is stopped by its own law." } },
        (true, false) => html! { p { b { "No verdict. " } "These records hold no counters of the target." } },
    }
}

/// A cell and the trial that speaks for it.
type Seen<'a> = (&'a CellFinding, &'a TrialRecord);

fn at_mat<'a>(group: &Group<'a>) -> Vec<Seen<'a>> {
    group.by_series().iter().filter_map(|row| Some((row.cell, nearest(&row.cell.trials, row.mat)?))).collect()
}

/// The last valid trial of a cell that was no search.
fn at_given_rate(cell: &CellFinding) -> Option<Seen<'_>> {
    if cell.mats.is_empty() { Some((cell, cell.trials.iter().rfind(|trial| trial.valid)?)) } else { None }
}

fn table(near: &[Seen<'_>], names: &Legend<'_>) -> Markup {
    let service = Column::times(near.iter().flat_map(|(_, t)| [t.service_ns.p50, t.service_ns.p99]));
    let lag = Column::times(near.iter().map(|(_, t)| t.send_lag_ns.p99));
    let quiet = Column::times(near.iter().map(|(cell, _)| no_load(cell)));
    let body = html! {
        div .scroll tabindex="0" { table {
            thead { tr {
                th { "target" } th .n { "cores" } th .n { "CPU," br; "server" } th .n { "CPU, busiest" br; "load thread" }
                th .n { "no-load" br; "mean, " (quiet.unit) }
                th .n { "service" br; "p50, " (service.unit) } th .n { "service" br; "p99, " (service.unit) }
                th .n { "send lag" br; "p99, " (lag.unit) } th .n { "not ok" }
            } }
            tbody { @for (cell, trial) in near {
                tr {
                    td .name { (names.name(names.index(&cell.series))) @if cell.cell.control { " A/A control" } }
                    td .n { (cell.cell.cores) }
                    td .n { (share(trial.utilisation)) } td .n { (share(trial.generator_busy)) }
                    td .n { (quiet.quantile(no_load(cell))) }
                    td .n { (service.quantile(trial.service_ns.p50)) } td .n { (service.quantile(trial.service_ns.p99)) }
                    td .n { (lag.quantile(trial.send_lag_ns.p99)) } td .n { (small_share(bad_share(trial))) }
                }
            } }
        } }
    };
    super::folded(near.len(), body)
}

fn no_load(cell: &CellFinding) -> Quantile {
    cell.no_load.map_or(Quantile::Unstated, |quiet| Quantile::At(Nanos(quiet.mean_ns.max(0.0).round() as u64)))
}

/// Failures by class over the valid trials of each cell that had any.
fn errors(findings: &Findings) -> Markup {
    let mut cells: BTreeMap<&str, Counts> = BTreeMap::new();
    for cell in &findings.cells {
        let mut sum = Counts::default();
        cell.trials.iter().filter(|trial| trial.valid).for_each(|trial| sum += &trial.counts);
        if sum.bad() > 0 {
            cells.insert(&cell.cell.id.0, sum);
        }
    }
    let classes: Vec<ErrorClass> =
        ErrorClass::ALL.into_iter().filter(|class| cells.values().any(|sum| sum.errors.contains_key(class))).collect();
    html! {
        h3 { "Operations that were not completed correctly" }
        @if cells.is_empty() {
            p { "None in any valid trial." }
        } @else {
            p .note { "Summed over all valid trials of a cell, overloaded ones included." }
            (super::folded(cells.len(), html! { div .scroll tabindex="0" { table {
                thead { tr { th { "cell" } th .n { "due" } th .n { "ok" } @for class in &classes { th .n { (class.name()) } } th .n { "unanswered" } th .n { "never sent" } } }
                tbody { @for (cell, sum) in &cells { tr {
                    td .name { (plain(cell)) } td .n { (grouped(sum.scheduled)) } td .n { (grouped(sum.ok)) }
                    @for class in &classes { td .n { (grouped(sum.errors.get(class).copied().unwrap_or(0))) } }
                    td .n { (grouped(sum.unanswered)) } td .n { (grouped(sum.never_sent)) }
                } } }
            } } }))
        }
    }
}
