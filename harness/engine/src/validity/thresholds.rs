//! Every threshold of the rules, with where it comes from. A pair is (caveat, invalid).

use corecurve_core::Nanos;

/// An operation that found a free connection is on time if it is sent this soon after it was due (Caladan drops what is
/// 5 µs late on dedicated cores; 50 µs is what a spinning user-space client keeps on any machine) …
pub const ON_TIME: Nanos = Nanos(50_000);
/// … or within this share of the smallest latency limit, where it cannot matter …
pub const ON_TIME_OF_LIMIT: f64 = 0.01;
/// … plus this for each other operation of its burst, which one thread can only send one after the other.
pub const ON_TIME_PER_BURST: Nanos = Nanos(10_000);
/// Least share of such operations sent on time.
pub const ADHERENCE: (f64, f64) = (0.999, 0.95);
/// Largest share of due operations that were never sent although a connection was free (Lancet allows 10 %; nothing
/// but the generator is to blame for one).
pub const UNSENT: (f64, f64) = (0.001, 0.01);
/// Fewest operations: below the first not even a median can be stated, below the second no p99.
pub const SAMPLES: (u64, u64) = (459, 7);
/// Largest useful-work share of a load thread (queueing in the client stays small below 0.7; at 0.9 it is ten service times).
pub const BUSY: (f64, f64) = (0.7, 0.9);
/// Largest share of the smallest limit that the 99th percentile of the client's own lag may take (mutated, Lancet: 10 %).
pub const CLIENT_SHARE: (f64, f64) = (0.1, 0.5);
/// Largest share of the window that the hypervisor may take from a CPU in use. One per cent is what quiet virtual machines
/// show; five moves a MAT by as much.
pub const STEAL: (f64, f64) = (0.01, 0.05);
/// Least share of what arrives for a side that is received on its own cores, where that is declared: the rest is charged to the
/// other side, and moves the cost of a request by as much.
pub const RECEIVED: f64 = 0.95;
/// Largest difference between the run's clock and the raw counter, parts per million (NTP slews by up to 500).
pub const DRIFT_PPM: (f64, f64) = (50.0, 1_000.0);
/// Differences shorter than this are the reading's own.
pub const DRIFT_FLOOR: Nanos = Nanos(1_000_000);
/// Step of the wall clock that is worth mentioning.
pub const WALL_STEP: Nanos = Nanos(500_000_000);
/// Time without a load thread coming round that means the process was stopped. They wake at least every tenth of a second.
pub const PAUSE: Nanos = Nanos(1_000_000_000);
/// Largest relative difference in Little's identity. The edges are taken exactly, so what is left is the rounding of sums.
pub const LITTLE: f64 = 0.01;
/// Largest share of operations that wait for a connection while the target itself is within its limit.
pub const CONNECTIONS: f64 = 0.01;
/// Largest Kolmogorov–Smirnov distance of the gaps from their law, or 2/√n if that is more (Lancet doubled its critical
/// value for the same reason: with many samples every difference is significant).
pub const KS: f64 = 0.02;
/// Largest departure of the index of dispersion from 1, or five standard errors √(2/n) if that is more.
pub const DISPERSION: f64 = 0.1;
/// Largest departure from the period of uniform arrivals.
pub const JITTER_NS: f64 = 2.0;
/// Largest ratio of one load thread's p99 to the median thread's.
pub const SPREAD: f64 = 1.2;
/// Fewest samples of a thread for its p99 to be compared.
pub const SPREAD_SAMPLES: u64 = 10_000;
