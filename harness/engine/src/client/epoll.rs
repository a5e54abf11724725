//! [`Epoll`]: readiness told by epoll, one `write` and one `read` an operation.
//!
//! Sockets are registered once, edge-triggered, for both directions. A read that does not fill the buffer has emptied the
//! socket, so no second one is needed to hear "would block": bytes that come later raise a new edge. A close that came
//! together with the last bytes is told by the event itself, and then reading goes on to the end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use corecurve_core::{ErrorClass, Problem};
use corecurve_machine::clock;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::dial::Blocking;
use super::transport::{Received, Transport, Wait};
use super::{Dialer, classify};

/// Read at once; an answer larger than this takes more than one read.
const READ: usize = 64 << 10;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// Sockets that are watched by an epoll.
pub(crate) struct Epoll {
    poll: Poll,
    events: Events,
    /// The events of the last wait.
    signals: Vec<(usize, Readiness)>,
    places: Vec<Place>,
    read: Box<[u8]>,
}

/// A socket and the bytes of a request that it did not take yet.
#[derive(Debug, Default)]
struct Place {
    stream: Option<TcpStream>,
    unsent: Vec<u8>,
}

/// What an event says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    readable: bool,
    writable: bool,
    /// The target will send no more.
    closing: bool,
    broken: bool,
}

impl Readiness {
    #[inline]
    fn of(event: &Event) -> Readiness {
        let closing = event.is_read_closed();
        let broken = event.is_error() || event.is_write_closed();
        Readiness { readable: event.is_readable() || closing || broken, writable: event.is_writable(), closing, broken }
    }
}

impl Transport for Epoll {
    type Signal = Readiness;

    const BATCHED: bool = false;

    fn open(places: usize, _: &Dialer) -> Result<Epoll, Problem> {
        let poll = Poll::new().map_err(|error| {
            Problem::new(format!("no epoll for a load thread: {error}")).help("raise the limit on files (ulimit -n)")
        })?;
        Ok(Epoll {
            poll,
            events: Events::with_capacity(EVENTS),
            signals: Vec::with_capacity(EVENTS),
            places: (0..places).map(|_| Place::default()).collect(),
            read: vec![1; READ].into_boxed_slice(),
        })
    }

    fn dial(&mut self, place: usize, dialer: &mut Dialer) -> Result<bool, ErrorClass> {
        let socket = dialer.socket(Blocking::No)?;
        let open = dialer.connect(&socket)?;
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place), interest).map_err(|error| classify(&error))?;
        self.places[place].stream = Some(stream);
        Ok(open)
    }

    fn connected(&mut self, place: usize, signal: Readiness) -> Option<Result<(), ErrorClass>> {
        if !signal.writable && !signal.broken {
            return None;
        }
        let stream = self.places[place].stream.as_ref()?;
        match (stream.take_error(), stream.peer_addr()) {
            (Ok(None), Ok(_)) => Some(Ok(())),
            (Ok(Some(error)), _) | (Err(error), _) => Some(Err(classify(&error))),
            (Ok(None), Err(_)) if signal.broken => Some(Err(ErrorClass::Reset)),
            // An event of the socket that was here before.
            (Ok(None), Err(_)) => None,
        }
    }

    fn close(&mut self, place: usize) {
        let place = &mut self.places[place];
        place.stream = None;
        place.unsent.clear();
    }

    #[inline]
    fn send(&mut self, place: usize, request: &[u8]) -> Result<(), ErrorClass> {
        let Place { stream, unsent } = &mut self.places[place];
        let Some(stream) = stream else { return Err(ErrorClass::Closed) };
        match stream.write(request) {
            Ok(n) if n == request.len() => {}
            Ok(n) => unsent.extend_from_slice(&request[n..]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                unsent.extend_from_slice(request);
            }
            Err(error) => return Err(classify(&error)),
        }
        Ok(())
    }

    #[inline]
    fn is_sent(&self, place: usize) -> bool {
        self.places[place].unsent.is_empty()
    }

    #[inline]
    fn submit(&mut self) {}

    fn submitted(&self) -> (u64, u64) {
        let now = clock::now().0;
        (now, now)
    }

    #[inline]
    fn wait(&mut self, wait: Wait) -> usize {
        let timeout = match wait {
            Wait::No => Duration::ZERO,
            // The poll's own waits are in milliseconds, rounded up: one system call.
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
            self.signals.extend(self.events.iter().map(|event| (event.token().0, Readiness::of(event))));
        }
        self.signals.len()
    }

    #[inline]
    fn signal(&self, i: usize) -> Option<(usize, Readiness)> {
        Some(self.signals[i])
    }

    #[inline]
    fn resume(&mut self, place: usize, signal: Readiness) -> Result<(), ErrorClass> {
        let Place { stream, unsent } = &mut self.places[place];
        let Some(stream) = stream.as_mut().filter(|_| signal.writable) else { return Ok(()) };
        while !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(n) => drop(unsent.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(classify(&error)),
            }
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, place: usize, signal: Readiness) -> Received {
        let Some(stream) = self.places[place].stream.as_mut().filter(|_| signal.readable) else {
            return Received::Nothing;
        };
        loop {
            return match stream.read(&mut self.read) {
                Ok(0) => Received::End,
                Ok(n) => {
                    let closing = signal.closing;
                    Received::Bytes { n, more: n == self.read.len() || closing, closing }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Received::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Received::Failed(classify(&error)),
            };
        }
    }

    /// The read has just returned, so it is now.
    #[inline]
    fn received_at(&self) -> u64 {
        clock::now().0
    }

    fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.places.iter().filter_map(|place| place.stream.as_ref()).map(AsFd::as_fd)
    }

    #[inline]
    fn bytes(&self, _: Readiness, n: usize) -> &[u8] {
        &self.read[..n]
    }
}
