//! Crossings of curves whose crossing is known.

use std::collections::BTreeMap;

use corecurve_core::{CellId, Ladder, MatRecord, Nanos, QueueLaw, Slo};

use super::super::testing::{answer, cell, invalid, run};
use super::super::{Findings, Objectives, RunData, analyse, analyse_with_laws};
use super::*;
use crate::oracle::sojourn_tail;

const CORES: usize = 16;
const MEAN_NS: f64 = 200_000.0;

fn ladder(text: &str) -> Vec<Slo> {
    text.parse::<Ladder>().unwrap().0
}

fn shared(mean_ns: f64) -> QueueLaw {
    QueueLaw::Shared { mean_ns, servers: CORES }
}

fn partitioned() -> QueueLaw {
    QueueLaw::Partitioned { mean_ns: MEAN_NS, servers: CORES }
}

/// A target's name, and its MAT at an SLO; `None` where it has none.
type Made<'a> = (&'a str, &'a dyn Fn(&Slo) -> Option<f64>);

/// A run of targets whose MATs are given by a function of the SLO, three repetitions with a search error of `error`.
fn made(targets: &[Made<'_>], slos: &[Slo], error: f64) -> RunData {
    let mut cells = Vec::new();
    let mut mats: Vec<MatRecord> = Vec::new();
    for (name, of) in targets {
        let mut one = cell(name, name, CORES, false);
        one.slos = slos.to_vec();
        for (rep, slo) in (0..3).flat_map(|rep| slos.iter().map(move |slo| (rep, slo))) {
            let wobble = 1.0 + error * (f64::from(rep) - 1.0);
            let mut record = answer(&one, rep, of(slo).unwrap_or(1.0) * wobble, error);
            record.mat.slo = *slo;
            record.mat.limit_ns = slo.limit_ns(Nanos(200_000));
            mats.push(if of(slo).is_some() { record } else { invalid(record) });
        }
        cells.push(one);
    }
    run(cells, mats)
}

fn of_laws(a: &QueueLaw, b: &QueueLaw, slos: &[Slo], error: f64) -> Objectives {
    let findings = analyse(&made(&[("a", &|slo| mat_at(a, slo)), ("b", &|slo| mat_at(b, slo))], slos, error));
    assert_eq!(findings.objectives.len(), 1);
    findings.objectives[0].clone()
}

/// Where a shared queue with services `overhead` times as long carries as much as partitioned ones. These carry
/// 16(μ − ln(100)/limit); the limit is the one at which that rate leaves 1 % over the limit in the shared queue.
fn known_crossing(overhead: f64, relative: bool) -> f64 {
    let slower = shared(MEAN_NS * overhead);
    let excess = |multiple: f64| {
        let rate = CORES as f64 * 1e9 / MEAN_NS * (1.0 - 100f64.ln() / multiple);
        let limit_s = multiple * MEAN_NS / 1e9 * if relative { overhead } else { 1.0 };
        sojourn_tail(&slower, rate, limit_s) - 0.01
    };
    let (mut low, mut high) = (6.2, 500.0);
    assert!(excess(low) < 0.0 && excess(high) > 0.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 { low = middle } else { high = middle }
    }
    low
}

#[test]
fn a_shared_queue_with_longer_services_is_overtaken_where_theory_says() {
    for overhead in [1.03, 1.1, 1.3] {
        for (relative, slos) in [(true, ladder("p99<6x..1000x")), (false, ladder("p99<1300us..200ms"))] {
            let known = known_crossing(overhead, relative);
            let chart = of_laws(&partitioned(), &shared(MEAN_NS * overhead), &slos, 0.001);
            assert_eq!(chart.is_relative(), relative);
            let pair = &chart.pairs[0];
            let [crossing] = pair.crossings.as_slice() else { panic!("{overhead}: {}", pair.words) };
            assert_eq!((crossing.below.as_str(), crossing.above.as_str()), ("b", "a"), "the shared one leads first");
            let unit = if relative { 1.0 } else { MEAN_NS };
            let (last, first) = (limit_of(&crossing.last) / unit, limit_of(&crossing.first) / unit);
            assert!(last < known && known < first, "{overhead}: {last} {known} {first}");
            let near = crossing.near / unit;
            assert!((near / known - 1.0).abs() < 0.08, "{overhead}, relative {relative}: {near} for {known}");
            assert!(
                pair.words.contains("b carries more") && pair.words.contains("they cross between"),
                "{}",
                pair.words
            );
        }
    }
}

#[test]
fn with_equal_services_they_never_cross() {
    for text in ["p99<6x..1000x", "p90<3x..500x", "p99<1300us..200ms"] {
        let chart = of_laws(&partitioned(), &shared(MEAN_NS), &ladder(text), 0.001);
        let pair = &chart.pairs[0];
        assert!(pair.crossings.is_empty(), "{}", pair.words);
        assert!(pair.rows.iter().all(|row| row.verdict != Verdict::Worse), "{}", pair.words);
        assert!(pair.words.starts_with("b carries more"), "{}", pair.words);
    }
}

#[test]
fn a_lead_over_every_limit_is_said_to_shrink() {
    let chart = of_laws(&partitioned(), &shared(MEAN_NS), &ladder("p99<10x..100x"), 0.001);
    assert_eq!(
        chart.pairs[0].words,
        "b carries more at every limit from 10x to 100x; the lead shrinks from 1.79 to 1.05 times"
    );
}

#[test]
fn what_noise_can_hide_is_no_lead_and_no_crossing() {
    // 10 % of search error: the tight limits differ by far more, the loose ones by less.
    let chart = of_laws(&partitioned(), &shared(MEAN_NS * 1.1), &ladder("p99<6x..1000x"), 0.1);
    let pair = &chart.pairs[0];
    assert!(pair.crossings.is_empty(), "{}", pair.words);
    assert!(pair.words.contains("no difference is shown from"), "{}", pair.words);
    assert_eq!(leader(&pair.rows[0], "a", "b"), Some("b"));
    let same = of_laws(&shared(MEAN_NS), &shared(MEAN_NS), &ladder("p99<10x..100x"), 0.01);
    assert!(
        same.pairs[0]
            .words
            .starts_with("no difference between a and b is shown at any limit from 10x to 100x (one up to")
    );
}

#[test]
fn a_limit_that_one_cannot_meet_is_not_compared() {
    let slos = ladder("p99<2x..20x");
    let chart = of_laws(&partitioned(), &shared(MEAN_NS), &slos, 0.001);
    let words = &chart.pairs[0].words;
    assert!(words.ends_with("not comparable at 2x, 3x"), "{words}");
    assert!(!chart.lines[0].points[0].valid && !chart.lines[0].points[0].reasons.is_empty());
    let none = of_laws(&partitioned(), &shared(MEAN_NS), &ladder("p99<2x..3x"), 0.001);
    assert!(none.pairs[0].words.starts_with("a and b can be compared at no limit: a has no valid MAT"));
    assert!(none.pairs[0].crossings.is_empty());
}

#[test]
fn a_lead_that_changes_twice_crosses_twice() {
    let wave = |slo: &Slo| Some(if (4.0..40.0).contains(&limit_of(slo)) { 1100.0 } else { 900.0 });
    let flat = |_: &Slo| Some(1000.0);
    let findings = analyse(&made(&[("flat", &flat), ("wave", &wave)], &ladder("p99<2x..100x"), 0.001));
    let pair = &findings.objectives[0].pairs[0];
    let seen: Vec<_> =
        pair.crossings.iter().map(|c| (c.below.as_str(), c.last.to_string(), c.first.to_string())).collect();
    let expected = [("flat", "p99<3x", "p99<5x"), ("wave", "p99<30x", "p99<50x")];
    assert_eq!(seen, expected.map(|(who, last, first)| (who, last.to_owned(), first.to_owned())));
    assert!((pair.crossings[0].near / 15f64.sqrt() - 1.0).abs() < 0.02, "{}", pair.crossings[0].near);
}

#[test]
fn kinds_of_objective_are_charts_of_their_own() {
    let slos: Vec<Slo> = ["p99<10x", "p99<5ms", "p99<3x", "p99<1ms", "p99.9<10x", "p99<10x,errors<1%"]
        .map(|slo| slo.parse().unwrap())
        .into();
    let flat = |_: &Slo| Some(1000.0);
    let findings = analyse(&made(&[("a", &flat), ("b", &flat), ("c", &flat)], &slos, 0.01));
    let shown: Vec<String> = findings
        .objectives
        .iter()
        .map(|chart| format!("{:?}", chart.slos.iter().map(Slo::to_string).collect::<Vec<_>>()))
        .collect();
    assert_eq!(shown, [r#"["p99<3x", "p99<10x"]"#, r#"["p99<1ms", "p99<5ms"]"#]);
    assert_eq!((findings.objectives[0].lines.len(), findings.objectives[0].pairs.len()), (3, 3));
    let one: Vec<Slo> = vec!["p99<10x".parse().unwrap()];
    assert!(analyse(&made(&[("a", &flat), ("b", &flat)], &one, 0.01)).objectives.is_empty());
}

#[test]
fn a_known_queue_has_its_oracle_beside_it() {
    let (law, slos) = (shared(MEAN_NS), ladder("p99<2x..100x"));
    let data = made(&[("sim:mmc", &|slo| mat_at(&law, slo))], &slos, 0.001);
    let laws = BTreeMap::from([(CellId("sim:mmc".to_owned()), law.clone())]);
    let findings = analyse_with_laws(&data, &laws);
    let line = &findings.objectives[0].lines[0];
    assert_eq!(line.points[0].oracle_per_s, None, "an idle queue breaks two means");
    assert_eq!(line.points[7].oracle_per_s, mat_at(&law, &slos[7]));
    assert!(line.oracle.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1]));
    assert!((line.oracle.last().unwrap()[0] - 100.0).abs() < 1e-9);
    assert!(findings.objectives[0].pairs.is_empty(), "one target has nobody to cross");
}

#[test]
fn a_relative_limit_that_is_two_times_is_noted() {
    let flat = |_: &Slo| Some(1000.0);
    let mut data = made(&[("a", &flat), ("b", &flat)], &ladder("p99<5x..10x"), 0.01);
    assert!(analyse(&data).objectives[0].notes.is_empty());
    for record in data.mats.iter_mut().filter(|record| record.cell.0 == "b") {
        record.mat.limit_ns = Nanos(record.mat.limit_ns.0 * 2);
    }
    let notes = &analyse(&data).objectives[0].notes;
    assert!(notes[0].ends_with("p99<10x is 2.00 ms for one and 4.00 ms for another"), "{notes:?}");
}

#[test]
fn the_headline_tells_a_crossing() {
    let headline = |overhead: f64| {
        let (a, b) = (partitioned(), shared(MEAN_NS * overhead));
        let slos = ladder("p99<10x..200x");
        let findings: Findings =
            analyse(&made(&[("a", &|slo| mat_at(&a, slo)), ("b", &|slo| mat_at(&b, slo))], &slos, 0.001));
        findings.headline
    };
    let turns = "The order depends on the limit: b leads up to 30x, a from 50x on.";
    assert!(headline(1.1).contains(turns), "{}", headline(1.1));
    assert!(!headline(1.0).contains("depends on the limit"), "{}", headline(1.0));
}
