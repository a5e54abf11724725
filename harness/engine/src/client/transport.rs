//! [`Transport`]: how the bytes of one load worker's connections get to the kernel and back.
//!
//! A transport knows sockets and nothing else: no operations, no workload, no books. What a connection means, when it is
//! replaced and what its bytes say is the business of the [`Pool`](super::Pool), and the same over every transport.

use std::os::fd::BorrowedFd;

use corecurve_core::{ErrorClass, Problem};

use super::Dialer;

/// How long to wait for signals.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// So many nanoseconds, to the nanosecond, as far as the kernel can.
    Precisely(u64),
    /// About so many nanoseconds, as cheap as it can be had: nothing is due when they are over.
    Roughly(u64),
}

/// What a look at a socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing.
    Nothing,
    /// So many bytes; see [`Transport::bytes`].
    Bytes {
        n: usize,
        /// There may be more to be had at once.
        more: bool,
        /// The target will send nothing after what it sent so far.
        closing: bool,
    },
    /// The target has closed its side.
    End,
    /// The connection is broken.
    Failed(ErrorClass),
}

/// Sockets by place, from 0. A place is empty, or its socket is on its way, or it is connected.
pub(crate) trait Transport: Sized {
    /// What the kernel told about one socket.
    type Signal: Copy;

    /// Requests leave with the next [`submit`](Transport::submit) or [`wait`](Transport::wait) and not before.
    const BATCHED: bool;

    /// Room for so many sockets. To be called on the thread that will use it.
    ///
    /// # Errors
    /// When the kernel refuses what the transport is made of.
    fn open(places: usize, dialer: &Dialer) -> Result<Self, Problem>;

    /// Begins to connect a socket at an empty place; whether it is connected already.
    ///
    /// # Errors
    /// What went wrong at once. The place is to be closed then, too.
    fn dial(&mut self, place: usize, dialer: &mut Dialer) -> Result<bool, ErrorClass>;

    /// Follows up a signal of a socket on its way: connected, failed, or neither yet.
    fn connected(&mut self, place: usize, signal: Self::Signal) -> Option<Result<(), ErrorClass>>;

    /// Empties a place. Nothing that still comes from its socket is ever reported.
    fn close(&mut self, place: usize);

    /// Sends a request, as much now as the socket takes and the rest by itself later.
    ///
    /// # Errors
    /// What is known to be wrong at once; the rest is told by signals.
    fn send(&mut self, place: usize, request: &[u8]) -> Result<(), ErrorClass>;

    /// Whether the socket has taken everything it was given.
    fn is_sent(&self, place: usize) -> bool;

    /// Lets go of what was given to `send`, without waiting.
    fn submit(&mut self);

    /// From when to when the last requests went out, all in one go, as the run's clock shows.
    fn submitted(&self) -> (u64, u64);

    /// Waits for signals and returns how many there are. Those of the wait before are forgotten.
    fn wait(&mut self, wait: Wait) -> usize;

    /// A signal of the last wait and its place; `None` if the socket it is about has gone since.
    fn signal(&self, i: usize) -> Option<(usize, Self::Signal)>;

    /// Goes on with requests that a connected socket did not take whole.
    ///
    /// # Errors
    /// When the socket is broken.
    fn resume(&mut self, place: usize, signal: Self::Signal) -> Result<(), ErrorClass>;

    /// Takes what has arrived at a connected socket.
    fn receive(&mut self, place: usize, signal: Self::Signal) -> Received;

    /// When what was just received was there, as the run's clock shows.
    fn received_at(&self) -> u64;

    /// The sockets of all places that are not empty.
    fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>>;

    /// The `n` bytes just received.
    fn bytes(&self, signal: Self::Signal, n: usize) -> &[u8];
}
