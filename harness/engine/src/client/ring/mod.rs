//! [`Ring`]: completions told by an io_uring, one system call for all that a turn of the load loop sends and receives.
//!
//! A connected socket has one receive that stays posted and fills a buffer each time something comes (multishot). A request
//! is a send that is tried once, within the call: it is silent when the socket takes all of it, as it nearly always does; what
//! is left otherwise is sent by one that waits. Sockets are blocking ones: the kernel does not block for them here, it asks to
//! be told, which it would not do for non-blocking ones.
//!
//! Completions carry their place and its generation, so that those of a socket that has gone are known and left alone. A
//! socket is closed only after the call that followed, because requests name it by number until then.

mod buffers;
mod queue;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use corecurve_core::{ErrorClass, Problem};
use corecurve_machine::clock;
use socket2::Socket;

use super::dial::Blocking;
use super::transport::{Received, Transport, Wait};
use super::{Dialer, classify};
use queue::{Completion, Queue};

/// Sockets whose requests and answers go through an io_uring.
pub(crate) struct Ring {
    queue: Queue,
    places: Vec<Place>,
    /// What the last wait brought, in order.
    signals: Vec<(u32, u32, News)>,
    completions: Vec<Completion>,
    /// Buffers that the signals of the last wait refer to.
    full: Vec<u16>,
    /// Sockets to be closed once the kernel knows of all requests that name them.
    closing: Vec<OwnedFd>,
    submitted: (u64, u64),
    received_at: u64,
}

/// A socket and what is under way on it.
#[derive(Debug, Default)]
struct Place {
    socket: Option<Socket>,
    /// Goes up with each socket.
    generation: u32,
    connecting: bool,
    receiving: bool,
    /// A send that waits for room is under way.
    sending: bool,
    /// Where the bytes of the last request are kept until its send is known to have worked.
    kept: (u32, u32),
    /// The last signal of this place that brought bytes.
    last_bytes: u32,
}

/// What happened to a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    Connected,
    Bytes { buffer: u16, n: u16, closing: bool },
    End,
    Failed(ErrorClass),
}

/// What a completion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Receive,
    /// A send that is tried once.
    Send,
    /// A send that waits for room.
    Rest,
}

/// Generations are told apart modulo this: far more sockets than one place sees while a completion is on its way.
const GENERATIONS: u32 = 1 << 24;

/// Place, generation and kind in one number.
fn tag(kind: Kind, place: usize, generation: u32) -> u64 {
    (kind as u64) << 56 | u64::from(generation) << 32 | place as u64
}

/// The same three out of it; `None` for that of a cancellation.
fn read_tag(tag: u64) -> Option<(Kind, usize, u32)> {
    let kind = match tag >> 56 {
        0 => Kind::Connect,
        1 => Kind::Receive,
        2 => Kind::Send,
        3 => Kind::Rest,
        _ => return None,
    };
    Some((kind, tag as u32 as usize, (tag >> 32) as u32 % GENERATIONS))
}

fn class_of(result: i32) -> ErrorClass {
    classify(&std::io::Error::from_raw_os_error(-result))
}

impl Ring {
    /// Sorts out a completion: what it means for its place.
    #[inline]
    fn sort_out(&mut self, Completion { tag, result, buffer, more }: Completion) {
        self.full.extend(buffer);
        let Some((kind, place, generation)) = read_tag(tag) else { return };
        if self.places[place].generation != generation {
            return;
        }
        match kind {
            Kind::Receive => self.received(place, result, buffer, more),
            Kind::Send => self.not_all_sent(place, result),
            Kind::Rest => {
                self.places[place].sending = false;
                if result < 0 {
                    self.tell(place, News::Failed(class_of(result)));
                }
            }
            Kind::Connect => {
                self.places[place].connecting = false;
                self.tell(place, if result < 0 { News::Failed(class_of(result)) } else { News::Connected });
            }
        }
    }

    #[inline]
    fn received(&mut self, place: usize, result: i32, buffer: Option<u16>, more: bool) {
        self.places[place].receiving = more;
        match (result, buffer) {
            (1.., Some(buffer)) => {
                self.places[place].last_bytes = self.signals.len() as u32;
                self.tell(place, News::Bytes { buffer, n: result as u16, closing: false });
            }
            (0, _) => {
                self.mark_closing(place);
                return self.tell(place, News::End);
            }
            // Out of buffers: those that are full now are given back before the kernel hears of the new receive.
            (_, None) if -result == libc::ENOBUFS => {}
            _ => return self.tell(place, News::Failed(class_of(result))),
        }
        if !more {
            self.listen(place);
        }
    }

    /// The end came together with the last bytes: whoever reads those is to know.
    fn mark_closing(&mut self, place: usize) {
        let at = self.places[place].last_bytes as usize;
        let generation = self.places[place].generation;
        if let Some((owner, its, News::Bytes { closing, .. })) = self.signals.get_mut(at)
            && (*owner as usize, *its) == (place, generation)
        {
            *closing = true;
        }
    }

    /// The socket did not take a request whole.
    fn not_all_sent(&mut self, place: usize, result: i32) {
        if result < 0 && -result != libc::EAGAIN {
            return self.tell(place, News::Failed(class_of(result)));
        }
        let rest = self.queue.kept(self.places[place].kept).get(result.max(0) as usize..).unwrap_or_default().to_vec();
        self.send_patiently(place, rest);
    }

    fn send_patiently(&mut self, place: usize, request: Vec<u8>) {
        let Place { socket: Some(socket), generation, sending, .. } = &mut self.places[place] else { return };
        *sending = true;
        self.queue.send(socket.as_fd(), request, tag(Kind::Rest, place, *generation));
    }

    #[inline]
    fn tell(&mut self, place: usize, news: News) {
        self.signals.push((place as u32, self.places[place].generation, news));
    }

    /// Posts the receive of a socket.
    fn listen(&mut self, place: usize) {
        let Place { socket: Some(socket), generation, receiving, .. } = &mut self.places[place] else { return };
        *receiving = true;
        self.queue.receive(socket.as_fd(), tag(Kind::Receive, place, *generation));
    }

    /// Lets the kernel do what is to be done, and says from when to when requests went out.
    #[inline]
    fn enter(&mut self, wait: Wait) {
        let from = if self.queue.has_unsubmitted() { clock::now().0 } else { 0 };
        match wait {
            Wait::No => self.queue.submit_and_fetch(),
            Wait::Precisely(ns) | Wait::Roughly(ns) => self.queue.submit_and_wait(ns),
        }
        self.received_at = clock::now().0;
        // A call that may have slept in between does not tell how long sending took.
        let to = if matches!(wait, Wait::No) { self.received_at } else { from };
        if from > 0 {
            self.submitted = (from, to);
        }
        self.closing.clear();
    }
}

impl Transport for Ring {
    type Signal = News;

    const BATCHED: bool = true;

    fn open(places: usize, dialer: &Dialer) -> Result<Ring, Problem> {
        let queue = Queue::new(dialer.address(), 2 * places).map_err(|error| {
            Problem::new(format!("no io_uring for a load thread: {}", refusal_text(&error)))
                .help("use --transport epoll")
        })?;
        Ok(Ring {
            queue,
            places: (0..places).map(|_| Place::default()).collect(),
            signals: Vec::with_capacity(4 * places),
            completions: Vec::with_capacity(4 * places),
            full: Vec::with_capacity(4 * places),
            closing: Vec::with_capacity(places),
            submitted: (0, 0),
            received_at: 0,
        })
    }

    fn dial(&mut self, place: usize, dialer: &mut Dialer) -> Result<bool, ErrorClass> {
        let socket = dialer.socket(Blocking::Yes)?;
        let at = &mut self.places[place];
        at.connecting = true;
        self.queue.connect(socket.as_fd(), tag(Kind::Connect, place, at.generation));
        at.socket = Some(socket);
        Ok(false)
    }

    fn connected(&mut self, place: usize, signal: News) -> Option<Result<(), ErrorClass>> {
        match signal {
            News::Connected => {
                self.listen(place);
                Some(Ok(()))
            }
            News::Failed(class) => Some(Err(class)),
            News::Bytes { .. } | News::End => None,
        }
    }

    fn close(&mut self, place: usize) {
        let at = &mut self.places[place];
        let Some(socket) = at.socket.take() else { return };
        let under_way = [(at.connecting, Kind::Connect), (at.receiving, Kind::Receive), (at.sending, Kind::Rest)];
        if at.sending {
            // Should its turn come just now, it must not go on waiting for a peer that does not read.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        for (_, kind) in under_way.into_iter().filter(|(is, _)| *is) {
            self.queue.cancel(tag(kind, place, at.generation));
        }
        self.closing.push(socket.into());
        (at.connecting, at.receiving, at.sending) = (false, false, false);
        at.generation = (at.generation + 1) % GENERATIONS;
    }

    #[inline]
    fn send(&mut self, place: usize, request: &[u8]) -> Result<(), ErrorClass> {
        let at = &mut self.places[place];
        let Some(socket) = &at.socket else { return Err(ErrorClass::Closed) };
        match self.queue.send_at_once(socket.as_fd(), request, tag(Kind::Send, place, at.generation)) {
            Some(kept) => at.kept = kept,
            None => self.send_patiently(place, request.to_vec()),
        }
        Ok(())
    }

    #[inline]
    fn is_sent(&self, place: usize) -> bool {
        !self.places[place].sending
    }

    fn submit(&mut self) {
        if self.queue.has_unsubmitted() {
            let from = clock::now().0;
            self.queue.submit();
            self.received_at = clock::now().0;
            self.submitted = (from, self.received_at);
            self.closing.clear();
        }
    }

    #[inline]
    fn submitted(&self) -> (u64, u64) {
        self.submitted
    }

    #[inline]
    fn wait(&mut self, wait: Wait) -> usize {
        self.signals.clear();
        self.queue.give_back(&self.full);
        self.full.clear();
        if !matches!(wait, Wait::No) || self.queue.has_work() {
            self.enter(wait);
        }
        self.queue.take(&mut self.completions);
        let mut completions = std::mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.sort_out(completion);
        }
        self.completions = completions;
        self.queue.forget_sent();
        self.signals.len()
    }

    #[inline]
    fn signal(&self, i: usize) -> Option<(usize, News)> {
        let (place, generation, news) = self.signals[i];
        (self.places[place as usize].generation == generation).then_some((place as usize, news))
    }

    #[inline]
    fn resume(&mut self, _: usize, signal: News) -> Result<(), ErrorClass> {
        match signal {
            News::Failed(class) => Err(class),
            _ => Ok(()),
        }
    }

    #[inline]
    fn receive(&mut self, _: usize, signal: News) -> Received {
        match signal {
            News::Bytes { n, closing, .. } => Received::Bytes { n: usize::from(n), more: false, closing },
            News::End => Received::End,
            News::Failed(class) => Received::Failed(class),
            News::Connected => Received::Nothing,
        }
    }

    #[inline]
    fn received_at(&self) -> u64 {
        self.received_at
    }

    fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.places.iter().filter_map(|place| place.socket.as_ref()).map(AsFd::as_fd)
    }

    #[inline]
    fn bytes(&self, signal: News, n: usize) -> &[u8] {
        match signal {
            News::Bytes { buffer, .. } => self.queue.received(buffer, n),
            _ => &[],
        }
    }
}

/// Why this process cannot have an io_uring of the kind a load worker needs; `None` if it can. Cost: that of making one.
pub fn io_uring_refusal() -> Option<String> {
    let anywhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    Queue::new(anywhere, 0).err().map(|error| refusal_text(&error))
}

/// Why the kernel gives no ring.
fn refusal_text(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => "this kernel has no io_uring, or none of its own is let through".to_owned(),
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is forbidden here (kernel.io_uring_disabled, or a container's rules)".to_owned()
        }
        Some(libc::EINVAL) => "io_uring of this kernel is too old (6.1 is needed)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_back() {
        for kind in [Kind::Connect, Kind::Receive, Kind::Send, Kind::Rest] {
            for (place, generation) in [(0, 0), (7, 3), (u32::MAX as usize, GENERATIONS - 1)] {
                assert_eq!(read_tag(tag(kind, place, generation)), Some((kind, place, generation)));
            }
        }
        assert_eq!(read_tag(u64::MAX), None);
    }
}
