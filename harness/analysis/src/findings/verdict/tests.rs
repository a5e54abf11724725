//! Each rule on made-up evidence: what it names, and what it leaves alone.

use corecurve_core::{
    AcceptQueue, Cell, Counters, CpuCounts, CpuId, CpuSplit, Dealing, Function, LinkBytes, MatKind, MatRecord, Nanos,
    Profile, Purpose, Quantiles, Quota, Reason, Rule, Shares, Side, Stack, ThreadCounts, TrialRecord, WaitSite, Waits,
    WorkerShare, WorkerShares,
};

use super::Cause;
use crate::findings::testing::{answer, cell, run, trial};
use crate::findings::{RunData, analyse, types::Findings};

const WINDOW_S: f64 = 5.0;
/// CPU time of a request without anything wrong, seconds.
const COST_S: f64 = 200e-6;

fn ns(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9).round() as u64)
}

/// One server at one load, before anything is wrong with it.
#[derive(Clone, Copy)]
struct State {
    cores: usize,
    busy: f64,
    cost_s: f64,
    kernel: f64,
}

const SOUND: State = State { cores: 1, busy: 0.96, cost_s: COST_S, kernel: 0.2 };

impl State {
    fn rate(self) -> f64 {
        self.busy * self.cores as f64 / self.cost_s
    }

    fn counters(self) -> Counters {
        let (user, system) = (ns(self.busy * (1.0 - self.kernel) * WINDOW_S), ns(self.busy * self.kernel * WINDOW_S));
        let cpu = |index: usize| CpuCounts {
            cpu: CpuId(index as u32),
            side: Side::Server,
            user_ns: user,
            system_ns: system,
            idle_ns: ns((1.0 - self.busy) * WINDOW_S),
            ..CpuCounts::default()
        };
        let thread = |index: usize| ThreadCounts {
            tid: index as u32 + 1,
            cpu: Some(CpuId(index as u32)),
            cpu_ns: user + system,
            split: CpuSplit { user_ns: user, system_ns: system },
            ..ThreadCounts::default()
        };
        Counters {
            span_ns: ns(WINDOW_S),
            threads: (0..self.cores).map(thread).collect(),
            cpus: (0..self.cores).map(cpu).collect(),
            ..Counters::default()
        }
    }

    fn trial(self, of: &Cell, number: u32, purpose: Purpose) -> TrialRecord {
        let mut made = trial(of, number, self.rate());
        made.purpose = purpose;
        made.counts.ok = (self.rate() * WINDOW_S) as u64;
        made.service_ns = Quantiles { mean: Some(self.cost_s * 1e9), ..Quantiles::default() };
        made.counters = Some(self.counters());
        made
    }
}

/// A search: a quiet trial, one at the MAT, one beyond.
struct Made {
    cell: Cell,
    trials: Vec<TrialRecord>,
    mat: MatRecord,
}

fn made(id: &str, state: State) -> Made {
    let cell = cell(id, "server", state.cores, false);
    let quiet = State { busy: 0.02, ..state };
    let beyond = State { busy: (state.busy + 0.03).min(0.999), ..state };
    let mut trials = vec![
        quiet.trial(&cell, 0, Purpose::NoLoad),
        state.trial(&cell, 1, Purpose::Search),
        beyond.trial(&cell, 2, Purpose::Search),
    ];
    trials[2].offered_per_s = state.rate() * 1.1;
    let mat = answer(&cell, 0, state.rate(), 0.01);
    Made { cell, trials, mat }
}

fn data(parts: Vec<Made>) -> RunData {
    let (mut cells, mut trials, mut mats) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        cells.push(part.cell);
        trials.extend(part.trials);
        mats.push(part.mat);
    }
    RunData { trials, ..run(cells, mats) }
}

fn findings(parts: Vec<Made>) -> Findings {
    analyse(&data(parts))
}

fn cause(parts: Vec<Made>) -> Cause {
    let found = findings(parts);
    let verdict = found.verdicts.last().unwrap();
    assert_eq!(verdict.rulings.len(), Cause::ALL.len() - 1, "every rule was asked");
    verdict.cause
}

/// A healthy search, with something done to each of its trials.
fn with(state: State, fault: impl Fn(&mut TrialRecord)) -> Vec<Made> {
    let mut one = made("one", state);
    one.trials.iter_mut().filter(|trial| trial.purpose == Purpose::Search).for_each(fault);
    vec![one]
}

fn counters(trial: &mut TrialRecord) -> &mut Counters {
    trial.counters.as_mut().unwrap()
}

/// Cores that are half idle at any rate.
const IDLE: State = State { busy: 0.4, ..SOUND };

#[test]
fn full_cores_at_an_unchanged_cost_are_healthy() {
    assert_eq!(cause(with(SOUND, |_| {})), Cause::Cpu);
    let two = State { cores: 2, ..SOUND };
    assert_eq!(cause(vec![made("one", SOUND), made("two", two)]), Cause::Cpu);
}

#[test]
fn without_counters_there_is_no_verdict() {
    assert!(findings(with(SOUND, |trial| trial.counters = None)).verdicts.is_empty());
}

#[test]
fn a_number_that_is_not_the_targets_comes_first() {
    let late = |trial: &mut TrialRecord| {
        trial.valid = false;
        trial.invalid_reasons = vec![Reason::new(Rule::ScheduleAdherence, "80 %")];
    };
    assert_eq!(cause(with(SOUND, late)), Cause::Generator);
    let mut limited = made("one", SOUND);
    limited.mat.mat.kind = MatKind::GeneratorLimited;
    assert_eq!(cause(vec![limited]), Cause::Generator);
    let hog = |trial: &mut TrialRecord| {
        for thread in &mut counters(trial).threads {
            thread.cpu_ns = thread.cpu_ns.scale(0.5);
        }
    };
    assert_eq!(cause(with(SOUND, hog)), Cause::Host);
}

#[test]
fn idle_cores_have_a_reason_each() {
    let link = |trial: &mut TrialRecord| {
        counters(trial).link = Some(LinkBytes {
            to_server: 1,
            to_load: 12_000_000,
            limit_bits_per_s: Some(20_000_000),
            ..LinkBytes::default()
        });
    };
    assert_eq!(cause(with(IDLE, link)), Cause::Link);
    let overflow = |trial: &mut TrialRecord| {
        counters(trial).network.insert("TcpExt.ListenOverflows".to_owned(), 7);
    };
    assert_eq!(cause(with(IDLE, overflow)), Cause::AcceptQueue);
    let full = |trial: &mut TrialRecord| {
        counters(trial).accept_queue = Some(AcceptQueue { listeners: 1, looks: 20, longest: 100, limit: 128 });
    };
    assert_eq!(cause(with(IDLE, full)), Cause::AcceptQueue);
    let quota = |trial: &mut TrialRecord| {
        counters(trial).quota = Some(Quota { cpus: 0.5, throttled_periods: 40, throttled_ns: ns(2.0) });
    };
    assert_eq!(cause(with(IDLE, quota)), Cause::Scheduler);
    // Alone a request takes 10 ms of sleep: at 2 k/s some 20 are served at once, of 64 connections.
    let mut admitted = with(IDLE, |_| {});
    admitted[0].trials[0].service_ns.mean = Some(10e6);
    assert_eq!(cause(admitted), Cause::Admission);
}

fn shares(busy: &[f64]) -> Option<Shares> {
    let worker = |(worker, busy): (usize, &f64)| WorkerShare { worker, busy: *busy, ..WorkerShare::default() };
    Some(Shares::Told(WorkerShares {
        dealing: Dealing::Race,
        span_s: WINDOW_S,
        workers: busy.iter().enumerate().map(worker).collect(),
    }))
}

#[test]
fn a_full_worker_beside_free_ones_is_imbalance_and_all_full_is_admission() {
    assert_eq!(cause(with(IDLE, |trial| trial.shares = shares(&[0.99, 0.1]))), Cause::Imbalance);
    assert_eq!(cause(with(IDLE, |trial| trial.shares = shares(&[0.99, 0.98]))), Cause::Admission);
    let uneven = State { cores: 2, ..SOUND };
    let one_idle = |trial: &mut TrialRecord| {
        let cpu = &mut counters(trial).cpus[1];
        (cpu.idle_ns, cpu.user_ns, cpu.system_ns) = (ns(0.7 * WINDOW_S), ns(0.2 * WINDOW_S), ns(0.1 * WINDOW_S));
        let thread = &mut counters(trial).threads[1];
        thread.cpu_ns = ns(0.3 * WINDOW_S);
    };
    assert_eq!(cause(with(uneven, one_idle)), Cause::Imbalance);
}

#[test]
fn cost_has_its_reason() {
    assert_eq!(cause(with(State { kernel: 0.8, ..SOUND }, |_| {})), Cause::NetworkStack);
    let dearer = State { cores: 2, cost_s: COST_S * 1.4, ..SOUND };
    assert_eq!(cause(vec![made("one", SOUND), made("two", dearer)]), Cause::Memory);
}

#[test]
fn a_limit_reached_below_full_cores_is_queueing() {
    let mut early = made("one", State { busy: 0.6, ..SOUND });
    let pushed = State { busy: 0.99, ..SOUND };
    early.trials.push(pushed.trial(&early.cell, 3, Purpose::Probe));
    assert_eq!(cause(vec![early]), Cause::Queueing);
}

#[test]
fn what_no_rule_explains_is_unknown_and_names_a_probe() {
    let found = findings(with(IDLE, |_| {}));
    let verdict = &found.verdicts[0];
    assert_eq!((verdict.cause, verdict.nearest.len()), (Cause::Unknown, 3));
    assert!(verdict.sentence.contains("corecurve probe"), "{}", verdict.sentence);
    assert!(verdict.missing.iter().any(|missing| missing.starts_with("profile")), "{:?}", verdict.missing);
}

/// A run of which the only cell was profiled, its requests waiting so long for a lock or for work.
fn profiled(frames: &[&str], wait_s: f64) -> Cause {
    let mut run = data(with(IDLE, |_| {}));
    let function = |name: &&str| Function { name: (*name).to_owned(), module: "server".to_owned(), source: None };
    run.profiles.push(Profile {
        cell: run.plan.cells[0].id.clone(),
        cores: 1,
        requests: 1000,
        traced_requests: 1000,
        cpu_ns: ns(0.2),
        samples: 100,
        frequency_hz: 500,
        functions: frames.iter().map(function).collect(),
        stacks: vec![Stack { frames: vec![0], count: 100 }],
        futex_waits: Some(Waits {
            count: 10,
            total_ns: ns(wait_s),
            sites: vec![WaitSite { frames: (0..frames.len() as u32).collect(), count: 10, total_ns: ns(wait_s) }],
        }),
        ..Profile::default()
    });
    let verdict = analyse(&run).verdicts.remove(0);
    assert!(verdict.cause != Cause::Lock || verdict.sentence.contains("server::handle"), "{}", verdict.sentence);
    verdict.cause
}

#[test]
fn a_lock_is_named_by_its_caller_and_waiting_for_work_is_none() {
    let locked = ["main", "server::handle", "std::sys::sync::mutex::futex::Mutex::lock_contended"];
    assert_eq!(profiled(&locked, 0.5), Cause::Lock);
    assert_eq!(profiled(&locked, 0.001), Cause::Unknown, "half a per cent of the CPU time is not what stops it");
    let idle = ["main", "server::worker", "std::sys::sync::condvar::futex::Condvar::wait"];
    assert_eq!(profiled(&idle, 0.5), Cause::Unknown);
}
