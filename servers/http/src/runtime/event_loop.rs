//! An event loop that owns its connections: the body of every architecture without migration.
//!
//! Connections are registered edge-triggered and for reading only, so that an ordinary request costs one
//! read, one write and its share of one `epoll_wait`; writable events are asked for once a write has
//! blocked. The listener is registered level-triggered and one connection is accepted per event: what is
//! left wakes the loop again after the connections at hand had their turn.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::event::epoll;
use rustix::net::SocketFlags;
use slab::Slab;

use super::listener::{Accepted, accept};
use super::peer::{Outcome, Peer};
use super::server::{Control, GRACE, Wake};
use super::worker::{Worker, sweep_period};

/// Where a loop's connections come from.
pub(crate) enum Intake {
    /// A listener of its own.
    Own(TcpListener),
    /// A listener that several loops wait on; `EPOLLEXCLUSIVE` wakes one of them for each connection.
    Exclusive(Arc<TcpListener>),
    /// Connections another thread accepted. The waker says when there are some.
    Inbox(Receiver<TcpStream>),
}

impl Intake {
    fn listener(&self) -> Option<(&TcpListener, epoll::EventFlags)> {
        match self {
            Intake::Own(listener) => Some((listener, epoll::EventFlags::IN)),
            Intake::Exclusive(listener) => Some((listener, epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE)),
            Intake::Inbox(_) => None,
        }
    }
}

const INTAKE: Token = Token(usize::MAX - 1);
const WAKE: Token = Token(usize::MAX - 2);
/// Events fetched at once.
const EVENTS: usize = 256;

/// One thread's loop.
pub(crate) struct EventLoop {
    poll: Poll,
    peers: Slab<Peer>,
    /// Peers whose turn was cut short.
    again: Vec<usize>,
    intake: Option<Intake>,
    /// The listener is out of the poll until descriptors may be free again.
    is_intake_paused: bool,
    worker: Worker,
    control: Arc<Control>,
    /// How long to look for events before sleeping.
    spin: Duration,
}

impl EventLoop {
    /// A loop and the way to wake it.
    ///
    /// # Errors
    /// When the kernel gives no poll or no event descriptor.
    pub fn new(
        worker: Worker,
        intake: Intake,
        control: Arc<Control>,
        spin: Duration,
    ) -> Result<(Wake, EventLoop), Problem> {
        let failed = |error: io::Error| {
            Problem::new(format!("cannot set up an event loop: {error}"))
                .help("raise the limit of open files (`ulimit -n`) or use fewer workers")
        };
        let poll = Poll::new().map_err(failed)?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(failed)?;
        let event_loop = EventLoop {
            poll,
            peers: Slab::new(),
            again: Vec::new(),
            intake: Some(intake),
            is_intake_paused: false,
            worker,
            control,
            spin,
        };
        event_loop.watch_intake().map_err(failed)?;
        // A wake that fails is made up for by the next sweep.
        let wake: Wake = Arc::new(move || drop(waker.wake()));
        Ok((wake, event_loop))
    }

    fn watch_intake(&self) -> io::Result<()> {
        if let Some((listener, flags)) = self.intake.as_ref().and_then(Intake::listener) {
            let data = epoll::EventData::new_u64(INTAKE.0 as u64);
            epoll::add(self.poll.registry(), listener, data, flags)?;
        }
        Ok(())
    }

    /// Runs until the server stops and the connections have ended or [`GRACE`] is over.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let period = sweep_period(&self.worker.limits);
        let mut swept = Instant::now();
        let mut stop_by = None;
        loop {
            let woke = self.wait(&mut events, period);
            self.worker.tick(woke);
            for event in &events {
                self.dispatch(event);
            }
            self.continue_cut_short();
            if woke - swept >= period {
                swept = woke;
                self.sweep();
            }
            if self.control.is_stopping() {
                self.close_idle();
                let deadline = *stop_by.get_or_insert(woke + GRACE);
                if self.peers.is_empty() || woke >= deadline {
                    break;
                }
            }
            self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
        }
        for _ in 0..self.peers.len() {
            self.worker.stats().count_closed();
        }
    }

    /// Waits for events: awake for as long as the setting `spin` says, then asleep. Returns when the wait ended.
    #[inline]
    fn wait(&mut self, events: &mut Events, period: Duration) -> Instant {
        if !self.again.is_empty() {
            return self.look(events, Duration::ZERO);
        }
        if self.spin > Duration::ZERO {
            let began = Instant::now();
            loop {
                let now = self.look(events, Duration::ZERO);
                if !events.is_empty() {
                    return now;
                }
                if now - began >= self.spin {
                    break;
                }
            }
        }
        self.look(events, period)
    }

    #[inline]
    fn look(&mut self, events: &mut Events, timeout: Duration) -> Instant {
        // An interrupted wait is one without events.
        if self.poll.poll(events, Some(timeout)).is_err() {
            events.clear();
        }
        Instant::now()
    }

    #[inline]
    fn dispatch(&mut self, event: &Event) {
        match event.token() {
            INTAKE => self.accept(),
            WAKE => self.empty_inbox(),
            Token(key) => {
                if let Some(peer) = self.peers.get_mut(key) {
                    let is_hung_up = event.is_read_closed() || event.is_error();
                    peer.notice(event.is_readable(), is_hung_up);
                    let outcome = peer.pump(&mut self.worker);
                    if outcome != Outcome::Keep {
                        self.settle(key, outcome);
                    }
                }
            }
        }
    }

    #[cold]
    fn settle(&mut self, key: usize, outcome: Outcome) {
        match outcome {
            Outcome::Keep => {}
            Outcome::Again => self.again.push(key),
            Outcome::WatchWritable => self.watch_writable(key),
            Outcome::Close => {
                if self.peers.try_remove(key).is_some() {
                    self.worker.stats().count_closed();
                }
            }
        }
    }

    /// From now on the peer has events when it can be written to. If it already can, there is one at once.
    fn watch_writable(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let fd = peer.stream.as_raw_fd();
        peer.watches_writable = true;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().reregister(&mut SourceFd(&fd), Token(key), interest).is_err() {
            self.settle(key, Outcome::Close);
        }
    }

    fn continue_cut_short(&mut self) {
        for key in std::mem::take(&mut self.again) {
            if let Some(peer) = self.peers.get_mut(key) {
                let outcome = peer.pump(&mut self.worker);
                self.settle(key, outcome);
            }
        }
    }

    fn accept(&mut self) {
        let Some((listener, _)) = self.intake.as_ref().and_then(Intake::listener) else { return };
        match accept(listener, SocketFlags::NONBLOCK) {
            Accepted::Stream(stream) => self.admit(stream),
            Accepted::None => {}
            Accepted::Exhausted => {
                let _ = epoll::delete(self.poll.registry(), listener);
                self.is_intake_paused = true;
                self.worker.app.site().stats.count_paused();
            }
        }
    }

    fn empty_inbox(&mut self) {
        while let Some(Intake::Inbox(inbox)) = &self.intake
            && let Ok(stream) = inbox.try_recv()
        {
            self.admit(stream);
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        let stats = &self.worker.app.site().stats;
        let is_full = stats.open() >= self.worker.limits.connections as u64;
        self.worker.stats().count_accepted();
        let fd = stream.as_raw_fd();
        let entry = self.peers.vacant_entry();
        let token = Token(entry.key());
        if is_full || self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE).is_err() {
            stats.count_refused();
            self.worker.stats().count_closed();
            return;
        }
        entry.insert(Peer::new(stream, &self.worker));
    }

    fn sweep(&mut self) {
        if self.is_intake_paused {
            self.is_intake_paused = self.watch_intake().is_err();
        }
        for key in 0..self.peers.capacity() {
            if let Some(peer) = self.peers.get_mut(key) {
                let outcome = peer.check_time(&mut self.worker);
                self.settle(key, outcome);
            }
        }
    }

    /// Stops accepting and closes what is between requests.
    fn close_idle(&mut self) {
        self.intake = None;
        let before = self.peers.len();
        self.peers.retain(|_, peer| !peer.is_idle());
        for _ in self.peers.len()..before {
            self.worker.stats().count_closed();
        }
    }
}
