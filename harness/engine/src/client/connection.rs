//! [`Connection`]: what is known of one connection, and the operation in flight on it. Its socket is the transport's.

use corecurve_core::{ErrorClass, Outcome, Told, Wire};

/// An operation on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight<Op> {
    pub op: Op,
    pub id: u64,
    pub intended: u64,
    pub sent: u64,
    /// Check the content of the answer.
    pub verify: bool,
    /// The connection closes after it.
    pub last: bool,
}

/// An operation that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<Op> {
    pub flight: Flight<Op>,
    pub outcome: Outcome,
    pub done: u64,
    pub told: Told,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened<Op> {
    /// Nothing that matters to an operation.
    Nothing,
    /// The operation on it has ended.
    Ended(Ended<Op>),
    /// It could not be established.
    Unreachable(ErrorClass),
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not there; to be tried again at this time.
    Down { retry_at: u64 },
    /// Being established since.
    Connecting { since: u64 },
    /// Established.
    Open,
}

/// One place for a connection. The socket behind it changes when it breaks or is used up.
pub(crate) struct Connection<W: Wire> {
    pub state: State,
    pub flight: Option<Flight<W::Op>>,
    pub decoder: W::Decoder,
    /// Bytes of an answer that are received and not consumed.
    pub held: Vec<u8>,
    /// Operations put on this socket.
    pub used: u64,
    /// Next wait before trying again, should it fail.
    pub backoff: u64,
    /// When it last had nothing to do: the intended start of the next operation of a closed loop.
    pub idle_since: u64,
}

/// First wait before a broken connection is tried again.
pub(super) const FIRST_BACKOFF: u64 = 1_000_000;
/// Longest such wait.
const LAST_BACKOFF: u64 = 100_000_000;
/// Bytes of an answer kept without growing.
const HELD: usize = 4_096;

impl<W: Wire> Connection<W> {
    pub(super) fn new() -> Connection<W> {
        Connection {
            state: State::Down { retry_at: 0 },
            flight: None,
            decoder: W::Decoder::default(),
            held: Vec::with_capacity(HELD),
            used: 0,
            backoff: FIRST_BACKOFF,
            idle_since: 0,
        }
    }

    /// Forgets what was on the socket: it can never be taken for the answer to another operation.
    pub(super) fn close(&mut self, retry_at: u64) {
        self.state = State::Down { retry_at };
        self.decoder = W::Decoder::default();
        self.held.clear();
        self.used = 0;
    }

    /// Closes after a failure: the next try comes later each time, until one succeeds.
    pub(super) fn back_off(&mut self, now: u64) {
        let wait = self.backoff;
        self.backoff = (wait * 2).min(LAST_BACKOFF);
        self.close(now + wait);
    }
}
