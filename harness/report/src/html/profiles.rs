//! Where CPU time and waiting goes, by function.

use maud::{Markup, html};

use super::flame::{draw, time};
use crate::profile::{function, growth, kind, loss_title, nothing_grew, summary, who};
use crate::text::{count, plain, plain_long};
use corecurve_analysis::findings::{Findings, ProfileFinding, ScalingLoss, WaitCost};

/// Flame graphs drawn at most: each is some 60 kilobytes.
const DRAWN: usize = 16;
/// Rows of a table of functions or waits.
const ROWS: usize = 15;

/// The section; `None` where nothing was profiled.
pub(super) fn profiles(findings: &Findings) -> Option<Markup> {
    if findings.profiles.is_empty() {
        return None;
    }
    let most = |loss: &&ScalingLoss| {
        !findings
            .losses
            .iter()
            .any(|other| other.label == loss.label && other.base_cell == loss.base_cell && other.cores > loss.cores)
    };
    Some(html! {
        p .note {
            "One more trial at the answer, no part of it: the stacks of the target's threads were sampled, then its waits, \
             system calls and wake-ups were traced. Times are CPU time per request; a stack without frame pointers \
             has its innermost function right and may lack callers."
        }
        @if !findings.losses.is_empty() { h3 { "What costs more per request on more cores" } }
        @for loss in &findings.losses { (loss_table(loss)) }
        @for loss in findings.losses.iter().filter(most).take(DRAWN) {
            details { summary { "What changed from " (loss.base_cores) " to " (count(loss.cores, "core", "cores")) " · " (plain(&loss.label)) }
                p .keys { "Width: the larger side. Red grew, green shrank, grey changed by less than 0.5 %. Click a frame to look inside, the outermost to come back." }
                (draw(&loss.flame, &format!("Differential flame graph: {}", loss_title(loss))))
            }
        }
        h3 { "Profiles" }
        @for (at, profile) in findings.profiles.iter().enumerate() { (cell(profile, at)) }
        p .note { "The same stacks as text for other tools: " code { "profile/*.folded" } " in the run directory." }
    })
}

fn loss_table(loss: &ScalingLoss) -> Markup {
    html! {
        p { b { (loss_title(loss)) } @if loss.rows.is_empty() { ": " (nothing_grew(loss)) "." } }
        @if !loss.rows.is_empty() {
            div .scroll tabindex="0" { table {
                thead { tr {
                    th { "what" } th { "function" } th .n { (count(loss.base_cores, "core", "cores")) } th .n { (loss.cores) " cores" }
                    th .n { "growth per request" br; "(95 % interval)" } th .n { "with what" br; "it calls" } th .n { "samples" br; "or waits" }
                } }
                tbody { @for row in &loss.rows { tr {
                    td { (kind(row.kind)) } td .why { (who(row)) } td .n { (time(row.base_ns)) } td .n { (time(row.ns)) }
                    td .n { (growth(row)) }
                    td .n { @match row.inclusive_growth_ns { Some(ns) => (time(ns)), None => "—" } }
                    td .n { (row.counts[0]) " → " (row.counts[1]) }
                } } }
            } }
            p .note { "Only what chance does not explain, in all questions together at most once in twenty runs; from " (time(loss.floor_ns)) " per request on." }
        }
    }
}

fn cell(profile: &ProfileFinding, at: usize) -> Markup {
    let drawn = at < DRAWN;
    let about = format!("Flame graph: {} on {}", profile.label, count(profile.cores, "core", "cores"));
    html! {
        details open[at == 0] {
            summary { (plain(&profile.label)) " · " (count(profile.cores, "core", "cores")) " " small { (summary(profile)) } }
            @if drawn && !profile.flame.frames.is_empty() {
                p .keys { "Blue: user code, other tint: the kernel. Frames below " (format!("{:.1}", profile.flame.smallest_share * 100.0)) " % are folded. Click a frame to look inside, the outermost to come back." }
                (draw(&profile.flame, &about))
            }
            @if !profile.functions.is_empty() {
                div .scroll tabindex="0" { table {
                    thead { tr { th { "function" } th .n { "itself" } th .n { "with what" br; "it calls" } th .n { "samples" } } }
                    tbody { @for cost in profile.functions.iter().take(ROWS) { tr {
                        td .why { (function(&cost.function)) } td .n { (time(cost.self_ns)) } td .n { (time(cost.inclusive_ns)) } td .n { (cost.samples) }
                    } } }
                } }
            }
            (waits("waits for user-space locks", &profile.lock_waits))
            (waits("waits for the kernel's locks", &profile.kernel_lock_waits))
            (waits("waits for work and conditions (idleness, not loss)", &profile.other_waits))
            @if let Some(calls) = &profile.syscalls {
                p { "System calls per request: " @if calls.is_empty() { "none" }
                    @for (at, (name, count)) in calls.iter().take(ROWS).enumerate() { @if at > 0 { ", " } (plain(name)) " " (format!("{count:.2}")) } }
            }
            @for missing in &profile.missing {
                p .note { "Missing: " (plain_long(&missing.what, 200)) " – " (plain_long(&missing.why, 300))
                    @if let Some(help) = &missing.help { ". To get it: " (plain_long(help, 300)) } }
            }
        }
    }
}

fn waits(title: &str, costs: &Option<Vec<WaitCost>>) -> Markup {
    let Some(costs) = costs.as_ref().filter(|costs| !costs.is_empty()) else { return html! {} };
    html! {
        div .scroll tabindex="0" { table {
            thead { tr { th { (title) } th .n { "per request" } th .n { "waits" } } }
            tbody { @for cost in costs.iter().take(ROWS) { tr {
                td .why { (function(&cost.function)) @if let Some(caller) = &cost.caller { " ← " (plain_long(caller, 120)) } }
                td .n { (time(cost.per_request_ns)) } td .n { (cost.waits) }
            } } }
        } }
    }
}
