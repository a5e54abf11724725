//! Counts per worker, each on cache lines of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corecurve_core::server_stats::{Part, WorkerCounts, WorkerRow};
use corecurve_core::{CpuId, Dealing, ServerStats};
use crossbeam_utils::CachePadded;

/// The live counts of a server.
#[derive(Debug)]
pub struct Stats {
    architecture: &'static str,
    dealing: Dealing,
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
        Stats {
            architecture,
            dealing: Dealing::default(),
            part: None,
            workers,
            refused: CachePadded::default(),
            paused: CachePadded::default(),
        }
    }

    /// The same, of a server whose connections get their workers in this way.
    #[must_use]
    pub(crate) fn dealt(mut self, dealing: Dealing) -> Stats {
        self.dealing = dealing;
        self
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
            counts: WorkerCounts {
                connections_accepted: worker.accepted.load(Relaxed),
                connections_open: worker.open(),
                requests: worker.requests.load(Relaxed),
                busy_ns: worker.busy_ns.load(Relaxed),
            },
        };
        let workers: Vec<WorkerRow> = self.workers.iter().enumerate().map(row).collect();
        let totals = WorkerCounts::sum(workers.iter().map(|worker| &worker.counts));
        ServerStats {
            architecture: self.architecture.to_owned(),
            dealing: self.dealing,
            part: self.part,
            told_by: None,
            workers,
            totals,
            connections_refused: self.refused.load(Relaxed),
            accept_pauses: self.paused.load(Relaxed),
        }
    }

    /// The snapshot as one line of JSON, as worker `index` tells it.
    pub fn to_json(&self, index: usize) -> String {
        serde_json::to_string(&ServerStats { told_by: Some(index), ..self.snapshot() }).unwrap_or_default()
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
