//! What stops each cell: the verdict in a sentence, and everything that was looked at behind it.

use maud::{Markup, html};

use crate::text::{count, plain, plain_long};
use corecurve_analysis::findings::{Cause, Fact, Ruling, Verdict};

/// The verdicts of some cells, one paragraph each.
pub(super) fn verdicts(found: &[&Verdict]) -> Markup {
    html! {
        @for verdict in found { (one(verdict)) }
    }
}

fn one(verdict: &Verdict) -> Markup {
    let healthy = matches!(verdict.cause, Cause::Cpu | Cause::NetworkStack | Cause::Queueing);
    html! {
        p .verdict {
            b { (plain(&verdict.label)) " · " (count(verdict.cores, "core", "cores")) ": " }
            span .bad[!healthy] { (plain_long(&verdict.sentence, 600)) }
            "."
            @if verdict.also.len() > 1 {
                " Also seen: " (verdict.also.iter().skip(1).map(|cause| cause.name()).collect::<Vec<_>>().join(", ")) "."
            }
            @if let Some(disputed) = &verdict.disputed { " " span .mark { "disputed" } " " (plain_long(disputed, 300)) }
        }
        details {
            summary { "Every rule and what it looked at" }
            (rulings(verdict))
            @if !verdict.missing.is_empty() {
                p .note { "Not known here, and why:" }
                ul .note { @for missing in &verdict.missing { li { (plain_long(missing, 400)) } } }
            }
        }
    }
}

fn rulings(verdict: &Verdict) -> Markup {
    html! {
        div .scroll tabindex="0" { table {
            thead { tr { th { "cause" } th { "looked at" } th .n { "seen" } th { "asked for" } th { "so?" } } }
            tbody { @for ruling in &verdict.rulings { (rows(ruling)) } }
        } }
    }
}

fn rows(ruling: &Ruling) -> Markup {
    html! {
        @for (index, fact) in ruling.facts.iter().enumerate() {
            tr .first[index == 0] .dim[!ruling.hit] {
                td .name { @if index == 0 { @if ruling.hit { b { (ruling.cause.name()) } } @else { (ruling.cause.name()) } } }
                td .why { (fact.what) } td .n { (plain(&fact.seen)) } td .name { (fact.asked) } td { (so(fact)) }
            }
        }
    }
}

fn so(fact: &Fact) -> Markup {
    match fact.holds {
        Some(true) => html! { b { "yes" } },
        Some(false) => html! { "no" },
        None => html! { "—" },
    }
}
