//! Findings of made-up runs, checked by hand.

use corecurve_core::{MatKind, Mode, Purpose, QueueLaw, Rate};
use serde_json::json;

use super::testing::{answer, cell, invalid, run, trial};
use super::{Findings, RunData, analyse, analyse_with_laws};
use crate::compare::Verdict;
use crate::models::ModelKind;

/// Three repetitions a cell around an Amdahl curve with σ = 5 %, one target twice as fast as the other, one control.
fn sweep() -> RunData {
    let (mut cells, mut mats) = (Vec::new(), Vec::new());
    for (target, gamma) in [("slow", 10_000.0), ("fast", 20_000.0)] {
        for cores in [1usize, 2, 4, 8, 12, 16] {
            let one = cell(&format!("{target}-{cores}"), target, cores, false);
            let mat = gamma * cores as f64 / (1.0 + 0.05 * (cores as f64 - 1.0));
            mats.extend([0.995, 1.0, 1.005].iter().zip(0..).map(|(noise, rep)| answer(&one, rep, mat * noise, 0.005)));
            cells.push(one);
        }
    }
    let control = cell("slow-1-control", "slow", 1, true);
    mats.extend((0..3).map(|rep| answer(&control, rep, 10_050.0, 0.005)));
    cells.push(control);
    run(cells, mats)
}

fn invalidate(run: &mut RunData, cell: &str) {
    for record in run.mats.iter_mut().filter(|record| record.cell.0 == cell) {
        *record = invalid(record.clone());
    }
}

fn cell_of<'a>(findings: &'a Findings, id: &str) -> &'a super::CellFinding {
    findings.cells.iter().find(|cell| cell.cell.id.0 == id).unwrap()
}

#[test]
fn a_sweep_is_answered() {
    let findings = analyse(&sweep());
    let mat = &cell_of(&findings, "fast-16").mats[0];
    let truth = 20_000.0 * 16.0 / 1.75;
    assert!((mat.mat_per_s.unwrap() - truth).abs() < 1e-6, "median of three");
    let [low, high] = mat.ci95.unwrap();
    assert!(low < truth && truth < high && high / low < 1.03, "{low} {high}");
    let efficiency = mat.efficiency.unwrap();
    assert!((efficiency.value - 1.0 / 1.75).abs() < 1e-9 && mat.base_cores == Some(1));
    assert!((mat.speedup.unwrap().value - 16.0 / 1.75).abs() < 1e-9);

    let floor = findings.noise_floor.as_ref().unwrap();
    assert!((floor.pairs[0].ratio.value - 1.005).abs() < 1e-9 && floor.floor > 0.005 && floor.floor < 0.04);
    assert_eq!(findings.comparisons.len(), 6);
    for row in &findings.comparisons {
        assert_eq!((row.verdict, row.a.label.as_str()), (Verdict::Better, "slow"), "{}", row.why);
        assert!((row.ratio.unwrap().value - 2.0).abs() < 1e-9);
    }
    assert_eq!(findings.curves.len(), 2);
    let curve = &findings.curves[1];
    assert_eq!((curve.label.as_str(), curve.points.len()), ("fast", 6));
    assert_eq!(curve.node_boundaries, vec![9], "the ninth worker sits on the second node");
    assert_eq!(curve.fits.chosen, Some(ModelKind::Amdahl));
    assert!((curve.fits.best().unwrap().param("sigma").unwrap() - 0.05).abs() < 1e-6);
    assert!(curve.fits.get(ModelKind::TwoSegments).is_some(), "two core counts lie beyond the boundary");
    let headline = &findings.headline;
    assert!(headline.starts_with("fast carries 183 k/s of plaintext on 16 cores at p99<5ms (95 % 18"), "{headline}");
    assert!(
        headline.contains("2.00 times slow (1.9") && headline.contains("From 1 to 16 cores it grows 9.14 times"),
        "{headline}"
    );
    assert!(headline.contains("serial share of 5.0 %"), "{headline}");
}

#[test]
fn the_same_records_give_the_same_findings() {
    assert_eq!(analyse(&sweep()), analyse(&sweep()));
}

#[test]
fn nothing_is_made_of_an_invalid_cell() {
    let mut run = sweep();
    invalidate(&mut run, "slow-1");
    let findings = analyse(&run);
    let struck = &cell_of(&findings, "slow-1").mats[0];
    assert!(!struck.valid && struck.speedup.is_none() && struck.mat_per_s.is_some() && struck.ci95.is_none());
    assert_eq!(struck.reasons, vec!["generator-busy: busy 93 % of the time, 70 % allowed"]);
    assert_eq!(cell_of(&findings, "slow-16").mats[0].base_cores, Some(2), "the next usable core count");
    let row = findings.comparisons.iter().find(|row| row.cores == 1).unwrap();
    assert!(row.verdict == Verdict::Incomparable && row.ratio.is_none() && row.a.mat_per_s.is_none());
    assert!(row.why.starts_with("A has no valid MAT: generator-busy"), "{}", row.why);
    assert!(findings.noise_floor.is_none(), "its control has no usable twin");
    assert_eq!(findings.struck_out.len(), 3);
    assert_eq!(findings.struck_out[0].what, "MAT 9.95 k/s");
    assert_eq!(findings.curves[0].fits.fits[0].points, 5);
    assert!(findings.caveats.iter().any(|caveat| caveat.contains("no A/A control")));
}

#[test]
fn a_minority_of_struck_repetitions_is_a_caveat_and_a_majority_strikes_the_cell() {
    let one = cell("a", "nginx", 1, false);
    let answers = |bad: u32| -> Vec<_> {
        let record = |rep| answer(&one, rep, 1000.0 + f64::from(rep), 0.01);
        (0..3).map(|rep| if rep < bad { invalid(record(rep)) } else { record(rep) }).collect()
    };
    let findings = analyse(&run(vec![one.clone()], answers(1)));
    assert!(findings.cells[0].mats[0].valid && findings.cells[0].mats[0].used_reps == 2);
    assert!(findings.cells[0].mats[0].caveats.contains(&"1 of 3 repetitions struck out".to_owned()));
    let findings = analyse(&run(vec![one.clone()], answers(2)));
    assert!(!findings.cells[0].mats[0].valid);
    assert!(findings.headline.starts_with("No valid number: generator-busy"), "{}", findings.headline);
}

#[test]
fn a_generator_limit_is_a_bound_and_in_no_fit() {
    let mut data = sweep();
    for record in data.mats.iter_mut().filter(|record| record.cell.0 == "fast-16") {
        record.mat.kind = MatKind::GeneratorLimited;
        record.mat.valid = false;
    }
    let findings = analyse(&data);
    let point = findings.curves[1].points.last().unwrap();
    assert!(point.at_least && !point.valid && point.mat_per_s.is_some());
    assert_eq!(findings.curves[1].fits.fits[0].points, 5);
    assert!(findings.curves[1].fits.notes.iter().any(|note| note.contains("at 16 cores the generator gave out first")));
}

#[test]
fn one_repetition_says_so() {
    let one = cell("a", "nginx", 4, false);
    let findings = analyse(&run(vec![one.clone()], vec![answer(&one, 0, 1000.0, 0.01)]));
    let mat = &findings.cells[0].mats[0];
    let [low, high] = mat.ci95.unwrap();
    assert!((low - 1000.0 / 0.0196f64.exp()).abs() < 0.01 && (high - 1000.0 * 0.0196f64.exp()).abs() < 0.01);
    assert!(mat.caveats[0].starts_with("one repetition"));
    assert_eq!(
        findings.headline,
        "nginx carries 1.00 k/s of plaintext on 4 cores at p99<5ms (95 % 981 /s to 1.02 k/s)."
    );
}

#[test]
fn a_partial_run_and_an_empty_one_say_so() {
    let mut run = sweep();
    run.finished.truncate(5);
    let findings = analyse(&run);
    assert!(findings.headline.contains("Partial: 5 of 39 repetitions are finished."), "{}", findings.headline);
    assert!(findings.caveats[0].starts_with("partial: 5 of 39"));
    run.finished.clear();
    run.mats.clear();
    let findings = analyse(&run);
    assert!(findings.headline.starts_with("No repetition is finished"), "{}", findings.headline);
    assert_eq!(findings.cells[0].mats[0].reasons, vec!["no repetition is finished"]);
    assert!(findings.comparisons.iter().all(|row| row.verdict == Verdict::Incomparable));
}

#[test]
fn labels_are_as_short_as_the_run_allows() {
    let mut cells = vec![cell("a", "nginx", 1, false), cell("b", "nginx", 1, false), cell("c", "sim:mm1", 1, false)];
    for (cell, mean) in cells.iter_mut().zip(["100us", "200us", "100us"]) {
        cell.workload_settings.insert("mean".to_owned(), mean.to_owned());
    }
    cells[2].target_settings.insert("servers".to_owned(), "4".to_owned());
    let labels: Vec<String> = analyse(&run(cells, Vec::new())).cells.into_iter().map(|cell| cell.label).collect();
    assert_eq!(labels, ["nginx mean=100us", "nginx mean=200us", "sim:mm1 mean=100us"]);
}

#[test]
fn trials_become_a_load_curve_with_an_oracle() {
    let one = cell("a", "sim:mm1", 1, false);
    let mut data = run(vec![one.clone()], vec![answer(&one, 0, 4000.0, 0.01)]);
    data.trials = vec![trial(&one, 1, 3000.0), trial(&one, 2, 2000.0), trial(&one, 3, 6000.0)];
    data.trials[1].purpose = Purpose::NoLoad;
    data.trials[2].valid = false;
    let laws = [(one.id.clone(), QueueLaw::Shared { mean_ns: 200_000.0, servers: 1 })].into();
    let findings = analyse_with_laws(&data, &laws);
    let found = &findings.cells[0];
    let offered: Vec<f64> = found.load_curve.iter().map(|point| point.offered_per_s).collect();
    assert_eq!(offered, [2000.0, 3000.0, 6000.0]);
    assert!((found.load_curve[1].oracle_p99_ns.unwrap() / (100f64.ln() / 2000.0 * 1e9) - 1.0).abs() < 1e-5);
    assert_eq!(found.load_curve[2].oracle_p99_ns, None, "beyond capacity");
    assert_eq!(found.no_load.unwrap().mean_ns, 250_000.0);
    assert_eq!(found.caveats, ["no PMU"]);
    assert_eq!(findings.struck_out.len(), 1);
    assert_eq!(findings.struck_out[0].what, "trial at 6.00 k/s");
    assert!(findings.caveats.contains(&"no PMU".to_owned()), "carried by every cell, so by the run");
    assert!(findings.caveats.iter().any(|caveat| caveat.contains("virtual time")));
}

#[test]
fn a_single_rate_is_no_mat() {
    let mut one = cell("a", "nginx", 1, false);
    one.mode = Mode::Fixed(Rate(5000.0));
    let mut data = run(vec![one.clone()], Vec::new());
    data.trials = vec![trial(&one, 0, 5000.0)];
    let findings = analyse(&data);
    assert!(findings.cells[0].mats.is_empty() && findings.curves.is_empty());
    assert_eq!(findings.headline, "nginx answered 5.00 k/s of 5.00 k/s offered, p99 —.");
}

#[test]
fn the_machine_is_summed_up_from_its_record() {
    let mut data = sweep();
    data.machine = json!({"environment": {
        "cpu_model": "Zen 4", "cores": 2, "cpus": 4, "nodes": 1, "kernel": "6.18",
        "hypervisor": "KVM", "governor": {"unknown": "no cpufreq"}
    }});
    let findings = analyse(&data);
    assert_eq!(findings.machine.cpu.as_deref(), Some("Zen 4"));
    assert_eq!((findings.machine.cores, findings.machine.hardware_threads), (Some(2), Some(4)));
    assert_eq!(findings.machine.governor, None);
    assert!(findings.caveats.iter().any(|caveat| caveat.starts_with("virtual machine (KVM)")));
}

#[test]
fn findings_survive_json() {
    let findings = analyse(&sweep());
    let text = serde_json::to_string(&findings).unwrap();
    let back: Findings = serde_json::from_str(&text).unwrap();
    assert!(back == findings, "numbers read back exactly as written");
}

#[test]
fn caveats_of_one_rule_are_told_once_with_how_many_there_are() {
    let one = cell("a", "nginx", 1, false);
    let mut data = run(vec![one.clone()], vec![answer(&one, 0, 1000.0, 0.01)]);
    data.trials = (0..4).map(|n| trial(&one, n, 1000.0)).collect();
    for (n, trial) in data.trials.iter_mut().enumerate() {
        trial.caveats.push(format!("schedule-adherence: 99.{n} % were sent in time"));
    }
    data.trials[2].caveats.push("virtual clock".to_owned());
    assert_eq!(
        analyse(&data).cells[0].caveats,
        ["no PMU", "schedule-adherence: 99.0 % were sent in time (and 3 more trials)", "virtual clock",]
    );
}
