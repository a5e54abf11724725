//! [`Pool`]: all connections of one load worker, over any transport.

mod receive;

use corecurve_core::{CpuId, ErrorClass, Nanos, Problem, Wire};
use corecurve_machine::clock;
use rustix::net::sockopt::socket_incoming_cpu;

use super::connection::{Connection, FIRST_BACKOFF, State};
use super::free::Free;
use super::{Dialer, Flight, Happened, Transport, Wait};

/// Longest request that is written without growing a buffer.
const REQUEST: usize = 64 << 10;
/// Connections that may be under way at the same time while the trial has not begun: fewer than any accept queue holds.
const CONNECTING: usize = 64;
/// Longest time a connection may take to be established, if the time-out is not shorter.
const CONNECT_TIMEOUT: u64 = 3_000_000_000;

/// The connections of one load worker.
pub(crate) struct Pool<W: Wire, T: Transport> {
    transport: T,
    connections: Vec<Connection<W>>,
    /// Open and without an operation.
    free: Free,
    /// The last time at which none was free.
    starved_until: u64,
    dialer: Dialer,
    /// The request being sent.
    request: Vec<u8>,
    per_connection: Option<u64>,
    timeout: u64,
    open: usize,
    in_flight: usize,
    /// Bytes nobody asked for, on connections without an operation.
    unsolicited: u64,
}

impl<W: Wire, T: Transport> Pool<W, T> {
    /// `size` places without a connection yet. `per_connection`: operations after which a connection is closed.
    ///
    /// # Errors
    /// When the kernel refuses the transport.
    pub(crate) fn new(
        dialer: Dialer,
        size: usize,
        per_connection: Option<u64>,
        timeout: Nanos,
    ) -> Result<Pool<W, T>, Problem> {
        Ok(Pool {
            transport: T::open(size, &dialer)?,
            connections: (0..size).map(|_| Connection::new()).collect(),
            free: Free::new(size),
            starved_until: 0,
            dialer,
            request: Vec::with_capacity(REQUEST),
            per_connection,
            timeout: timeout.0,
            open: 0,
            in_flight: 0,
            unsolicited: 0,
        })
    }

    /// Makes the first so many connections those that some operations prefer. To be called before any is opened.
    pub(crate) fn prefer(&mut self, preferred: usize) {
        self.free.prefer(preferred);
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
            let events = self.transport.wait(Wait::Roughly(1_000_000));
            let mut settled = |happened, state| match (happened, state) {
                (Happened::<W::Op>::Unreachable(class), _) => {
                    failures.push(class);
                    1
                }
                (_, State::Open) => 1,
                _ => 0,
            };
            for i in 0..events {
                let Some((index, signal)) = self.transport.signal(i) else { continue };
                if matches!(self.connections[index].state, State::Connecting { .. }) {
                    let happened = self.established(index, signal);
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

    /// The free connection that has waited longest: if possible of those that some operations prefer, or of the rest.
    #[inline]
    pub(crate) fn take_free(&mut self, prefers: bool) -> Option<usize> {
        self.free.take(prefers)
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

    /// The CPUs that received the last packet of each connection, as far as the kernel says. Cost: a system call each.
    pub(crate) fn received_on(&self) -> Vec<CpuId> {
        let cpu = |socket| socket_incoming_cpu(socket).ok().filter(|cpu| *cpu != u32::MAX);
        self.transport.sockets().filter_map(cpu).map(CpuId).collect()
    }

    /// Whether the next operation on a connection is its first, and whether it is its last.
    #[inline]
    pub(crate) fn first_and_last(&self, index: usize) -> (bool, bool) {
        let used = self.connections[index].used;
        (used == 0, self.per_connection.is_some_and(|most| used + 1 >= most))
    }

    /// Puts an operation on a free connection.
    #[inline]
    pub(crate) fn send(&mut self, index: usize, flight: Flight<W::Op>, workload: &W) -> Happened<W::Op> {
        self.request.clear();
        workload.encode(&flight.op, flight.last, &mut self.request);
        let connection = &mut self.connections[index];
        connection.flight = Some(flight);
        connection.used += 1;
        self.in_flight += 1;
        match self.transport.send(index, &self.request) {
            Ok(()) => Happened::Nothing,
            Err(class) => self.broken(index, class, flight.sent),
        }
    }

    /// Lets go of what was put on connections.
    #[inline]
    pub(crate) fn submit(&mut self) {
        self.transport.submit();
    }

    /// From when to when the operations put on connections since the last time went out, one after another.
    #[inline]
    pub(crate) fn submitted(&self) -> (u64, u64) {
        self.transport.submitted()
    }

    /// Says when an operation went out, if it is still on the wire.
    #[inline]
    pub(crate) fn went_out(&mut self, index: usize, id: u64, sent: u64) {
        if let Some(flight) = self.connections[index].flight.as_mut().filter(|flight| flight.id == id) {
            flight.sent = sent;
        }
    }

    /// Waits for signals and returns how many there are.
    #[inline]
    pub(crate) fn wait(&mut self, wait: Wait) -> usize {
        self.transport.wait(wait)
    }

    /// Follows up a signal of the last wait; which connection it was about, and what became of it.
    #[inline]
    pub(crate) fn follow_up(&mut self, i: usize, workload: &W) -> Option<(usize, Happened<W::Op>)> {
        let (index, signal) = self.transport.signal(i)?;
        let happened = match self.connections[index].state {
            State::Open => match self.transport.resume(index, signal) {
                Ok(()) => self.receive(index, signal, workload),
                Err(class) => self.broken(index, class, clock::now().0),
            },
            State::Connecting { .. } => self.established(index, signal),
            State::Down { .. } => Happened::Nothing,
        };
        Some((index, happened))
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

    /// Lets no operation on the wire count as due at or after `instant`.
    pub(crate) fn due_before(&mut self, instant: u64) {
        for flight in self.connections.iter_mut().filter_map(|connection| connection.flight.as_mut()) {
            flight.intended = flight.intended.min(instant.saturating_sub(1));
        }
    }

    fn late(&self, since: u64, now: u64) -> bool {
        now.saturating_sub(since) > CONNECT_TIMEOUT.min(self.timeout)
    }

    fn dial(&mut self, index: usize, now: u64) -> Happened<W::Op> {
        match self.transport.dial(index, &mut self.dialer) {
            Ok(open) => {
                self.connections[index].state = State::Connecting { since: now };
                if open {
                    self.opened(index);
                }
                Happened::Nothing
            }
            Err(class) => self.unreachable(index, class, now),
        }
    }

    /// Something is told about a connection under way.
    fn established(&mut self, index: usize, signal: T::Signal) -> Happened<W::Op> {
        match self.transport.connected(index, signal) {
            Some(Ok(())) => self.opened(index),
            Some(Err(class)) => return self.unreachable(index, class, clock::now().0),
            None => {}
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
        self.free.put(index);
    }

    fn unreachable(&mut self, index: usize, class: ErrorClass, now: u64) -> Happened<W::Op> {
        self.transport.close(index);
        self.connections[index].back_off(now);
        Happened::Unreachable(class)
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
