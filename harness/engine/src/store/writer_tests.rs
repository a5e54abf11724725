use std::os::unix::fs::PermissionsExt;

use super::super::entry::tests::trial;
use super::super::{Failure, is_locked, read_run};
use super::*;
use corecurve_core::search::{Mat, MatKind, MatRecord};
use corecurve_core::{ArrivalKind, Cell, Mode, Nanos, Placed, Quantiles, SCHEMA, SearchSettings, Settings};

fn cell(id: &str) -> Cell {
    Cell {
        id: CellId(id.to_owned()),
        target: "nginx".to_owned(),
        target_settings: Settings::new(),
        workload: "plaintext".to_owned(),
        workload_settings: Settings::new(),
        cores: 1,
        placed: Placed::default(),
        slos: vec!["p99<5ms".parse().unwrap()],
        arrival: ArrivalKind::Poisson,
        connections: None,
        requests_per_connection: None,
        transport: None,
        network: None,
        caveats: Vec::new(),
        faults: Vec::new(),
        probe: None,
        mode: Mode::Search,
        control: false,
    }
}

fn plan() -> Plan {
    let turns = [(0, 0), (1, 0), (1, 1), (0, 1)];
    Plan {
        schema: SCHEMA,
        seed: 7,
        cells: vec![cell("00-a"), cell("01-b")],
        order: turns.map(|(cell, rep)| Turn { cell, rep }).to_vec(),
        search: SearchSettings {
            width: 0.02,
            budget: Nanos::SECOND,
            window_min: Nanos::SECOND,
            window_max: Nanos::SECOND,
            warmup: None,
            warmup_max: Nanos::SECOND,
            reps: 2,
            rate_cap: None,
            confirmations: 0,
        },
        expected: Nanos::SECOND,
        counters: Default::default(),
        checks: Default::default(),
        probes: Vec::new(),
    }
}

fn create(results: &Path, plan: &Plan) -> Store {
    Store::create(&NewRun {
        results: results.to_owned(),
        dir: None,
        slug: "nginx and/../friends".to_owned(),
        spec_toml: "target = [\"nginx\"]\n".to_owned(),
        plan,
        machine: serde_json::json!({ "cpus": 2 }),
        command: vec!["corecurve".to_owned(), "sweep".to_owned()],
    })
    .unwrap()
}

fn add_trial(store: &mut Store, cell: &str, rep: u32, attempt: u32, number: u32) {
    store.append(&Entry::Trial { trial: Box::new(trial(cell, rep, attempt, number)) }).unwrap();
}

fn mat(cell: &str, rep: u32) -> Entry {
    let mat = Mat {
        slo: "p99<5ms".parse().unwrap(),
        limit_ns: Nanos(5_000_000),
        kind: MatKind::Regular,
        mat_per_s: Some(1e5 / 7.0),
        ci95: Some([14_000.0, 14_500.0]),
        trials: 9,
        latency_ns: Quantiles::default(),
        utilisation: None,
        valid: true,
        invalid_reasons: vec![],
        caveats: vec![],
    };
    Entry::Mat {
        attempt: 0,
        slo: 0,
        mat: Box::new(MatRecord { schema: SCHEMA, cell: CellId(cell.to_owned()), rep, mat }),
    }
}

#[test]
fn a_run_is_private_named_locked_and_latest() {
    let results = tempfile::tempdir().unwrap();
    let store = create(results.path(), &plan());
    let name = store.dir().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.ends_with("Z-nginx-and----friends"), "{name}");
    assert_eq!(results.path().join("latest").canonicalize().unwrap(), store.dir().canonicalize().unwrap());
    assert_eq!(std::fs::read_link(results.path().join("latest")).unwrap(), Path::new(&name));
    assert_eq!(store.dir().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for file in ["spec.toml", "plan.json", "machine.json", "trials.jsonl", "log.txt", "lock"] {
        assert_eq!(store.dir().join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert!(is_locked(store.dir()));
    let problem = Store::resume(store.dir()).unwrap_err();
    assert!(problem.seen.contains("is in use by pid"), "{problem}");
    let second = create(results.path(), &plan());
    assert_ne!(second.dir(), store.dir());
}

#[test]
fn finished_repetitions_stay_and_the_one_in_progress_is_begun_again() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan();
    let mut store = create(results.path(), &plan);
    let dir = store.dir().to_owned();
    let [a, b] = ["00-a", "01-b"].map(|name| CellId(name.to_owned()));
    add_trial(&mut store, "00-a", 0, 0, 0);
    add_trial(&mut store, "00-a", 0, 0, 1);
    store.append(&mat("00-a", 0)).unwrap();
    store.finish(&a, plan.order[0], 0, 2, 1).unwrap();
    add_trial(&mut store, "01-b", 0, 0, 0);
    store.fail(&b, plan.order[1], 0, "the target was killed").unwrap();
    add_trial(&mut store, "01-b", 1, 0, 0);
    drop(store);

    let (mut store, run) = Store::resume(&dir).unwrap();
    assert_eq!(
        (run.plan.clone(), run.spec_toml.as_str(), &run.machine["cpus"]),
        (plan.clone(), "target = [\"nginx\"]\n", &2.into())
    );
    assert_eq!(
        (run.slug.as_str(), run.command.len(), run.version.as_str()),
        ("nginx and/../friends", 2, env!("CARGO_PKG_VERSION"))
    );
    assert!(run.started.as_ref().is_some_and(|started| started.ends_with('Z')));
    assert_eq!(run.done, [plan.order[0]]);
    assert_eq!(run.failed, [Failure { turn: plan.order[1], attempt: 0, why: "the target was killed".to_owned() }]);
    assert_eq!(run.trials, [trial("00-a", 0, 0, 0), trial("00-a", 0, 0, 1), trial("01-b", 0, 0, 0)]);
    assert_eq!(run.unused, [trial("01-b", 1, 0, 0)]);
    assert_eq!(run.mats.len(), 1);
    assert!(run.notes.iter().any(|note| note.contains("failed: the target was killed")));
    let attempts: Vec<u32> = plan.order.iter().map(|turn| store.attempt(*turn)).collect();
    assert_eq!(attempts, [1, 1, 1, 0]);

    add_trial(&mut store, "01-b", 0, 1, 0);
    store.finish(&b, plan.order[1], 1, 1, 0).unwrap();
    add_trial(&mut store, "01-b", 1, 1, 0);
    store.finish(&b, plan.order[2], 1, 1, 0).unwrap();
    drop(store);
    let run = read_run(&dir).unwrap();
    assert_eq!(run.done, plan.order[..3]);
    assert_eq!((run.trials.len(), run.unused.len(), run.failed.len()), (4, 2, 0));
    assert!(run.notes.is_empty(), "{:?}", run.notes);
}

#[test]
fn lost_doubled_and_foreign_records_never_pass_for_a_finished_repetition() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan();
    let mut store = create(results.path(), &plan);
    let dir = store.dir().to_owned();
    let a = CellId("00-a".to_owned());
    for number in 0..3 {
        add_trial(&mut store, "00-a", 0, 0, number);
    }
    let mut other = trial("00-a", 0, 0, 1);
    other.offered_per_s = 1.0;
    store.append(&Entry::Trial { trial: Box::new(other) }).unwrap();
    add_trial(&mut store, "99-elsewhere", 0, 0, 0);
    add_trial(&mut store, "00-a", 9, 0, 0);
    store.finish(&a, plan.order[0], 0, 3, 0).unwrap();
    drop(store);

    let run = read_run(&dir).unwrap();
    assert_eq!(run.trials, [trial("00-a", 0, 0, 0), trial("00-a", 0, 0, 1), trial("00-a", 0, 0, 2)]);
    assert_eq!(run.done, [plan.order[0]]);
    for token in ["second record", "99-elsewhere", "repetition 9"] {
        assert_eq!(run.notes.iter().filter(|note| note.contains(token)).count(), 1, "{token}: {:?}", run.notes);
    }

    let path = dir.join("trials.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let (store, run) = Store::resume(&dir).unwrap();
    assert!(run.done.is_empty() && run.trials.is_empty());
    assert!(run.notes.iter().any(|note| note == "record 1 skipped: its CRC is wrong"), "{:?}", run.notes);
    assert!(run.notes.iter().any(|note| note.contains("counts as unfinished")));
    assert_eq!(store.attempt(plan.order[0]), 1);
}

#[test]
fn directories_that_are_no_runs_are_refused_by_name() {
    let results = tempfile::tempdir().unwrap();
    let problem = Store::resume(results.path()).unwrap_err();
    assert!(problem.seen.contains("plan.json"), "{problem}");
    assert!(!results.path().join("lock").exists());
    assert!(read_run(Path::new("/nonexistent")).is_err());

    let store = create(results.path(), &plan());
    let dir = store.dir().to_owned();
    drop(store);
    let path = dir.join("plan.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (change, token) in [
        (text.replace("\"schema\": 1", "\"schema\": 9"), "format 9"),
        (text.replace("00-a", "../a"), "`../a`"),
        (text.replace("00-a", "01-b"), "two cells"),
        (text.replacen("\"cell\": 0", "\"cell\": 5", 1), "cell 5"),
        (text[..text.len() / 2].to_owned(), "damaged"),
    ] {
        assert_ne!(change, text, "{token}");
        std::fs::write(&path, change).unwrap();
        let problem = read_run(&dir).unwrap_err();
        assert!(problem.seen.contains(token), "{token}: {problem}");
    }
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(read_run(&dir).unwrap_err().to_string().contains("links are not followed"));
}

#[test]
fn a_named_directory_must_be_new_or_empty() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan();
    let new = |dir: &Path| NewRun {
        results: results.path().join("results"),
        dir: Some(dir.to_owned()),
        slug: "x".to_owned(),
        spec_toml: String::new(),
        plan: &plan,
        machine: serde_json::json!({}),
        command: vec![],
    };
    let dir = results.path().join("deep/own");
    let store = Store::create(&new(&dir)).unwrap();
    assert_eq!(results.path().join("results/latest").canonicalize().unwrap(), dir.canonicalize().unwrap());
    drop(store);
    let problem = Store::create(&new(&dir)).unwrap_err();
    assert!(problem.to_string().contains("corecurve resume"), "{problem}");
}

#[test]
fn histograms_and_scratch_stay_inside() {
    let results = tempfile::tempdir().unwrap();
    let store = create(results.path(), &plan());
    let a = CellId("00-a".to_owned());
    store.write_hist(&a, 0, 3, |out| out.write_all(b"one")).unwrap();
    store.write_hist(&a, 0, 3, |out| out.write_all(b"two")).unwrap();
    assert_eq!(std::fs::read(store.dir().join("hist/00-a.0.3.hlog")).unwrap(), b"two");
    assert!(store.write_hist(&CellId("../a".to_owned()), 0, 0, |_| Ok(())).is_err());
    let scratch = store.scratch().unwrap();
    std::fs::write(scratch.join("x"), "y").unwrap();
    assert_eq!(store.scratch().unwrap(), scratch);
    assert!(!scratch.join("x").exists() && scratch.is_absolute());
    store.clear_scratch();
    assert!(!scratch.exists());
}
