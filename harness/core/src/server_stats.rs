//! What a server that counts per worker tells about itself.
//!
//! Servers fill it in, whoever asks reads it; neither knows the other.

use serde::{Deserialize, Serialize};

use crate::cpu::CpuId;

/// How a connection gets its worker, as far as it decides what shares the workers should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dealing {
    /// By a hash of its addresses: each worker is as likely as any other.
    #[default]
    Hash,
    /// To whoever accepts it first at one listener.
    Race,
    /// To the worker on the CPU that received its first packet.
    ReceivingCpu,
    /// By one thread that deals evenly.
    HandOff,
    /// To none: any worker serves any request, or threads move between CPUs.
    AnyWorker,
}

/// The counts of a server, of all its workers or of those of one of its processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStats {
    /// The architecture's registered name.
    pub architecture: String,
    /// How its connections get their worker.
    #[serde(default)]
    pub dealing: Dealing,
    /// Of which process these are the counts, where there are several; the others' are not in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The row of the worker that tells this, if it was asked by a request: that is among its requests, and the
    /// connection it came on among its connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<usize>,
    /// One row per worker.
    pub workers: Vec<WorkerRow>,
    /// The sum of the rows.
    pub totals: WorkerCounts,
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
    pub fn sum<'a>(parts: impl Iterator<Item = &'a ServerStats>) -> ServerStats {
        let mut sum = ServerStats::default();
        for part in parts {
            sum.architecture.clone_from(&part.architecture);
            sum.dealing = part.dealing;
            sum.workers.extend(part.workers.iter().cloned());
            sum.connections_refused += part.connections_refused;
            sum.accept_pauses += part.accept_pauses;
        }
        for (number, row) in sum.workers.iter_mut().enumerate() {
            row.worker = number;
        }
        sum.totals = WorkerCounts::sum(sum.workers.iter().map(|row| &row.counts));
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
    pub counts: WorkerCounts,
}

/// Counts of one worker or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCounts {
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Of these, not yet closed.
    pub connections_open: u64,
    /// Requests answered; those refused as malformed are not counted.
    pub requests: u64,
    /// Time spent working rather than waiting, in nanoseconds.
    pub busy_ns: u64,
}

impl WorkerCounts {
    /// The sum of several.
    pub fn sum<'a>(all: impl Iterator<Item = &'a WorkerCounts>) -> WorkerCounts {
        let mut sum = WorkerCounts::default();
        for counts in all {
            sum.connections_accepted += counts.connections_accepted;
            sum.connections_open += counts.connections_open;
            sum.requests += counts.requests;
            sum.busy_ns += counts.busy_ns;
        }
        sum
    }
}
