//! Verdicts and accounts in every output.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod sample;

use corecurve_analysis::findings::{Account, Bar, Cause, Fact, Findings, Part, Ruling, Usage, Verdict};
use corecurve_report::{Style, format_of, terminal};

/// The sample with a verdict on its largest cell, and where its efficiency went.
fn findings() -> Findings {
    let mut findings = sample::sweep();
    let cell = findings.cells.iter().filter(|cell| !cell.cell.control).max_by_key(|cell| cell.cell.cores).unwrap();
    let (id, slo, cores) = (cell.cell.id.clone(), cell.cell.slos[0], cell.cell.cores);
    let fact = |what: &str, holds| Fact {
        what: what.to_owned(),
        seen: "<b>71 %</b>".to_owned(),
        asked: "at least 10 %".to_owned(),
        holds,
    };
    let rulings = vec![
        Ruling { cause: Cause::Link, hit: false, detail: None, facts: vec![fact("the link's limit in use", None)] },
        Ruling {
            cause: Cause::Lock,
            hit: true,
            detail: Some("cache::insert".to_owned()),
            facts: vec![fact("waiting for locks, of a request's CPU time", Some(true))],
        },
    ];
    findings.verdicts = vec![Verdict {
        cell: id.clone(),
        label: "nginx".to_owned(),
        slo: Some(slo),
        cores,
        cause: Cause::Lock,
        sentence: "lock: requests wait for a lock (cache::insert)".to_owned(),
        also: vec![Cause::Lock, Cause::Memory],
        rulings,
        nearest: Vec::new(),
        disputed: Some("more CPU per request moves nothing".to_owned()),
        missing: vec!["hardware counters: this machine has no PMU".to_owned()],
    }];
    let bar = |part, ln| Bar { part, ln, error: 0.01 };
    findings.accounts = vec![Account {
        cell: id,
        label: "nginx".to_owned(),
        slo,
        cores,
        base_cores: 1,
        usage: [Usage::default(), Usage::default()],
        bars: vec![
            bar(Part::Utilisation, -0.05),
            bar(Part::Balance, -0.02),
            bar(Part::User, 0.01),
            bar(Part::System, -0.4),
        ],
        sum: -0.46,
        ln_efficiency: -0.47,
        error: 0.03,
        closes: true,
    }];
    findings
}

fn written(file: &str) -> String {
    let mut bytes = Vec::new();
    format_of(std::path::Path::new(file)).unwrap().exporter.write(&findings(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_output_names_what_stops_it() {
    let told = terminal::sweep(&findings(), Style { colour: false, width: 100 });
    for text in [written("r.html"), written("r.md"), told.replace("\n   ", " "), written("r.json")] {
        assert!(text.contains("lock: requests wait for a lock"), "{text}");
        assert!(text.contains("cache::insert"));
    }
    let events = {
        let mut bytes = Vec::new();
        corecurve_report::json::summary(&findings(), &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let event = |name: &str| {
        let line = events.lines().find(|line| line.contains(&format!("\"event\":\"{name}\""))).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()
    };
    assert_eq!(event("verdict")["cause"], "lock");
    assert_eq!(event("account")["bars"].as_array().unwrap().len(), 4);
}

#[test]
fn the_page_shows_the_evidence_the_steps_and_the_doubt() {
    let page = written("r.html");
    for text in [
        "Efficiency waterfall",
        "disputed",
        "no PMU",
        "Also seen: memory",
        "the link&#39;s limit in use",
        "&lt;b&gt;71 %",
    ] {
        assert!(page.contains(text) || page.contains(&text.replace("&#39;", "'")), "{text}");
    }
    assert!(!page.contains("<b>71 %"), "what was seen never becomes markup");
    assert!(written("r.md").contains("system CPU 0.670"), "factors, not logarithms, for people");
}
