//! A minimal trial in virtual time: schedule, server, counts. The engine has the full one; this one keeps the search's
//! statistics testable where nothing but records exists.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use corecurve_core::rng::{mix, stream, unit_open};
use corecurve_core::{
    ArrivalKind, CellId, Counts, CpuId, Interval, LimitCount, Load, Mat, Nanos, Placed, Purpose, Quantiles, Running,
    SCHEMA, Search, SearchSettings, Seat, Settings, Start, Step, Target, TrialRecord, TrialRequest, VirtualServer,
};
use corecurve_sim::{SimTarget, sim_target};
use rand::Rng as _;

/// Intervals of every window.
const INTERVALS: usize = 40;

/// Settings for virtual time: the budget is not what ends a search.
pub fn settings() -> SearchSettings {
    SearchSettings {
        width: 0.038,
        budget: Nanos::SECOND * 4_000,
        window_min: Nanos::MILLI * 500,
        window_max: Nanos::SECOND * 200,
        warmup: None,
        warmup_max: Nanos::SECOND * 20,
        reps: 1,
        rate_cap: None,
        confirmations: 1,
    }
}

/// Changes a record before the search sees it.
pub type Tamper = Box<dyn FnMut(&mut TrialRecord)>;

/// A simulated target that runs the trials a search asks for.
pub struct Bench {
    target: SimTarget,
    start: Start,
    running: Box<dyn Running>,
    seed: u64,
    trials: u64,
    /// Operations simulated so far.
    pub operations: u64,
    /// Changes each record before the search sees it.
    pub tamper: Option<Tamper>,
}

impl Bench {
    /// Starts a simulation.
    pub fn new(sim: &str, settings: &Settings, cores: usize, seed: u64) -> Bench {
        let server = (0..cores).map(|cpu| Seat { cpu: CpuId(cpu as u32), node: None }).collect();
        let placed = Placed { server, ..Placed::default() };
        let start = Start { placed, seed, settings: Settings::new(), scratch: std::path::PathBuf::new() };
        let target = sim_target(sim, settings).unwrap();
        let running = target.start(&start).unwrap();
        Bench { target, start, running, seed, trials: 0, operations: 0, tamper: None }
    }

    /// Lets a search run to its end. Returns the records as well.
    pub fn search(&mut self, search: &mut dyn Search) -> (Step, Vec<TrialRecord>) {
        let mut records = Vec::new();
        loop {
            match search.next() {
                Step::Try(request) => {
                    assert!(records.len() < 200, "the search does not end");
                    let record = self.trial(&request);
                    search.observe(&record);
                    records.push(record);
                }
                end => return (end, records),
            }
        }
    }

    /// One trial.
    pub fn trial(&mut self, request: &TrialRequest) -> TrialRecord {
        if request.fresh_target {
            self.start.seed = mix(self.start.seed, 1);
            self.running = self.target.start(&self.start).unwrap();
        }
        let seed = mix(self.seed, 1_000 + self.trials);
        self.trials += 1;
        let server = self.running.virtual_server().unwrap();
        server.begin_trial(seed);
        let window = request.window.0;
        let warmup = window / 5;
        let mut book = Book::new(warmup, window, &request.limits);
        match request.load {
            Load::Open(rate) => open(server, rate.per_s(), seed, warmup + window, &mut book),
            Load::Closed(depth) => closed(server, depth, warmup + window, &mut book),
        }
        let utilisation = server.utilisation(Nanos(warmup + window));
        self.operations += book.seen;
        let mut record = book.record(request, seed, utilisation);
        record.trial = self.trials as u32 - 1;
        if let Some(tamper) = &mut self.tamper {
            tamper(&mut record);
        }
        record
    }
}

fn open(server: &mut dyn VirtualServer, rate: f64, seed: u64, end: u64, book: &mut Book) {
    let mut rng = stream(seed, 7);
    let gap = 1e9 / rate;
    let mut at = 0.0;
    for id in 0.. {
        at -= gap * unit_open(rng.next_u64()).ln();
        let arrival = at as u64;
        if arrival >= end {
            return;
        }
        book.note(arrival, server.complete(Nanos(arrival), id));
    }
}

fn closed(server: &mut dyn VirtualServer, depth: u32, end: u64, book: &mut Book) {
    let mut due: BinaryHeap<Reverse<u64>> = (0..depth).map(|_| Reverse(0)).collect();
    for id in 0.. {
        let Some(Reverse(arrival)) = due.pop() else { return };
        if arrival >= end {
            return;
        }
        let done = server.complete(Nanos(arrival), id);
        book.note(arrival, done);
        due.push(Reverse(done.map_or(arrival + 1_000_000, |done| done.0)));
    }
}

/// Counts of one window.
struct Book {
    from: u64,
    window: u64,
    limits: Vec<u64>,
    intervals: Vec<Interval>,
    sums: Vec<f64>,
    backlog: Vec<i64>,
    seen: u64,
}

impl Book {
    fn new(from: u64, window: u64, limits: &[Nanos]) -> Book {
        let length_s = window as f64 / 1e9 / INTERVALS as f64;
        let interval = |i: usize| Interval {
            start_s: length_s * i as f64,
            length_s,
            over: vec![0; limits.len()],
            ..Interval::default()
        };
        Book {
            from,
            window,
            limits: limits.iter().map(|limit| limit.0).collect(),
            intervals: (0..INTERVALS).map(interval).collect(),
            sums: vec![0.0; INTERVALS],
            backlog: vec![0; INTERVALS + 1],
            seen: 0,
        }
    }

    #[inline]
    fn interval_of(&self, at: u64) -> usize {
        // By multiplication: a 128-bit division costs more than the queue itself.
        let place = at.saturating_sub(self.from) as f64 * (INTERVALS as f64 / self.window as f64);
        (place as usize).min(INTERVALS)
    }

    #[inline]
    fn note(&mut self, arrival: u64, done: Option<Nanos>) {
        self.seen += 1;
        let end = done.map_or(INTERVALS, |done| self.interval_of(done.0));
        let begin = self.interval_of(arrival);
        self.backlog[begin] += 1;
        self.backlog[end] -= 1;
        if arrival < self.from {
            return;
        }
        let interval = &mut self.intervals[begin];
        interval.scheduled += 1;
        let latency = done.map(|done| done.0 - arrival);
        if let Some(latency) = latency {
            interval.ok += 1;
            self.sums[begin] += latency as f64;
        }
        let latency = latency.unwrap_or(u64::MAX);
        for (over, limit) in interval.over.iter_mut().zip(&self.limits) {
            *over += u64::from(latency > *limit);
        }
    }

    fn record(mut self, request: &TrialRequest, seed: u64, utilisation: f64) -> TrialRecord {
        let mut in_flight = 0;
        for (i, interval) in self.intervals.iter_mut().enumerate() {
            in_flight += self.backlog[i];
            interval.in_flight = in_flight as u64;
            interval.mean_ns = (interval.ok > 0).then(|| self.sums[i] / interval.ok as f64);
        }
        let sum = |of: &dyn Fn(&Interval) -> u64| self.intervals.iter().map(of).sum::<u64>();
        let (scheduled, ok) = (sum(&|i| i.scheduled), sum(&|i| i.ok));
        let over = |at: usize| sum(&|i| i.over[at]);
        let window_s = self.window as f64 / 1e9;
        let rate = |n: u64| n as f64 / window_s;
        let arrival = match request.load {
            Load::Open(_) => ArrivalKind::Poisson,
            Load::Closed(depth) => ArrivalKind::Closed(depth),
        };
        let offered_per_s = match request.load {
            Load::Open(offered) => offered.per_s(),
            Load::Closed(_) => rate(scheduled),
        };
        TrialRecord {
            schema: SCHEMA,
            cell: CellId("virtual".to_owned()),
            rep: 0,
            attempt: 0,
            trial: 0,
            purpose: request.purpose,
            target: "sim".to_owned(),
            workload: "none".to_owned(),
            placement: "compact".to_owned(),
            cores: 1,
            load_cores: 1,
            arrival,
            connections: 1,
            transport: None,
            network: None,
            seed,
            schedule_sha256: String::new(),
            offered_per_s,
            sent_per_s: rate(scheduled),
            achieved_per_s: rate(ok),
            counts: Counts { scheduled, sent: scheduled, ok, unanswered: scheduled - ok, ..Counts::default() },
            window_s,
            warmup_s: self.from as f64 / 1e9,
            latency_ns: Quantiles::default(),
            service_ns: Quantiles::default(),
            send_lag_ns: Quantiles::default(),
            limits: request
                .limits
                .iter()
                .enumerate()
                .map(|(at, limit)| LimitCount { limit_ns: *limit, over: over(at) })
                .collect(),
            intervals: self.intervals,
            utilisation: Some(utilisation),
            generator_busy: None,
            load_cpu_s: None,
            adherence: None,
            replay: None,
            counters: None,
            shares: None,
            valid: true,
            invalid_reasons: Vec::new(),
            caveats: Vec::new(),
        }
    }
}

/// The answers of a search that must end with some.
pub fn mats(end: Step) -> Vec<Mat> {
    match end {
        Step::Converged(mats) => mats,
        other => panic!("{other:?}"),
    }
}

/// Prints each trial of a failed search.
pub fn describe(records: &[TrialRecord]) -> String {
    let line = |r: &TrialRecord| {
        let over: Vec<u64> = r.limits.iter().map(|l| l.over).collect();
        format!("{:?} {:.1}/s {:.2}s n={} over={over:?}\n", r.purpose, r.offered_per_s, r.window_s, r.counts.scheduled)
    };
    records.iter().map(line).collect()
}

/// Whether a purpose is one of the search's own rates.
pub fn is_open(record: &TrialRecord) -> bool {
    matches!(record.purpose, Purpose::Search | Purpose::Confirm)
}
