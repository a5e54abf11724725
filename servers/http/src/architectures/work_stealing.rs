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
//! Both protocols are gone through in every interleaving and reordering by `tests/interleavings.rs`.
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
//!
//! **What it does not show**: stealing inside a request (the task is a whole turn of a connection), or a
//! global queue that tasks from outside the pool go through.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use rustix::event::epoll::{self, EventFlags};

use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::commons::{Cause, Commons};
use crate::runtime::peer::{Outcome, Peer};
use crate::runtime::server::{GRACE, Wake};
use crate::runtime::setup::{SPIN, Setup};
use crate::runtime::sleepers::Sleepers;
use crate::runtime::worker::Worker;

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "work-stealing",
    summary: "readiness events become tasks on per-worker deques; idle workers steal them",
    accept_path: AcceptPath::SharedListener,
    queue_discipline: QueueDiscipline::Shared,
    scheduling: Scheduling::Stealing,
    io: IoKind::Epoll,
    failure_mode: "connection state and queues move between cores with every task, which tiny requests feel",
    exposed_by: &["plaintext", "keepalive"],
    exposed_when: "many cores",
    settings: &[SPIN],
    has_one_worker: false,
    start,
};

/// Events fetched at once. Few, so that the rest stays in the kernel for whoever is idle.
const EVENTS: usize = 16;
/// Tasks run before the shared epoll is looked at although there is still work.
const TASKS_PER_LOOK: u32 = 64;
/// How long a worker waits at most while the server stops.
const STOPPING_WAIT: Duration = Duration::from_millis(10);

/// The events of a connection that is only read from.
const READING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let deques: Vec<Deque<u32>> = setup.seats.iter().map(|_| Deque::new_fifo()).collect();
    let stealers = deques.iter().map(Deque::stealer).collect();
    let commons = Commons::new(setup, READING)?;
    let pool = Arc::new(Pool { commons, stealers, sleepers: Sleepers::default() });
    for (index, deque) in deques.into_iter().enumerate() {
        let (pool, site, limits) = (pool.clone(), setup.site.clone(), setup.limits);
        let row = setup.row(index);
        server.spawn(&format!("worker-{row}"), Some(setup.seats[index]), move || {
            let waking = pool.clone();
            let wake: Wake = Arc::new(move || waking.commons.nudge());
            let worker = Worker::new(site, row, limits);
            let thief = Thief { pool, deque, index, worker, events: Vec::with_capacity(EVENTS), since_look: 0 };
            Ok((wake, move || thief.run()))
        })?;
    }
    Ok(())
}

/// What the workers share.
struct Pool {
    commons: Commons,
    stealers: Vec<Stealer<u32>>,
    sleepers: Sleepers,
}

impl Pool {
    /// Wakes a sleeping worker if there is one and none has been woken yet.
    fn share(&self) {
        if self.sleepers.must_nudge() {
            self.commons.nudge();
        }
    }

    /// Whether any deque holds a task.
    fn is_work_left(&self) -> bool {
        self.stealers.iter().any(|stealer| !stealer.is_empty())
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
            if self.pool.commons.control.is_stopping() {
                self.pool.commons.nudge();
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
        let began = (self.pool.commons.spin > Duration::ZERO).then(Instant::now)?;
        loop {
            let now = self.fetch(Duration::ZERO, false);
            if self.pool.is_work_left() {
                return Some(now);
            }
            if now - began >= self.pool.commons.spin || self.pool.commons.control.is_stopping() {
                return None;
            }
        }
    }

    /// Waits for events unless there is something to steal after all. Returns when it woke.
    fn sleep(&mut self) -> Instant {
        self.pool.sleepers.lie_down();
        let timeout = match (self.pool.is_work_left(), self.pool.commons.control.is_stopping()) {
            (true, _) => Duration::ZERO,
            (false, true) => STOPPING_WAIT.min(self.pool.commons.period),
            (false, false) => self.pool.commons.period,
        };
        self.fetch(timeout, true)
    }

    /// Turns events into tasks; a worker that said it sleeps says that it no longer does. Returns the time after waiting for them.
    fn fetch(&mut self, timeout: Duration, is_asleep: bool) -> Instant {
        self.since_look = 0;
        self.pool.commons.wait(&mut self.events, timeout);
        let woke = Instant::now();
        if is_asleep {
            self.pool.sleepers.get_up();
        }
        self.worker.tick(woke);
        let events = std::mem::take(&mut self.events);
        for event in &events {
            self.dispatch(event);
        }
        self.events = events;
        if self.deque.len() > 1 {
            self.pool.share();
        }
        woke
    }

    fn dispatch(&mut self, event: &epoll::Event) {
        match Commons::cause(event) {
            (Cause::Listener, _) => self.pool.commons.accept_all(&self.worker),
            (Cause::Nudge, _) => self.pool.sleepers.take_nudge(),
            (Cause::Slot(number), is_hung_up) => {
                let slot = &self.pool.commons.slots[number as usize];
                if is_hung_up {
                    slot.is_hung_up.store(true, Ordering::Release);
                }
                if slot.turn.notify() {
                    self.deque.push(number);
                }
            }
        }
    }

    fn run_task(&mut self, number: u32) {
        let commons = &self.pool.commons;
        let slot = &commons.slots[number as usize];
        slot.turn.begin();
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
            (Outcome::WatchWritable, Some(peer)) => {
                peer.watches_writable = true;
                let is_watched = commons.watch(number, peer, READING | EventFlags::OUT);
                if is_watched { Outcome::Keep } else { Outcome::Close }
            }
            (outcome, _) => outcome,
        };
        if outcome == Outcome::Close {
            commons.drop_peer(number, &mut place, &self.worker);
            drop(place);
            slot.turn.vacate();
            commons.give_back(number);
            return;
        }
        drop(place);
        if outcome == Outcome::Again {
            slot.turn.put_back();
            self.deque.push(number);
        } else if slot.turn.rest() {
            self.deque.push(number);
        }
    }

    /// Looks for connections whose time is over, if it is this worker's turn.
    fn sweep(&mut self) {
        if !self.pool.commons.takes_sweep(&self.worker) {
            return;
        }
        for (number, slot) in self.pool.commons.numbered() {
            let Some(place) = slot.try_peer() else { continue };
            if place.as_ref().is_some_and(|peer| peer.is_overdue(&self.worker)) {
                slot.is_overdue.store(true, Ordering::Release);
                if slot.turn.notify() {
                    self.deque.push(number);
                }
            }
        }
    }

    /// Stops accepting and closes connections that are between requests, or all that nobody is serving right now.
    fn close_connections(&mut self, all: bool) {
        let commons = &self.pool.commons;
        commons.stop_listening();
        for (number, slot) in commons.numbered() {
            let may_close = |place: &Option<Box<Peer>>| place.as_ref().is_some_and(|peer| all || peer.is_idle());
            let is_idle = slot.try_peer().is_some_and(|place| may_close(&place));
            if !is_idle || !slot.turn.seize() {
                continue;
            }
            let mut place = slot.peer();
            if may_close(&place) {
                commons.drop_peer(number, &mut place, &self.worker);
            }
            drop(place);
            if slot.turn.rest() {
                self.deque.push(number);
            }
        }
    }
}
