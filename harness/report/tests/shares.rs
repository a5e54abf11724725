//! Shares of workers in every output, from made-up records.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sample;

use corecurve_analysis::Findings;
use corecurve_analysis::findings::{ShareFinding, judge};
use corecurve_core::{CpuId, Dealing, Shares, TrialRecord, WorkerShare, WorkerShares};
use corecurve_report::html::Html;
use corecurve_report::markdown::Markdown;
use corecurve_report::{Exporter, Style, terminal};

fn told(dealing: Dealing, connections: &[u64]) -> Shares {
    let row = |(worker, open): (usize, &u64)| WorkerShare {
        worker,
        cpu: Some(CpuId(worker as u32)),
        connections_open: *open,
        connections_accepted: 0,
        requests: open * 100,
        busy: 0.5,
    };
    Shares::Told(WorkerShares { dealing, span_s: 5.0, workers: connections.iter().enumerate().map(row).collect() })
}

/// A run of which the first cells' trials have these shares.
fn with(shares: &[Shares]) -> Findings {
    let mut findings = sample::sweep();
    let valid = findings.cells.iter().filter(|cell| cell.mats[0].valid && !cell.cell.control);
    let found = valid.zip(shares).map(|(cell, shares)| {
        let record = TrialRecord { shares: Some(shares.clone()), ..cell.trials[0].clone() };
        ShareFinding {
            cell: cell.cell.id.clone(),
            slo: Some(cell.mats[0].slo),
            rep: 0,
            trial: 0,
            judged: judge(&record).unwrap(),
            outside: [1, 9],
        }
    });
    findings.shares = found.collect();
    findings
}

fn export(findings: &Findings, exporter: &dyn Exporter) -> String {
    let mut out = Vec::new();
    exporter.write(findings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_page_has_a_row_and_a_chart_for_each_cell_that_tells() {
    let trap = [200, 30, 20, 6];
    let findings = with(&[told(Dealing::Race, &trap), told(Dealing::Hash, &[64; 4]), Shares::unknown("<b>silent</b>")]);
    let page = export(&findings, &Html);
    assert_eq!(page.matches("aria-label=\"Share of each worker: ").count(), 2, "a silent target has no chart");
    assert_eq!(page.matches(">chance, 95 of 100<").count() + page.matches("\nchance, 95 of 100").count(), 2);
    assert!(page.contains("<span class=\"bad\">outside, connections are steered"));
    assert!(page.contains("1 of 9"));
    assert!(page.contains("inside, as a hash deals") && page.contains("&lt;b&gt;silent&lt;/b&gt;"));
    assert!(page.contains("connections 78 %\\nrequests 78 %\\nbusy 50 %"), "what a bar says when it is asked");
    let none = export(&sample::sweep(), &Html);
    assert!(none.contains("Each worker's share of the load is not on record here."));
}

#[test]
fn many_workers_and_odd_counts_do_not_break_a_drawing() {
    let many: Vec<u64> = (0..200).map(|worker| worker % 7).collect();
    let odd = [told(Dealing::Hash, &many), told(Dealing::Race, &[0, 0]), told(Dealing::AnyWorker, &[0, 5])];
    let page = export(&with(&odd), &Html);
    assert!(!page.contains("NaN") && page.len() < 1_500_000);
}

#[test]
fn words_are_the_same_in_markdown_and_on_the_terminal() {
    let findings =
        with(&[told(Dealing::Race, &[60, 4]), Shares::unknown("no *counts*"), Shares::unknown("no *counts*")]);
    let text = export(&findings, &Markdown);
    let id = &findings.shares[0].cell.0;
    let words = "the largest of 2 workers has 94 % of 64 connections and 94 % of requests; chance keeps every share \
                 between 36 % and 64 % in 95 of 100: outside, connections are steered";
    assert!(text.contains(&format!("- {id} at the MAT, p99&lt;5ms: {words}")), "{text}");
    assert_eq!(text.matches("no \\*counts\\*").count(), 1, "what is true of all is said once");
    let shown = terminal::mat(&findings, Style::PLAIN).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&format!("shares: {words}")), "{shown}");
    let mut record = findings.cells[0].trials[0].clone();
    record.shares = Some(told(Dealing::Race, &[60, 4]));
    let shown = terminal::trial(&record, Style::PLAIN).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&format!("shares: {words}")), "{shown}");
}
