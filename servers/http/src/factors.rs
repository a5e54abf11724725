//! What architectures differ in, as data: each row of the registry is one combination.
//!
//! Published comparisons of servers change several of these at once, and the parser and the allocator besides.
//! Here two rows that differ in one factor say what that factor does.

use serde::Serialize;

/// How a new connection finds the thread that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptPath {
    /// One listener, one thread that accepts and serves.
    OneListener,
    /// One listener on which all workers wait; whoever wakes accepts.
    SharedListener,
    /// A listener per worker on one port; the kernel chooses by a hash of the addresses.
    HashedListeners,
    /// A listener per worker on one port; the kernel chooses by the CPU that received the packet.
    SteeredListeners,
    /// One thread accepts and hands each connection on.
    HandOff,
    /// A listener per group of workers, by hash, and a thread in each group that accepts and hands on.
    HashedHandOff,
}

/// How requests wait for workers, which decides what queueing theory predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueDiscipline {
    /// One worker, one queue.
    Single,
    /// One queue per worker; a connection keeps to the worker it got (c × M/M/1).
    Partitioned,
    /// One queue for all workers; an idle worker takes what waits (M/M/c).
    Shared,
    /// One queue per worker; an idle one takes what waits in another's, all but its newest task.
    AlmostShared,
    /// The operating system runs a thread per connection on all CPUs (close to processor sharing).
    OsScheduled,
}

/// What moves between threads after a connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduling {
    /// Nothing: a connection stays where it is.
    Pinned,
    /// Readiness: any worker takes the next ready connection.
    AnyWorker,
    /// Tasks: each worker has its own, idle ones steal.
    Stealing,
    /// Requests, from stage to stage.
    Staged,
    /// Threads: the operating system moves them.
    OsThreads,
}

/// How bytes get in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoKind {
    /// Readiness from epoll, then calls that do not block.
    Epoll,
    /// Operations that complete, on an io_uring.
    IoUring,
    /// tokio's reactor, which waits on epoll.
    Tokio,
    /// Calls that block.
    Blocking,
}

impl AcceptPath {
    /// For tables.
    pub fn label(self) -> &'static str {
        match self {
            AcceptPath::OneListener => "one listener",
            AcceptPath::SharedListener => "shared listener",
            AcceptPath::HashedListeners => "listener per worker, by hash",
            AcceptPath::SteeredListeners => "listener per worker, by CPU",
            AcceptPath::HandOff => "one acceptor, handed off",
            AcceptPath::HashedHandOff => "acceptor per group, by hash",
        }
    }
}

impl QueueDiscipline {
    /// For tables.
    pub fn label(self) -> &'static str {
        match self {
            QueueDiscipline::Single => "single",
            QueueDiscipline::Partitioned => "partitioned",
            QueueDiscipline::Shared => "shared",
            QueueDiscipline::AlmostShared => "shared but one",
            QueueDiscipline::OsScheduled => "the scheduler's",
        }
    }
}

impl Scheduling {
    /// For tables.
    pub fn label(self) -> &'static str {
        match self {
            Scheduling::Pinned => "connection stays",
            Scheduling::AnyWorker => "any worker, per event",
            Scheduling::Stealing => "idle workers steal",
            Scheduling::Staged => "from stage to stage",
            Scheduling::OsThreads => "OS moves threads",
        }
    }
}

impl IoKind {
    /// For tables.
    pub fn label(self) -> &'static str {
        match self {
            IoKind::Epoll => "epoll",
            IoKind::IoUring => "io_uring",
            IoKind::Tokio => "epoll, by tokio",
            IoKind::Blocking => "blocking",
        }
    }
}
