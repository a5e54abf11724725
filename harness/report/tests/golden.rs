//! Every output of the made-up runs, as files beside this one. `INSTA_UPDATE=always cargo test -p corecurve-report` writes them anew.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sample;

use corecurve_analysis::Findings;
use corecurve_core::Nanos;
use corecurve_report::terminal::{self, Check, Condition, Level, Listing};
use corecurve_report::{FORMATS, Style};

fn export(findings: &Findings, extension: &str) -> String {
    let format = FORMATS.iter().find(|format| format.extension == extension).unwrap();
    let mut out = Vec::new();
    format.exporter.write(findings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn fits(text: &str, width: usize) {
    let wide: Vec<&str> = text.lines().filter(|line| unicode_width::UnicodeWidthStr::width(*line) > width).collect();
    assert!(wide.is_empty(), "wider than {width}:\n{}", wide.join("\n"));
}

#[test]
fn terminal_tables() {
    for (name, text) in [
        ("sweep", terminal::sweep(&sample::sweep(), Style::PLAIN)),
        ("ladder", terminal::sweep(&sample::ladder(), Style::PLAIN)),
        ("demo", terminal::sweep(&sample::demo(), Style::PLAIN)),
        ("hostile", terminal::sweep(&sample::hostile(), Style::PLAIN)),
        ("compare", terminal::compare(&sample::comparison(), Style::PLAIN)),
    ] {
        fits(&text, 100);
        insta::assert_snapshot!(format!("terminal-{name}"), text);
    }
}

#[test]
fn terminal_answer_of_one_search_and_one_trial() {
    let mut one = sample::demo();
    one.cells.truncate(1);
    let text = terminal::mat(&one, Style::PLAIN);
    fits(&text, 100);
    insta::assert_snapshot!("terminal-mat", text);
    let trials = &sample::demo().cells[4].trials;
    let text = terminal::trial(&trials[6], Style::PLAIN);
    fits(&text, 100);
    insta::assert_snapshot!("terminal-trial", text);
    let lines: Vec<String> = trials.iter().map(terminal::trial_line).collect();
    let mats: Vec<String> = one.cells[0].mats[0].reps.iter().map(terminal::mat_line).collect();
    let elapsed = terminal::elapsed_line(41, 90, "nginx on 16 cores", Nanos(725_000_000_000), Nanos(975_000_000_000));
    insta::assert_snapshot!("terminal-progress", [lines, mats, vec![elapsed]].concat().join("\n"));
}

#[test]
fn terminal_lists() {
    let check = |what: &str, seen: &str, pass| Check {
        what: what.into(),
        expected: "53.9 %".into(),
        seen: seen.into(),
        tolerance: "± 1.0 %".into(),
        pass,
    };
    let checks = [check("16 partitioned queues, p99<10x", "53.7 %", true), check("one shared queue", "61.0 %", false)];
    let condition = |level, about: &str, seen: &str, fix: &[&str]| Condition {
        level,
        about: about.into(),
        seen: seen.into(),
        why: if level == Level::Good { String::new() } else { "numbers may drift".into() },
        fix: fix.iter().map(|f| (*f).to_owned()).collect(),
    };
    let conditions = [
        condition(Level::Good, "clock", "TSC invariant, precision 21 ns", &[]),
        condition(Level::Warning, "governor", "unknown (no cpufreq in this virtual machine)", &[]),
        condition(
            Level::Error,
            "counters",
            "perf_event_paranoid = 4",
            &["echo 1 | sudo tee /proc/sys/kernel/perf_event_paranoid"],
        ),
    ];
    let listing = Listing {
        title: "targets".into(),
        rows: vec![
            ("thread-per-core".into(), "one pinned thread per core".into()),
            ("nginx".into(), "from Debian".into()),
        ],
    };
    let text = [
        terminal::validate(&checks, Style::PLAIN),
        terminal::doctor(&conditions, Style::PLAIN),
        terminal::list(&[listing], Style::PLAIN),
    ];
    insta::assert_snapshot!("terminal-lists", text.join("\n"));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let coloured = terminal::sweep(&sample::sweep(), Style { colour: true, width: 100 });
    assert!(coloured.contains("\u{1b}["));
    let mut bare = String::new();
    for (i, piece) in coloured.split("\u{1b}[").enumerate() {
        bare += if i == 0 { piece } else { piece.split_once('m').unwrap().1 };
    }
    assert_eq!(bare, terminal::sweep(&sample::sweep(), Style::PLAIN));
}

#[test]
fn hostile_names_reach_no_terminal() {
    let findings = sample::hostile();
    for text in [terminal::sweep(&findings, Style::PLAIN), terminal::mat(&findings, Style::PLAIN)] {
        let bad = text
            .chars()
            .find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        assert_eq!(bad, None);
    }
}

#[test]
fn files() {
    for extension in ["md", "csv"] {
        insta::assert_snapshot!(format!("demo-{extension}"), export(&sample::demo(), extension));
        insta::assert_snapshot!(format!("hostile-{extension}"), export(&sample::hostile(), extension));
    }
    insta::assert_snapshot!("sweep-md", export(&sample::sweep(), "md"));
    insta::assert_snapshot!("ladder-md", export(&sample::ladder(), "md"));
}

#[test]
fn json_reads_back() {
    let findings = sample::sweep();
    let back: Findings = serde_json::from_str(&export(&findings, "json")).unwrap();
    // The last digit of a float may change on the way; everything else must not.
    assert_eq!(
        (&back.headline, &back.run, &back.struck_out),
        (&findings.headline, &findings.run, &findings.struck_out)
    );
    assert_eq!(back.cells.len(), findings.cells.len());
    assert!(back.cells.iter().zip(&findings.cells).all(|(a, b)| a.cell == b.cell && a.trials.len() == b.trials.len()));
    let lines: Vec<serde_json::Value> =
        export(&findings, "jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let number = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((number("run"), number("trial"), number("mat"), number("fit")), (1, 19 * 12, 19, 3));
    assert!(lines.iter().all(|line| line["schema"] == 1));
    let mut samples: Vec<String> = Vec::new();
    for event in ["run", "trial", "mat", "fit"] {
        let mut line = lines.iter().find(|line| line["event"] == event).unwrap().clone();
        if let Some(fits) = line.get_mut("fits").and_then(|fits| fits.as_array_mut()) {
            fits.iter_mut().for_each(|fit| fit["line"] = serde_json::json!([]));
        }
        samples.push(serde_json::to_string_pretty(&line).unwrap());
    }
    insta::assert_snapshot!("sweep-jsonl", samples.join("\n"));
}
