//! Counts per worker, each on cache lines of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corecurve_core::CpuId;
use crossbeam_utils::CachePadded;
use serde::{Deserialize, Serialize};

/// The live counts of a server.
#[derive(Debug)]
pub struct Stats {
    architecture: &'static str,
    part: Option<Part>,
    workers: Box<[CachePadded<WorkerStats>]>,
    /// Connections closed at once because too many were open.
    refused: CachePadded<AtomicU64>,
    /// Times accepting paused because no descriptor was left.
    paused: CachePadded<AtomicU64>,
}

/// The live counts of one worker. Mostly one thread writes them; any may read.
#[derive(Debug)]
pub struct WorkerStats {
    cpu: Option<CpuId>,
    accepted: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
    busy_ns: AtomicU64,
}

impl Stats {
    /// Zeroes for workers on these CPUs.
    pub fn new(architecture: &'static str, cpus: impl IntoIterator<Item = Option<CpuId>>) -> Stats {
        let worker = |cpu| WorkerStats {
            cpu,
            accepted: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
        };
        let workers = cpus.into_iter().map(worker).map(CachePadded::new).collect();
        Stats { architecture, part: None, workers, refused: CachePadded::default(), paused: CachePadded::default() }
    }

    /// The same, of one of several processes.
    #[must_use]
    pub(crate) fn of_part(mut self, part: Option<Part>) -> Stats {
        self.part = part;
        self
    }

    /// The counts of worker `index`.
    #[inline]
    pub fn worker(&self, index: usize) -> &WorkerStats {
        &self.workers[index]
    }

    /// Open connections of all workers.
    pub fn open(&self) -> u64 {
        self.workers.iter().map(|worker| worker.open()).sum()
    }

    /// Notes a connection that was turned away.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Notes that accepting stops for a moment for want of descriptors.
    pub fn count_paused(&self) {
        self.paused.fetch_add(1, Relaxed);
    }

    /// The counts as they stand. Workers go on meanwhile, so the rows are not from one instant.
    pub fn snapshot(&self) -> ServerStats {
        let row = |(index, worker): (usize, &CachePadded<WorkerStats>)| WorkerRow {
            worker: index,
            cpu: worker.cpu,
            counts: Counts {
                connections_accepted: worker.accepted.load(Relaxed),
                connections_open: worker.open(),
                requests: worker.requests.load(Relaxed),
                busy_ns: worker.busy_ns.load(Relaxed),
            },
        };
        let workers: Vec<WorkerRow> = self.workers.iter().enumerate().map(row).collect();
        let totals = Counts::sum(workers.iter().map(|worker| &worker.counts));
        ServerStats {
            architecture: self.architecture.to_owned(),
            part: self.part,
            workers,
            totals,
            connections_refused: self.refused.load(Relaxed),
            accept_pauses: self.paused.load(Relaxed),
        }
    }

    /// The snapshot as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.snapshot()).unwrap_or_default()
    }
}

impl WorkerStats {
    /// Notes a request that is about to be answered.
    #[inline]
    pub fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Notes an accepted connection.
    pub fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// Notes the end of one.
    pub fn count_closed(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    /// Adds time spent working, as opposed to waiting for something to do.
    #[inline]
    pub fn add_busy_ns(&self, ns: u64) {
        self.busy_ns.fetch_add(ns, Relaxed);
    }

    /// Connections closed since the start.
    pub fn closed(&self) -> u64 {
        self.closed.load(Relaxed)
    }

    /// Connections accepted and not yet closed.
    pub fn open(&self) -> u64 {
        // Closed first: read the other way round, a connection that comes and goes in between would make it negative.
        let closed = self.closed.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(closed)
    }
}

/// What `/stats` answers and a stopped server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStats {
    /// The architecture's registered name.
    pub architecture: String,
    /// Of which process these are the counts, where there are several; the others' are not in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// One row per worker.
    pub workers: Vec<WorkerRow>,
    /// The sum of the rows.
    pub totals: Counts,
    /// Connections turned away because too many were open.
    pub connections_refused: u64,
    /// Times accepting paused because no descriptor was left; connections then wait in the kernel's queue.
    pub accept_pauses: u64,
}

/// One of several processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its number, from 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl ServerStats {
    /// The counts of several processes as those of one server, rows numbered anew.
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a ServerStats>) -> ServerStats {
        let mut sum = ServerStats::default();
        for part in parts {
            sum.architecture.clone_from(&part.architecture);
            sum.workers.extend(part.workers.iter().cloned());
            sum.connections_refused += part.connections_refused;
            sum.accept_pauses += part.accept_pauses;
        }
        for (number, row) in sum.workers.iter_mut().enumerate() {
            row.worker = number;
        }
        sum.totals = Counts::sum(sum.workers.iter().map(|row| &row.counts));
        sum
    }
}

impl Counts {
    fn sum<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
        let mut sum = Counts::default();
        for counts in all {
            sum.connections_accepted += counts.connections_accepted;
            sum.connections_open += counts.connections_open;
            sum.requests += counts.requests;
            sum.busy_ns += counts.busy_ns;
        }
        sum
    }
}

/// The counts of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its number, from 0.
    pub worker: usize,
    /// The CPU it is pinned to.
    pub cpu: Option<CpuId>,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts of one worker or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Of these, not yet closed.
    pub connections_open: u64,
    /// Requests answered; those refused as malformed are not counted.
    pub requests: u64,
    /// Time spent working rather than waiting, in nanoseconds.
    pub busy_ns: u64,
}
