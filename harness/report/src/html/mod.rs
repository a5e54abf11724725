//! The report: one HTML file that opens from disk, needs no network and says the answer first.
//!
//! Nothing from outside becomes markup: every text goes through the template's escaping, the points of the charts
//! are JSON without `<`, and the content security policy allows exactly one script and one style sheet, by hash.

mod account;
mod answer;
pub mod chart;
mod column;
mod elasticities;
mod figure;
mod fits;
mod flame;
mod latency;
mod method;
mod objectives;
mod palette;
mod profiles;
mod shares;
mod trials;
mod verdicts;
mod why;

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corecurve_analysis::findings::Findings;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::exporter::Exporter;
use crate::groups::{Legend, groups};
use crate::text::{is_simulated, plain};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// `report.html`.
#[derive(Clone, Copy, Debug)]
pub struct Html;

impl Exporter for Html {
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(page(findings)?.into_string().as_bytes())
    }
}

fn page(findings: &Findings) -> io::Result<Markup> {
    let (groups, names) = (groups(findings), Legend::of(findings));
    let mut gathered = figure::Gathered::default();
    let throughput = answer::throughput(&groups, &names, &mut gathered)?;
    let objectives = objectives::objectives(findings, &names, &mut gathered)?;
    let load = latency::against_load(findings, &names, &mut gathered)?;
    let spectrum = latency::spectrum(findings, &groups, &names, &mut gathered)?;
    let why = why::why(findings, &groups, &names, &mut gathered)?;
    let method = method::method(findings)?;
    let objectives = objectives.map(|body| ("objectives", "MAT against the objective", body));
    let profiles = profiles::profiles(findings).map(|body| ("profile", "Where the time goes", body));
    let first =
        [("load", "Latency against offered load", load), ("percentiles", "Percentiles", spectrum), ("why", "Why", why)];
    let probed = elasticities::elasticities(findings).map(|body| ("probes", "Probes", body));
    let rest = [
        ("models", "Models", fits::fits(findings, &names)),
        ("trials", "Trial by trial", trials::trials(findings)),
        ("method", "Machine and method", method),
    ];
    let sections: Vec<(&str, &str, Markup)> = [("mat", "Throughput", throughput)]
        .into_iter()
        .chain(objectives)
        .chain(first)
        .chain(probed)
        .chain(profiles)
        .chain(rest)
        .collect();
    let points = gathered.json()?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            (head(findings))
            body {
                header {
                    span { b { "corecurve" } " · " (plain(&findings.run.slug)) @if let Some(started) = &findings.run.started { " · " (plain(started)) } }
                    button #theme type="button" aria-label="Switch between light and dark" { "◐" }
                }
                main {
                    (answer::headline(findings))
                    nav aria-label="Sections" {
                        @for (id, title, _) in &sections { a href={ "#" (id) } { (title) } }
                    }
                    @for (id, title, body) in &sections {
                        section {
                            h2 #(id) { (title) }
                            (body)
                        }
                        @if *id == "mat" { section { (answer::ratios(findings)) } }
                    }
                }
                footer { "Written by corecurve " (plain(&findings.run.version)) " from the records of " (plain(&findings.run.dir)) ". It needs no network." }
                div #tip hidden {}
                script #spots type="application/json" { (PreEscaped(points)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    })
}

fn head(findings: &Findings) -> Markup {
    let style = format!("{}{STYLE}", palette::css());
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(&style)
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="no-referrer";
            title { (plain(&findings.run.slug)) " – corecurve" }
            link rel="icon" href="data:,";
            style { (PreEscaped(style)) }
        }
    }
}

/// The hash by which a content security policy knows an inline script or style sheet.
fn hash(content: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content.as_bytes())))
}

/// A table of this many rows, behind a summary when it is long.
fn folded(rows: usize, table: Markup) -> Markup {
    html! { @if rows <= 16 { (table) } @else { details { summary { "All " (rows) " rows" } (table) } } }
}

/// `simulated` and `shared-cores`, where they hold.
fn marks(simulated: bool, shared_cores: bool) -> Markup {
    html! {
        @if simulated { (mark("simulated")) " " }
        @if shared_cores { (mark("shared-cores")) }
    }
}

/// The marks of all cells that were no search.
fn fixed_marks(findings: &Findings) -> Markup {
    let fixed = || findings.cells.iter().filter(|cell| cell.mats.is_empty());
    marks(fixed().any(|cell| is_simulated(&cell.series.target)), fixed().any(|cell| cell.series.shared_cores))
}

/// A word that travels with a number: `shared-cores`, `simulated`.
fn mark(word: &str) -> Markup {
    html! { span .mark { (word) } }
}
