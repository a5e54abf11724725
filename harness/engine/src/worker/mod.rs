//! The load worker: one pinned thread with its own connections, schedule, random numbers and books.
//!
//! In the measured window it does not allocate, lock, log or write to memory that another thread reads, but for its
//! board of totals, ten times a second.
//!
//! # Time
//!
//! Each operation is stamped when it is due (by the schedule), when it is sent and when it is done. With one system call
//! for each, these are readings of the clock right before the `write` and right after the `read`: a reading shared by a
//! batch of events would charge the last of them for all. A transport that sends many requests in one call tells when that
//! began and ended, and they are taken to have gone out evenly between; what it received was all there when its call
//! returned, and is stamped with that. A closed loop needs one reading an operation or fewer, because an operation is due,
//! and sent, the moment the one before it is done.
//!
//! Between operations an open loop spins on the poll while the next operation is due within [`SPIN`], or while an answer
//! is outstanding and something happened less than [`SPIN_FOR_ANSWER`] ago: waking up from the kernel costs
//! 5 to 50 µs, which would be charged to the target. Otherwise it sleeps until shortly before it is needed. A generator
//! that shares its cores with the server never spins, and neither does a closed loop, which has no time to keep; one that
//! shares its cores with other programs lets them run now and then ([`Courtesy`]).
//! Useful work is all time but that slept and that of rounds in which nothing happened.

mod agenda;
mod busy;
mod courtesy;
mod lapse;

pub(crate) use agenda::Agenda;
pub(crate) use busy::Busy;
use courtesy::Courtesy;
use lapse::Lapse;

use std::num::NonZeroU64;

use corecurve_core::rng::{mix, splitmix};
use corecurve_core::{CpuSet, ErrorClass, Load, Nanos, Outcome, Problem, Rng, Told, Wire};
use corecurve_machine::ExecPolicy;
use corecurve_machine::clock;
use corecurve_machine::pin::{PinAudit, pin_current_thread};
use corecurve_machine::realtime::{Priority, Realtime};
use rand::SeedableRng as _;

use crate::client::{Ended, Flight, Happened, Pool, Transport, Wait};
use crate::recorder::Recorder;
use crate::trial::{Orders, Post, Report, Totals, TraceRow, TrialSetup, UNDECIDED, on_time_within};

/// An operation due within this is spun for.
pub const SPIN: Nanos = Nanos(50_000);
/// An outstanding answer is spun for this long after something happened last.
pub const SPIN_FOR_ANSWER: Nanos = Nanos(1_000_000);
/// How often time-outs, broken connections and orders of no urgency are looked at.
const TICK: u64 = 10_000_000;
/// How often totals are published in the warm-up, and in the window.
const PUBLISH: (u64, u64) = (2_000_000, 100_000_000);
/// One operation in this many has the content of its answer checked, besides the first on each connection.
pub const VERIFY_ONE_IN: u64 = 1_000;
/// Most rows of a trace one worker keeps.
const MOST_ROWS: f64 = 8e6;

/// The seed of a load worker's operations.
pub(crate) fn workload_seed(seed: u64, worker: usize) -> u64 {
    mix(mix(seed, 0x0b5e_55ed), worker as u64)
}

/// Pins the calling thread to its seat, binds its memory there and makes its sleeps exact.
///
/// # Errors
/// When it cannot be pinned. Memory that cannot be bound is where the kernel puts it.
pub(crate) fn take_seat(setup: &TrialSetup, worker: usize) -> Result<Option<PinAudit>, Problem> {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let Some(seat) = setup.placed.load.get(worker) else { return Ok(None) };
    pin_current_thread(seat.cpu)?;
    let memory = ExecPolicy { cpus: CpuSet::default(), nodes: seat.node.into_iter().collect() };
    let _ = memory.apply_to_current();
    // The thread ends with the trial, so it is never lowered again.
    std::mem::forget(raise(setup.placed.load_is_realtime(), Priority::Load)?);
    Ok(Some(PinAudit::begin(seat.cpu)))
}

/// Real-time priority for the calling thread, where it shares its CPU with other programs.
pub(crate) fn raise(wanted: bool, priority: Priority) -> Result<Option<Realtime>, Problem> {
    wanted.then(|| Realtime::enter(priority)).transpose().map_err(|error| {
        Problem::new(format!("a thread could not be given real-time priority: {error}"))
            .help("give the harness CAP_SYS_NICE, or use `--shield off`")
    })
}

/// Waits for the controller's word; when load begins.
pub(crate) fn await_start(orders: &Orders) -> u64 {
    orders.report_ready();
    loop {
        let start = orders.start();
        if start != UNDECIDED {
            return start;
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

/// An operation that was handed to the transport and goes out with its next call.
struct Handed {
    index: usize,
    id: u64,
    intended: u64,
    /// No connection was free when it was due.
    waited: bool,
}

/// One load worker over sockets.
pub(crate) struct LoadWorker<'a, W: Wire, T: Transport> {
    post: Post<'a>,
    workload: W,
    rng: Rng,
    pool: Pool<W, T>,
    handed: Vec<Handed>,
    /// `None` in a closed loop.
    agenda: Option<Agenda>,
    recorder: Recorder,
    trace: Option<Vec<TraceRow>>,
    busy: Busy,
    totals: Totals,
    failed_connections: [u64; ErrorClass::ALL.len()],
    may_spin: bool,
    courtesy: Option<Courtesy>,
    /// `None` unless the generator is to fail on purpose.
    lapse: Option<Lapse>,
    sequence: u64,
    start: u64,
    /// The last reading of the clock.
    now: u64,
    next_due: u64,
    next_tick: u64,
    next_publish: u64,
    last_progress: u64,
    longest_gap: u64,
    opened: bool,
}

impl<'a, W: Wire, T: Transport> LoadWorker<'a, W, T> {
    /// Makes everything the worker will need. To be called on its pinned thread, so that the memory is its own.
    pub(crate) fn new(post: Post<'a>, workload: W, mut pool: Pool<W, T>) -> LoadWorker<'a, W, T> {
        let setup = post.setup;
        let mut failed_connections = [0; ErrorClass::ALL.len()];
        pool.prefer(workload.preferred(pool.size()));
        for class in pool.connect_all() {
            failed_connections[class as usize] += 1;
        }
        LoadWorker {
            workload,
            rng: Rng::seed_from_u64(workload_seed(setup.seed, post.worker)),
            handed: Vec::with_capacity(2 * pool.size()),
            pool,
            agenda: Agenda::new(setup, post.worker),
            recorder: Recorder::new(setup.request.window, &setup.request.limits, on_time_within(setup)),
            trace: setup.trace.then(|| Vec::with_capacity(rows(setup))),
            busy: Busy::default(),
            totals: Totals::default(),
            failed_connections,
            may_spin: !setup.placed.shared,
            courtesy: Courtesy::towards_others(&setup.placed),
            lapse: setup.generator_sleep().map(Lapse::new),
            sequence: 0,
            start: UNDECIDED,
            now: 0,
            next_due: UNDECIDED,
            next_tick: 0,
            next_publish: 0,
            last_progress: 0,
            longest_gap: 0,
            opened: false,
            post,
        }
    }

    /// The whole trial, from the controller's word to the last answer or the end of the drain.
    pub(crate) fn run(mut self, mut pin: Option<PinAudit>) -> Report {
        self.begin();
        while self.follow_orders() {
            let before = self.now;
            // What was handed over while the last events were handled is sent in this round, too.
            let issued = self.issue() || !self.handed.is_empty();
            let wait = self.wait_for();
            let slept = !matches!(wait, Wait::No);
            let mut idle_from = before;
            if slept && issued && !self.is_closed_loop() {
                // What is sent must not wait for the end of the sleep, nor be taken for a part of it.
                self.pool.submit();
                self.book_sent();
                idle_from = clock::now().0;
            }
            let events = self.pool.wait(wait);
            self.book_sent();
            if events == 0 || !self.is_closed_loop() {
                self.now = clock::now().0;
            }
            if slept || (events == 0 && !issued) {
                self.busy.idle(self.now.saturating_sub(idle_from));
                self.top_up();
            }
            self.handle(events);
            if let Some(lapse) = &mut self.lapse {
                lapse.take(self.now);
            }
            self.let_others_run(if slept { self.now.saturating_sub(idle_from) } else { 0 });
            if events > 0 && !self.is_closed_loop() {
                // The next round begins here: what was just done for these events is no part of it, should it be idle.
                self.now = clock::now().0;
            }
            if issued || events > 0 {
                self.last_progress = self.now;
            }
            self.longest_gap = self.longest_gap.max(self.now.saturating_sub(before));
            if self.now >= self.next_publish {
                self.publish();
            }
            if self.now >= self.next_tick {
                self.tick();
                if let Some(pin) = &mut pin {
                    pin.look();
                }
            }
        }
        self.finish(pin.map(PinAudit::end))
    }

    fn is_closed_loop(&self) -> bool {
        self.agenda.is_none()
    }

    fn begin(&mut self) {
        self.start = await_start(self.post.orders);
        if let Some(agenda) = &mut self.agenda {
            agenda.begin(self.start);
        }
        self.look_ahead();
        for index in 0..self.pool.size() {
            self.pool.idle_from(index, self.start);
        }
        self.now = clock::now().0;
        while self.now < self.start {
            std::hint::spin_loop();
            self.now = clock::now().0;
        }
        (self.next_tick, self.next_publish, self.last_progress) = (self.now, self.now, self.now);
    }

    /// Takes note of what the controller decided; whether there is anything left to do.
    #[inline]
    fn follow_orders(&mut self) -> bool {
        let orders = self.post.orders;
        let (window, cut) = (orders.window(), orders.cut());
        if !self.opened && window != UNDECIDED {
            self.opened = true;
            self.recorder.open(window);
            if let Some(agenda) = &mut self.agenda {
                agenda.open(window);
            }
            self.keep_as_warmup(window);
            self.look_ahead();
        }
        if cut != UNDECIDED {
            self.recorder.cut(cut);
            if let Some(agenda) = &mut self.agenda {
                agenda.cut(cut);
            }
            self.look_ahead();
        }
        if self.opened && self.now >= self.recorder.window().start() {
            self.busy.opens(self.now);
        }
        let over = self.now >= self.recorder.window().end();
        if over {
            self.busy.ends(self.now, self.agenda.is_none());
        }
        let nothing_left = over && self.next_due == UNDECIDED && self.pool.in_flight() == 0;
        !nothing_left && self.now < orders.give_up()
    }

    /// What has gone out so far went out as warm-up and stays that, whenever it was due. A thread that did not get its
    /// CPU hears of the window when it is open already; the books of the window know nothing of what was sent till then.
    fn keep_as_warmup(&mut self, window: u64) {
        self.pool.due_before(window);
        for handed in &mut self.handed {
            handed.intended = handed.intended.min(window.saturating_sub(1));
        }
    }

    #[inline]
    fn look_ahead(&mut self) {
        self.next_due = self.agenda.as_mut().and_then(Agenda::peek).unwrap_or(UNDECIDED);
    }

    /// Sends what is due and has a connection; whether anything was sent.
    #[inline]
    fn issue(&mut self) -> bool {
        let mut any = false;
        while self.is_due() && self.pool.has_free() {
            any = true;
            self.send_next();
        }
        any
    }

    /// Whether an operation is due: by the schedule, or in a closed loop as soon as there is a connection for it.
    #[inline]
    fn is_due(&self) -> bool {
        match self.agenda {
            Some(_) => self.next_due <= self.now,
            None => self.now < self.recorder.window().end(),
        }
    }

    /// Sends the operation that is due by a connection that is free.
    #[inline]
    fn send_next(&mut self) {
        let id = self.next_id();
        let op = self.workload.next(id, &mut self.rng);
        let Some(index) = self.pool.take_free(self.workload.prefers(&op)) else { return };
        let intended = match &mut self.agenda {
            Some(agenda) => {
                agenda.pop();
                std::mem::replace(&mut self.next_due, agenda.peek().unwrap_or(UNDECIDED))
            }
            None => self.pool.idle_since(index),
        };
        let waited = intended < self.pool.starved_until();
        let (first, last) = self.pool.first_and_last(index);
        if !self.is_closed_loop() || first {
            self.now = clock::now().0;
        }
        let sent = self.now;
        let verify = first || splitmix(id).is_multiple_of(VERIFY_ONE_IN);
        self.recorder.due(intended);
        self.totals.due += 1;
        if T::BATCHED {
            self.handed.push(Handed { index, id, intended, waited });
        } else {
            self.recorder.sent(intended, sent, waited);
        }
        let happened = self.pool.send(index, Flight { op, id, intended, sent, verify, last }, &self.workload);
        self.settle(index, happened);
    }

    /// Books when the operations handed over have gone out: evenly over the call that sent them.
    #[inline]
    fn book_sent(&mut self) {
        if self.handed.is_empty() {
            return;
        }
        let (from, to) = self.pool.submitted();
        let n = self.handed.len() as u64;
        for (k, Handed { index, id, intended, waited }) in (0..).zip(self.handed.drain(..)) {
            let sent = from + to.saturating_sub(from) * k / n;
            self.recorder.sent(intended, sent, waited);
            self.pool.went_out(index, id, sent);
        }
    }

    /// Unique in the trial, and ascending within a worker.
    #[inline]
    fn next_id(&mut self) -> u64 {
        let id = self.sequence * self.post.setup.workers() as u64 + self.post.worker as u64;
        self.sequence += 1;
        id
    }

    /// How long nothing will need to be done.
    #[inline]
    fn wait_for(&self) -> Wait {
        if self.is_closed_loop() {
            return Wait::Roughly(TICK);
        }
        let due = if self.pool.has_free() { self.next_due } else { UNDECIDED };
        let until_due = due.saturating_sub(self.now);
        let until_tick = self.next_tick.saturating_sub(self.now);
        if !self.may_spin {
            return match until_due.min(until_tick) {
                0 => Wait::No,
                ns => Wait::Precisely(ns),
            };
        }
        let answer_soon = self.pool.in_flight() > 0 && self.now - self.last_progress < SPIN_FOR_ANSWER.0;
        if until_due <= SPIN.0 || until_tick <= SPIN.0 || answer_soon {
            return Wait::No;
        }
        Wait::Precisely((until_due - SPIN.0).min(until_tick))
    }

    /// Follows up the events of the last wait, sending in between what has come due.
    #[inline]
    fn handle(&mut self, events: usize) {
        for i in 0..events {
            if let Some((index, happened)) = self.pool.follow_up(i, &self.workload) {
                self.settle(index, happened);
            }
            self.issue();
        }
    }

    /// Books what became of a connection.
    #[inline]
    fn settle(&mut self, index: usize, happened: Happened<W::Op>) {
        match happened {
            Happened::Nothing => {}
            Happened::Ended(ended) => self.book(ended),
            Happened::Unreachable(class) => {
                self.failed_connections[class as usize] += 1;
                if self.pool.is_cut_off() {
                    self.blame(index, class);
                }
            }
        }
    }

    #[inline]
    fn book(&mut self, ended: Ended<W::Op>) {
        let Ended { flight, outcome, done, told } = ended;
        self.now = self.now.max(done);
        self.totals.completed += 1;
        self.totals.latency_sum += done.saturating_sub(flight.intended);
        let done_ns = match outcome {
            Outcome::Ok => {
                self.recorder.ok(flight.intended, flight.sent, done);
                done
            }
            Outcome::Failed(class) => {
                self.recorder.failed(flight.intended, done, class);
                UNDECIDED
            }
        };
        self.note(flight.id, flight.intended, flight.sent, done_ns, told);
    }

    /// Without any connection at all, a connection that could not be made is the failure of the operation that waited
    /// for it: the attempt was put on the wire for its sake. With others still open it waits for one of those.
    fn blame(&mut self, index: usize, class: ErrorClass) {
        let intended = match &mut self.agenda {
            Some(agenda) if self.next_due <= self.now => {
                agenda.pop();
                std::mem::replace(&mut self.next_due, agenda.peek().unwrap_or(UNDECIDED))
            }
            Some(_) => return,
            None if self.now >= self.recorder.window().end() => return,
            None => self.pool.idle_since(index),
        };
        let id = self.next_id();
        self.recorder.due(intended);
        self.recorder.sent(intended, self.now, true);
        self.recorder.failed(intended, self.now, class);
        self.pool.idle_from(index, self.now);
        self.totals.due += 1;
        self.totals.completed += 1;
        self.totals.latency_sum += self.now.saturating_sub(intended);
        self.note(id, intended, self.now, UNDECIDED, Told::default());
    }

    /// Adds a row to the trace while there is room made for it.
    #[inline]
    fn note(&mut self, id: u64, intended: u64, sent: u64, done: u64, told: Told) {
        let since_start = |at: u64| if at == UNDECIDED { at } else { at.saturating_sub(self.start) };
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.len() < trace.capacity()) {
            let (intended_ns, sent_ns, done_ns) = (since_start(intended), since_start(sent), since_start(done));
            let told = Told { ended_ns: told.ended_ns.saturating_sub(self.start), ..told };
            trace.push(TraceRow { id, intended_ns, sent_ns, done_ns, told });
        }
    }

    fn top_up(&mut self) {
        if let Some(agenda) = &mut self.agenda {
            agenda.top_up();
        }
    }

    /// Lets programs that share this CPU run, if they wait.
    #[inline]
    fn let_others_run(&mut self, slept: u64) {
        let Some(courtesy) = &mut self.courtesy else { return };
        courtesy.slept(slept, self.now);
        if courtesy.nap(self.now) {
            let woken = clock::now().0;
            self.busy.idle(woken.saturating_sub(self.now));
            self.now = woken;
        }
    }

    /// Time-outs and broken connections.
    fn tick(&mut self) {
        self.next_tick = self.now + TICK;
        for index in 0..self.pool.size() {
            let happened = self.pool.tend(index, self.now);
            self.settle(index, happened);
        }
    }

    fn publish(&mut self) {
        self.next_publish = self.now + if self.opened { PUBLISH.1 } else { PUBLISH.0 };
        let backlog = self.agenda.as_mut().map_or(0, |agenda| agenda.backlog(self.now));
        let totals = Totals { due: self.totals.due + backlog, ..self.totals };
        self.post.orders.board(self.post.worker).publish(totals);
    }

    /// Books what is left.
    fn finish(mut self, pin: Option<corecurve_machine::pin::PinFinding>) -> Report {
        self.pool.submit();
        self.book_sent();
        let in_flight: Vec<_> = self.pool.flights().copied().collect();
        for flight in in_flight {
            self.recorder.unanswered(flight.intended);
            self.note(flight.id, flight.intended, flight.sent, UNDECIDED, Told::default());
        }
        let starved = !self.pool.has_free();
        while self.next_due != UNDECIDED {
            let intended = self.next_due;
            if let Some(agenda) = &mut self.agenda {
                agenda.pop();
            }
            self.look_ahead();
            let id = self.next_id();
            self.recorder.due(intended);
            self.recorder.never_sent(intended, starved);
            self.note(id, intended, UNDECIDED, UNDECIDED, Told::default());
        }
        let cpus = self.pool.received_on();
        let own = self.post.setup.placed.load_cpus();
        let received = (cpus.iter().filter(|cpu| own.contains(**cpu)).count(), cpus.len());
        let failed = ErrorClass::ALL.into_iter().zip(self.failed_connections).filter(|(_, n)| *n > 0);
        Report {
            failed_connections: failed.collect(),
            connections: self.pool.size(),
            unsolicited: self.pool.unsolicited(),
            received,
            recorder: self.recorder,
            trace: self.trace.unwrap_or_default(),
            pin,
            busy: self.busy.share(),
            cpu: self.busy.cpu(),
            longest_gap: Nanos(self.longest_gap),
        }
    }
}

/// Rows to make room for: what is expected of window and warm-up with a quarter to spare, within bounds.
fn rows(setup: &TrialSetup) -> usize {
    let span = setup.request.window + setup.warmup.unwrap_or(setup.warmup_max);
    let expected = match setup.request.load {
        Load::Open(rate) => rate.per_s() * span.as_secs_f64() / setup.workers() as f64,
        Load::Closed(_) => MOST_ROWS,
    };
    (expected * 1.25 + 1_000.0).min(MOST_ROWS) as usize
}
