//! The report as a file: one page, one script, one style sheet, nothing from outside as markup.
//! `scripts/check-report` looks at the same pages in a browser.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sample;

use base64::Engine;
use corecurve_analysis::Findings;
use corecurve_report::{Exporter, html::Html};
use sha2::{Digest, Sha256};

fn page(findings: &Findings) -> String {
    let mut out = Vec::new();
    Html.write(findings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
}

#[test]
fn the_policy_admits_exactly_the_script_and_the_style_of_the_page() {
    for findings in [sample::sweep(), sample::demo(), sample::hostile()] {
        let page = page(&findings);
        let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"")[0].replace("&#39;", "'");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
        let (scripts, styles) = (between(&page, "<script>", "</script>"), between(&page, "<style>", "</style>"));
        assert_eq!((scripts.len(), styles.len()), (1, 1));
        assert!(policy.contains(&format!("script-src 'sha256-{}'", hash(scripts[0]))), "{policy}");
        assert!(policy.contains(&format!("style-src 'sha256-{}'", hash(styles[0]))), "{policy}");
        assert_eq!(page.matches("<script").count(), 2, "the script and its data");
        assert!(!page.contains(" style=\""), "a style attribute, which the policy forbids");
    }
}

#[test]
fn nothing_leads_out_of_the_page() {
    let page = page(&sample::sweep());
    let urls: Vec<&str> =
        page.match_indices("://").map(|(at, _)| &page[at.saturating_sub(5)..(at + 22).min(page.len())]).collect();
    assert!(urls.iter().all(|url| url.contains("://www.w3.org/2000/sv")), "{urls:?}");
    assert!(!page.contains("@import") && !page.contains("url("));
}

#[test]
fn hostile_names_stay_text() {
    let page = page(&sample::hostile());
    for markup in
        ["<script>alert", "<img", "<svg onload", "</script><!--", " onmouseover=\"alert", "\u{202e}", "\u{1b}"]
    {
        assert!(!page.contains(markup), "{markup:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn the_same_findings_give_the_same_page_and_it_is_small() {
    let (first, second) = (page(&sample::sweep()), page(&sample::sweep()));
    assert_eq!(first, second);
    assert!(first.len() < 1_000_000, "{} bytes", first.len());
}

#[test]
fn the_objective_has_a_section_where_a_question_was_asked_at_several_limits() {
    let without = page(&sample::sweep());
    assert!(!without.contains("id=\"objectives\""));
    let page = page(&sample::ladder());
    assert!(page.contains("<h2 id=\"objectives\">MAT against the objective</h2>"));
    assert!(page.contains(">cross near 18.4x<"), "the crossing is marked in the drawing");
    assert!(page.contains("they cross between 10x and 30x, near 18.4x."));
    let (mat, objectives, load) = (page.find("id=\"mat\""), page.find("id=\"objectives\""), page.find("id=\"load\""));
    assert!(mat < objectives && objectives < load);
    let section = between(&page, "<h2 id=\"objectives\"", "<h2 id=\"load\"")[0];
    assert!(section.contains("<small>min-load-fails</small>") && section.contains("≥ "), "struck out with the reason");
    assert!(section.contains("theory") && section.contains("var(--oracle)"));
    let first = section.find("they cross").unwrap();
    assert!(first < section.find("carries more at every limit").unwrap(), "pairs that cross come first");
}

#[test]
fn every_section_and_every_mark_is_there() {
    let page = page(&sample::demo());
    for id in ["mat", "ratios", "load", "percentiles", "why", "models", "trials", "method"] {
        assert!(page.contains(&format!("<h2 id=\"{id}\">")), "{id}");
    }
    let marks = |word: &str| page.matches(&format!(">{word}</span>")).count();
    // The group in three sections, its seven cells as figures and as trials, the fit.
    assert_eq!(marks("simulated"), 3 + 7 + 7 + 1);
    // The group in three sections, its five cells as figures, trials, plan and models, the ratios.
    assert_eq!(marks("shared-cores"), 3 + 5 * 4 + 1);
    assert!(page.contains("No verdict."));
    assert!(page.contains("theory: M/M/c, one shared queue"));
    assert!(page.contains("all 3 repetitions are invalid"));
}

#[test]
fn a_run_without_results_is_a_page_too() {
    let mut findings = sample::demo();
    for cell in &mut findings.cells {
        cell.mats.clear();
        cell.trials.clear();
        cell.load_curve.clear();
        cell.no_load = None;
        cell.oracle = None;
    }
    (findings.curves, findings.comparisons, findings.struck_out) = Default::default();
    findings.progress.finished = 0;
    let page_without = page(&findings);
    assert!(page_without.contains("Nothing was searched in this run"));
    assert!(page_without.contains("0 of 36 repetitions are done"));
    findings.cells.clear();
    findings.plan.cells.clear();
    findings.plan.order.clear();
    assert!(page(&findings).contains("No open-loop trial is on record yet."));
}

#[test]
fn a_fixed_rate_has_percentiles_causes_and_its_errors() {
    let page = page(&sample::fixed());
    assert_eq!(page.matches("At the given rate").count(), 2 + 2, "headings, and the labels of two drawings");
    assert_eq!(page.matches(">shared-cores</span>").count(), 5, "figure, percentiles, why, trials, plan");
    assert!(page.contains("<th class=\"n\">reset</th>") && !page.contains("None in any valid trial."));
}

#[test]
fn odd_numbers_do_not_break_a_drawing() {
    let mut findings = sample::sweep();
    for (i, cell) in findings.cells.iter_mut().enumerate() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 1e300][i % 6];
        cell.mats[0].mat_per_s = Some(odd);
        cell.mats[0].ci95 = Some([odd, odd]);
        cell.load_curve.iter_mut().for_each(|point| point.offered_per_s = odd);
    }
    for curve in &mut findings.curves {
        curve.points.iter_mut().for_each(|point| (point.mat_per_s, point.ci95) = (Some(f64::NAN), Some([f64::NAN; 2])));
        curve.fits.fits.iter_mut().for_each(|fit| fit.line = vec![[f64::NAN, 1.0], [1.0, f64::INFINITY]]);
    }
    assert!(!page(&findings).contains("NaN,"));
}
