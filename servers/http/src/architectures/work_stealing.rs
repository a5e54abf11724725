//! `work-stealing`: readiness events become tasks, and idle workers take them from busy ones.
//!
//! All workers share one epoll. An idle worker fetches a few events, turns each into a task (the number of
//! the connection's slot) and puts them on a deque of its own; it runs them one by one, and a worker
//! that has none steals from the others' deques (crossbeam-deque, after Chase and Lev). tokio's
//! multi-thread runtime, Go's scheduler and smol are built this way; here the tasks are whole requests, and
//! a connection is served by whichever worker comes first.
//!
//! **Queue discipline**: shared. No worker is idle while a request waits: it either waits in the kernel's
//! ready list, from which any idle worker fetches it, or on a deque, from which any idle worker steals it.
//!
//! **The hand-off protocol.** A connection has a slot, and the slot a state:
//! ```text
//!            event                    a worker takes the task
//!   idle ───────────► scheduled ───────────────────────────► running ──► idle
//!                         ▲                                     │ event
//!                         └────────── put back on a deque ◄── notified
//! ```
//! Only the event that moves a slot from idle to scheduled makes a task, so at most one exists per
//! connection and only one worker at a time runs it; an event that comes meanwhile moves running to
//! notified, and the runner puts the task back when it is done. No event is lost: it is either before the
//! runner's reads, or it finds the state running and leaves its mark. A slot's number may be used again
//! for a new connection while an old event for it is under way; that event then only causes a read that
//! finds nothing.
//!
//! **Waking.** A worker that holds more than one task and sees that another sleeps writes to an event
//! descriptor in the shared epoll, edge-triggered, which wakes exactly one. The sleeper first says that it
//! sleeps, then looks at the deques once more; the other first pushes, then looks whether anyone sleeps:
//! with both orders sequentially consistent, one of them sees the other.
//!
//! **Shutdown.** The flag is set and the descriptor written; whoever wakes writes it again for the next.
//! The first to see the flag closes the listener; idle connections are closed, those in a request are
//! served until they are done or the grace is over; a worker leaves when no connection is open.
//!
//! **Failure mode**: the epoll, the deques and the connections' state are shared, so their cache lines move
//! between cores with every task, the more so the more cores and the smaller the requests.
//!
//! **The workload that shows it**: tiny requests on many cores. Conversely `dist=bimodal` under a tight SLO
//! shows what it does well.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::net::SocketFlags;

use super::{SPIN, Setup};
use crate::config::ServeConfig;
use crate::registry::{Architecture, QueueDiscipline};
use crate::runtime::RunningServer;
use crate::runtime::listener::{Accepted, accept, listen};
use crate::runtime::peer::{Outcome, Peer};
use crate::runtime::server::{Control, GRACE, Wake};
use crate::runtime::slot::Slot;
use crate::runtime::worker::{Worker, sweep_period};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "work-stealing",
    summary: "readiness events become tasks on per-worker deques; idle workers steal them",
    queue_discipline: QueueDiscipline::Shared,
    failure_mode: "connection state and queues move between cores with every task, which tiny requests feel",
    settings: &[SPIN],
    start,
};

const LISTENER: u64 = u64::MAX;
const NUDGE: u64 = u64::MAX - 1;
/// Events fetched at once. Few, so that the rest stays in the kernel for whoever is idle.
const EVENTS: usize = 16;
/// Tasks run before the shared epoll is looked at although there is still work.
const TASKS_PER_LOOK: u32 = 64;
/// How long a worker waits at most while the server stops.
const STOPPING_WAIT: Duration = Duration::from_millis(10);

fn start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    let setup = Setup::new(config, ARCHITECTURE.name, &config.seats)?;
    let (mut listeners, addr) = listen(config, 1)?;
    let mut server = setup.server(addr);
    let deques: Vec<Deque<u32>> = config.seats.iter().map(|_| Deque::new_fifo()).collect();
    let stealers = deques.iter().map(Deque::stealer).collect();
    let pool = Arc::new(Pool::new(&setup, listeners.pop(), stealers)?);
    for (index, (deque, seat)) in deques.into_iter().zip(&config.seats).enumerate() {
        let (pool, site, limits) = (pool.clone(), setup.site.clone(), setup.limits);
        server.spawn(&format!("worker-{index}"), Some(*seat), move || {
            let waking = pool.clone();
            let wake: Wake = Arc::new(move || waking.nudge());
            let worker = Worker::new(site, index, limits);
            let thief = Thief { pool, deque, index, worker, events: Vec::with_capacity(EVENTS), since_look: 0 };
            Ok((wake, move || thief.run()))
        })?;
    }
    Ok(server)
}

/// What the workers share.
struct Pool {
    epoll: OwnedFd,
    nudge: OwnedFd,
    /// A nudge is under way that nobody has woken from yet.
    is_nudged: AtomicBool,
    listener: Mutex<Option<TcpListener>>,
    /// Accepting stopped for want of descriptors; the sweep tries again.
    is_accept_due: AtomicBool,
    slots: Box<[Slot]>,
    free: Mutex<Vec<u32>>,
    stealers: Vec<Stealer<u32>>,
    /// Workers that sleep or are about to.
    sleepers: AtomicUsize,
    /// When time-outs are next looked for, in milliseconds; whoever moves it on does the looking.
    next_sweep_ms: AtomicU64,
    period: Duration,
    /// How long to look for work before sleeping.
    spin: Duration,
    control: Arc<Control>,
}

impl Pool {
    fn new(setup: &Setup, listener: Option<TcpListener>, stealers: Vec<Stealer<u32>>) -> Result<Pool, Problem> {
        let failed = |error: rustix::io::Errno| {
            Problem::new(format!("cannot set up the shared epoll: {error}"))
                .help("raise the limit of open files (`ulimit -n`)")
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let nudge = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &nudge, epoll::EventData::new_u64(NUDGE), edge).map_err(failed)?;
        if let Some(listener) = &listener {
            epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), edge).map_err(failed)?;
        }
        let places = setup.limits.connections.min(u32::MAX as usize) as u32;
        Ok(Pool {
            epoll,
            nudge,
            is_nudged: AtomicBool::new(false),
            listener: Mutex::new(listener),
            is_accept_due: AtomicBool::new(false),
            slots: (0..places).map(|_| Slot::default()).collect(),
            free: Mutex::new((0..places).rev().collect()),
            stealers,
            sleepers: AtomicUsize::new(0),
            next_sweep_ms: AtomicU64::new(0),
            period: sweep_period(&setup.limits),
            spin: setup.spin,
            control: setup.control.clone(),
        })
    }

    /// Wakes one sleeping worker.
    fn nudge(&self) {
        // The counter is far from full, and nobody reads it: only the edge matters.
        let _ = rustix::io::write(&self.nudge, &1u64.to_ne_bytes());
    }

    /// Wakes a sleeping worker if there is one and none has been woken yet.
    fn share(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 && !self.is_nudged.swap(true, Ordering::AcqRel) {
            self.nudge();
        }
    }

    /// Whether any deque holds a task.
    fn is_work_left(&self) -> bool {
        self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    fn free(&self) -> MutexGuard<'_, Vec<u32>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker.
struct Thief {
    pool: Arc<Pool>,
    deque: Deque<u32>,
    index: usize,
    worker: Worker,
    events: Vec<epoll::Event>,
    since_look: u32,
}

impl Thief {
    fn run(mut self) {
        let mut stop_by = None;
        let mut woke = Instant::now();
        loop {
            if let Some(slot) = self.next_task() {
                self.run_task(slot);
                self.since_look += 1;
                if self.since_look < TASKS_PER_LOOK {
                    continue;
                }
                let now = self.fetch(Duration::ZERO, false);
                self.worker.stats().add_busy_ns((now - woke).as_nanos() as u64);
                woke = now;
            } else {
                self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
                woke = self.spin().unwrap_or_else(|| self.sleep());
            }
            self.sweep();
            if self.pool.control.is_stopping() {
                self.pool.nudge();
                let deadline = *stop_by.get_or_insert(woke + GRACE);
                let is_over = woke >= deadline;
                self.close_connections(is_over);
                if self.worker.app.site().stats.open() == 0 || is_over {
                    return;
                }
            }
        }
    }

    /// A task of our own, or one of somebody else's.
    fn next_task(&mut self) -> Option<u32> {
        if let Some(slot) = self.deque.pop() {
            return Some(slot);
        }
        let others = self.pool.stealers.len();
        for offset in 1..others {
            let victim = &self.pool.stealers[(self.index + offset) % others];
            loop {
                match victim.steal_batch_and_pop(&self.deque) {
                    Steal::Success(slot) => {
                        if !self.deque.is_empty() {
                            self.pool.share();
                        }
                        return Some(slot);
                    }
                    Steal::Retry => std::hint::spin_loop(),
                    Steal::Empty => break,
                }
            }
        }
        None
    }

    /// Looks for events and for tasks to steal for as long as the setting says; when it found some.
    fn spin(&mut self) -> Option<Instant> {
        let began = (self.pool.spin > Duration::ZERO).then(Instant::now)?;
        loop {
            let now = self.fetch(Duration::ZERO, false);
            if self.pool.is_work_left() {
                return Some(now);
            }
            if now - began >= self.pool.spin || self.pool.control.is_stopping() {
                return None;
            }
        }
    }

    /// Waits for events unless there is something to steal after all. Returns when it woke.
    fn sleep(&mut self) -> Instant {
        self.pool.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let timeout = match (self.pool.is_work_left(), self.pool.control.is_stopping()) {
            (true, _) => Duration::ZERO,
            (false, true) => STOPPING_WAIT.min(self.pool.period),
            (false, false) => self.pool.period,
        };
        self.fetch(timeout, true)
    }

    /// Turns events into tasks; a worker that said it sleeps says that it no longer does. Returns the time after waiting for them.
    fn fetch(&mut self, timeout: Duration, is_asleep: bool) -> Instant {
        self.since_look = 0;
        self.events.clear();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // An interrupted wait is one without events.
        let _ = epoll::wait(&self.pool.epoll, spare_capacity(&mut self.events), Some(&timeout));
        let woke = Instant::now();
        if is_asleep {
            self.pool.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        self.worker.tick(woke);
        let events = std::mem::take(&mut self.events);
        for event in &events {
            self.dispatch(event.data.u64(), event.flags);
        }
        self.events = events;
        if self.deque.len() > 1 {
            self.pool.share();
        }
        woke
    }

    fn dispatch(&mut self, data: u64, flags: epoll::EventFlags) {
        match data {
            LISTENER => self.accept_all(),
            NUDGE => self.pool.is_nudged.store(false, Ordering::Release),
            number => {
                let Some(slot) = usize::try_from(number).ok().and_then(|number| self.pool.slots.get(number)) else {
                    return;
                };
                let ends = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
                if flags.intersects(ends) {
                    slot.is_hung_up.store(true, Ordering::Release);
                }
                if slot.notify() {
                    self.deque.push(number as u32);
                }
            }
        }
    }

    fn run_task(&mut self, number: u32) {
        let slot = &self.pool.slots[number as usize];
        slot.begin();
        let mut place = slot.peer();
        let outcome = match place.as_mut() {
            None => Outcome::Keep,
            Some(peer) => {
                peer.notice(true, slot.is_hung_up.load(Ordering::Acquire));
                let is_overdue = slot.is_overdue.swap(false, Ordering::AcqRel);
                let outcome = if is_overdue { peer.check_time(&mut self.worker) } else { Outcome::Keep };
                if outcome == Outcome::Keep { peer.pump(&mut self.worker) } else { outcome }
            }
        };
        let outcome = match (outcome, place.as_mut()) {
            (Outcome::WatchWritable, Some(peer)) => watch_writable(&self.pool.epoll, number, peer),
            (outcome, _) => outcome,
        };
        if outcome == Outcome::Close {
            *place = None;
            drop(place);
            self.worker.app.site().stats.worker(slot.home.load(Ordering::Relaxed)).count_closed();
            slot.vacate();
            self.pool.free().push(number);
            return;
        }
        drop(place);
        if outcome == Outcome::Again {
            slot.put_back();
            self.deque.push(number);
        } else if slot.rest() {
            self.deque.push(number);
        }
    }

    fn accept_all(&mut self) {
        let pool = self.pool.clone();
        let listener = pool.listener();
        let Some(listener) = listener.as_ref() else { return };
        loop {
            match accept(listener, SocketFlags::NONBLOCK) {
                Accepted::Stream(stream) => self.admit(stream),
                Accepted::None => return,
                Accepted::Exhausted => {
                    self.worker.app.site().stats.count_paused();
                    pool.is_accept_due.store(true, Ordering::Release);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        self.worker.stats().count_accepted();
        let Some(number) = self.pool.free().pop() else {
            self.worker.app.site().stats.count_refused();
            self.worker.stats().count_closed();
            return;
        };
        let slot = &self.pool.slots[number as usize];
        slot.is_hung_up.store(false, Ordering::Release);
        slot.home.store(self.index, Ordering::Relaxed);
        let mut place = slot.peer();
        let peer = place.insert(Box::new(Peer::new(stream, &self.worker)));
        let data = epoll::EventData::new_u64(u64::from(number));
        // The lock is held: whoever gets the first event waits until the peer is in its place.
        if epoll::add(&self.pool.epoll, &peer.stream, data, reading()).is_err() {
            *place = None;
            drop(place);
            self.worker.app.site().stats.count_refused();
            self.worker.stats().count_closed();
            self.pool.free().push(number);
        }
    }

    /// Looks for connections whose time is over, if it is this worker's turn.
    fn sweep(&mut self) {
        let now_ms = self.worker.now_ms;
        let due = self.pool.next_sweep_ms.load(Ordering::Relaxed);
        let next = now_ms + self.pool.period.as_millis().max(1) as u64;
        let order = Ordering::Relaxed;
        if now_ms < due || self.pool.next_sweep_ms.compare_exchange(due, next, order, order).is_err() {
            return;
        }
        if self.pool.is_accept_due.swap(false, Ordering::AcqRel) {
            self.accept_all();
        }
        for (number, slot) in self.pool.slots.iter().enumerate() {
            let Some(place) = slot.try_peer() else { continue };
            if place.as_ref().is_some_and(|peer| peer.is_overdue(&self.worker)) {
                slot.is_overdue.store(true, Ordering::Release);
                if slot.notify() {
                    self.deque.push(number as u32);
                }
            }
        }
    }

    /// Stops accepting and closes connections that are between requests, or all that nobody is serving right now.
    fn close_connections(&mut self, all: bool) {
        *self.pool.listener() = None;
        for (number, slot) in self.pool.slots.iter().enumerate() {
            let may_close = |place: &Option<Box<Peer>>| place.as_ref().is_some_and(|peer| all || peer.is_idle());
            let is_idle = slot.try_peer().is_some_and(|place| may_close(&place));
            if !is_idle || !slot.seize() {
                continue;
            }
            let mut place = slot.peer();
            if may_close(&place) {
                *place = None;
                self.worker.app.site().stats.worker(slot.home.load(Ordering::Relaxed)).count_closed();
            }
            drop(place);
            if slot.rest() {
                self.deque.push(number as u32);
            }
        }
    }
}

/// The events of a connection that is only read from.
fn reading() -> epoll::EventFlags {
    epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET
}

fn watch_writable(epoll: &OwnedFd, number: u32, peer: &mut Peer) -> Outcome {
    let data = epoll::EventData::new_u64(u64::from(number));
    peer.watches_writable = true;
    match epoll::modify(epoll, &peer.stream, data, reading() | epoll::EventFlags::OUT) {
        Ok(()) => Outcome::Keep,
        Err(_) => Outcome::Close,
    }
}
