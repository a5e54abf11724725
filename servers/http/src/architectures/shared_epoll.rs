//! `shared-epoll`: one epoll for all workers, and whoever is idle takes the next ready connection.
//!
//! Every connection and the listener are in a single epoll. A worker fetches one event, serves that
//! connection until it has no more to read, and arms it again: `EPOLLONESHOT` switches a descriptor off as
//! soon as its event is handed out, so that no two workers ever have the same connection. Work on ZygOS calls
//! this baseline "Linux-floating", as opposed to "partitioned"; many servers written around a thread pool and one
//! poller are built this way.
//!
//! **Queue discipline**: shared, and first come first served: the kernel's ready list is the queue. No worker
//! is idle while a request waits. With exponential service and a limit of ten times the mean on the 99th
//! percentile, 16 cores behind one queue reach 96.8 % of their capacity, 16 queues of one core each 53.9 %. A worker
//! that fetches more than one event (`batch`) hides the rest from the others until it is done with the first.
//!
//! **Failure mode**: each request costs a third system call, the one that arms the connection again, and
//! every wait and every arming takes the lock of the one epoll, so with small requests and many cores the lock is the ceiling.
//! A connection is served by another core each time: its state and the kernel's move between caches.
//!
//! **The workload that shows it**: tiny requests on many cores. Conversely `dist=bimodal` under a tight SLO
//! shows what it does well.
//!
//! **What it does not show**: how long the ready list is, since the kernel does not say; nor a shared queue without the
//! lock, for which see `work-stealing`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use rustix::event::epoll::{self, EventFlags};

use crate::config::{Count, Setting, reads};
use crate::engine::Next;
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::commons::{Cause, Commons};
use crate::runtime::peer::{Outcome, Peer};
use crate::runtime::server::{GRACE, Wake};
use crate::runtime::setup::{SPIN, Setup};
use crate::runtime::worker::Worker;

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "shared-epoll",
    summary: "one epoll for all pinned workers; an idle one takes the next ready connection (EPOLLONESHOT)",
    accept_path: AcceptPath::SharedListener,
    queue_discipline: QueueDiscipline::Shared,
    scheduling: Scheduling::AnyWorker,
    io: IoKind::Epoll,
    failure_mode: "every wait and every re-arming takes the lock of the one epoll, and connections change cores",
    exposed_by: &["plaintext", "keepalive"],
    exposed_when: "many cores",
    settings: &[BATCH, SPIN],
    has_one_worker: false,
    start,
};

const BATCH: Setting = Setting {
    name: "batch",
    default: "1",
    summary: "events a worker fetches at once; more than 1 hides ready connections from idle workers",
    check: reads::<Count>,
};
const MAX_BATCH: usize = 1024;

/// How long a worker waits at most while the server stops.
const STOPPING_WAIT: Duration = Duration::from_millis(10);

/// The events of a connection that is read from.
const READING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ONESHOT);
/// Those of one that is written to. No news of the client's closing its side: it stays true and would come at once, again and again.
const WRITING: EventFlags = EventFlags::OUT.union(EventFlags::ONESHOT);

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let batch = setup.config.setting::<Count>(&BATCH)?.0.min(MAX_BATCH);
    let commons = Arc::new(Commons::new(setup, READING)?);
    for (index, seat) in setup.seats.iter().enumerate() {
        let (commons, site, limits) = (commons.clone(), setup.site.clone(), setup.limits);
        let row = setup.row(index);
        server.spawn(&format!("worker-{row}"), Some(*seat), move || {
            let waking = commons.clone();
            let wake: Wake = Arc::new(move || waking.nudge());
            let floater =
                Floater { commons, worker: Worker::new(site, row, limits), events: Vec::with_capacity(batch) };
            Ok((wake, move || floater.run()))
        })?;
    }
    Ok(())
}

/// One worker.
struct Floater {
    commons: Arc<Commons>,
    worker: Worker,
    events: Vec<epoll::Event>,
}

impl Floater {
    fn run(mut self) {
        let mut stop_by = None;
        loop {
            let woke = self.wait();
            self.worker.tick(woke);
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                self.dispatch(&event);
            }
            self.events = events;
            if self.commons.takes_sweep(&self.worker) {
                self.sweep();
            }
            self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
            if self.commons.control.is_stopping() {
                // Whoever was woken wakes the next.
                self.commons.nudge();
                let is_over = woke >= *stop_by.get_or_insert(woke + GRACE);
                self.close_connections(is_over);
                if self.worker.app.site().stats.open() == 0 || is_over {
                    return;
                }
            }
        }
    }

    /// Waits for events: awake for as long as the setting `spin` says, then asleep. Returns when the wait ended.
    fn wait(&mut self) -> Instant {
        if self.commons.spin > Duration::ZERO && !self.commons.control.is_stopping() {
            let began = Instant::now();
            loop {
                self.commons.wait(&mut self.events, Duration::ZERO);
                let now = Instant::now();
                if !self.events.is_empty() {
                    return now;
                }
                if now - began >= self.commons.spin {
                    break;
                }
            }
        }
        let is_stopping = self.commons.control.is_stopping();
        let longest = if is_stopping { STOPPING_WAIT.min(self.commons.period) } else { self.commons.period };
        self.commons.wait(&mut self.events, longest);
        Instant::now()
    }

    fn dispatch(&mut self, event: &epoll::Event) {
        match Commons::cause(event) {
            (Cause::Listener, _) => self.commons.accept_all(&self.worker),
            (Cause::Nudge, _) => {}
            (Cause::Slot(number), is_hung_up) => {
                self.serve(number, |peer, worker| {
                    peer.notice(true, is_hung_up);
                    peer.pump(worker)
                });
            }
        }
    }

    /// Lets `step` work on the connection in a slot, and arms or closes it. Nobody else has the connection, except that a
    /// sweep may have found it overdue at the same moment: the lock keeps them apart, and a step too many finds nothing to do.
    fn serve(&mut self, number: u32, step: impl FnOnce(&mut Peer, &mut Worker) -> Outcome) {
        let mut place = self.commons.slots[number as usize].peer();
        let Some(peer) = place.as_mut() else { return };
        let is_open = match step(peer, &mut self.worker) {
            Outcome::Close => false,
            // A writable socket has its event at once, behind those that are ready already.
            Outcome::Again => self.commons.watch(number, peer, WRITING),
            Outcome::Keep | Outcome::WatchWritable => {
                let is_writing = peer.connection.next() == Next::Write;
                self.commons.watch(number, peer, if is_writing { WRITING } else { READING })
            }
        };
        if !is_open {
            self.commons.drop_peer(number, &mut place, &self.worker);
            drop(place);
            self.commons.give_back(number);
        }
    }

    /// Ends connections whose time is over.
    fn sweep(&mut self) {
        for number in 0..self.commons.slots.len() as u32 {
            let is_overdue = |peer: &Peer| peer.is_overdue(&self.worker);
            let place = self.commons.slots[number as usize].try_peer();
            if place.is_some_and(|place| place.as_deref().is_some_and(is_overdue)) {
                self.serve(number, |peer, worker| peer.check_time(worker));
            }
        }
    }

    /// Stops accepting and closes connections that are between requests, or all that nobody is serving right now.
    fn close_connections(&mut self, all: bool) {
        self.commons.stop_listening();
        for (number, slot) in self.commons.numbered() {
            let Some(mut place) = slot.try_peer() else { continue };
            if place.as_ref().is_some_and(|peer| all || peer.is_idle()) {
                self.commons.drop_peer(number, &mut place, &self.worker);
            }
        }
    }
}
