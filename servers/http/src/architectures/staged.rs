//! `staged`: a request goes through stages, each with threads and a bounded queue of its own.
//!
//! The input stage accepts, waits for readable sockets and reads; the handler stage parses and answers; the output stage
//! writes. Each stage is a pool of threads that takes from one queue. SEDA and WatPipe are built this
//! way, and so are the servers behind many thread-pool executors. (Where the stages are cut differs; here parsing and answering
//! stay together, because they are one state machine that all architectures share.)
//!
//! A connection is in at most one stage at a time, and one owner at a time works on it. When a stage's queue is
//! full the stage before it waits, so that pressure goes back until sockets are no longer read. The output stage
//! never waits, or two stages could wait for each other: what it cannot pass on it gives back to the epoll, where it is
//! found writable at once.
//! ```text
//!             ┌─────── readable ────────┐ ┌───── more requests were read already ─────┐
//!             ▼                         │ ▼                                           │
//!   epoll ─► input ─► [ queue ] ─► handlers ─► [ queue ] ─► output ─► readable, or writable if a write blocked
//! ```
//!
//! **Queue discipline**: shared. All handlers take from one queue, so that none is idle while a request waits in it.
//!
//! **Failure mode**: every request changes threads twice, and each change is a wake-up and a move of the connection's state
//! between caches. A stage with too few threads is the ceiling while others are idle, and which one that is
//! depends on the workload.
//!
//! **The workload that shows it**: tiny requests, against any architecture that serves them in one go. A mixture of
//! short and long requests shows what it does well.
//!
//! **What it does not show**: stages on cores of their own (`input`, `handlers` and `output` set how many threads there are,
//! which share the server's cores), or controllers that resize pools as SEDA's do.
//!
//! The counts of a row in `/stats` are those of the threads on its core; times of threads that interrupt each other
//! overlap, so the busy time of a row can exceed the clock's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::config::{Count, Setting, reads};
use crate::engine::Next;
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::commons::{Cause, Commons};
use crate::runtime::peer::{Peer, send, shut};
use crate::runtime::server::{GRACE, Wake};
use crate::runtime::setup::Setup;
use crate::runtime::worker::Worker;

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "staged",
    summary: "stages with threads and a bounded queue each: read, parse and answer, write",
    accept_path: AcceptPath::SharedListener,
    queue_discipline: QueueDiscipline::Shared,
    scheduling: Scheduling::Staged,
    io: IoKind::Epoll,
    failure_mode: "a request changes threads twice, and the stage with too few threads is the ceiling",
    exposed_by: &["plaintext", "keepalive"],
    exposed_when: "tiny requests",
    settings: &[QUEUE, INPUT, HANDLERS, OUTPUT],
    has_one_worker: false,
    start,
};

const QUEUE: Setting = Setting {
    name: "queue",
    default: "1024",
    summary: "requests each queue between stages holds",
    check: reads::<Count>,
};
const INPUT: Setting = Setting {
    name: "input",
    default: "auto",
    summary: "threads that accept and read; auto is one per four cores",
    check: |text| threads(text, 1).map(drop),
};
const HANDLERS: Setting = Setting {
    name: "handlers",
    default: "auto",
    summary: "threads that parse and answer; auto is one per core",
    check: |text| threads(text, 1).map(drop),
};
const OUTPUT: Setting = Setting {
    name: "output",
    default: "auto",
    summary: "threads that write; auto is one per four cores",
    check: |text| threads(text, 1).map(drop),
};
const MAX_THREADS: usize = 1024;

/// How many threads a stage has if `auto` means so many.
fn threads(text: &str, auto: usize) -> Result<usize, Problem> {
    if text == "auto" { Ok(auto) } else { text.parse().map(|Count(threads)| threads.min(MAX_THREADS)) }
}

/// Events an input thread fetches at once.
const EVENTS: usize = 64;
/// Writes of one connection before others have their turn.
const ROUNDS: usize = 64;
/// Room an emptied input buffer may keep.
const KEPT_BYTES: usize = 16 << 10;
/// How long a stage waits for work before it looks at the clock, and while the server stops.
const WAIT: Duration = Duration::from_secs(1);
const STOPPING_WAIT: Duration = Duration::from_millis(10);
/// A job for nobody: it only wakes.
const WAKE: u32 = u32::MAX;

const READING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ONESHOT);
const WRITING: EventFlags = EventFlags::OUT.union(EventFlags::ONESHOT);

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let cores = setup.seats.len();
    let count = |setting: &Setting, auto: usize| {
        let text = setup.config.settings.get(setting.name).map_or(setting.default, String::as_str);
        threads(text, auto).map_err(|problem| problem.at(setting.name))
    };
    let (input, handlers, output) =
        (count(&INPUT, cores.div_ceil(4))?, count(&HANDLERS, cores)?, count(&OUTPUT, cores.div_ceil(4))?);
    let room = setup.config.setting::<Count>(&QUEUE)?.0;
    let (to_handlers, handler_jobs) = bounded(room);
    let (to_output, output_jobs) = bounded(room);
    let commons = Commons::new(setup, READING)?;
    let inputs = commons.slots.iter().map(|_| Mutex::default()).collect();
    let pipeline = Arc::new(Pipeline { commons, inputs, to_handlers, to_output });
    let spawn_all =
        [(Stage::Output(output_jobs), output), (Stage::Handlers(handler_jobs), handlers), (Stage::Input, input)];
    for (stage, threads) in spawn_all {
        for thread in 0..threads {
            spawn(setup, server, &pipeline, stage.clone(), thread)?;
        }
    }
    Ok(())
}

#[derive(Clone)]
enum Stage {
    Input,
    Handlers(Receiver<u32>),
    Output(Receiver<u32>),
}

fn spawn(
    setup: &Setup<'_>,
    server: &mut RunningServer,
    pipeline: &Arc<Pipeline>,
    stage: Stage,
    thread: usize,
) -> Result<(), Problem> {
    let (cores, site, limits) = (setup.seats.len(), setup.site.clone(), setup.limits);
    // The few writers start from the far end, where no reader is.
    let (name, seat) = match stage {
        Stage::Input => ("input", thread % cores),
        Stage::Handlers(_) => ("handler", thread % cores),
        Stage::Output(_) => ("output", cores - 1 - thread % cores),
    };
    let (row, pipeline) = (setup.row(seat), pipeline.clone());
    server.spawn(&format!("{name}-{thread}"), Some(setup.seats[seat]), move || {
        let waking = pipeline.clone();
        // A queue that is full wakes by itself.
        let wake: Wake = match stage {
            Stage::Input => Arc::new(move || waking.commons.nudge()),
            Stage::Handlers(_) => Arc::new(move || _ = waking.to_handlers.try_send(WAKE)),
            Stage::Output(_) => Arc::new(move || _ = waking.to_output.try_send(WAKE)),
        };
        let (may_wait, worker) = (!matches!(stage, Stage::Output(_)), Worker::new(site, row, limits));
        let hand = Hand { pipeline, worker, may_wait, stop_by: None };
        Ok((wake, move || match stage {
            Stage::Input => hand.read_all(),
            Stage::Handlers(jobs) => hand.work(&jobs, |pipeline| &pipeline.to_handlers, Hand::handle),
            Stage::Output(jobs) => hand.work(&jobs, |pipeline| &pipeline.to_output, Hand::write),
        }))
    })?;
    Ok(())
}

/// What all stages share.
struct Pipeline {
    /// A slot whose turn is taken is in some stage or queue; only its owner there may work on it.
    commons: Commons,
    /// By slot, what was read and not yet handled.
    inputs: Box<[Mutex<Input>]>,
    to_handlers: Sender<u32>,
    to_output: Sender<u32>,
}

/// What the input stage has for the handlers.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    is_ended: bool,
}

/// Where a connection goes next.
enum Route {
    Handlers,
    Output,
    Readable,
    Writable,
    Close,
}

/// One thread of some stage.
struct Hand {
    pipeline: Arc<Pipeline>,
    worker: Worker,
    /// The output stage must not wait for the handlers, who wait for it.
    may_wait: bool,
    stop_by: Option<Instant>,
}

impl Hand {
    /// The input stage.
    fn read_all(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let is_stopping = self.pipeline.commons.control.is_stopping();
            let longest = if is_stopping { STOPPING_WAIT } else { self.pipeline.commons.period };
            self.pipeline.commons.wait(&mut events, longest);
            let woke = Instant::now();
            self.worker.tick(woke);
            for event in events.drain(..) {
                match Commons::cause(&event) {
                    (Cause::Listener, _) => self.pipeline.commons.accept_all(&self.worker),
                    (Cause::Nudge, _) => {}
                    (Cause::Slot(number), _) => self.read(number),
                }
            }
            if self.pipeline.commons.takes_sweep(&self.worker) {
                self.sweep();
            }
            self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
            if is_stopping {
                self.pipeline.commons.nudge();
                let is_over = self.is_over(woke);
                self.close_connections(is_over);
                if is_over || self.worker.app.site().stats.open() == 0 {
                    return;
                }
            }
        }
    }

    /// Any other stage: takes jobs until the server stops.
    fn work(mut self, jobs: &Receiver<u32>, queue: fn(&Pipeline) -> &Sender<u32>, job: fn(&mut Hand, u32)) {
        loop {
            let is_stopping = self.pipeline.commons.control.is_stopping();
            let next = jobs.recv_timeout(if is_stopping { STOPPING_WAIT } else { WAIT });
            let woke = Instant::now();
            self.worker.tick(woke);
            if let Ok(number) = next
                && number != WAKE
            {
                job(&mut self, number);
            }
            self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
            if is_stopping && (self.is_over(woke) || self.worker.app.site().stats.open() == 0) {
                // Whoever was woken wakes the next.
                let _ = queue(&self.pipeline).try_send(WAKE);
                return;
            }
        }
    }

    /// Whether the stopping server has waited long enough.
    fn is_over(&mut self, now: Instant) -> bool {
        now >= *self.stop_by.get_or_insert(now + GRACE)
    }

    /// Input: takes a connection that has an event, reads once and passes it on.
    fn read(&mut self, number: u32) {
        // Not idle: a sweep has it, and will arm it again, which brings the event back.
        let pipeline = self.pipeline.clone();
        if !pipeline.commons.slots[number as usize].turn.seize() {
            return;
        }
        self.step(number, |hand, peer| match peer.connection.next() {
            Next::Read => {
                let mut input = pipeline.input(number);
                match rustix::net::recv(&peer.stream, &mut *hand.worker.buffer, RecvFlags::empty()) {
                    Ok((0, _)) => input.is_ended = true,
                    Ok((n, _)) => input.bytes.extend_from_slice(&hand.worker.buffer[..n]),
                    Err(Errno::AGAIN | Errno::INTR) => return Route::Readable,
                    Err(_) => return Route::Close,
                }
                Route::Handlers
            }
            Next::Write | Next::Shut => Route::Output,
            Next::Resume => Route::Handlers,
            Next::Close => Route::Close,
        });
    }

    /// Handlers: parses what was read and answers it.
    fn handle(&mut self, number: u32) {
        let pipeline = self.pipeline.clone();
        self.step(number, |hand, peer| {
            let mut input = pipeline.input(number);
            if !input.bytes.is_empty() {
                peer.connection.receive(&input.bytes, &mut hand.worker.app);
                input.bytes.clear();
                input.bytes.shrink_to(KEPT_BYTES);
            }
            if input.is_ended {
                peer.connection.end_of_input();
            }
            while peer.connection.next() == Next::Resume {
                peer.connection.resume(&mut hand.worker.app);
            }
            match peer.connection.next() {
                Next::Read => Route::Readable,
                Next::Close => Route::Close,
                Next::Write | Next::Resume | Next::Shut => Route::Output,
            }
        });
    }

    /// Output: writes until everything is out or the socket takes no more.
    fn write(&mut self, number: u32) {
        self.step(number, |_, peer| {
            for _ in 0..ROUNDS {
                match peer.connection.next() {
                    Next::Write => match send(&peer.stream, &mut peer.connection) {
                        Ok(()) | Err(Errno::INTR) => {}
                        Err(Errno::AGAIN) => return Route::Writable,
                        Err(_) => return Route::Close,
                    },
                    Next::Shut => shut(&peer.stream, &mut peer.connection),
                    Next::Resume => return Route::Handlers,
                    Next::Read => return Route::Readable,
                    Next::Close => return Route::Close,
                }
            }
            Route::Writable
        });
    }

    /// Lets `work` have the connection whose turn the caller has, and sends it where it says.
    fn step(&mut self, number: u32, work: impl FnOnce(&mut Hand, &mut Peer) -> Route) {
        let pipeline = self.pipeline.clone();
        let commons = &pipeline.commons;
        let slot = &commons.slots[number as usize];
        let mut place = slot.peer();
        let Some(peer) = place.as_mut() else {
            slot.turn.vacate();
            return;
        };
        let route = work(self, peer);
        peer.note_progress(self.worker.now_ms);
        let interest = match route {
            Route::Handlers => {
                drop(place);
                return self.pass_to_handlers(number);
            }
            Route::Output => {
                drop(place);
                // The queue's other end is gone only when the server stops.
                let _ = pipeline.to_output.send(number);
                return;
            }
            Route::Readable => Some(READING),
            Route::Writable => Some(WRITING),
            Route::Close => None,
        };
        // Free for whoever gets the event, who waits for the lock.
        slot.turn.vacate();
        if interest.is_none_or(|interest| !commons.watch(number, peer, interest)) {
            *pipeline.input(number) = Input::default();
            commons.drop_peer(number, &mut place, &self.worker);
            drop(place);
            commons.give_back(number);
        }
    }

    /// Puts a connection into the handlers' queue; where it is full, waits or gives it back to the epoll.
    fn pass_to_handlers(&mut self, number: u32) {
        let pipeline = self.pipeline.clone();
        if pipeline.to_handlers.try_send(number).is_ok() {
            return;
        }
        if self.may_wait {
            // The queue's other end is gone only when the server stops.
            let _ = pipeline.to_handlers.send(number);
        } else {
            self.step(number, |_, _| Route::Writable);
        }
    }

    /// Ends connections whose time is over and which no stage has.
    fn sweep(&mut self) {
        let pipeline = self.pipeline.clone();
        for (number, slot) in pipeline.commons.numbered() {
            let is_overdue = |peer: &Peer| peer.is_overdue(&self.worker);
            let is_late = slot.try_peer().is_some_and(|place| place.as_deref().is_some_and(is_overdue));
            if is_late && slot.turn.seize() {
                self.step(number, |hand, peer| {
                    if peer.is_overdue(&hand.worker) {
                        peer.connection.expire(&hand.worker.app);
                    }
                    match peer.connection.next() {
                        Next::Read => Route::Readable,
                        Next::Close => Route::Close,
                        Next::Write | Next::Shut | Next::Resume => Route::Writable,
                    }
                });
            }
        }
    }

    /// Stops accepting and closes connections that are between requests, or all.
    fn close_connections(&mut self, all: bool) {
        let pipeline = self.pipeline.clone();
        pipeline.commons.stop_listening();
        for (number, slot) in pipeline.commons.numbered() {
            let Some(mut place) = slot.try_peer() else { continue };
            let may_close = place.as_deref().is_some_and(|peer| all || peer.is_idle());
            if may_close && (slot.turn.seize() || all) {
                pipeline.commons.drop_peer(number, &mut place, &self.worker);
                slot.turn.vacate();
            }
        }
    }
}

impl Pipeline {
    fn input(&self, number: u32) -> std::sync::MutexGuard<'_, Input> {
        self.inputs[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
