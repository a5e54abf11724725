//! [`Shares`]: what each worker of the target had of a trial's load.

use serde::{Deserialize, Serialize};

use crate::cpu::CpuId;
use crate::server_stats::{Dealing, ServerStats, WorkerRow};
use crate::units::Nanos;

/// What each worker had of the load, or why that is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shares {
    /// The target told.
    Told(WorkerShares),
    /// It did not.
    Unknown {
        /// Why.
        unknown: String,
    },
}

/// Two readings of a server's counts around the window, the second less the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerShares {
    /// How connections get their worker.
    pub dealing: Dealing,
    /// From the first reading, at most a tenth of a second before the window (or before the warm-up, if that was shorter), to
    /// the second, when it had ended; seconds.
    pub span_s: f64,
    /// One row per worker.
    pub workers: Vec<WorkerShare>,
}

/// One worker's part of the load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerShare {
    /// Its number, from 0.
    pub worker: usize,
    /// The CPU it is pinned to, if it is.
    pub cpu: Option<CpuId>,
    /// Connections it had open at the first reading.
    pub connections_open: u64,
    /// Connections it accepted between the readings.
    pub connections_accepted: u64,
    /// Requests it answered between the readings.
    pub requests: u64,
    /// Share of the time between them that it worked rather than waited, 0 to 1.
    pub busy: f64,
}

impl Shares {
    /// The difference of two readings that lie `span` apart.
    pub fn between(before: &ServerStats, after: &ServerStats, span: Nanos) -> Shares {
        let same = |(a, b): (&WorkerRow, &WorkerRow)| (a.worker, a.cpu) == (b.worker, b.cpu);
        let (was, is) = (&before.workers, &after.workers);
        if was.len() != is.len() || is.is_empty() || !was.iter().zip(is).all(same) || span == Nanos::ZERO {
            return Shares::unknown("the target told of other workers after the window than before");
        }
        let share = |(was, is): (&WorkerRow, &WorkerRow)| WorkerShare {
            worker: is.worker,
            cpu: is.cpu,
            connections_open: was.counts.connections_open,
            connections_accepted: is.counts.connections_accepted.saturating_sub(was.counts.connections_accepted),
            requests: is.counts.requests.saturating_sub(was.counts.requests),
            busy: (is.counts.busy_ns.saturating_sub(was.counts.busy_ns) as f64 / span.0 as f64).min(1.0),
        };
        let workers = was.iter().zip(is).map(share).collect();
        Shares::Told(WorkerShares { dealing: after.dealing, span_s: span.as_secs_f64(), workers })
    }

    /// Not known, with the reason.
    pub fn unknown(why: impl Into<String>) -> Shares {
        Shares::Unknown { unknown: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_stats::WorkerCounts;

    fn reading(rows: &[(u64, u64, u64, u64)]) -> ServerStats {
        let row = |(worker, &(connections_accepted, connections_open, requests, busy_ns))| WorkerRow {
            worker,
            cpu: Some(CpuId(worker as u32)),
            counts: WorkerCounts { connections_accepted, connections_open, requests, busy_ns },
        };
        let workers = rows.iter().enumerate().map(row).collect();
        ServerStats { dealing: Dealing::Race, workers, ..ServerStats::default() }
    }

    #[test]
    fn shares_are_what_was_counted_in_between() {
        let (before, after) =
            (reading(&[(9, 5, 100, 50), (3, 3, 10, 0)]), reading(&[(11, 0, 400, 1_050), (3, 3, 20, 9_000)]));
        let Shares::Told(told) = Shares::between(&before, &after, Nanos(4_000)) else { panic!("not told") };
        assert_eq!((told.dealing, told.span_s), (Dealing::Race, 4e-6));
        let rows: Vec<_> = told
            .workers
            .iter()
            .map(|row| (row.connections_open, row.connections_accepted, row.requests, row.busy))
            .collect();
        assert_eq!(rows, [(5, 2, 300, 0.25), (3, 0, 10, 1.0)]);
        let json = serde_json::to_value(Shares::Told(told.clone())).unwrap();
        assert_eq!((&json["dealing"], &json["workers"][1]["cpu"]), (&"race".into(), &1.into()));
        assert_eq!(serde_json::from_value::<Shares>(json).unwrap(), Shares::Told(told));
    }

    #[test]
    fn readings_of_different_workers_have_no_difference() {
        let (one, two) = (reading(&[(1, 1, 1, 1)]), reading(&[(1, 1, 1, 1); 2]));
        for (before, after, span) in
            [(&one, &two, Nanos::SECOND), (&two, &one, Nanos::SECOND), (&one, &one, Nanos::ZERO)]
        {
            assert!(matches!(Shares::between(before, after, span), Shares::Unknown { .. }));
        }
        let none = Shares::unknown("why");
        let json = serde_json::to_string(&none).unwrap();
        assert_eq!(json, "{\"unknown\":\"why\"}");
        assert_eq!(serde_json::from_str::<Shares>(&json).unwrap(), none);
    }
}
