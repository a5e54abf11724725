//! A socket and the protocol state on it.

use std::net::TcpStream;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::worker::{Worker, millis};
use crate::engine::{Connection, Front, Limits, Next, Phase};

/// Reads and writes one connection may do before others have their turn.
const ROUNDS: usize = 64;
/// Bytes given to one `sendfile` call.
const SENDFILE_BYTES: u64 = 1 << 20;

/// One client.
#[derive(Debug)]
pub(crate) struct Peer {
    pub stream: TcpStream,
    pub connection: Connection,
    /// Events for writable sockets are asked for: only once a write has blocked.
    pub watches_writable: bool,
    /// The socket may hold unread bytes.
    is_readable: bool,
    /// The client has closed its side, so that reads go on to the end even after a short one.
    is_hung_up: bool,
    watch: Watch,
}

/// Since when the connection has been waiting for the same thing.
#[derive(Debug)]
pub(crate) struct Watch {
    since_ms: u64,
    phase: Phase,
    answered: u64,
}

/// What the owner of a peer does after [`Peer::pump`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Wait for the next event.
    Keep,
    /// The same, and ask for writable events from now on.
    WatchWritable,
    /// Its turn is over but not its work: pump again after the others.
    Again,
    /// Drop it.
    Close,
}

impl Peer {
    pub fn new(stream: TcpStream, worker: &Worker) -> Peer {
        let watch = Watch::new(worker.now_ms);
        let connection = Connection::new(worker.limits);
        Peer { stream, connection, watches_writable: false, is_readable: false, is_hung_up: false, watch }
    }

    /// Notes what an event said.
    #[inline]
    pub fn notice(&mut self, is_readable: bool, is_hung_up: bool) {
        self.is_readable |= is_readable | is_hung_up;
        self.is_hung_up |= is_hung_up;
    }

    /// Reads, answers and writes until the socket has no more to give or take. It must be non-blocking.
    /// Cost of an ordinary request: one read and one write.
    #[inline]
    pub fn pump(&mut self, worker: &mut Worker) -> Outcome {
        let mut outcome = Outcome::Again;
        for _ in 0..ROUNDS {
            let done = match self.connection.next() {
                Next::Read if !self.is_readable => Some(Outcome::Keep),
                Next::Read => self.read(worker),
                Next::Write => self.write(),
                Next::Resume => {
                    self.connection.resume(&mut worker.app);
                    None
                }
                Next::Shut => {
                    shut(&self.stream, &mut self.connection);
                    None
                }
                Next::Close => Some(Outcome::Close),
            };
            if let Some(done) = done {
                outcome = done;
                break;
            }
        }
        self.watch.note(&self.connection, worker.now_ms);
        outcome
    }

    #[inline]
    fn read(&mut self, worker: &mut Worker) -> Option<Outcome> {
        match rustix::net::recv(&self.stream, &mut *worker.buffer, RecvFlags::empty()) {
            Ok((0, _)) => {
                self.is_readable = false;
                self.connection.end_of_input();
            }
            Ok((n, _)) => {
                // A short read emptied the socket: the next byte makes a new event, so nothing is lost
                // by not asking again. Only the end of input makes none after it was announced.
                self.is_readable = n == worker.buffer.len() || self.is_hung_up;
                self.connection.receive(&worker.buffer[..n], &mut worker.app);
            }
            Err(Errno::AGAIN) => self.is_readable = false,
            Err(Errno::INTR) => {}
            Err(_) => return Some(Outcome::Close),
        }
        None
    }

    #[inline]
    fn write(&mut self) -> Option<Outcome> {
        match send(&self.stream, &mut self.connection) {
            Ok(()) | Err(Errno::INTR) => None,
            Err(Errno::AGAIN) if self.watches_writable => Some(Outcome::Keep),
            Err(Errno::AGAIN) => Some(Outcome::WatchWritable),
            Err(_) => Some(Outcome::Close),
        }
    }

    /// Notes where the connection stands after something was done to it elsewhere than in [`Peer::pump`].
    pub fn note_progress(&mut self, now_ms: u64) {
        self.watch.note(&self.connection, now_ms);
    }

    /// Ends a connection that has waited too long, and pumps it; `Keep` if its time is not over.
    pub fn check_time(&mut self, worker: &mut Worker) -> Outcome {
        if !self.is_overdue(worker) {
            return Outcome::Keep;
        }
        self.connection.expire(&worker.app);
        self.pump(worker)
    }

    /// Whether it has waited too long.
    pub fn is_overdue(&self, worker: &Worker) -> bool {
        self.watch.is_over(&worker.limits, worker.now_ms)
    }

    /// Whether the connection is between requests.
    pub fn is_idle(&self) -> bool {
        self.connection.phase() == Phase::Idle
    }
}

impl Watch {
    /// Begins now, idle.
    pub fn new(now_ms: u64) -> Watch {
        Watch { since_ms: now_ms, phase: Phase::Idle, answered: 0 }
    }

    /// Notes where the connection stands after something was done.
    #[inline]
    pub fn note(&mut self, connection: &Connection, now_ms: u64) {
        let (phase, answered) = (connection.phase(), connection.answered());
        let is_same = phase == self.phase && answered == self.answered;
        // Progress renews the time of a connection that is idle or being written to, but not that of a
        // head or body: a byte now and then must not keep those open for ever.
        if !is_same || matches!(phase, Phase::Idle | Phase::Reply) {
            *self = Watch { since_ms: now_ms, phase, answered };
        }
    }

    /// Whether it has waited too long.
    pub fn is_over(&self, limits: &Limits, now_ms: u64) -> bool {
        let limit = match self.phase {
            Phase::Head => limits.head_timeout,
            Phase::Idle | Phase::Body | Phase::Reply => limits.idle_timeout,
            Phase::Linger => limits.linger_timeout,
        };
        now_ms.saturating_sub(self.since_ms) >= millis(limit)
    }
}

/// Sends what the connection has at its front, once.
#[inline]
pub(crate) fn send(stream: &impl AsFd, connection: &mut Connection) -> Result<(), Errno> {
    let n = match connection.outbox().front() {
        Front::Nothing => 0,
        Front::Bytes { bytes, more } => {
            let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
            rustix::net::send(stream, bytes, flags)?
        }
        Front::File { file, mut offset, left } => {
            let n = rustix::fs::sendfile(stream, file, Some(&mut offset), left.min(SENDFILE_BYTES) as usize)?;
            if n == 0 {
                // The file is shorter than it was when its length was announced: only closing tells the client.
                connection.abort();
                return Ok(());
            }
            n
        }
    };
    connection.sent(n);
    Ok(())
}

/// Tells the client that no more replies come.
pub(crate) fn shut(stream: &impl AsFd, connection: &mut Connection) {
    match rustix::net::shutdown(stream, Shutdown::Write) {
        Ok(()) => connection.was_shut(),
        Err(_) => connection.abort(),
    }
}
