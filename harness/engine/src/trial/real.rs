//! The controller of a trial in real time: it starts the load workers, decides when the window opens, reads the kernel's
//! counters at its ends, watches target and user, and sleeps in between.
//!
//! It runs on the housekeeping CPUs of the placement, if there are any, and wakes four times a second in the window.

use std::net::SocketAddr;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, SystemTime};

use corecurve_core::{CpuSet, ErrorClass, Nanos, Problem, Profile, Running, Shares};
use corecurve_machine::allowed::affinity;
use corecurve_machine::clock::now;
use corecurve_machine::memory::set_affinity;
use corecurve_machine::pin::PinFinding;
use corecurve_machine::procfs::tcp::{Ownership, ownership};
use corecurve_machine::realtime::Priority;
use corecurve_machine::{Link, Profiling};

use super::assemble::{Planned, World, assemble};
use super::counting::{self, Counting};
use super::orders::{Orders, UNDECIDED};
use super::readings::{Reading, Readings};
use super::receiving::{self, loopback_caveat};
use super::setup::{TraceRow, TrialOutput, TrialSetup};
use super::simulated::align;
use crate::recorder::Recorder;
use crate::schedule::inspect;
use crate::stop::StopFlag;
use crate::validity::Observed;
use crate::warmup::{Phase, SteadyDetector, batch_length};
use crate::worker::raise;

/// How long before load begins the workers are told.
const START_LEAD: Nanos = Nanos(5_000_000);
/// How long before the window opens they are told, so that none is surprised.
const LEAD: Nanos = Nanos(20_000_000);
/// How long before an early end they are told.
const CUT_LEAD: Nanos = Nanos(2_000_000);
/// How often the controller wakes in the window.
const WATCH: Nanos = Nanos(250_000_000);
/// Share of a profiled window in which stacks are sampled; in the rest waits are traced.
const SAMPLED: f64 = 2.0 / 3.0;
/// Longest time workers may take to get ready, on top of the time-out.
const GET_READY: Nanos = Nanos(30_000_000_000);

/// What a worker is given to start with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post<'a> {
    pub worker: usize,
    pub setup: &'a TrialSetup,
    pub orders: &'a Orders,
}

/// What a load worker brings back.
#[derive(Debug)]
pub(crate) struct Report {
    pub recorder: Recorder,
    pub trace: Vec<TraceRow>,
    pub pin: Option<PinFinding>,
    /// Useful-work share of the window.
    pub busy: f64,
    /// CPU time spent in the window, if it ended.
    pub cpu: Option<Nanos>,
    pub longest_gap: Nanos,
    pub connections: usize,
    /// Connection attempts that failed, by class.
    pub failed_connections: Vec<(ErrorClass, u64)>,
    /// How often bytes came that nobody had asked for.
    pub unsolicited: u64,
    /// Connections whose last packet was received on one of the load's CPUs, and all of which that is known.
    pub received: (usize, usize),
}

/// Runs the trial; `work` is the whole life of one load worker.
pub(crate) fn conduct<F>(
    setup: &TrialSetup,
    running: &mut dyn Running,
    port: Option<SocketAddr>,
    work: F,
    stop: &StopFlag,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<TrialOutput, Problem>
where
    F: Fn(Post<'_>) -> Result<Report, Problem> + Sync,
{
    let _home = Housekeeping::enter(&setup.placed.housekeeping);
    let _urgent = raise(setup.placed.load_is_realtime(), Priority::Control)?;
    let orders = Orders::new(setup.workers());
    let mut course = Course { address: port, ..Course::new(setup, &orders, stop) };
    let mut reports = Vec::new();
    let mut faults = Vec::new();
    std::thread::scope(|scope| -> Result<(), Problem> {
        let mut handles = Vec::new();
        let spawned = spawn(scope, setup, &orders, &work, &mut handles);
        if spawned.is_ok() {
            course.run(running, &handles, progress);
        }
        course.dismiss(spawned.is_err());
        for (worker, handle) in handles.into_iter().enumerate() {
            match handle.join() {
                Ok(report) => reports.push(report?),
                Err(panic) => faults.push(format!("load thread {worker} panicked: {}", panic_text(panic.as_ref()))),
            }
        }
        spawned
    })?;
    course.harness_fault = faults.into_iter().reduce(|all, fault| format!("{all}; {fault}"));
    course.port_fault = port.and_then(|address| stranger(setup.link.as_deref(), address.port(), &running.pids()));
    Ok(course.conclude(reports))
}

fn spawn<'scope, 'env, F>(
    scope: &'scope Scope<'scope, 'env>,
    setup: &'env TrialSetup,
    orders: &'env Orders,
    work: &'env F,
    handles: &mut Vec<ScopedJoinHandle<'scope, Result<Report, Problem>>>,
) -> Result<(), Problem>
where
    F: Fn(Post<'_>) -> Result<Report, Problem> + Sync,
{
    for worker in 0..setup.workers() {
        let post = Post { worker, setup, orders };
        let builder = std::thread::Builder::new().name(format!("load-{worker}"));
        let handle = builder.spawn_scoped(scope, move || work(post)).map_err(|error| {
            Problem::new(format!("load thread {worker} could not be started: {error}"))
                .help("raise the limit on processes (ulimit -u) or use fewer --load-cores")
        })?;
        handles.push(handle);
    }
    Ok(())
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Who else listens on the target's port, if anyone does. Nobody at all is left to [`Running::check`].
fn stranger(link: Option<&Link>, port: u16, pids: &[u32]) -> Option<String> {
    let found = match link {
        Some(link) => link.server.within(|| ownership(port, pids)).ok()?,
        None => ownership(port, pids),
    };
    match found {
        Ok(Ownership::Stranger(who)) if !pids.is_empty() => Some(who),
        _ => None,
    }
}

/// A trial on its way.
struct Course<'a> {
    setup: &'a TrialSetup,
    orders: &'a Orders,
    stop: &'a StopFlag,
    start: u64,
    opened: u64,
    started: SystemTime,
    unsettled: Option<Nanos>,
    last_check: u64,
    reading: Option<Reading>,
    shares: Option<Shares>,
    profiling: Option<Profiling>,
    interrupted: Option<String>,
    target_fault: Option<String>,
    harness_fault: Option<String>,
    port_fault: Option<String>,
    /// Where the target listens, if it has sockets.
    address: Option<SocketAddr>,
}

type Handles<'scope> = [ScopedJoinHandle<'scope, Result<Report, Problem>>];

impl<'a> Course<'a> {
    fn new(setup: &'a TrialSetup, orders: &'a Orders, stop: &'a StopFlag) -> Course<'a> {
        Course {
            setup,
            orders,
            stop,
            start: UNDECIDED,
            opened: UNDECIDED,
            started: SystemTime::UNIX_EPOCH,
            unsettled: None,
            last_check: 0,
            reading: None,
            shares: None,
            profiling: None,
            interrupted: None,
            target_fault: None,
            harness_fault: None,
            port_fault: None,
            address: None,
        }
    }

    /// From the workers' start to the end of the window, or to what ends the trial before.
    fn run(&mut self, running: &mut dyn Running, handles: &Handles<'_>, progress: &mut dyn FnMut(f64, &str)) {
        if !self.assembled(running, handles, progress) {
            return;
        }
        // A warm-up too short to ask in it is preceded by the question.
        // Before load begins: the kernel needs some milliseconds for it.
        let mut profiling = self.setup.profile.then(|| {
            progress(0.0, "preparing the profile");
            Profiling::prepare(&running.pids())
        });
        let hasty = self.setup.warmup.is_some_and(|warmup| warmup < counting::LEAD);
        let early = hasty.then(|| Counting::begin(running, self.setup.link.as_deref(), u64::MAX));
        self.start = now().0 + START_LEAD.0;
        self.orders.set_start(self.start);
        let opens = match self.setup.warmup {
            Some(warmup) => Some(self.start + warmup.0),
            None => self.settle(running, handles, progress),
        };
        let Some(opens) = opens else { return };
        let period = self.setup.schedule(self.setup.workers()).map_or(0.0, |schedule| schedule.period());
        self.opened = self.start + align(opens - self.start, period);
        let ends = self.opened + self.setup.request.window.0;
        self.orders.set_give_up(ends + self.setup.drain().0);
        self.orders.set_window(self.opened);
        // Found now: it takes a look at every process of the machine, and this thread may be on a load core.
        let pids = running.pids();
        let asks = self.opened.saturating_sub(counting::LEAD.0);
        if early.is_none() && !self.watch_until(asks, running, handles, &mut |_| progress(0.0, "warming up")) {
            return;
        }
        let mut readings = Readings::prepare(self.setup, &pids, self.address);
        let counting = early.unwrap_or_else(|| Counting::begin(running, self.setup.link.as_deref(), self.opened));
        if !self.watch_until(self.opened, running, handles, &mut |_| progress(0.0, "warming up")) {
            return;
        }
        self.started = SystemTime::now();
        readings.begin();
        let (opened, length) = (self.opened, self.setup.request.window.0 as f64);
        let traced_from = opened + (length * SAMPLED) as u64;
        profiling.iter_mut().for_each(Profiling::start);
        let whole = self.watch_until(ends, running, handles, &mut |at| {
            // At the end there is something better to do.
            if at < ends {
                readings.look();
                profiling.iter_mut().for_each(Profiling::drain);
            }
            if at >= traced_from && at < ends {
                profiling.iter_mut().for_each(Profiling::trace);
            }
            progress(((at.saturating_sub(opened)) as f64 / length).min(1.0), "measuring");
        });
        profiling.iter_mut().for_each(Profiling::stop);
        self.profiling = profiling.filter(|_| whole);
        self.reading = Some(readings.end());
        self.shares = Some(counting.end(running, self.setup.link.as_deref()));
        while !handles.iter().all(ScopedJoinHandle::is_finished) && now().0 < self.orders.give_up() {
            if !self.watch(running) {
                return;
            }
            progress(1.0, "waiting for the last answers");
            sleep_until(now().0 + WATCH.0 / 25);
        }
    }

    /// Waits until every worker has pinned itself, made its memory and its connections.
    fn assembled(
        &mut self,
        running: &mut dyn Running,
        handles: &Handles<'_>,
        progress: &mut dyn FnMut(f64, &str),
    ) -> bool {
        let patience = now().0.saturating_add(GET_READY.0).saturating_add(self.setup.timeout.0);
        while self.orders.ready() < handles.len() {
            if handles.iter().any(ScopedJoinHandle::is_finished) {
                return false;
            }
            if now().0 > patience {
                self.harness_fault = Some("load threads did not get ready".to_owned());
                return false;
            }
            if !self.watch(running) {
                return false;
            }
            progress(0.0, "connecting");
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Watches the warm-up batch by batch; when the window should open.
    fn settle(
        &mut self,
        running: &mut dyn Running,
        handles: &Handles<'_>,
        progress: &mut dyn FnMut(f64, &str),
    ) -> Option<u64> {
        let mut detector = SteadyDetector::new();
        let lead = if running.counts_per_worker().is_some() { LEAD.max(counting::LEAD) } else { LEAD };
        let batch = batch_length(self.setup.request.window).0;
        let mut at = self.start;
        loop {
            at += batch;
            if !self.watch_until(at, running, handles, &mut |_| progress(0.0, "warming up")) {
                return None;
            }
            let totals = self.orders.totals();
            let phase = detector.see(totals.completed, totals.latency_sum, totals.due);
            let time_is_up = at - self.start >= self.setup.warmup_max.0;
            if phase == Phase::Settling && time_is_up {
                self.unsettled = Some(Nanos(at - self.start));
            }
            if phase != Phase::Settling || time_is_up {
                return Some(now().0.max(at) + lead.0);
            }
        }
    }

    /// Sleeps until an instant, looking up now and then; whether the trial goes on.
    fn watch_until(
        &mut self,
        until: u64,
        running: &mut dyn Running,
        handles: &Handles<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> bool {
        loop {
            let at = now().0;
            if !self.watch(running) {
                return false;
            }
            // Asked in this order: a worker may be done the moment the window is, before this thread wakes up.
            if at >= until {
                return true;
            }
            if handles.iter().any(ScopedJoinHandle::is_finished) {
                return self.cut("a load thread ended early");
            }
            sleep_until(until.min(at + WATCH.0));
            progress(now().0);
        }
    }

    /// Looks at user and target; whether the trial goes on.
    fn watch(&mut self, running: &mut dyn Running) -> bool {
        if self.stop.now() {
            return self.cut("the user stopped the trial");
        }
        if now().0 >= self.last_check + WATCH.0 {
            self.last_check = now().0;
            if let Err(problem) = running.check() {
                self.target_fault = Some(problem.one_line());
                return self.cut("the target died");
            }
        }
        true
    }

    /// Ends the trial early; always `false`.
    fn cut(&mut self, why: &str) -> bool {
        let at = now().0 + CUT_LEAD.0;
        self.orders.set_cut(at);
        self.orders.set_give_up(at);
        self.interrupted.get_or_insert_with(|| why.to_owned());
        false
    }

    /// Lets go of workers that still wait for an order.
    fn dismiss(&mut self, failed: bool) {
        if failed || self.opened == UNDECIDED {
            self.orders.set_cut(0);
            self.orders.set_give_up(0);
            self.orders.set_start(self.start.min(now().0));
        }
    }

    /// Puts together what the workers brought.
    fn conclude(mut self, reports: Vec<Report>) -> TrialOutput {
        let setup = self.setup;
        // Now, because names are looked up in processes that live.
        let profile = self.profiling.take().map(Profiling::conclude);
        let mut observed = Observed {
            warmup_unsettled: self.unsettled,
            interrupted: self.interrupted.filter(|_| self.target_fault.is_none()),
            harness_fault: self.harness_fault,
            port_fault: self.port_fault,
            ..Observed::default()
        };
        let mut utilisation = Err("the window was not completed".to_owned());
        let measured = self.reading.is_some();
        let mut counters = None;
        if let Some(reading) = self.reading {
            let capacity = setup.request.window.0 as f64 * setup.placed.server_cpus().len().max(1) as f64;
            utilisation = reading.server_cpu().map(|cpu| cpu.0 as f64 / capacity);
            observed.steal = reading.counters.steal();
            observed.throttled = reading.throttled();
            observed.clock = reading.clock;
            observed.target_fault = reading.target_fault;
            counters = Some(reading.counters);
        }
        observed.target_fault = self.target_fault.or(observed.target_fault);

        let mut failed = std::collections::BTreeMap::<ErrorClass, u64>::new();
        let mut merged: Option<Recorder> = None;
        let (mut trace, mut connections, mut unsolicited) = (Vec::new(), 0, 0);
        let mut received = (0, 0);
        let load_cpu = load_cpu(&reports);
        for report in reports {
            connections += report.connections;
            observed.busy.push(report.busy);
            observed.longest_gap = observed.longest_gap.max(report.longest_gap);
            observed.pins.extend(report.pin);
            let (n, books) = (report.recorder.completed(), &report.recorder);
            observed.p99_by_thread.extend(books.latency(n).p99.finite().map(|p99| (p99, n)));
            for (class, n) in report.failed_connections {
                *failed.entry(class).or_default() += n;
            }
            unsolicited += report.unsolicited;
            received = (received.0 + report.received.0, received.1 + report.received.1);
            trace.extend(report.trace);
            match &mut merged {
                Some(merged) => merged.absorb(&report.recorder),
                None => merged = Some(report.recorder),
            }
        }
        let recorder =
            merged.unwrap_or_else(|| Recorder::new(setup.request.window, &setup.request.limits, Nanos::ZERO));
        observed.local_failures = (
            failed.get(&ErrorClass::LocalPorts).copied().unwrap_or(0),
            failed.get(&ErrorClass::LocalFiles).copied().unwrap_or(0),
        );
        let planned = match setup.schedule(setup.workers()) {
            Some(schedule) => Planned::of_schedule(inspect(&schedule, recorder.window(), recorder.window().spanned())),
            None => Planned::of_recorder(&recorder),
        };
        // A server elsewhere is behind a network of which nothing is known here.
        let here = self.address.is_some_and(|address| address.ip().is_loopback());
        let network = here.then(|| receiving::record(setup.network(), counters.as_ref(), received));
        observed.network = network.filter(|_| measured);
        let loopback = network.as_ref().filter(|_| !setup.placed.shared).and_then(loopback_caveat);
        let world = World {
            connections,
            warmup: if self.opened == UNDECIDED { Nanos::ZERO } else { Nanos(self.opened - self.start) },
            utilisation: Some(utilisation),
            load_cpu,
            counters,
            transport: self.address.map(|_| setup.transport),
            network,
            shares: self
                .address
                .map(|_| self.shares.unwrap_or_else(|| Shares::unknown("the window was not completed"))),
            caveats: [connection_caveat(&failed), unsolicited_caveat(unsolicited), loopback]
                .into_iter()
                .flatten()
                .collect(),
        };
        let record = assemble(setup, &recorder, planned, world, observed);
        trace.sort_unstable_by_key(|row: &TraceRow| (row.intended_ns, row.id));
        let profile = profile.map(|profile| Profile {
            cell: setup.cell.clone(),
            rep: setup.rep,
            trial: setup.trial,
            cores: setup.cores,
            requests: (record.counts.ok as f64 * SAMPLED) as u64,
            traced_requests: (record.counts.ok as f64 * (1.0 - SAMPLED)) as u64,
            ..profile
        });
        TrialOutput {
            profile,
            record,
            histograms: recorder.into_histograms(Some(self.started)),
            trace: setup.trace.then_some(trace),
        }
    }
}

/// CPU time of all load threads in the window; `None` if it did not end for one of them.
fn load_cpu(reports: &[Report]) -> Option<Nanos> {
    reports.iter().map(|report| report.cpu).reduce(|sum, cpu| Some(sum? + cpu?)).flatten()
}

fn connection_caveat(failed: &std::collections::BTreeMap<ErrorClass, u64>) -> Option<String> {
    let list: Vec<String> = failed.iter().map(|(class, n)| format!("{} {n}", class.name())).collect();
    let all: u64 = failed.values().sum();
    (all > 0).then(|| format!("{all} connection attempts failed: {}", list.join(", ")))
}

fn unsolicited_caveat(times: u64) -> Option<String> {
    (times > 0).then(|| format!("bytes that nobody had asked for came {times} times; those connections were closed"))
}

fn sleep_until(at: u64) {
    std::thread::sleep(Nanos(at.saturating_sub(now().0)).into());
}

/// While it lives, the calling thread runs on the housekeeping CPUs; afterwards where it ran before.
struct Housekeeping {
    before: Option<CpuSet>,
}

impl Housekeeping {
    /// Without housekeeping CPUs, or if the kernel refuses, the thread stays where it is: it mostly sleeps.
    fn enter(cpus: &CpuSet) -> Housekeeping {
        let before = affinity().ok().filter(|before| !cpus.is_empty() && before != cpus);
        Housekeeping { before: before.filter(|_| set_affinity(cpus).is_ok()) }
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = set_affinity(before);
        }
    }
}
