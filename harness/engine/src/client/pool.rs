//! [`Pool`]: all connections of one load worker, with the poll they are registered at.

mod receive;

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use corecurve_core::{ErrorClass, Nanos, Problem, Wire};
use corecurve_machine::clock;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::connection::{Connection, FIRST_BACKOFF, State};
use super::{Dialer, Flight, Happened, classify};

/// Read at once; an answer larger than this takes more than one read.
const READ: usize = 64 << 10;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Connections that may be under way at the same time while the trial has not begun: fewer than any accept queue holds.
const CONNECTING: usize = 64;
/// Longest time a connection may take to be established, if the time-out is not shorter.
const CONNECT_TIMEOUT: u64 = 3_000_000_000;

/// How long to wait for events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// So many nanoseconds, to the nanosecond: the poll's own waits are in milliseconds.
    Precisely(u64),
    /// So many nanoseconds, rounded up to milliseconds: one system call.
    Roughly(u64),
}

/// The connections of one load worker.
pub(crate) struct Pool<W: Wire> {
    poll: Poll,
    events: Events,
    /// The events of the last wait.
    signals: Vec<(usize, Signal)>,
    connections: Vec<Connection<W>>,
    /// Open and without an operation, longest idle first, so that all are used alike.
    free: VecDeque<usize>,
    /// The last time at which none was free.
    starved_until: u64,
    dialer: Dialer,
    read: Box<[u8]>,
    out: Vec<u8>,
    per_connection: Option<u64>,
    timeout: u64,
    open: usize,
    in_flight: usize,
    /// Bytes nobody asked for, on connections without an operation.
    unsolicited: u64,
}

impl<W: Wire> Pool<W> {
    /// `size` places without a connection yet. `per_connection`: operations after which a connection is closed.
    ///
    /// # Errors
    /// When the kernel gives no epoll.
    pub(crate) fn new(
        dialer: Dialer,
        size: usize,
        per_connection: Option<u64>,
        timeout: Nanos,
    ) -> Result<Pool<W>, Problem> {
        let poll = Poll::new().map_err(|error| {
            Problem::new(format!("no epoll for a load thread: {error}")).help("raise the limit on files (ulimit -n)")
        })?;
        Ok(Pool {
            poll,
            events: Events::with_capacity(EVENTS),
            signals: Vec::with_capacity(EVENTS),
            connections: (0..size).map(|_| Connection::new()).collect(),
            free: VecDeque::with_capacity(size),
            starved_until: 0,
            dialer,
            read: vec![1; READ].into_boxed_slice(),
            out: Vec::with_capacity(READ),
            per_connection,
            timeout: timeout.0,
            open: 0,
            in_flight: 0,
            unsolicited: 0,
        })
    }

    /// Opens all connections, some at a time, until each is open or has failed once. Returns the failures.
    pub(crate) fn connect_all(&mut self) -> Vec<ErrorClass> {
        let mut failures = Vec::new();
        let mut next = 0;
        let mut under_way = 0usize;
        while next < self.connections.len() || under_way > 0 {
            while next < self.connections.len() && under_way < CONNECTING {
                match self.dial(next, clock::now().0) {
                    Happened::Unreachable(class) => failures.push(class),
                    _ => under_way += usize::from(self.connections[next].state != State::Open),
                }
                next += 1;
            }
            let events = self.wait(Wait::Roughly(1_000_000));
            let mut settled = |happened, state| match (happened, state) {
                (Happened::<W::Op>::Unreachable(class), _) => {
                    failures.push(class);
                    1
                }
                (_, State::Open) => 1,
                _ => 0,
            };
            for i in 0..events {
                let (index, event) = self.event(i);
                if matches!(self.connections[index].state, State::Connecting { .. }) {
                    let happened = self.established(index, event.broken);
                    under_way -= settled(happened, self.connections[index].state);
                }
            }
            let now = clock::now().0;
            for index in 0..next {
                if matches!(self.connections[index].state, State::Connecting { since } if self.late(since, now)) {
                    let happened = self.unreachable(index, ErrorClass::ConnectTimeout, now);
                    under_way -= settled(happened, State::Open);
                }
            }
        }
        failures
    }

    /// Number of places.
    pub(crate) fn size(&self) -> usize {
        self.connections.len()
    }

    /// Operations on the wire.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether no connection is established.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.open == 0
    }

    /// Whether a connection is free.
    #[inline]
    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// The free connection that has waited longest.
    #[inline]
    pub(crate) fn take_free(&mut self) -> Option<usize> {
        self.free.pop_front()
    }

    /// Until when there was last no free connection: what was due before had to wait.
    #[inline]
    pub(crate) fn starved_until(&self) -> u64 {
        self.starved_until
    }

    /// Since when a connection has had nothing to do.
    #[inline]
    pub(crate) fn idle_since(&self, index: usize) -> u64 {
        self.connections[index].idle_since
    }

    /// Says that a connection without an operation has been idle only since `now`.
    pub(crate) fn idle_from(&mut self, index: usize, now: u64) {
        self.connections[index].idle_since = now;
    }

    /// Bytes that nobody had asked for were received so many times.
    pub(crate) fn unsolicited(&self) -> u64 {
        self.unsolicited
    }

    /// Whether the next operation on a connection is its first, and whether it is its last.
    #[inline]
    pub(crate) fn first_and_last(&self, index: usize) -> (bool, bool) {
        let used = self.connections[index].used;
        (used == 0, self.per_connection.is_some_and(|most| used + 1 >= most))
    }

    /// Puts an operation on a free connection. Cost: one `write`.
    #[inline]
    pub(crate) fn send(&mut self, index: usize, flight: Flight<W::Op>, workload: &W) -> Happened<W::Op> {
        self.out.clear();
        workload.encode(&flight.op, flight.last, &mut self.out);
        let connection = &mut self.connections[index];
        connection.flight = Some(flight);
        connection.used += 1;
        self.in_flight += 1;
        let Some(stream) = &mut connection.stream else {
            return self.broken(index, ErrorClass::Closed, flight.sent);
        };
        match stream.write(&self.out) {
            Ok(n) if n == self.out.len() => Happened::Nothing,
            Ok(n) => {
                connection.unsent.extend_from_slice(&self.out[n..]);
                Happened::Nothing
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                connection.unsent.extend_from_slice(&self.out);
                Happened::Nothing
            }
            Err(error) => self.broken(index, classify(&error), flight.sent),
        }
    }

    /// Waits for events and returns how many there are.
    #[inline]
    pub(crate) fn wait(&mut self, wait: Wait) -> usize {
        let timeout = match wait {
            Wait::No => Duration::ZERO,
            Wait::Roughly(ns) => Duration::from_nanos(ns),
            Wait::Precisely(ns) => {
                let time = Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 };
                // The epoll is itself a file that can be polled, with a time-out in nanoseconds. A signal may cut it short.
                let _ = rustix::event::poll(&mut [PollFd::new(self.poll.registry(), PollFlags::IN)], Some(&time));
                Duration::ZERO
            }
        };
        self.signals.clear();
        // The only error there can be is a signal, and then there are no events.
        if self.poll.poll(&mut self.events, Some(timeout)).is_ok() {
            self.signals.extend(self.events.iter().map(|event| (event.token().0, Signal::of(event))));
        }
        self.signals.len()
    }

    /// An event of the last wait: its connection and what it says.
    #[inline]
    pub(crate) fn event(&self, i: usize) -> (usize, Signal) {
        self.signals[i]
    }

    /// Follows up an event.
    #[inline]
    pub(crate) fn on_event(&mut self, index: usize, signal: Signal, workload: &W) -> Happened<W::Op> {
        match self.connections[index].state {
            State::Open => {
                if signal.writable
                    && !self.connections[index].unsent.is_empty()
                    && let Err(class) = self.flush(index)
                {
                    return self.broken(index, class, clock::now().0);
                }
                if signal.readable { self.receive(index, signal.closing, workload) } else { Happened::Nothing }
            }
            State::Connecting { .. } if signal.writable || signal.broken => self.established(index, signal.broken),
            _ => Happened::Nothing,
        }
    }

    /// Looks after a connection from time to time: time-outs and new tries.
    pub(crate) fn tend(&mut self, index: usize, now: u64) -> Happened<W::Op> {
        let connection = &self.connections[index];
        match connection.state {
            State::Down { retry_at } if retry_at <= now => self.dial(index, now),
            State::Connecting { since } if self.late(since, now) => {
                self.unreachable(index, ErrorClass::ConnectTimeout, now)
            }
            State::Open => match &connection.flight {
                Some(flight) if now.saturating_sub(flight.sent) > self.timeout => {
                    self.broken(index, ErrorClass::Timeout, now)
                }
                _ => Happened::Nothing,
            },
            _ => Happened::Nothing,
        }
    }

    /// Every operation still on the wire.
    pub(crate) fn flights(&self) -> impl Iterator<Item = &Flight<W::Op>> {
        self.connections.iter().filter_map(|connection| connection.flight.as_ref())
    }

    fn late(&self, since: u64, now: u64) -> bool {
        now.saturating_sub(since) > CONNECT_TIMEOUT.min(self.timeout)
    }

    fn dial(&mut self, index: usize, now: u64) -> Happened<W::Op> {
        let mut dialled = match self.dialer.dial() {
            Ok(dialled) => dialled,
            Err(class) => return self.unreachable(index, class, now),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut dialled.stream, Token(index), interest) {
            return self.unreachable(index, classify(&error), now);
        }
        let connection = &mut self.connections[index];
        connection.stream = Some(dialled.stream);
        connection.state = State::Connecting { since: now };
        if dialled.open {
            self.opened(index);
        }
        Happened::Nothing
    }

    /// A connection under way became writable, or broke.
    fn established(&mut self, index: usize, broken: bool) -> Happened<W::Op> {
        let Some(stream) = &self.connections[index].stream else { return Happened::Nothing };
        match (stream.take_error(), stream.peer_addr()) {
            (Ok(None), Ok(_)) => self.opened(index),
            (Ok(Some(error)), _) | (Err(error), _) => {
                return self.unreachable(index, classify(&error), clock::now().0);
            }
            (Ok(None), Err(_)) if broken => return self.unreachable(index, ErrorClass::Reset, clock::now().0),
            // An event of the socket that was here before.
            (Ok(None), Err(_)) => {}
        }
        Happened::Nothing
    }

    fn opened(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.state = State::Open;
        connection.backoff = FIRST_BACKOFF;
        self.open += 1;
        self.set_free(index, clock::now().0);
    }

    #[inline]
    fn set_free(&mut self, index: usize, now: u64) {
        if self.free.is_empty() {
            self.starved_until = now;
        }
        self.free.push_back(index);
    }

    fn unreachable(&mut self, index: usize, class: ErrorClass, now: u64) -> Happened<W::Op> {
        self.connections[index].back_off(now);
        Happened::Unreachable(class)
    }
}

/// What an event says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal {
    readable: bool,
    writable: bool,
    /// The target will send no more.
    closing: bool,
    broken: bool,
}

impl Signal {
    #[inline]
    fn of(event: &Event) -> Signal {
        let closing = event.is_read_closed();
        let broken = event.is_error() || event.is_write_closed();
        Signal { readable: event.is_readable() || closing || broken, writable: event.is_writable(), closing, broken }
    }
}

/// Whether the process may open so many files, after trying to raise its limit.
pub(crate) fn room_for_files(connections: usize) -> Result<(), Problem> {
    /// Files of the process besides connections.
    const OTHERS: u64 = 64;
    let needed = connections as u64 + OTHERS;
    let limits = corecurve_machine::procfs::limits::raise_open_files()
        .unwrap_or_else(|_| corecurve_machine::procfs::limits::open_files());
    match limits.soft {
        Some(soft) if soft < needed => Err(Problem::new(format!(
            "{connections} connections need {needed} file descriptors and the limit is {soft}"
        ))
        .help("raise it (ulimit -n, or LimitNOFILE of the service) or use fewer --connections")),
        _ => Ok(()),
    }
}
