//! The models of each curve, or why they were refused.

use maud::{Markup, html};

use super::figure::swatch;
use super::mark;
use crate::groups::Legend;
use crate::terminal::coefficient;
use crate::text::{is_simulated, plain, plain_long, rate, rate_interval};
use corecurve_analysis::findings::{Curve, Findings};
use corecurve_analysis::models::{ModelFit, Param};
use corecurve_core::Rate;

/// Every curve's models.
pub(super) fn fits(findings: &Findings, names: &Legend<'_>) -> Markup {
    let (curves, single): (Vec<&Curve>, Vec<&Curve>) = findings.curves.iter().partition(|c| !c.fits.fits.is_empty());
    html! {
        @for curve in &curves { (one(curve, names)) }
        @if !single.is_empty() {
            h3 { "No model" }
            div .scroll tabindex="0" { table {
                thead { tr { th { "target" } th { "objective" } th { "why there is none" } } }
                tbody { @for curve in &single { tr {
                    td .name { (swatch(names.index(&curve.series))) " " (names.name(names.index(&curve.series))) " " (marks(curve)) }
                    td { (curve.slo) }
                    td .why { (reasons(curve)) }
                } } }
            } }
        }
        @if findings.curves.is_empty() { p { "There is no curve to fit." } }
    }
}

fn marks(curve: &Curve) -> Markup {
    super::marks(is_simulated(&curve.series.target), curve.series.shared_cores)
}

/// The distinct reasons of a curve's refusals.
fn reasons(curve: &Curve) -> String {
    let mut all: Vec<String> = Vec::new();
    for why in curve.fits.refused.iter().map(|refusal| &refusal.why).chain(&curve.fits.notes) {
        let why = plain_long(why, 400);
        if !all.contains(&why) {
            all.push(why);
        }
    }
    if all.is_empty() { "no reason was recorded".into() } else { all.join("; ") }
}

fn one(curve: &Curve, names: &Legend<'_>) -> Markup {
    let index = names.index(&curve.series);
    html! {
        h3 { (swatch(index)) " " (names.name(index)) " · " (curve.slo) " " (marks(curve)) }
        div .scroll tabindex="0" { table {
            thead { tr { th { "model" } th { "formula" } th { "parameters, 95 % CI" } th { "peak" } th .n { "ceiling" } th .n { "held-out error" } th .n { "ΔAICc" } } }
            tbody {
                @for fit in &curve.fits.fits { (row(fit, curve.fits.chosen == Some(fit.model))) }
                @for refusal in &curve.fits.refused {
                    tr .struck { td { (refusal.model.name()) } td { (refusal.model.formula()) } td .why colspan="5" { "refused: " (plain_long(&refusal.why, 400)) } }
                }
            }
        } }
        p .note { (plain_long(&curve.fits.method, 600)) @for note in &curve.fits.notes { " · " (plain_long(note, 400)) } }
    }
}

fn row(fit: &ModelFit, chosen: bool) -> Markup {
    html! {
        tr {
            td class=[chosen.then_some("strong")] { (fit.model.name()) @if chosen { br; small { "chosen" } } }
            td { (fit.model.formula()) }
            td .why { @for param in &fit.params { (parameter(param)) br; } @for note in &fit.notes { small { (plain_long(note, 400)) } br; } }
            td .why { (peak(fit)) }
            td .n { (rate(fit.ceiling_per_s)) }
            td .n { (fit.held_out_error.map_or("—".into(), |error| format!("{:.1} %", error * 100.0))) }
            td .n { (fit.delta_aicc.map_or("—".into(), |delta| format!("{delta:.1}"))) }
        }
    }
}

fn parameter(param: &Param) -> Markup {
    let symbol = match param.name.as_str() {
        "gamma" => "γ".to_owned(),
        "sigma" => "σ".to_owned(),
        "kappa" => "κ".to_owned(),
        "delta" => "δ".to_owned(),
        other => plain(other),
    };
    let per_s = param.unit.starts_with("per second");
    let show = |value: f64| if per_s { Rate(value).to_string() } else { coefficient(value) };
    let interval = param
        .ci95
        .map(|[lo, hi]| if per_s { rate_interval(param.ci95) } else { format!("{} … {}", show(lo), show(hi)) });
    html! {
        (symbol) " = " (show(param.value))
        @if let Some(interval) = interval { " " small { "[" (interval) "]" } }
        @if let Some(free) = param.unconstrained { " " small { "unconstrained " (show(free)) } }
        @if !param.identified { " " (mark("not identified")) }
    }
}

fn peak(fit: &ModelFit) -> Markup {
    html! {
        @match (&fit.peak, &fit.peak_refused) {
            (Some(peak), _) => {
                (format!("{:.0} cores, ", peak.cores)) (Rate(peak.mat_per_s))
                @if let Some((lo, hi)) = peak.cores_ci95 { " " small { "[" (format!("{lo:.0}")) " … " (hi.map_or("no peak".into(), |hi| format!("{hi:.0}"))) "]" } }
                @if peak.extrapolated { " " small { "outside the tested range" } }
            }
            (None, Some(why)) => small { "not stated: " (plain_long(why, 300)) },
            (None, None) => "—",
        }
    }
}
