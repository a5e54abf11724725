//! One epoll, one listener and one table of connections for all workers: what `shared-epoll` and
//! `work-stealing` have in common. They differ in what a worker does with the events it fetches.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corecurve_core::Problem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::SocketFlags;

use super::listener::{Accepted, accept};
use super::peer::Peer;
use super::server::Control;
use super::setup::Setup;
use super::slot::Slot;
use super::worker::{Worker, sweep_period};

const LISTENER: u64 = u64::MAX;
const NUDGE: u64 = u64::MAX - 1;

/// What an event is about.
pub(crate) enum Cause {
    /// Connections wait to be accepted.
    Listener,
    /// Somebody called [`Commons::nudge`].
    Nudge,
    /// The connection in this slot.
    Slot(u32),
}

/// What the workers share.
#[derive(Debug)]
pub(crate) struct Commons {
    epoll: OwnedFd,
    nudge: OwnedFd,
    listener: Mutex<Option<TcpListener>>,
    /// Accepting stopped for want of descriptors; the sweep tries again.
    is_accept_due: AtomicBool,
    pub slots: Box<[Slot]>,
    free: Mutex<Vec<u32>>,
    /// How a new connection is watched.
    interest: EventFlags,
    /// When time-outs are next looked for, in milliseconds; whoever moves it on does the looking.
    next_sweep_ms: AtomicU64,
    /// Time between sweeps.
    pub period: Duration,
    /// How long to look for work before sleeping.
    pub spin: Duration,
    pub control: Arc<Control>,
}

impl Commons {
    /// A table as large as the limit of connections, and a listener whose connections are watched as `interest` says.
    ///
    /// # Errors
    /// When the kernel gives no epoll, no event descriptor or no port.
    pub fn new(setup: &mut Setup<'_>, interest: EventFlags) -> Result<Commons, Problem> {
        let failed = |error: rustix::io::Errno| {
            Problem::new(format!("cannot set up the shared epoll: {error}"))
                .help("raise the limit of open files (`ulimit -n`)")
        };
        let listener = setup.listen_once()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let nudge = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &nudge, epoll::EventData::new_u64(NUDGE), edge).map_err(failed)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), edge).map_err(failed)?;
        let places = setup.limits.connections.min(u32::MAX as usize) as u32;
        Ok(Commons {
            epoll,
            nudge,
            listener: Mutex::new(Some(listener)),
            is_accept_due: AtomicBool::new(false),
            slots: (0..places).map(|_| Slot::default()).collect(),
            free: Mutex::new((0..places).rev().collect()),
            interest,
            next_sweep_ms: AtomicU64::new(0),
            period: sweep_period(&setup.limits),
            spin: setup.spin,
            control: setup.control.clone(),
        })
    }

    /// Wakes one worker that waits.
    pub fn nudge(&self) {
        // The counter is far from full, and nobody reads it: only the edge matters.
        let _ = rustix::io::write(&self.nudge, &1u64.to_ne_bytes());
    }

    /// Fetches as many events as `events` has room for.
    pub fn wait(&self, events: &mut Vec<epoll::Event>, timeout: Duration) {
        events.clear();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // An interrupted wait is one without events.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout));
    }

    /// What an event is about, and whether it says that the client has closed its side or is gone.
    pub fn cause(event: &epoll::Event) -> (Cause, bool) {
        let flags = event.flags;
        let is_hung_up = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let cause = match event.data.u64() {
            LISTENER => Cause::Listener,
            NUDGE => Cause::Nudge,
            number => Cause::Slot(number as u32),
        };
        (cause, is_hung_up)
    }

    /// Changes what a connection is watched for; whether that worked.
    pub fn watch(&self, number: u32, peer: &Peer, interest: EventFlags) -> bool {
        epoll::modify(&self.epoll, &peer.stream, epoll::EventData::new_u64(u64::from(number)), interest).is_ok()
    }

    /// Accepts all connections that wait.
    pub fn accept_all(&self, worker: &Worker) {
        let listener = self.listener();
        let Some(listener) = listener.as_ref() else { return };
        loop {
            match accept(listener, SocketFlags::NONBLOCK) {
                Accepted::Stream(stream) => self.admit(stream, worker),
                Accepted::None => return,
                Accepted::Exhausted => {
                    worker.app.site().stats.count_paused();
                    self.is_accept_due.store(true, Ordering::Release);
                    return;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, worker: &Worker) {
        let site = worker.app.site();
        let is_full = site.stats.open() >= worker.limits.connections as u64;
        worker.stats().count_accepted();
        let number = if is_full { None } else { self.free().pop() };
        let Some(number) = number else {
            site.stats.count_refused();
            worker.stats().count_closed();
            return;
        };
        let slot = &self.slots[number as usize];
        slot.is_hung_up.store(false, Ordering::Release);
        slot.home.store(worker.index(), Ordering::Relaxed);
        let mut place = slot.peer();
        let peer = place.insert(Box::new(Peer::new(stream, worker)));
        let data = epoll::EventData::new_u64(u64::from(number));
        // The lock is held: whoever gets the first event waits until the peer is in its place.
        if epoll::add(&self.epoll, &peer.stream, data, self.interest).is_err() {
            *place = None;
            drop(place);
            site.stats.count_refused();
            worker.stats().count_closed();
            self.free().push(number);
        }
    }

    /// Drops the connection in a slot whose lock the caller holds. Its number must be given back afterwards.
    pub fn drop_peer(&self, number: u32, place: &mut Option<Box<Peer>>, worker: &Worker) {
        *place = None;
        let home = self.slots[number as usize].home.load(Ordering::Relaxed);
        worker.app.site().stats.worker(home).count_closed();
    }

    /// Gives the number of an empty slot back.
    pub fn give_back(&self, number: u32) {
        self.free().push(number);
    }

    /// Whether it is the caller's turn to look for time-outs; paused accepting is taken up again.
    pub fn takes_sweep(&self, worker: &Worker) -> bool {
        let now_ms = worker.now_ms;
        let due = self.next_sweep_ms.load(Ordering::Relaxed);
        let next = now_ms + self.period.as_millis().max(1) as u64;
        let order = Ordering::Relaxed;
        if now_ms < due || self.next_sweep_ms.compare_exchange(due, next, order, order).is_err() {
            return false;
        }
        if self.is_accept_due.swap(false, Ordering::AcqRel) {
            self.accept_all(worker);
        }
        true
    }

    /// Slots with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Slot)> {
        self.slots.iter().enumerate().map(|(number, slot)| (number as u32, slot))
    }

    /// Closes the listener.
    pub fn stop_listening(&self) {
        *self.listener() = None;
    }

    fn free(&self) -> MutexGuard<'_, Vec<u32>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
