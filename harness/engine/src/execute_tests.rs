use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::store::{NewRun, StoredRun, read_run};
use corecurve_core::{
    ArrivalKind, CellId, Decoded, Endpoint, Load, Mat, MatKind, Mode, Nanos, Outcome as OpOutcome, Pid, Placed,
    Purpose, Quantiles, Rate, Reason, Rng, Rule, Running, Settings, Start, Step, TargetStats, TrialRecord,
    TrialRequest, Turn, VirtualServer, Workload,
};

/// A queue with one server and a service time that depends on its seed.
struct Queue {
    seed: u64,
    free_at: u64,
    checks_left: Option<u32>,
}

impl VirtualServer for Queue {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        let service = 20_000 + corecurve_core::rng::mix(self.seed, id) % 60_000;
        self.free_at = self.free_at.max(arrival.0) + service;
        Some(Nanos(self.free_at))
    }

    fn begin_trial(&mut self, seed: u64) {
        self.free_at = 0;
        self.seed ^= seed;
    }

    fn utilisation(&self, _: Nanos) -> f64 {
        0.5
    }
}

impl Running for Queue {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Virtual
    }

    fn pids(&self) -> Vec<Pid> {
        Vec::new()
    }

    fn check(&mut self) -> Result<(), Problem> {
        match &mut self.checks_left {
            Some(0) => Err(Problem::new("the target was killed by signal 9 (SIGKILL)")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn virtual_server(&mut self) -> Option<&mut dyn VirtualServer> {
        Some(self)
    }

    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}

/// Target `queue`; `mortal` dies after its second trial; `absent` never starts. Remembers the seeds of its starts.
struct QueueTarget {
    name: String,
    starts: Arc<Mutex<Vec<u64>>>,
}

impl Target for QueueTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem> {
        assert!(on.scratch.is_dir());
        self.starts.lock().unwrap().push(on.seed);
        if self.name == "absent" {
            return Err(Problem::new("`absent` is not installed").help("install it"));
        }
        let checks_left = (self.name == "mortal").then_some(1);
        Ok(Box::new(Queue { seed: on.seed, free_at: 0, checks_left }))
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// Never asked: the target lives in virtual time.
struct NoWorkload;

impl Workload for NoWorkload {
    type Op = u8;
    fn next(&mut self, _: u64, _: &mut Rng) -> u8 {
        0
    }
}

impl Wire for NoWorkload {
    type Decoder = ();
    fn encode(&self, _: &u8, _: bool, _: &mut Vec<u8>) {}
    fn decode(&self, _: &u8, (): &mut (), input: &[u8], _: bool) -> Decoded {
        Decoded::Partial { consumed: input.len() }
    }
    fn closed(&self, _: &u8, (): &mut ()) -> OpOutcome {
        OpOutcome::Ok
    }
}

/// Three rates, the last on a fresh target, each from the mean latency before it; then an answer from all of them.
struct Script {
    seen: Vec<f64>,
}

impl Search for Script {
    fn next(&self) -> Step {
        let request = |rate: f64, fresh_target| TrialRequest {
            purpose: Purpose::Search,
            load: Load::Open(Rate(rate)),
            window: Nanos(200_000_000),
            limits: vec![Nanos(1_000_000)],
            fresh_target,
        };
        match self.seen[..] {
            [] => Step::Try(request(2_000.0, false)),
            [a] => Step::Try(request(3_000.0 + a / 1e3, false)),
            [a, b] => Step::Try(request(4_000.0 + (a + b) / 1e3, true)),
            _ => Step::Converged(vec![Mat {
                slo: "p99<1ms".parse().unwrap(),
                limit_ns: Nanos(1_000_000),
                kind: MatKind::Regular,
                mat_per_s: Some(self.seen.iter().sum()),
                ci95: None,
                trials: 3,
                latency_ns: Quantiles::default(),
                utilisation: None,
                valid: true,
                invalid_reasons: vec![],
                caveats: vec![],
            }]),
        }
    }

    fn observe(&mut self, trial: &TrialRecord) {
        self.seen.push(trial.latency_ns.mean.unwrap_or(0.0));
    }
}

struct Doom;

impl Search for Doom {
    fn next(&self) -> Step {
        Step::Doomed(Reason::new(Rule::Stationary, "never settles"))
    }
    fn observe(&mut self, _: &TrialRecord) {}
}

/// Keeps the events, and asks to stop after so many trials.
struct Watch<'a> {
    events: Vec<Event>,
    stop: &'a StopFlag,
    stop_after: Option<usize>,
}

impl Observer for Watch<'_> {
    fn on(&mut self, event: &Event) {
        self.events.push(event.clone());
        let trials = self.events.iter().filter(|event| matches!(event, Event::Trial(_))).count();
        if matches!(event, Event::Trial(_)) && Some(trials) == self.stop_after {
            self.stop.ask();
        }
    }
}

fn cell(number: usize, target: &str, mode: Mode) -> Cell {
    Cell {
        id: CellId(format!("{number:02}-{target}")),
        target: target.to_owned(),
        target_settings: Settings::new(),
        workload: "none".to_owned(),
        workload_settings: Settings::new(),
        cores: 1,
        placed: Placed::default(),
        slos: vec!["p99<1ms".parse().unwrap(), "p99<10x".parse().unwrap()],
        arrival: if mode == Mode::Closed { ArrivalKind::Closed(4) } else { ArrivalKind::Poisson },
        connections: None,
        requests_per_connection: None,
        transport: None,
        network: None,
        caveats: Vec::new(),
        faults: Vec::new(),
        probe: None,
        mode,
        control: false,
    }
}

fn plan(targets: &[&str], mode: Mode, reps: u32) -> Plan {
    let cells: Vec<Cell> = targets.iter().enumerate().map(|(at, target)| cell(at, target, mode)).collect();
    let order = (0..reps).flat_map(|rep| (0..cells.len()).rev().map(move |cell| Turn { cell, rep })).collect();
    let search = SearchSettings {
        width: 0.02,
        budget: Nanos::SECOND,
        window_min: Nanos(100_000_000),
        window_max: Nanos(200_000_000),
        warmup: Some(Nanos(50_000_000)),
        warmup_max: Nanos::SECOND,
        reps,
        rate_cap: None,
        confirmations: 0,
    };
    Plan {
        schema: SCHEMA,
        seed: 11,
        cells,
        order,
        search,
        expected: Nanos::ZERO,
        counters: Default::default(),
        checks: Default::default(),
        probes: Vec::new(),
    }
}

fn create(results: &Path, plan: &Plan) -> Store {
    let machine = serde_json::json!({});
    let (slug, command) = ("test".to_owned(), vec![]);
    let new = NewRun { results: results.to_owned(), dir: None, slug, spec_toml: String::new(), plan, machine, command };
    Store::create(&new).unwrap()
}

/// Executes with `Script` as the search, and gives the outcome, the events and the seeds of all starts.
fn run(plan: &Plan, store: &mut Store, stop_after: Option<usize>) -> (Result<Outcome, Problem>, Vec<Event>, Vec<u64>) {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let target = |cell: &Cell| -> Result<Box<dyn Target>, Problem> {
        Ok(Box::new(QueueTarget { name: cell.target.clone(), starts: starts.clone() }))
    };
    let workload = |_: &Cell| -> Result<WorkloadFactory<NoWorkload>, Problem> { Ok(Box::new(|_, _| NoWorkload)) };
    let search = |cell: &Cell, _: &SearchSettings| -> Box<dyn Search> {
        if cell.target == "doomed" { Box::new(Doom) } else { Box::new(Script { seen: Vec::new() }) }
    };
    let null_server = |cell: &Cell| -> Result<NullServer<NoWorkload>, Problem> {
        Ok(NullServer { name: "none".to_owned(), target: target(cell)?, workload: workload(cell)? })
    };
    let lab = Lab {
        target: &target,
        workload: &workload,
        search: &search,
        null_server: &null_server,
        replay: &|_| None,
        strict: false,
    };
    let stop = StopFlag::new();
    let mut watch = Watch { events: Vec::new(), stop: &stop, stop_after };
    let outcome = execute(plan, store, &lab, &mut watch, &stop);
    let seeds = starts.lock().unwrap().clone();
    (outcome, watch.events, seeds)
}

type Findings = (BTreeMap<(String, u32, u32), TrialRecord>, BTreeMap<(String, u32), f64>);

/// The trials that count, by name, without the attempt; and the answers.
fn findings(run: &StoredRun) -> Findings {
    let trial = |trial: &TrialRecord| {
        ((trial.cell.0.clone(), trial.rep, trial.trial), TrialRecord { attempt: 0, ..trial.clone() })
    };
    let mat = |mat: &corecurve_core::MatRecord| ((mat.cell.0.clone(), mat.rep), mat.mat.mat_per_s.unwrap());
    (run.trials.iter().map(trial).collect(), run.mats.iter().map(mat).collect())
}

#[test]
fn a_run_follows_the_plan_and_saves_everything() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan(&["queue", "other"], Mode::Search, 2);
    let mut store = create(results.path(), &plan);
    let (outcome, events, seeds) = run(&plan, &mut store, None);
    assert_eq!(outcome, Ok(Outcome::Finished { done: 4, failed: 0 }));
    assert!(matches!(events[0], Event::Run { turns: 4, finished: 0, seed: 11, .. }));
    let turns: Vec<(&CellId, u32)> = events
        .iter()
        .filter_map(|e| if let Event::Turn { cell, rep, .. } = e { Some((cell, *rep)) } else { None })
        .collect();
    let planned: Vec<(&CellId, u32)> = plan.order.iter().map(|turn| (&plan.cells[turn.cell].id, turn.rep)).collect();
    assert_eq!(turns, planned);
    // Two starts for each repetition, all with seeds of their own.
    let unique: std::collections::BTreeSet<u64> = seeds.iter().copied().collect();
    assert_eq!((seeds.len(), unique.len()), (8, 8));
    let stored = read_run(store.dir()).unwrap();
    assert_eq!((stored.trials.len(), stored.mats.len()), (12, 4));
    assert_eq!((stored.done.clone(), stored.notes.clone()), (plan.order.clone(), vec![]));
    let told: Vec<&TrialRecord> =
        events.iter().filter_map(|e| if let Event::Trial(trial) = e { Some(&**trial) } else { None }).collect();
    assert_eq!(told, stored.trials.iter().collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(store.dir().join("hist")).unwrap().count(), 12);
    assert!(!store.dir().join("scratch").exists());
    // Common random numbers: every cell sees the same arrivals, no two trials of a cell do.
    let (trials, _) = findings(&stored);
    let hash = |cell: &str, rep, trial| trials[&(cell.to_owned(), rep, trial)].schedule_sha256.clone();
    assert_eq!(hash("00-queue", 1, 0), hash("01-other", 1, 0));
    assert_ne!(hash("00-queue", 1, 0), hash("00-queue", 0, 0));
    assert_ne!(hash("00-queue", 1, 0), hash("00-queue", 1, 1));
}

#[test]
fn an_interrupted_run_is_resumed_to_the_very_same_records() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan(&["queue", "other"], Mode::Search, 2);
    let mut whole = create(results.path(), &plan);
    run(&plan, &mut whole, None).0.unwrap();
    let expected = findings(&read_run(whole.dir()).unwrap());
    for stop_after in 1..12 {
        let mut store = create(results.path(), &plan);
        let (outcome, events, _) = run(&plan, &mut store, Some(stop_after));
        let dir = store.dir().to_owned();
        drop(store);
        let interrupted = events.iter().filter(|event| matches!(event, Event::Trial(_))).count() == stop_after;
        assert!(interrupted, "{stop_after}");
        assert_eq!(outcome, Ok(Outcome::Interrupted), "{stop_after}");
        let (mut store, before) = Store::resume(&dir).unwrap();
        assert_eq!(before.done.len(), stop_after / 3, "{stop_after}");
        let (outcome, events, _) = run(&before.plan, &mut store, None);
        assert_eq!(outcome, Ok(Outcome::Finished { done: 4, failed: 0 }), "{stop_after}");
        let again = events.iter().filter(|event| matches!(event, Event::Trial(_))).count();
        assert_eq!(again, 12 - 3 * before.done.len(), "at most the repetition in progress is run again");
        let after = read_run(&dir).unwrap();
        assert_eq!(findings(&after), expected, "{stop_after}");
        assert_eq!(after.unused.len(), stop_after % 3);
    }
}

#[test]
fn a_run_torn_anywhere_is_resumed_to_the_very_same_records() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan(&["queue"], Mode::Search, 2);
    let mut whole = create(results.path(), &plan);
    run(&plan, &mut whole, None).0.unwrap();
    let dir = whole.dir().to_owned();
    drop(whole);
    let expected = findings(&read_run(&dir).unwrap());
    let journal = std::fs::read(dir.join("trials.jsonl")).unwrap();
    for length in (0..=journal.len()).step_by(journal.len() / 40) {
        std::fs::write(dir.join("trials.jsonl"), &journal[..length]).unwrap();
        let (mut store, before) = Store::resume(&dir).unwrap();
        run(&before.plan, &mut store, None).0.unwrap();
        let after = read_run(&dir).unwrap();
        assert_eq!(findings(&after), expected, "{length}");
        assert!(after.notes.is_empty(), "{length}: {:?}", after.notes);
    }
}

#[test]
fn a_target_that_dies_fails_its_repetition_and_the_run_goes_on() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan(&["mortal", "queue"], Mode::Search, 1);
    let mut store = create(results.path(), &plan);
    let (outcome, events, _) = run(&plan, &mut store, None);
    assert_eq!(outcome, Ok(Outcome::Finished { done: 1, failed: 1 }));
    let failed =
        events.iter().find_map(|e| if let Event::Failed { cell, why, .. } = e { Some((cell, why)) } else { None });
    let (cell, why) = failed.unwrap();
    assert!(cell.0 == "00-mortal" && why.contains("signal 9"), "{cell}: {why}");
    let dir = store.dir().to_owned();
    drop(store);
    let stored = read_run(&dir).unwrap();
    let died: Vec<&TrialRecord> = stored.trials.iter().filter(|trial| trial.target == "mortal").collect();
    assert_eq!(died.len(), 2);
    assert!(died[0].invalid_reasons.iter().all(|reason| reason.rule != Rule::TargetAlive));
    assert!(!died[1].valid && died[1].invalid_reasons.iter().any(|reason| reason.rule == Rule::TargetAlive));
    assert!(died[1].counts.balanced());
    assert_eq!(stored.failed.len(), 1);
    // Resuming tries it again.
    let (mut store, _) = Store::resume(&dir).unwrap();
    let (_, events, _) = run(&plan, &mut store, None);
    assert!(matches!(events[0], Event::Run { finished: 1, .. }));
    assert!(events.iter().any(|event| matches!(event, Event::Failed { .. })));
}

#[test]
fn a_run_in_which_nothing_could_start_says_so() {
    let results = tempfile::tempdir().unwrap();
    let mut store = create(results.path(), &plan(&["absent"], Mode::Search, 1));
    let problem = run(&plan(&["absent"], Mode::Search, 1), &mut store, None).0.unwrap_err();
    assert_eq!(problem.to_string(), "`absent` is not installed\n  help: install it");
    let mixed = plan(&["absent", "queue"], Mode::Search, 1);
    let mut store = create(results.path(), &mixed);
    assert_eq!(run(&mixed, &mut store, None).0, Ok(Outcome::Finished { done: 1, failed: 1 }));
}

#[test]
fn single_trials_need_no_search() {
    let results = tempfile::tempdir().unwrap();
    for mode in [Mode::Fixed(Rate(1_000.0)), Mode::Closed] {
        let plan = plan(&["queue"], mode, 1);
        let mut store = create(results.path(), &plan);
        assert_eq!(run(&plan, &mut store, None).0, Ok(Outcome::Finished { done: 1, failed: 0 }));
        let stored = read_run(store.dir()).unwrap();
        let [trial] = &stored.trials[..] else { panic!("{}", stored.trials.len()) };
        assert_eq!((trial.purpose, stored.mats.len()), (Purpose::Fixed, 0));
        assert_eq!(trial.limits.len(), 1, "the relative objective has no reference here");
        assert_eq!(trial.arrival, plan.cells[0].arrival);
    }
}

#[test]
fn a_doomed_search_leaves_its_reason() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan(&["doomed"], Mode::Search, 1);
    let mut store = create(results.path(), &plan);
    assert_eq!(run(&plan, &mut store, None).0, Ok(Outcome::Finished { done: 1, failed: 0 }));
    let mats = read_run(store.dir()).unwrap().mats;
    assert_eq!(mats.len(), 2);
    assert!(mats.iter().all(|mat| mat.mat.kind == MatKind::NonStationary && !mat.mat.valid));
    assert_eq!(mats[0].mat.invalid_reasons, [Reason::new(Rule::Stationary, "never settles")]);
}
