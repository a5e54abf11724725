//! Each search, trial by trial, nothing left out.

use maud::{Markup, html};

use super::column::Column;
use super::marks;
use crate::text::{bad_share, count, is_simulated, plain, plain_long, share, small_share};
use corecurve_analysis::findings::{CellFinding, Findings};
use corecurve_core::{Purpose, TrialRecord};

/// One collapsed table per cell, and the list of what was struck out.
pub(super) fn trials(findings: &Findings) -> Markup {
    html! {
        p .lead { "Every trial on record, in the order it was run. Struck-through ones broke a validity rule and entered no number above." }
        @for cell in &findings.cells { (one(cell)) }
        (struck_mats(findings))
    }
}

fn one(cell: &CellFinding) -> Markup {
    let invalid = cell.trials.iter().filter(|trial| !trial.valid).count();
    html! {
        details {
            summary {
                (plain(&cell.cell.id.0))
                small {
                    (count(cell.trials.len(), "trial", "trials"))
                    ", " (cell.finished_reps) " of " (count(cell.planned_reps as usize, "repetition", "repetitions"))
                    @if invalid > 0 { ", " span .bad { (invalid) " invalid" } }
                }
                " " (marks(is_simulated(&cell.series.target), cell.series.shared_cores))
            }
            @for caveat in &cell.caveats { p .note { (plain_long(caveat, 400)) } }
            (table(&cell.trials))
        }
    }
}

fn table(trials: &[TrialRecord]) -> Markup {
    let rate = Column::rates(trials.iter().flat_map(|t| [t.offered_per_s, t.achieved_per_s]));
    let time = Column::times(trials.iter().flat_map(|t| [t.latency_ns.p50, t.latency_ns.p99]));
    html! {
        div .scroll tabindex="0" { table {
            thead { tr {
                th .n { "rep" } th .n { "trial" } th { "purpose" } th .n { "offered, " (rate.unit) } th .n { "achieved, " (rate.unit) }
                th .n { "p50, " (time.unit) } th .n { "p99, " (time.unit) } th .n { "p99.9, " (time.unit) } th .n { "max, " (time.unit) }
                th .n { "not ok" } th .n { "CPU" } th .n { "window, s" } th { "valid" }
            } }
            tbody { @for trial in trials {
                tr class=[(!trial.valid).then_some("struck")] {
                    td .n .key { (trial.rep) @if trial.attempt > 0 { "′" } } td .n .key { (trial.trial) } td { (purpose(trial.purpose)) }
                    td .n { (rate.show(trial.offered_per_s)) } td .n { (rate.show(trial.achieved_per_s)) }
                    td .n { (time.quantile(trial.latency_ns.p50)) } td .n { (time.quantile(trial.latency_ns.p99)) }
                    td .n { (time.quantile(trial.latency_ns.p999)) } td .n { (time.quantile(trial.latency_ns.max)) }
                    td .n { (small_share(bad_share(trial))) } td .n { (share(trial.utilisation)) }
                    td .n { (format!("{:.1}", trial.window_s)) }
                    td { @if trial.valid { span .good { "✓" } } @else { span .bad { "✗" } } }
                }
                @if !trial.invalid_reasons.is_empty() || !trial.caveats.is_empty() {
                    tr { td colspan="2" {} td .why colspan="11" {
                        @for reason in &trial.invalid_reasons { div { b .bad { (reason.rule.name()) } " " (plain_long(&reason.seen, 400)) } }
                        @for caveat in &trial.caveats { div { small { (plain_long(caveat, 300)) } } }
                    } }
                }
            } }
        } }
    }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Fixed => "fixed",
        Purpose::NoLoad => "no load",
        Purpose::Probe => "probe (closed loop)",
        Purpose::Search => "search",
        Purpose::Confirm => "confirm",
        Purpose::Perturb => "other load threads",
        Purpose::Profile => "profile",
    }
}

fn struck_mats(findings: &Findings) -> Markup {
    let mats: Vec<_> = findings.struck_out.iter().filter(|struck| struck.trial.is_none()).collect();
    html! {
        @if !mats.is_empty() {
            h3 { "Results that were struck out" }
            div .scroll tabindex="0" { table {
                thead { tr { th { "cell" } th .n { "rep" } th { "what" } th { "why" } } }
                tbody { @for struck in mats { tr {
                    td .name { (plain(&struck.cell.0)) } td .n { (struck.rep) } td { s { (plain(&struck.what)) } }
                    td .why { @for (i, reason) in struck.reasons.iter().enumerate() { @if i > 0 { "; " } (plain_long(reason, 400)) } }
                } } }
            } }
        }
    }
}
