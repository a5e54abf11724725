//! An io_uring of one thread, safe to use from outside: whatever the kernel may write to or read from belongs to the ring
//! until the kernel is done with it.
//!
//! * What is received goes into buffers of the ring, from which the kernel takes one when data is there (a provided
//!   buffer ring), so that ten thousand idle connections cost none.
//! * What is sent lies in a [`Connection`], which the ring keeps until it is sent, and then gives back.
//! * Dropping the ring cancels what is under way and waits for it; what cannot be cancelled in time is leaked rather than freed.
//!
//! `SINGLE_ISSUER` and `DEFER_TASKRUN`: completions are worked on when this thread asks for them and at no other time.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};

use crate::engine::{Connection, Front};

/// Entries of the submission queue; a full one is submitted early.
const ENTRIES: u32 = 256;
/// Entries of the completion queue; what does not fit the kernel keeps.
const COMPLETIONS: u32 = 4096;
/// Buffers, a power of two, and the size of each.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 16 << 10;
/// Their group; there is only one.
const GROUP: u16 = 0;
/// How long a dropped ring waits for what it cancelled.
const DRAIN: Duration = Duration::from_secs(2);

/// What an operation is; its number is in the low bits of the user data, the connection's key above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Accept,
    Receive(usize),
    Send(usize),
    Writable(usize),
    Wake,
    Cancel,
}

impl Op {
    fn data(self) -> u64 {
        let (kind, key) = match self {
            Op::Accept => (0, 0),
            Op::Receive(key) => (1, key),
            Op::Send(key) => (2, key),
            Op::Writable(key) => (3, key),
            Op::Wake => (4, 0),
            Op::Cancel => (5, 0),
        };
        (key as u64) << 3 | kind
    }

    fn of(data: u64) -> Op {
        let key = (data >> 3) as usize;
        match data & 7 {
            0 => Op::Accept,
            1 => Op::Receive(key),
            2 => Op::Send(key),
            3 => Op::Writable(key),
            4 => Op::Wake,
            _ => Op::Cancel,
        }
    }
}

/// Something that is done.
#[derive(Debug)]
pub(crate) enum Done {
    /// A connection, or why there is none. Accepting goes on unless `is_last`.
    Accepted { stream: Result<TcpStream, Errno>, is_last: bool },
    /// Bytes arrived, or the end (`None`).
    Received { key: usize, bytes: Result<Option<Buffer>, Errno> },
    /// So much was sent.
    Sent { key: usize, connection: Box<Connection>, sent: Result<usize, Errno> },
    /// The socket can be written to, or is gone.
    Writable { key: usize },
    /// Somebody called [`Waker::wake`].
    Woken,
}

/// Bytes the kernel put into one of the ring's buffers. Must be given back with [`Ring::recycle`].
#[derive(Debug)]
pub(crate) struct Buffer {
    id: u16,
    len: usize,
}

/// Wakes the thread that waits on a ring.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends its wait.
    pub fn wake(&self) {
        // The counter is far from full.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

/// One thread's ring.
pub(crate) struct Ring {
    uring: IoUring,
    buffers: Buffers,
    /// By key, connections whose replies are being sent.
    sending: Vec<Option<Box<Connection>>>,
    done: VecDeque<cqueue::Entry>,
    wake: Arc<OwnedFd>,
    /// Operations whose last completion has not come.
    in_flight: usize,
}

impl Ring {
    /// A ring for the calling thread.
    ///
    /// # Errors
    /// When the kernel has no io_uring, forbids it, or is older than 6.1.
    pub fn new() -> Result<Ring, Problem> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(ENTRIES)
            .map_err(refused)?;
        let mut buffers = Buffers::new();
        let entries = buffers.entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, as many as said, and freed only once the ring has forgotten them (see `drop`).
        let registered = unsafe { uring.submitter().register_buf_ring_with_flags(entries, BUFFERS, GROUP, 0) };
        if let Err(error) = registered {
            buffers.free();
            return Err(refused(error));
        }
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Problem::new(format!("cannot make an event descriptor: {error}")))?;
        let sending = Vec::new();
        let mut ring = Ring { uring, buffers, sending, done: VecDeque::new(), wake: Arc::new(wake), in_flight: 0 };
        ring.await_wake();
        Ok(ring)
    }

    /// What wakes this ring's thread.
    pub fn waker(&self) -> Waker {
        Waker(self.wake.clone())
    }

    /// Operations under way, besides the one that waits for [`Waker::wake`].
    pub fn in_flight(&self) -> usize {
        self.in_flight.saturating_sub(1)
    }

    /// Accepts connections until cancelled.
    pub fn accept(&mut self, listener: &TcpListener) {
        let flags = (SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).bits() as i32;
        self.push(opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(flags).build(), Op::Accept);
    }

    /// Receives once.
    pub fn receive(&mut self, key: usize, stream: &TcpStream) {
        let fd = Fd(stream.as_raw_fd());
        let entry = opcode::Recv::new(fd, std::ptr::null_mut(), BUFFER_BYTES as u32).buf_group(GROUP).build();
        self.push(entry.flags(squeue::Flags::BUFFER_SELECT), Op::Receive(key));
    }

    /// Sends bytes at the front of the connection's outbox, once. The ring keeps the connection meanwhile.
    pub fn send(&mut self, key: usize, stream: &TcpStream, connection: Box<Connection>) {
        let (bytes, more) = match connection.outbox().front() {
            Front::Bytes { bytes, more } => (bytes, more),
            Front::Nothing | Front::File { .. } => (&[][..], false),
        };
        let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry =
            opcode::Send::new(Fd(stream.as_raw_fd()), bytes.as_ptr(), length).flags(flags.bits() as i32).build();
        if self.sending.len() <= key {
            self.sending.resize_with(key + 1, || None);
        }
        // From here on nobody can reach the connection, so that the bytes stay where they are.
        self.sending[key] = Some(connection);
        self.push(entry, Op::Send(key));
    }

    /// Waits until a socket can be written to.
    pub fn await_writable(&mut self, key: usize, stream: &TcpStream) {
        self.poll(stream.as_raw_fd(), PollFlags::OUT, Op::Writable(key));
    }

    fn await_wake(&mut self) {
        self.poll(self.wake.as_raw_fd(), PollFlags::IN, Op::Wake);
    }

    fn poll(&mut self, fd: RawFd, flags: PollFlags, op: Op) {
        self.push(opcode::PollAdd::new(Fd(fd), u32::from(flags.bits())).build(), op);
    }

    /// Gives up an operation; its completion still comes.
    pub fn cancel(&mut self, op: Op) {
        self.push(opcode::AsyncCancel2::new(CancelBuilder::user_data(op.data())).build(), Op::Cancel);
    }

    fn push(&mut self, entry: squeue::Entry, op: Op) {
        let entry = entry.user_data(op.data());
        loop {
            // SAFETY: what the entry points to is the ring's own (`sending`, `buffers`) and outlives the operation.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                break;
            }
            // Full: makes room. An error means that completions must be taken first, which makes room next time.
            if self.uring.submit().is_err() {
                self.gather();
            }
        }
        if op != Op::Cancel {
            self.in_flight += 1;
        }
    }

    /// Submits what is new and waits for something to be done.
    pub fn wait(&mut self, timeout: Duration) {
        let timeout = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
        let want = usize::from(self.done.is_empty());
        // Interrupted or in vain: a wait without completions.
        let _ = self.uring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(&timeout));
        self.gather();
    }

    fn gather(&mut self) {
        self.done.extend(self.uring.completion());
    }

    /// Whether something is done.
    pub fn is_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// The next thing that is done.
    pub fn next(&mut self) -> Option<Done> {
        loop {
            let entry = self.done.pop_front()?;
            let is_last = !cqueue::more(entry.flags());
            let op = Op::of(entry.user_data());
            if is_last && op != Op::Cancel {
                self.in_flight -= 1;
            }
            let result = usize::try_from(entry.result()).map_err(|_| Errno::from_raw_os_error(-entry.result()));
            return Some(match op {
                Op::Cancel => continue,
                Op::Accept => {
                    // SAFETY: the kernel has just opened this descriptor for us.
                    let owned = |fd| unsafe { TcpStream::from_raw_fd(fd as RawFd) };
                    Done::Accepted { stream: result.map(owned), is_last }
                }
                Op::Receive(key) => Done::Received { key, bytes: result.map(|len| buffer(entry.flags(), len)) },
                Op::Send(key) => match self.sending.get_mut(key).and_then(Option::take) {
                    Some(connection) => Done::Sent { key, connection, sent: result },
                    None => continue,
                },
                Op::Writable(key) => Done::Writable { key },
                Op::Wake => {
                    let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
                    self.await_wake();
                    Done::Woken
                }
            });
        }
    }

    /// What is in a buffer.
    pub fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    /// Gives a buffer back to the kernel.
    pub fn recycle(&mut self, buffer: Buffer) {
        self.buffers.offer(buffer.id);
    }

    /// Cancels everything and waits for it; whether nothing is left.
    fn drain(&mut self) -> bool {
        let deadline = Instant::now() + DRAIN;
        self.push(opcode::AsyncCancel2::new(CancelBuilder::any().all()).build(), Op::Cancel);
        while self.in_flight > 0 && Instant::now() < deadline {
            self.wait(Duration::from_millis(10));
            while let Some(entry) = self.done.pop_front() {
                let op = Op::of(entry.user_data());
                if op == Op::Accept && entry.result() >= 0 {
                    // SAFETY: as in `next`; nobody wants it any more.
                    drop(unsafe { OwnedFd::from_raw_fd(entry.result()) });
                }
                if op != Op::Cancel && !cqueue::more(entry.flags()) {
                    self.in_flight -= 1;
                }
            }
        }
        self.in_flight == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.drain() && self.uring.submitter().unregister_buf_ring(GROUP).is_ok() {
            self.buffers.free();
        } else {
            // The kernel may still use it.
            std::mem::forget(std::mem::take(&mut self.sending));
        }
    }
}

/// The buffer of a completion; `None` is the end of input.
fn buffer(flags: u32, len: usize) -> Option<Buffer> {
    cqueue::buffer_select(flags).filter(|_| len > 0).map(|id| Buffer { id, len })
}

fn refused(error: io::Error) -> Problem {
    let help = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM | Errno::ACCESS) => {
            "it is forbidden here: see `sysctl kernel.io_uring_disabled` and the seccomp profile of the container"
        }
        Some(Errno::NOSYS) => "this kernel was built without it, or a seccomp profile hides it",
        Some(Errno::INVAL) => "it needs Linux 6.1 or newer (SINGLE_ISSUER and DEFER_TASKRUN)",
        Some(Errno::NOMEM) => "raise the limit of locked memory (`ulimit -l`)",
        _ => "any other architecture does without",
    };
    Problem::new(format!("io_uring cannot be used: {error}")).help(help)
}

/// Buffers the kernel takes from, and the ring through which they are offered.
struct Buffers {
    /// `BUFFERS` entries, then as many buffers.
    entries: NonNull<BufRingEntry>,
    tail: u16,
}

impl Buffers {
    const ENTRIES_BYTES: usize = (BUFFERS as usize * size_of::<BufRingEntry>()).next_multiple_of(4096);
    const LAYOUT: Layout = match Layout::from_size_align(
        Buffers::ENTRIES_BYTES + BUFFERS as usize * BUFFER_BYTES,
        // The kernel wants whole pages; on machines with larger ones 64 KiB are aligned, too.
        64 << 10,
    ) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<u8>(),
    };

    fn new() -> Buffers {
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc_zeroed(Buffers::LAYOUT) };
        let Some(entries) = NonNull::new(memory.cast::<BufRingEntry>()) else { handle_alloc_error(Buffers::LAYOUT) };
        let mut buffers = Buffers { entries, tail: 0 };
        for id in 0..BUFFERS {
            buffers.offer(id);
        }
        buffers
    }

    fn at(&self, id: u16) -> *mut u8 {
        let offset = Buffers::ENTRIES_BYTES + usize::from(id % BUFFERS) * BUFFER_BYTES;
        // SAFETY: inside the allocation.
        unsafe { self.entries.as_ptr().cast::<u8>().add(offset) }
    }

    /// Lets the kernel have buffer `id`, which nobody borrows: its token was given up.
    fn offer(&mut self, id: u16) {
        let address = self.at(id) as u64;
        let place = usize::from(self.tail % BUFFERS);
        // SAFETY: the entry is inside the allocation and behind the tail, where the kernel does not look. The tail lies in a field
        // of the first entry that the setters leave alone, and is aligned and ours to write.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(place);
            entry.set_addr(address);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        // SAFETY: the kernel wrote so many bytes and has no claim on the buffer until it is offered again, which takes the token.
        unsafe { std::slice::from_raw_parts(self.at(buffer.id), buffer.len.min(BUFFER_BYTES)) }
    }

    /// Frees the memory. Only once the kernel has forgotten it, and as the last thing.
    fn free(&mut self) {
        // SAFETY: allocated with this layout; not used afterwards.
        unsafe { dealloc(self.entries.as_ptr().cast(), Buffers::LAYOUT) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::engine::Limits;

    #[test]
    fn what_an_operation_is_comes_back() {
        for op in [Op::Accept, Op::Receive(0), Op::Send(7), Op::Writable(1 << 40), Op::Wake, Op::Cancel] {
            assert_eq!(Op::of(op.data()), op);
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (errno, word) in [(Errno::PERM, "io_uring_disabled"), (Errno::NOSYS, "seccomp"), (Errno::INVAL, "6.1")] {
            let problem = refused(errno.into());
            assert!(problem.to_string().contains(word), "{problem}");
        }
    }

    /// A ring, or nothing where the kernel offers none: then `refused` has its say in the server's own test.
    fn ring() -> Option<Ring> {
        Ring::new().ok()
    }

    #[test]
    fn more_bytes_than_buffers_arrive_in_order() {
        let Some(mut ring) = ring() else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let total = usize::from(BUFFERS) * BUFFER_BYTES * 2 + 5;
        let sender = std::thread::spawn(move || {
            let bytes: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
            client.write_all(&bytes).unwrap();
        });
        let mut seen = 0;
        ring.receive(3, &stream);
        loop {
            ring.wait(Duration::from_secs(10));
            match ring.next() {
                Some(Done::Received { key: 3, bytes: Ok(Some(buffer)) }) => {
                    let right = ring.bytes(&buffer).iter().enumerate().all(|(i, &b)| b == ((seen + i) % 251) as u8);
                    assert!(right, "after {seen} bytes");
                    seen += ring.bytes(&buffer).len();
                    ring.recycle(buffer);
                    ring.receive(3, &stream);
                }
                Some(Done::Received { bytes: Ok(None), .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, total);
        sender.join().unwrap();
    }

    #[test]
    fn a_ring_with_everything_under_way_can_be_dropped() {
        let Some(mut ring) = ring() else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        ring.accept(&listener);
        ring.receive(0, &stream);
        ring.send(1, &stream, Box::new(Connection::new(Limits::default())));
        ring.await_writable(2, &client);
        assert_eq!(ring.in_flight(), 4);
        ring.wait(Duration::ZERO);
        assert!(ring.drain(), "{} left", ring.in_flight);
    }
}
