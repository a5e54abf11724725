//! Comparisons of made-up runs: what must not be claimed, and what must be found.

use corecurve_core::rng::{stream, unit_open};
use corecurve_core::{Nanos, Rng};
use rand::Rng as _;
use serde_json::json;

use super::{Gate, Verdict, compare};
use crate::findings::testing::{answer, cell, invalid, run};
use crate::findings::{Findings, RunData, analyse};

fn normal(rng: &mut Rng) -> f64 {
    let (u, v) = (unit_open(rng.next_u64()), unit_open(rng.next_u64()));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// A run of one target and its control, `reps` each, true MAT `mat`, search error 1 %, restart error `restart`.
fn measured(mat: f64, reps: u32, restart: f64, rng: &mut Rng) -> RunData {
    let cells = vec![cell("a", "nginx", 1, false), cell("a-control", "nginx", 1, true)];
    let noise = (0.01f64.powi(2) + restart * restart).sqrt();
    let mut mats = Vec::new();
    for one in &cells {
        for rep in 0..reps {
            mats.push(answer(one, rep, mat * (noise * normal(rng)).exp(), 0.01));
        }
    }
    run(cells, mats)
}

/// Runs without the control, so that the interval alone decides.
fn without_control(mut data: RunData) -> RunData {
    data.plan.cells.truncate(1);
    data.plan.order.retain(|turn| turn.cell == 0);
    data.finished = data.plan.order.clone();
    data.mats.retain(|record| record.cell.0 == "a");
    data
}

fn verdict(a: &RunData, b: &RunData) -> Verdict {
    compare(&analyse(a), &analyse(b)).rows[0].verdict
}

#[test]
fn two_hundred_a_a_comparisons_make_few_false_claims() {
    for (reps, restart) in [(1, 0.0), (3, 0.02), (5, 0.02)] {
        let mut rng = stream(11, u64::from(reps));
        let (mut with_floor, mut alone) = (0, 0);
        for pair in 0..200 {
            let (a, b) = (measured(1000.0, reps, restart, &mut rng), measured(1000.0, reps, restart, &mut rng));
            with_floor += u32::from(verdict(&a, &b) != Verdict::NoDifference);
            if pair < 100 {
                alone += u32::from(verdict(&without_control(a), &without_control(b)) != Verdict::NoDifference);
            }
        }
        assert!(with_floor <= 10, "{reps} repetitions with A/A controls: {with_floor} of 200");
        // 5 % by construction; 13 of 100 would happen once in seven hundred times.
        assert!(alone < 13, "{reps} repetitions without controls: {alone} of 100");
    }
}

#[test]
fn a_real_ten_percent_is_found() {
    let mut rng = stream(12, 0);
    for (reps, least) in [(1, 35), (3, 48), (5, 50)] {
        let mut found = 0;
        for _ in 0..50 {
            let (a, b) = (measured(1000.0, reps, 0.0, &mut rng), measured(900.0, reps, 0.0, &mut rng));
            found += u32::from(verdict(&a, &b) == Verdict::Worse);
        }
        assert!(found >= least, "{reps} repetitions: {found} of 50");
    }
}

fn calm(mat: f64) -> RunData {
    let cells = vec![cell("a", "nginx", 1, false), cell("b", "lighttpd", 1, false)];
    let reps =
        |one| [0.999, 1.0, 1.001].into_iter().zip(0..).map(move |(noise, rep)| answer(one, rep, mat * noise, 0.001));
    let mats = cells.iter().flat_map(reps).collect();
    run(cells, mats)
}

fn findings(edit: impl Fn(&mut RunData)) -> Findings {
    let mut data = calm(1000.0);
    edit(&mut data);
    analyse(&data)
}

#[test]
fn what_must_not_be_compared_is_incomparable() {
    let base = findings(|_| {});
    let check = |other: &Findings, why: &str| {
        let comparison = compare(&base, other);
        let row = &comparison.rows[0];
        assert_eq!(row.verdict, Verdict::Incomparable, "{why}");
        assert!(row.why.contains(why) && row.ratio.is_none(), "{}", row.why);
        let judged = "mat:-3%".parse::<Gate>().unwrap().judge(&comparison);
        assert!(!judged[0].pass && judged[0].why.contains("cannot be judged"));
    };
    let setting = |data: &mut RunData| {
        data.plan.cells[0].workload_settings.insert("mean".to_owned(), "200us".to_owned());
    };
    check(&findings(setting), "workload.mean default against 200us");
    check(&findings(|data| data.plan.cells[0].connections = Some(64)), "connections auto against 64");
    check(&findings(|data| data.mats[0..3].iter_mut().for_each(|m| *m = invalid(m.clone()))), "B has no valid MAT");
    let slo = |data: &mut RunData| {
        data.plan.cells[0].slos = vec!["p99<9ms".parse().unwrap()];
        data.mats[0..3].iter_mut().for_each(|m| m.mat.slo = "p99<9ms".parse().unwrap());
    };
    check(&findings(slo), "SLO p99<5ms against p99<9ms");
    check(&Findings { schema: 99, ..findings(|_| {}) }, "schema 1 and 99");
}

#[test]
fn another_machine_is_incomparable_except_in_virtual_time() {
    let on = |cpu: &str| {
        let machine = json!({"environment": {"cpu_model": cpu, "kernel": format!("of {cpu}"), "cores": 4}});
        findings(|data| {
            data.machine = machine.clone();
            data.plan.cells[1].target = "sim:mm1".to_owned();
        })
    };
    let comparison = compare(&on("Zen 4"), &on("Xeon"));
    assert!(comparison.rows[0].why.contains("different machine: cpu model Zen 4 against Xeon"));
    assert_eq!(comparison.rows[1].verdict, Verdict::NoDifference);
    assert!(comparison.notes.iter().any(|note| note.contains("kernel of Zen 4 against of Xeon")));
    assert_eq!(comparison.count(Verdict::Incomparable), 1);
}

#[test]
fn cells_without_a_counterpart_are_listed() {
    let smaller = findings(|data| {
        data.plan.cells.truncate(1);
        data.plan.order.retain(|turn| turn.cell == 0);
    });
    let comparison = compare(&findings(|_| {}), &smaller);
    assert_eq!((comparison.rows.len(), comparison.only_a.len(), comparison.only_b.len()), (1, 1, 0));
    assert_eq!(comparison.only_a[0], "lighttpd plaintext compact 1 core p99<5ms");
    assert_eq!(compare(&smaller, &findings(|_| {})).only_b.len(), 1);
}

#[test]
fn a_gate_fails_on_a_shown_loss_only() {
    let judge = |mat: f64, gate: &str| {
        let comparison = compare(&analyse(&calm(1000.0)), &analyse(&calm(mat)));
        gate.parse::<Gate>().unwrap().judge(&comparison).remove(0)
    };
    let lost = judge(950.0, "mat:-3%");
    assert!(!lost.pass && lost.verdict == Verdict::Worse && lost.why.starts_with("mat:-3% broken"), "{}", lost.why);
    assert_eq!(lost.label, "nginx 1 core p99<5ms");
    assert!(judge(950.0, "mat:-10%").why.contains("is excluded"));
    assert!(judge(1000.0, "mat:-3%").pass && judge(1200.0, "mat:-0%").pass);
    let fine = judge(1000.0, "mat:-0.01%");
    assert!(fine.pass && fine.why.contains("does not exclude one"), "{}", fine.why);
}

#[test]
fn many_comparisons_are_corrected_for_their_number() {
    // Twenty targets, one of which moved by an amount that alone would just be claimed.
    let cells: Vec<_> = (0..20).map(|i| cell(&format!("c{i}"), &format!("t{i}"), 1, false)).collect();
    let with = |moved: f64| {
        let mats = cells.iter().enumerate().flat_map(|(i, one)| {
            let mat = if i == 0 { 1000.0 * moved } else { 1000.0 };
            [0.99, 1.0, 1.01].into_iter().zip(0..).map(move |(noise, rep)| answer(one, rep, mat * noise, 0.01))
        });
        analyse(&run(cells.clone(), mats.collect()))
    };
    let comparison = compare(&with(1.0), &with(1.024));
    let row = &comparison.rows[0];
    assert!(row.p_value.unwrap() < 0.05 && row.p_holm.unwrap() > 0.05, "{row:?}");
    assert_eq!(row.verdict, Verdict::NoDifference);
    assert!(row.why.contains("20 comparisons"), "{}", row.why);
    assert_eq!(compare(&with(1.0), &with(1.10)).rows[0].verdict, Verdict::Better);
}

#[test]
fn a_relative_limit_is_shown_as_the_median_of_repetitions() {
    let mut data = calm(1000.0);
    for (record, limit) in data.mats.iter_mut().zip([4, 5, 9]) {
        record.mat.limit_ns = Nanos(limit * 1_000_000);
    }
    assert_eq!(analyse(&data).cells[0].mats[0].limit_ns, Some(Nanos(5_000_000)));
}
