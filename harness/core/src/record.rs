//! [`TrialRecord`]: everything one trial found. Written once, never edited; every finding is recomputed from these.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arrival::ArrivalKind;
use crate::counters::Counters;
use crate::counts::Counts;
use crate::network::NetworkRecord;
use crate::plan::CellId;
use crate::shares::Shares;
use crate::transport::TransportKind;
use crate::units::Nanos;
use crate::validity::Reason;

/// Version of every record and event format. Other programs rely on it.
pub const SCHEMA: u32 = 1;

/// Why a trial was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// One rate the user asked for.
    Fixed,
    /// So little load that nothing queues: the reference of relative SLOs.
    NoLoad,
    /// Closed loop, to learn roughly how much the target can carry. Never a MAT.
    Probe,
    /// A step of the MAT search.
    Search,
    /// The answer of the search, tried again on a restarted target.
    Confirm,
    /// The answer of the search once more, by load threads as before and by another number of them: the generator must
    /// not be what is measured.
    Perturb,
    /// The answer of the search once more, with everything that looks closely at the target switched on.
    Profile,
}

/// One offered rate for one window, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Format version, [`SCHEMA`].
    pub schema: u32,
    /// The cell.
    pub cell: CellId,
    /// Repetition within the cell, from 0: one restart of the target each.
    pub rep: u32,
    /// How many times this repetition was begun before, because a run was interrupted in it.
    pub attempt: u32,
    /// Trial within the repetition, from 0.
    pub trial: u32,
    /// Why it was run.
    pub purpose: Purpose,
    /// Target name.
    pub target: String,
    /// Workload name.
    pub workload: String,
    /// Placement name.
    pub placement: String,
    /// Server cores.
    pub cores: usize,
    /// Load cores.
    pub load_cores: usize,
    /// Arrival process.
    pub arrival: ArrivalKind,
    /// Connections over all load cores.
    pub connections: usize,
    /// What load went through; `None` where there were no sockets (and in records of before there was a choice: epoll).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportKind>,
    /// What lay between load and server and who received there; `None` where there were no sockets (and in records of before
    /// there was a choice: loopback).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkRecord>,
    /// Seed of this trial's schedule and workload.
    pub seed: u64,
    /// SHA-256 of the intended times (little-endian u64 ns from the start, load workers in order): two
    /// trials with the same hash saw the same arrivals. Empty for a closed loop, which has no schedule.
    pub schedule_sha256: String,
    /// Offered rate, per second. For a closed loop, the rate that came about.
    pub offered_per_s: f64,
    /// Rate put on the wire in the window.
    pub sent_per_s: f64,
    /// Rate of correct completions of operations due in the window.
    pub achieved_per_s: f64,
    /// The books.
    pub counts: Counts,
    /// Length of the measured window, seconds.
    pub window_s: f64,
    /// Warm-up before it, seconds, as detected or given.
    pub warmup_s: f64,
    /// Completion minus intended start, over all operations due in the window; the unanswered rank as +∞.
    pub latency_ns: Quantiles,
    /// Completion minus actual send.
    pub service_ns: Quantiles,
    /// Actual send minus intended start.
    pub send_lag_ns: Quantiles,
    /// For each latency limit asked for, how many operations due in the window were over it
    /// (failed, unanswered and never-sent ones included). Exact, independent of histogram buckets.
    pub limits: Vec<LimitCount>,
    /// The window cut into equal intervals by intended time: the batches of every error estimate.
    pub intervals: Vec<Interval>,
    /// Busy share of the server's CPUs in the window, 0 to 1; `None` with the reason among the caveats.
    pub utilisation: Option<f64>,
    /// Share of the load threads' time spent on useful work (waiting excluded), 0 to 1, the busiest thread.
    pub generator_busy: Option<f64>,
    /// CPU time the load threads spent in the window, seconds, all of them together, waiting in the kernel excluded and
    /// spinning included; `None` in virtual time (and in records of before it was taken).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_cpu_s: Option<f64>,
    /// How well an open loop kept its schedule; `None` of closed loops (and in records of before it was kept).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adherence: Option<Adherence>,
    /// The harness's own error, where the workload's answers carry their service times and one core serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// What each worker of the target had of the load; `None` where there were no sockets (and in records of before it was
    /// asked).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
    /// What the kernel and the processor counted in the window; `None` where there was no real target (and in records of
    /// before it was read).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// Whether the number may be used.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<Reason>,
    /// What must travel with the number.
    pub caveats: Vec<String>,
}

impl TrialRecord {
    /// How many operations were over `limit`, if that limit was counted.
    pub fn over(&self, limit: Nanos) -> Option<u64> {
        self.limits.iter().find(|count| count.limit_ns == limit).map(|count| count.over)
    }

    /// Index of `limit` in [`Interval::over`].
    pub fn limit_index(&self, limit: Nanos) -> Option<usize> {
        self.limits.iter().position(|count| count.limit_ns == limit)
    }
}

/// How well an open loop kept its schedule where nothing but itself stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adherence {
    /// How soon after it was due an operation had to be sent to count as on time.
    pub within_ns: Nanos,
    /// Operations of the window that found a free connection when they were due.
    pub free: u64,
    /// Of those, sent on time.
    pub on_time: u64,
}

impl Adherence {
    /// The share sent on time, 0 to 1; 1 where no operation found a free connection.
    pub fn share(self) -> f64 {
        if self.free == 0 { 1.0 } else { self.on_time as f64 / self.free as f64 }
    }
}

/// Every operation's latency against a replay: the same arrivals and the service times the answers told, through
/// Lindley's recursion, give the latency a perfect observer would have seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Operations replayed.
    pub count: u64,
    /// Mean time an operation kept the server occupied: the service told and the handling around it, nanoseconds.
    pub service_mean_ns: f64,
    /// Median of measured minus replayed latency, nanoseconds.
    pub error_p50_ns: i64,
    /// 99th percentile of it, nanoseconds.
    pub error_p99_ns: i64,
}

/// Exact count of operations over one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCount {
    /// The limit.
    pub limit_ns: Nanos,
    /// Operations over it.
    pub over: u64,
}

/// A slice of the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Start, seconds from the start of the window.
    pub start_s: f64,
    /// Length, seconds.
    pub length_s: f64,
    /// Operations due in it.
    pub scheduled: u64,
    /// Of those, completed correctly.
    pub ok: u64,
    /// Of those, over each limit, in the order of [`TrialRecord::limits`].
    pub over: Vec<u64>,
    /// Mean latency of those completed, nanoseconds; `None` when none was.
    pub mean_ns: Option<f64>,
    /// 99th percentile of their latency; `None` when too few.
    pub p99_ns: Option<Nanos>,
    /// Operations due and not completed at the interval's end.
    pub in_flight: u64,
}

/// The percentiles of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: Quantile,
    /// 90th percentile.
    pub p90: Quantile,
    /// 99th percentile.
    pub p99: Quantile,
    /// 99.9th percentile.
    pub p999: Quantile,
    /// Largest.
    pub max: Quantile,
    /// Mean of the finite values, nanoseconds; `None` when there is none.
    pub mean: Option<f64>,
    /// Number of values, those that rank as +∞ included.
    pub count: u64,
}

/// A percentile: a time, +∞ (the rank falls among operations that were never answered), or not stated
/// because there are too few samples. In JSON a number, `"inf"` or `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantile {
    /// The value.
    At(Nanos),
    /// +∞.
    Beyond,
    /// Too few samples to state it.
    #[default]
    Unstated,
}

impl Quantile {
    /// The value, if finite and stated.
    pub fn finite(self) -> Option<Nanos> {
        match self {
            Quantile::At(value) => Some(value),
            _ => None,
        }
    }
}

impl std::fmt::Display for Quantile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Quantile::At(value) => value.fmt(f),
            Quantile::Beyond => f.pad("∞"),
            Quantile::Unstated => f.pad("—"),
        }
    }
}

impl Serialize for Quantile {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Quantile::At(value) => s.serialize_u64(value.0),
            Quantile::Beyond => s.serialize_str("inf"),
            Quantile::Unstated => s.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Quantile {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Quantile, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Value(u64),
            Word(String),
        }
        match Option::<Form>::deserialize(d)? {
            Some(Form::Value(ns)) => Ok(Quantile::At(Nanos(ns))),
            Some(Form::Word(word)) if word == "inf" => Ok(Quantile::Beyond),
            Some(Form::Word(word)) => Err(serde::de::Error::custom(format!("`{word}` is no percentile"))),
            None => Ok(Quantile::Unstated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_keep_infinity_and_silence_apart() {
        for (quantile, json) in
            [(Quantile::At(Nanos(7)), "7"), (Quantile::Beyond, "\"inf\""), (Quantile::Unstated, "null")]
        {
            assert_eq!(serde_json::to_string(&quantile).unwrap(), json);
            assert_eq!(serde_json::from_str::<Quantile>(json).unwrap(), quantile);
        }
        assert!(serde_json::from_str::<Quantile>("\"fast\"").is_err());
        assert!(serde_json::from_str::<Quantile>("-1").is_err());
    }
}
