//! Where efficiency went: a waterfall for each cell, and what a request costs on each number of cores.

use std::io;

use maud::{Markup, html};

use super::chart::waterfall::waterfall;
use super::figure::{Gathered, SMALL, drawing};
use crate::groups::Legend;
use crate::text::{count, share};
use corecurve_analysis::findings::{Account, CellFinding, Usage};
use corecurve_core::{Counters, TrialRecord};

/// Small figures shown at once; the others wait behind a summary.
const AT_ONCE: usize = 6;

/// The waterfalls of these accounts.
///
/// # Errors
/// When a figure cannot be drawn.
pub(super) fn accounts(
    found: &[(&Account, &CellFinding)],
    names: &Legend<'_>,
    gathered: &mut Gathered,
) -> io::Result<Markup> {
    let mut figures = Vec::new();
    for (account, cell) in found {
        let series = names.index(&cell.series);
        let title = format!(
            "{} · {} against {}",
            names.name(series),
            count(account.cores, "core", "cores"),
            account.base_cores
        );
        let picture = waterfall(account, series, SMALL)?;
        let about = format!("Efficiency waterfall: {title}");
        figures.push(html! { div {
            h3 { (title) }
            figure data-legend { (drawing(gathered, &about, picture)) }
            p .note { (sum(account)) }
        } });
    }
    let (shown, more) = figures.split_at(figures.len().min(AT_ONCE));
    Ok(html! {
        @if !figures.is_empty() {
            h3 { "Where efficiency went" }
            p .note {
                "Requests per second are cores × utilisation ÷ CPU time per request, exactly. So what is lost on the way from the \
                 fewest cores to more is a product, and these steps, each a factor, lead from ideal scaling to what was measured."
            }
            div .many { @for figure in shown { (figure) } }
            @if !more.is_empty() {
                details { summary { (more.len()) " more" } div .many { @for figure in more { (figure) } } }
            }
        }
    })
}

fn sum(account: &Account) -> String {
    let closes = if account.closes { "agree" } else { "DO NOT agree" };
    format!(
        "Steps sum to {:+.3}; ln E of the MATs is {:+.3}; within ± {:.3} they {closes}.",
        account.sum, account.ln_efficiency, account.error
    )
}

/// What a request costs at the MAT: CPU by kind, and what the kernel counted, by cores.
pub(super) fn costs(seen: &[(&CellFinding, &TrialRecord)], names: &Legend<'_>) -> Markup {
    let rows: Vec<Cost<'_>> = seen.iter().filter_map(|(cell, trial)| Cost::of(cell, trial)).collect();
    if rows.is_empty() {
        return html! {};
    }
    let body = html! {
        div .scroll tabindex="0" { table {
            thead { tr {
                th { "per request, at the MAT" } th .n { "cores" } th .n { "busy," br; "mean" } th .n { "busy," br; "most" }
                th .n { "user," br; "µs" } th .n { "system," br; "µs" } th .n { "softirq," br; "µs" } th .n { "others," br; "µs" }
                th .n { "waiting for" br; "a CPU, µs" } th .n { "gave up" br; "the CPU" } th .n { "was taken" br; "off it" }
                th .n { "page" br; "faults" } th .n { "segments" br; "sent again" } th .n { "bytes" }
            } }
            tbody { @for row in &rows { (row.show(names)) } }
        } }
    };
    html! {
        h3 { "What a request costs" }
        (super::folded(rows.len(), body))
    }
}

/// One row.
struct Cost<'a> {
    cell: &'a CellFinding,
    trial: &'a TrialRecord,
    usage: Usage,
    counters: &'a Counters,
}

impl<'a> Cost<'a> {
    fn of(cell: &'a CellFinding, trial: &'a TrialRecord) -> Option<Cost<'a>> {
        Some(Cost { cell, trial, usage: Usage::of(trial, cell.cell.cores)?, counters: trial.counters.as_ref()? })
    }

    fn per_request(&self, sum: Option<f64>) -> String {
        sum.map_or_else(|| "—".to_owned(), |sum| figure(sum / self.trial.counts.ok.max(1) as f64))
    }

    fn threads(&self, of: impl Fn(&corecurve_core::ThreadCounts) -> Option<u64>) -> Option<f64> {
        let threads = &self.counters.threads;
        let sum: Option<u64> = threads.iter().map(of).sum();
        sum.filter(|_| !threads.is_empty()).map(|sum| sum as f64)
    }

    fn show(&self, names: &Legend<'_>) -> Markup {
        let cpu = self.usage.per_request;
        let micros = |ns: Option<f64>| ns.map_or_else(|| "—".to_owned(), |ns| figure(ns / 1e3));
        let delay = self.threads(|thread| thread.run_delay_ns.map(|ns| ns.0)).map(|ns| ns / 1e3);
        let faults = self.threads(|thread| Some(thread.minor_faults? + thread.major_faults?));
        let again = self.counters.network.get("Tcp.RetransSegs").copied().unwrap_or(0) as f64;
        let bytes = self.counters.link.map(|link| (link.to_server + link.to_load) as f64);
        html! {
            tr {
                td .name { (names.name(names.index(&self.cell.series))) @if self.cell.cell.control { " A/A control" } }
                td .n { (self.cell.cell.cores) } td .n { (share(Some(self.usage.mean))) } td .n { (share(Some(self.usage.max))) }
                td .n { (micros(cpu.map(|cpu| cpu.user_ns))) } td .n { (micros(cpu.map(|cpu| cpu.system_ns))) }
                td .n { (micros(cpu.map(|cpu| cpu.softirq_ns))) } td .n { (micros(cpu.map(|cpu| cpu.foreign_ns))) }
                td .n { (self.per_request(delay)) }
                td .n { (self.per_request(self.threads(|thread| thread.voluntary_switches))) }
                td .n { (self.per_request(self.threads(|thread| thread.involuntary_switches))) }
                td .n { (self.per_request(faults)) } td .n { (self.per_request(Some(again))) } td .n { (self.per_request(bytes)) }
            }
        }
    }
}

/// Three figures, whatever the size; nothing is a plain zero.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        small if small < 0.001 => "< 0.001".to_owned(),
        value => corecurve_core::units::three_digits(value),
    }
}
