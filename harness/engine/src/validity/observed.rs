//! [`Observed`]: everything the rules look at, as plain data.

use corecurve_core::{Interval, Nanos, NetworkRecord, Purpose, Quantiles};
use corecurve_machine::clock::ClockFinding;
use corecurve_machine::pin::PinFinding;

use crate::schedule::ArrivalLaw;

/// What was observed of a trial. `None` means that the thing does not apply or could not be seen; a rule without its
/// observation is silent, and what could not be seen is a caveat where it matters.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Why the trial was run.
    pub purpose: Option<Purpose>,
    /// Whether load came at times of its own.
    pub open_loop: bool,
    /// The books.
    pub counts: corecurve_core::Counts,
    /// Operations that found no free connection when they were due: those sent after all, and those never sent.
    pub waited: (u64, u64),
    /// Operations that found a free connection when they were due, and how many of them were sent on time.
    pub prompt: (u64, u64),
    /// Percentiles of their send lag.
    pub prompt_lag: Quantiles,
    /// What counted as on time.
    pub on_time_within: Nanos,
    /// Latency.
    pub latency: Quantiles,
    /// Service time.
    pub service: Quantiles,
    /// Smallest latency limit asked for.
    pub smallest_limit: Option<Nanos>,
    /// Values in the latency histogram and above its range.
    pub histogram_count: (u64, u64),
    /// Length of the window, and the longest any operation can have been waited for.
    pub window: Nanos,
    /// Longest time from the intended start to the end of the drain.
    pub longest_possible: Nanos,
    /// The window's intervals.
    pub intervals: Vec<Interval>,
    /// Useful-work share of each load thread.
    pub busy: Vec<f64>,
    /// 99th percentile of latency of each load thread, with its number of samples.
    pub p99_by_thread: Vec<(Nanos, u64)>,
    /// Sum of latencies by counting operations in and out, and by the histograms, nanoseconds.
    pub little: Option<(f64, f64)>,
    /// Distance of the schedule from its law.
    pub law: Option<ArrivalLaw>,
    /// The kind of arrival law, for the message.
    pub arrival: String,
    /// Where pinned load threads were seen.
    pub pins: Vec<PinFinding>,
    /// What lay between load and server and who received there, over a whole window.
    pub network: Option<NetworkRecord>,
    /// Largest share of the window that the hypervisor took from one of the CPUs in use.
    pub steal: Option<f64>,
    /// Periods in which the quota stopped us, in the window.
    pub throttled: Option<u64>,
    /// The clocks.
    pub clock: Option<ClockFinding>,
    /// Longest time in which a load thread did not come round.
    pub longest_gap: Nanos,
    /// How the target died, or which of its processes changed.
    pub target_fault: Option<String>,
    /// Who else listens on the port.
    pub port_fault: Option<String>,
    /// Connection attempts that failed for want of a local port, and of a file descriptor.
    pub local_failures: (u64, u64),
    /// Warm-up that was given or waited for without an end in sight.
    pub warmup_unsettled: Option<Nanos>,
    /// The trial was ended early.
    pub interrupted: Option<String>,
    /// A thread of the harness failed.
    pub harness_fault: Option<String>,
}
