//! A trial in virtual time: the same schedule, recorder, warm-up detection, rules and record as a real one, driven by
//! a [`VirtualServer`]. No clock is read, so a seed gives the same record bit for bit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use corecurve_core::{ErrorClass, Load, Nanos, Told, TrialRecord, VirtualServer};

use super::assemble::{Planned, World, assemble, on_time_within};
use super::setup::{TraceRow, TrialOutput, TrialSetup};
use crate::recorder::{Keeps, Recorder};
use crate::schedule::{Arrivals, Inspector, Phase as Stream, Schedule};
use crate::validity::Observed;
use crate::warmup::{Phase, SteadyDetector, batch_length};

/// Memory that trials in virtual time can share, because allocating and clearing it costs as much as a short trial.
#[derive(Debug)]
pub struct TrialScratch {
    recorder: Recorder,
    chunk: Vec<u64>,
}

/// Times made at once.
const CHUNK: usize = 1_024;

impl TrialScratch {
    /// Nothing used yet. Memory: about 3 MB.
    pub fn new() -> TrialScratch {
        TrialScratch { recorder: Recorder::new(Nanos::SECOND, &[], Nanos::ZERO), chunk: Vec::with_capacity(CHUNK) }
    }
}

impl Default for TrialScratch {
    fn default() -> TrialScratch {
        TrialScratch::new()
    }
}

/// Runs a trial in virtual time and gives everything back.
pub fn virtual_trial(setup: &TrialSetup, server: &mut dyn VirtualServer) -> TrialOutput {
    let mut scratch = TrialScratch::new();
    let mut trace = setup.trace.then(Vec::new);
    let record = simulate(setup, server, &mut scratch, Keeps::Intervals, trace.as_mut());
    TrialOutput { record, histograms: scratch.recorder.into_histograms(None), trace, profile: None }
}

/// Runs a trial in virtual time for what a search reads of it, a thousand times over: the record without percentiles and
/// without the schedule's hash.
pub fn virtual_record(setup: &TrialSetup, server: &mut dyn VirtualServer, scratch: &mut TrialScratch) -> TrialRecord {
    simulate(setup, server, scratch, Keeps::Nothing, None)
}

fn simulate(
    setup: &TrialSetup,
    server: &mut dyn VirtualServer,
    scratch: &mut TrialScratch,
    keeps: Keeps,
    trace: Option<&mut Vec<TraceRow>>,
) -> TrialRecord {
    let TrialScratch { recorder, chunk } = scratch;
    recorder.reset(setup.request.window, &setup.request.limits, on_time_within(setup), keeps);
    server.begin_trial(setup.seed);
    let mut simulation = Simulation::new(setup, server, recorder, trace);
    let planned = match (setup.schedule(1), setup.request.load) {
        (Some(schedule), _) => simulation.open_loop(&schedule, chunk),
        (None, Load::Closed(depth)) => simulation.closed_loop(depth),
        (None, Load::Open(_)) => Planned::default(),
    };
    let (opened, unsettled, utilisation) = (simulation.opened, simulation.unsettled, simulation.utilisation());
    recorder.settle_at_once();
    let world = World {
        counters: None,
        connections: setup.connections.unwrap_or(0),
        warmup: Nanos(opened),
        utilisation: Some(Ok(utilisation)),
        load_cpu: None,
        transport: None,
        network: None,
        shares: None,
        caveats: Vec::new(),
    };
    let observed = Observed { warmup_unsettled: unsettled, ..Observed::default() };
    assemble(setup, recorder, planned, world, observed)
}

/// A simulation under way. Times are virtual nanoseconds from the trial's start.
struct Simulation<'a> {
    setup: &'a TrialSetup,
    server: &'a mut dyn VirtualServer,
    recorder: &'a mut Recorder,
    trace: Option<&'a mut Vec<TraceRow>>,
    /// Number of the next operation.
    id: u64,
    /// Start of the window, once it is known.
    opened: u64,
    unsettled: Option<Nanos>,
    busy_before: f64,
    /// No answer is waited for beyond this.
    deadline: u64,
}

/// How an operation ended.
#[derive(Clone, Copy)]
enum End {
    Ok(u64),
    TimedOut(u64),
    Unanswered,
}

impl<'a> Simulation<'a> {
    fn new(
        setup: &'a TrialSetup,
        server: &'a mut dyn VirtualServer,
        recorder: &'a mut Recorder,
        trace: Option<&'a mut Vec<TraceRow>>,
    ) -> Simulation<'a> {
        Simulation {
            setup,
            server,
            recorder,
            trace,
            id: 0,
            opened: 0,
            unsettled: None,
            busy_before: 0.0,
            deadline: u64::MAX,
        }
    }

    fn open_loop(&mut self, schedule: &Schedule, chunk: &mut Vec<u64>) -> Planned {
        let mut warmup = Warmup::new(self.setup);
        let mut arrivals = schedule.arrivals(0, Stream::Warmup).peekable();
        let start = loop {
            if let Some(start) = warmup.ends() {
                break align(start, schedule.period());
            }
            let batch_end = warmup.batch_end();
            while let Some(due) = arrivals.next_if(|due| *due < batch_end) {
                let done = self.submit(due);
                warmup.see(due, done);
            }
            warmup.close_batch(self.recorder);
        };
        while let Some(due) = arrivals.next_if(|due| *due < start) {
            let done = self.submit(due);
            warmup.see(due, done);
        }
        self.open(start, warmup);
        self.window(schedule.arrivals(0, Stream::Window), schedule, chunk)
    }

    /// Every operation of the window, a chunk of the schedule at a time.
    fn window(&mut self, mut arrivals: Arrivals, schedule: &Schedule, chunk: &mut Vec<u64>) -> Planned {
        let length = self.recorder.window().length().0;
        let mut inspector = (self.recorder.keeps() == Keeps::Intervals).then(|| {
            let mut inspector = Inspector::new(schedule, self.recorder.window());
            inspector.begin_worker();
            inspector
        });
        loop {
            chunk.clear();
            chunk.extend(arrivals.by_ref().take(CHUNK).take_while(|due| *due < length));
            if let Some(inspector) = &mut inspector {
                inspector.see(chunk);
            }
            for due in chunk.iter() {
                let intended = self.opened + due;
                let done = self.submit(intended);
                self.book(intended, done);
            }
            if chunk.len() < CHUNK {
                return match inspector {
                    Some(inspector) => Planned::of_schedule(inspector.finish()),
                    None => Planned::of_recorder(self.recorder),
                };
            }
        }
    }

    /// `depth` clients, each sending again when its answer comes, or is given up.
    fn closed_loop(&mut self, depth: u32) -> Planned {
        let mut warmup = Some(Warmup::new(self.setup));
        let mut ready: BinaryHeap<Reverse<u64>> = (0..depth).map(|_| Reverse(0)).collect();
        while let Some(Reverse(now)) = ready.pop() {
            while let Some(mut begun) = warmup.take() {
                match begun.ends() {
                    Some(start) => self.open(start, begun),
                    None if now >= begun.batch_end() => {
                        begun.close_batch(self.recorder);
                        warmup = Some(begun);
                    }
                    None => {
                        warmup = Some(begun);
                        break;
                    }
                }
            }
            if now >= self.recorder.window().end() {
                break;
            }
            let done = self.submit(now);
            match &mut warmup {
                Some(warmup) => warmup.see(now, done),
                None => self.book(now, done),
            }
            let given_up = now.saturating_add(self.setup.timeout.0);
            // An answer in no time at all would stop the clock.
            ready.push(Reverse(done.map_or(given_up, |done| done.clamp(now + 1, given_up.max(now + 1)))));
        }
        Planned::of_recorder(self.recorder)
    }

    /// Hands the server one operation.
    #[inline]
    fn submit(&mut self, due: u64) -> Option<u64> {
        let id = self.id;
        self.id += 1;
        let done = self.server.complete(Nanos(due), id).map(|done| done.0);
        self.recorder.due_at_once(due);
        if let Some(trace) = &mut self.trace {
            let done_ns = done.unwrap_or(u64::MAX);
            trace.push(TraceRow { id, intended_ns: due, sent_ns: due, done_ns, told: Told::default() });
        }
        done
    }

    /// Opens the window and books what the warm-up left behind.
    fn open(&mut self, start: u64, warmup: Warmup) {
        self.opened = start;
        self.unsettled = warmup.unsettled;
        self.busy_before = self.server.utilisation(Nanos(start)) * start as f64;
        self.recorder.open(start);
        self.deadline = self.recorder.window().end().saturating_add(self.setup.drain().0);
        for (due, done) in warmup.pending {
            self.book(due, done);
        }
    }

    #[inline]
    fn book(&mut self, due: u64, done: Option<u64>) {
        match self.end(due, done) {
            End::Ok(done) => self.recorder.ok_at_once(due, done),
            End::TimedOut(at) => self.recorder.failed(due, at, ErrorClass::Timeout),
            End::Unanswered => self.recorder.unanswered(due),
        }
    }

    #[inline]
    fn end(&self, sent: u64, done: Option<u64>) -> End {
        let gives_up = sent.saturating_add(self.setup.timeout.0);
        match done {
            Some(done) if done <= gives_up && done <= self.deadline => End::Ok(done),
            _ if gives_up <= self.deadline => End::TimedOut(gives_up),
            _ => End::Unanswered,
        }
    }

    /// Busy share of the servers within the window.
    fn utilisation(&self) -> f64 {
        let end = self.recorder.window().end();
        let busy = self.server.utilisation(Nanos(end)) * end as f64 - self.busy_before;
        (busy / self.recorder.window().length().0 as f64).clamp(0.0, 1.0)
    }
}

/// The next multiple of `period` from `start` on, rounded to a nanosecond; `start` itself without a period.
pub(super) fn align(start: u64, period: f64) -> u64 {
    if period > 0.0 { ((start as f64 / period).ceil() * period).round() as u64 } else { start }
}

/// The warm-up: operations in batches, until they look steady.
struct Warmup {
    detector: SteadyDetector,
    fixed: Option<Nanos>,
    max: u64,
    length: u64,
    batch: u64,
    due: u64,
    completed: u64,
    latency_sum: u64,
    end: Option<u64>,
    unsettled: Option<Nanos>,
    /// Operations that had not ended at the last batch's end.
    pending: Vec<(u64, Option<u64>)>,
}

impl Warmup {
    fn new(setup: &TrialSetup) -> Warmup {
        Warmup {
            detector: SteadyDetector::new(),
            fixed: setup.warmup,
            max: setup.warmup_max.0,
            length: batch_length(setup.request.window).0,
            batch: 0,
            due: 0,
            completed: 0,
            latency_sum: 0,
            end: setup.warmup.filter(|warmup| *warmup == Nanos::ZERO).map(|_| 0),
            unsettled: None,
            pending: Vec::new(),
        }
    }

    /// When the window begins, once that is known.
    fn ends(&self) -> Option<u64> {
        self.end
    }

    fn batch_end(&self) -> u64 {
        ((self.batch + 1) * self.length).min(self.fixed.unwrap_or(Nanos::MAX).0)
    }

    fn see(&mut self, due: u64, done: Option<u64>) {
        self.due += 1;
        self.pending.push((due, done));
    }

    fn close_batch(&mut self, recorder: &mut Recorder) {
        let now = self.batch_end();
        self.batch += 1;
        let (completed, latency_sum) = (&mut self.completed, &mut self.latency_sum);
        self.pending.retain(|(due, done)| match done {
            Some(done) if *done < now => {
                *completed += 1;
                *latency_sum += done - due;
                recorder.ok_at_once(*due, *done);
                false
            }
            _ => true,
        });
        let phase = self.detector.see(self.completed, self.latency_sum, self.due);
        self.end = match self.fixed {
            Some(fixed) => (now >= fixed.0).then_some(fixed.0),
            None if phase != Phase::Settling => Some(now),
            None if now >= self.max => {
                self.unsettled = Some(Nanos(now));
                Some(now)
            }
            None => None,
        };
    }
}

#[cfg(test)]
mod tests;
