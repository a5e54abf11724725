//! Answers read, and what ends an operation.

use corecurve_core::{Decoded, ErrorClass, Outcome, Told, Wire};
use corecurve_machine::clock;

use super::super::connection::{Connection, State};
use super::super::transport::Received;
use super::super::{Ended, Happened, Transport};
use super::Pool;

/// An answer whose unconsumed part grows beyond this is no answer.
const MOST_HELD: usize = 256 << 10;

impl<W: Wire, T: Transport> Pool<W, T> {
    /// Takes what has arrived. At most one operation ends by it.
    #[inline]
    pub(super) fn receive(&mut self, index: usize, signal: T::Signal, workload: &W) -> Happened<W::Op> {
        loop {
            let (n, more, closing) = match self.transport.receive(index, signal) {
                Received::Bytes { n, more, closing } => (n, more, closing),
                Received::Nothing => return Happened::Nothing,
                Received::End => return self.closed(index, workload),
                Received::Failed(class) => return self.broken(index, class, clock::now().0),
            };
            let now = self.transport.received_at();
            match self.digest(index, signal, n, workload) {
                Digest::More if more => {}
                Digest::More => return Happened::Nothing,
                Digest::Unsolicited => {
                    self.unsolicited += 1;
                    return self.broken(index, ErrorClass::Protocol, now);
                }
                Digest::TooMuch => return self.broken(index, ErrorClass::Protocol, now),
                Digest::Done { outcome, keep } => {
                    return self.complete(index, outcome, keep && !closing, now, workload);
                }
            }
        }
    }

    /// Shows `n` new bytes to the workload.
    #[inline]
    fn digest(&mut self, index: usize, signal: T::Signal, n: usize, workload: &W) -> Digest {
        let Connection { flight, decoder, held, .. } = &mut self.connections[index];
        let Some(flight) = flight else { return Digest::Unsolicited };
        let fresh = self.transport.bytes(signal, n);
        let straight = held.is_empty();
        if !straight {
            held.extend_from_slice(fresh);
        }
        let input: &[u8] = if straight { fresh } else { held };
        match workload.decode(&flight.op, decoder, input, flight.verify) {
            Decoded::Partial { consumed } => {
                if straight {
                    held.extend_from_slice(fresh.get(consumed..).unwrap_or_default());
                } else {
                    held.drain(..consumed.min(held.len()));
                }
                if held.len() > MOST_HELD { Digest::TooMuch } else { Digest::More }
            }
            Decoded::Done { consumed, outcome, keep_alive } => match (consumed == input.len(), outcome) {
                (true, outcome) => Digest::Done { outcome, keep: keep_alive },
                // A second answer that nobody asked for: neither can be trusted.
                (false, Outcome::Ok) => Digest::Done { outcome: Outcome::Failed(ErrorClass::Protocol), keep: false },
                (false, failed) => Digest::Done { outcome: failed, keep: false },
            },
        }
    }

    /// The answer is complete.
    #[inline]
    fn complete(&mut self, index: usize, outcome: Outcome, keep: bool, now: u64, workload: &W) -> Happened<W::Op> {
        let connection = &mut self.connections[index];
        let Some(flight) = connection.flight.take() else { return Happened::Nothing };
        let told = workload.told(&connection.decoder);
        connection.decoder = W::Decoder::default();
        connection.held.clear();
        connection.idle_since = now;
        self.in_flight -= 1;
        if keep && !flight.last && self.transport.is_sent(index) {
            self.set_free(index, now);
        } else {
            connection.close(now);
            self.transport.close(index);
            self.open -= 1;
            // What goes wrong here comes up again when the connection is tended.
            if let Happened::Unreachable(_) = self.dial(index, now) {
                self.connections[index].state = State::Down { retry_at: now };
            }
        }
        Happened::Ended(Ended { flight, outcome, done: now, told })
    }

    /// The target closed the connection.
    fn closed(&mut self, index: usize, workload: &W) -> Happened<W::Op> {
        let now = clock::now().0;
        let connection = &mut self.connections[index];
        match &connection.flight {
            None => self.broken(index, ErrorClass::Closed, now),
            Some(flight) => match workload.closed(&flight.op, &mut connection.decoder) {
                Outcome::Ok => self.complete(index, Outcome::Ok, false, now, workload),
                Outcome::Failed(class) => self.broken(index, class, now),
            },
        }
    }

    /// The connection is of no use any more; the operation on it, if any, has failed. It is replaced at the next tending.
    pub(super) fn broken(&mut self, index: usize, class: ErrorClass, now: u64) -> Happened<W::Op> {
        let connection = &mut self.connections[index];
        let flight = connection.flight.take();
        connection.idle_since = now;
        connection.back_off(now);
        self.transport.close(index);
        self.open -= 1;
        match flight {
            Some(flight) => {
                self.in_flight -= 1;
                let outcome = Outcome::Failed(class);
                Happened::Ended(Ended { flight, outcome, done: now, told: Told::default() })
            }
            None => {
                self.free.remove(index);
                Happened::Nothing
            }
        }
    }
}

/// What new bytes were.
enum Digest {
    More,
    Unsolicited,
    TooMuch,
    Done { outcome: Outcome, keep: bool },
}
