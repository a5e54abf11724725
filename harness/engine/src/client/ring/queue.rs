//! [`Queue`]: an io_uring and the memory that requests in it refer to, behind calls that cannot be used wrongly.
//!
//! The ring belongs to one thread, and the kernel does its part only inside this thread's calls (`SINGLE_ISSUER`,
//! `DEFER_TASKRUN`): the target's answers interrupt nothing. Whether there is something to fetch is a flag in shared
//! memory, so that looking for it costs no system call.
//!
//! Memory the kernel reads or writes is owned here: the address to connect to, an arena for requests that are sent whole or
//! not at all within one call, requests that may wait, and the buffers for what comes in. Nothing of it is given up before
//! the kernel has said that it is done with it, or the ring is gone.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};
use rustix::net::SendFlags;
use socket2::SockAddr;

use super::buffers::Buffers;

/// Requests of one call that are sent from the arena; more of them are sent from buffers of their own.
const ARENA: usize = 256 << 10;
/// Entries of the submission queue; when it is full the kernel is called.
const ENTRIES: u32 = 1_024;
/// The one group of receive buffers.
const GROUP: u16 = 0;

/// What the kernel says about a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    /// The tag the request was given.
    pub tag: u64,
    /// Bytes, or a negative error number.
    pub result: i32,
    /// The receive buffer that was filled.
    pub buffer: Option<u16>,
    /// The request goes on and will complete again.
    pub more: bool,
}

/// An io_uring with all memory it works on.
pub(super) struct Queue {
    // Dropped first: the kernel lets go of the memory below.
    ring: IoUring,
    buffers: Buffers,
    address: Box<SockAddr>,
    arena: Box<[u8]>,
    used: usize,
    /// Requests that the kernel may still read from, by tag.
    waiting: Vec<(u64, Vec<u8>)>,
    /// Entries the kernel was not told of yet.
    unsubmitted: u32,
}

impl Queue {
    /// A ring for connections to one address, with at least `buffers` receive buffers.
    ///
    /// # Errors
    /// When the kernel has no io_uring, forbids it, or is too old for what is used of it (6.1).
    pub(super) fn new(address: SocketAddr, buffers: usize) -> io::Result<Queue> {
        let buffers = Buffers::new(buffers)?;
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(8 * ENTRIES)
            .build(ENTRIES)?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_skip_cqe_on_success() {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        // SAFETY: the memory is mapped, page-aligned, large enough for its entries, and unmapped only after the ring is gone.
        unsafe { ring.submitter().register_buf_ring_with_flags(buffers.address(), buffers.count(), GROUP, 0)? };
        Ok(Queue {
            ring,
            buffers,
            address: Box::new(address.into()),
            arena: vec![0; ARENA].into_boxed_slice(),
            used: 0,
            waiting: Vec::new(),
            unsubmitted: 0,
        })
    }

    /// Connects a blocking socket.
    pub(super) fn connect(&mut self, socket: BorrowedFd<'_>, tag: u64) {
        let (address, length) = (self.address.as_ptr().cast(), self.address.len());
        self.push(opcode::Connect::new(Fd(socket.as_raw_fd()), address, length).build().user_data(tag));
    }

    /// Receives again and again, each time into one of the buffers, until [`Completion::more`] says otherwise.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64) {
        self.push(opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build().user_data(tag));
    }

    /// Sends a request with the next call and says nothing if all of it went out; otherwise the completion says how much did.
    /// Where it is kept until [`Queue::forget_sent`]; `None` if there is no room, and then nothing was done.
    #[inline]
    pub(super) fn send_at_once(&mut self, socket: BorrowedFd<'_>, request: &[u8], tag: u64) -> Option<(u32, u32)> {
        let (from, to) = (self.used, self.used + request.len());
        let bytes = self.arena.get_mut(from..to)?;
        bytes.copy_from_slice(request);
        self.used = to;
        // It does not wait for room in the socket, so the kernel reads the bytes within the call or never.
        let flags = SendFlags::DONTWAIT.bits() | SendFlags::NOSIGNAL.bits() | WAIT_ALL;
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), request.len() as u32)
            .flags(flags as i32)
            .build()
            .flags(Flags::SKIP_SUCCESS)
            .user_data(tag);
        self.push(entry);
        Some((from as u32, to as u32))
    }

    /// The bytes kept by [`Queue::send_at_once`].
    pub(super) fn kept(&self, (from, to): (u32, u32)) -> &[u8] {
        self.arena.get(from as usize..to as usize).unwrap_or_default()
    }

    /// The completions of what was sent at once have been seen: its bytes are needed no more.
    #[inline]
    pub(super) fn forget_sent(&mut self) {
        if self.unsubmitted == 0 {
            self.used = 0;
        }
    }

    /// Sends a request whole, waiting for room in the socket as often as it takes. No two with the same tag at a time.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, request: Vec<u8>, tag: u64) {
        let flags = SendFlags::NOSIGNAL.bits() | WAIT_ALL;
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), request.as_ptr(), request.len() as u32)
            .flags(flags as i32)
            .build()
            .user_data(tag);
        self.waiting.push((tag, request));
        self.push(entry);
    }

    /// Ends a request early. It completes all the same, unless it has already.
    pub(super) fn cancel(&mut self, tag: u64) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(tag)).build();
        self.push(entry.flags(Flags::SKIP_SUCCESS).user_data(u64::MAX));
    }

    /// Whether the kernel must be called for anything to happen.
    #[inline]
    pub(super) fn has_work(&mut self) -> bool {
        let submission = self.ring.submission();
        self.unsubmitted > 0 || submission.taskrun() || submission.cq_overflow()
    }

    /// Whether there are requests the kernel was not told of.
    #[inline]
    pub(super) fn has_unsubmitted(&self) -> bool {
        self.unsubmitted > 0
    }

    /// Tells the kernel of all requests, without fetching anything.
    pub(super) fn submit(&mut self) {
        self.enter(0, EnterFlags::empty(), None);
    }

    /// Tells the kernel of all requests and fetches what there is.
    #[inline]
    pub(super) fn submit_and_fetch(&mut self) {
        self.enter(0, EnterFlags::GETEVENTS, None);
    }

    /// Tells the kernel of all requests and waits for a completion, at most so many nanoseconds.
    pub(super) fn submit_and_wait(&mut self, most_ns: u64) {
        let time = Timespec::new().sec(most_ns / 1_000_000_000).nsec((most_ns % 1_000_000_000) as u32);
        self.enter(1, EnterFlags::GETEVENTS, Some(&time));
    }

    /// Takes all completions there are.
    #[inline]
    pub(super) fn take(&mut self, into: &mut Vec<Completion>) {
        for entry in self.ring.completion() {
            let (tag, flags) = (entry.user_data(), entry.flags());
            if !self.waiting.is_empty() {
                self.waiting.retain(|(waiting, _)| *waiting != tag);
            }
            let (buffer, more) = (cqueue::buffer_select(flags), cqueue::more(flags));
            into.push(Completion { tag, result: entry.result(), buffer, more });
        }
    }

    /// What was received into a buffer.
    #[inline]
    pub(super) fn received(&self, buffer: u16, n: usize) -> &[u8] {
        self.buffers.bytes(buffer, n)
    }

    /// Gives buffers back to the kernel.
    #[inline]
    pub(super) fn give_back(&mut self, buffers: &[u16]) {
        self.buffers.give_back(buffers);
    }

    #[inline]
    fn push(&mut self, entry: Entry) {
        // SAFETY: everything an entry points to is owned by the queue and stays where it is until its completion: the
        // address as long as the ring, the arena until the next call has returned, a waiting request until it completed.
        // The entry names its socket by number; who asked keeps it open until the next call has returned.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.submit();
        }
        self.unsubmitted += 1;
    }

    #[inline]
    fn enter(&mut self, want: u32, mut flags: EnterFlags, time: Option<&Timespec>) {
        let submitter = self.ring.submitter();
        let entered = match time {
            Some(time) => {
                flags |= EnterFlags::EXT_ARG;
                let args = SubmitArgs::new().timespec(time);
                // SAFETY: the argument is what EXT_ARG says it is, and lives until the call returns.
                unsafe { submitter.enter(self.unsubmitted, want, flags.bits(), Some(&args)) }
            }
            // SAFETY: no argument is passed.
            None => unsafe { submitter.enter::<libc::sigset_t>(self.unsubmitted, want, flags.bits(), None) },
        };
        match entered {
            Ok(submitted) => self.unsubmitted -= (submitted as u32).min(self.unsubmitted),
            // Time is up or a signal came, after all requests were taken; or the kernel is out of memory, and what it
            // did not take is offered again with the next call.
            Err(_) => self.unsubmitted = self.ring.submission().len() as u32,
        }
    }
}

/// The kernel goes on with what a socket did not take at once.
const WAIT_ALL: u32 = libc::MSG_WAITALL as u32;

impl Drop for Queue {
    fn drop(&mut self) {
        // Whatever is still under way ends before its memory does. Closing the ring would end it too, but not at once.
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
    }
}
