//! [`Counters`]: what the kernel and the processor counted in one measured window, on the target's side.
//!
//! Everything that could not be read is `None` here and a [`Missing`] with its reason there, never a zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cpu::{CpuId, NodeId};
use crate::target::Pid;
use crate::units::Nanos;

/// The counters of a window. Differences of two readings at its ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Time between the two readings, nanoseconds: the window and what the readings themselves took.
    pub span_ns: Nanos,
    /// The target's threads, by process and thread: those that ran at all, the busiest if there are many.
    pub threads: Vec<ThreadCounts>,
    /// The target's processes, where their threads were not read one by one; the sum over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<CpuSplit>,
    /// The server's CPUs, and then those of the load.
    pub cpus: Vec<CpuCounts>,
    /// What moved among the counters of the server's network namespace, by `Group.Name`, e.g. `TcpExt.ListenOverflows`.
    pub network: BTreeMap<String, i64>,
    /// The target's accept queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_queue: Option<AcceptQueue>,
    /// Unread bytes in the target's connections when the window ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// Bytes through the link between load and server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkBytes>,
    /// How often and how long a quota on CPU time stopped the target's control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Time some task of the machine waited for a CPU (pressure stall, `some`), nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_pressure_ns: Option<Nanos>,
    /// What could not be read.
    pub missing: Vec<Missing>,
    /// What reading cost the controller, by collector.
    pub collectors: Vec<CollectorCost>,
}

/// CPU time by what it was spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuSplit {
    /// In user code, nanoseconds.
    pub user_ns: Nanos,
    /// In the kernel on behalf of the thread, nanoseconds.
    pub system_ns: Nanos,
}

/// One thread of the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadCounts {
    /// Its process.
    pub pid: Pid,
    /// The thread.
    pub tid: Pid,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The CPU it last ran on.
    pub cpu: Option<CpuId>,
    /// Time on a CPU, nanoseconds; exact where the kernel keeps schedstat.
    pub cpu_ns: Nanos,
    /// Its split by ticks: the share is a sample of one per tick.
    pub split: CpuSplit,
    /// Ticks the split rests on: the number of samples.
    pub ticks: u64,
    /// Time it could have run and waited for a CPU, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_delay_ns: Option<Nanos>,
    /// Times it gave up the CPU by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voluntary_switches: Option<u64>,
    /// Times it was taken off the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// Times it was moved to another CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<u64>,
    /// Page faults served without reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_faults: Option<u64>,
    /// Page faults that had to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_faults: Option<u64>,
    /// What the processor counted while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
}

/// Whose CPU one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The target's.
    #[default]
    Server,
    /// The load generator's.
    Load,
    /// Of both.
    Shared,
}

/// One CPU. Times are by ticks of the kernel's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuCounts {
    /// The CPU.
    pub cpu: CpuId,
    /// Its NUMA node.
    pub node: Option<NodeId>,
    /// Whose it is.
    pub side: Side,
    /// In user code, nanoseconds.
    pub user_ns: Nanos,
    /// In the kernel, interrupts excluded, nanoseconds.
    pub system_ns: Nanos,
    /// In interrupts, nanoseconds.
    pub irq_ns: Nanos,
    /// In deferred interrupt work (the network's receive path), nanoseconds.
    pub softirq_ns: Nanos,
    /// Taken by the hypervisor, nanoseconds.
    pub steal_ns: Nanos,
    /// Nothing to do, nanoseconds.
    pub idle_ns: Nanos,
    /// Rounds of network receive work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_rx: Option<u64>,
    /// Packets taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// Packets dropped for want of room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Times the receive work ran out of its budget with packets left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squeezed: Option<u64>,
    /// What the processor counted on this CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
}

/// Hardware events, scaled to the whole window where the processor's counters were shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hardware {
    /// Smallest share of its enabled time that a group was on the counters, 0 to 1. Below 0.9 nothing is stated.
    pub running_share: f64,
    /// Clock cycles.
    pub cycles: Option<f64>,
    /// Instructions retired.
    pub instructions: Option<f64>,
    /// Loads and stores that missed the last-level cache.
    pub llc_misses: Option<f64>,
    /// Loads that missed the first-level data cache.
    pub l1d_misses: Option<f64>,
    /// Loads that missed the data TLB.
    pub dtlb_misses: Option<f64>,
    /// Branches predicted wrong.
    pub branch_misses: Option<f64>,
    /// Cycles in which nothing could be issued or retired (front and back end).
    pub stalled_cycles: Option<f64>,
}

/// How full the target's accept queues were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptQueue {
    /// Listening sockets looked at.
    pub listeners: usize,
    /// Looks at each.
    pub looks: u64,
    /// Most connections seen waiting in one of them.
    pub longest: u32,
    /// The smallest limit of any of them.
    pub limit: u32,
}

/// Requests that arrived and were not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The target's connections.
    pub connections: usize,
    /// Of these, with bytes the target has not read.
    pub waiting: usize,
}

/// Bytes through a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkBytes {
    /// From load to server.
    pub to_server: u64,
    /// From server to load.
    pub to_load: u64,
    /// Its limit in bits per second, if it has one.
    pub limit_bits_per_s: Option<u64>,
}

/// A quota on CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// CPUs' worth of time allowed.
    pub cpus: f64,
    /// Periods in which the group was stopped.
    pub throttled_periods: u64,
    /// Time it was stopped, nanoseconds.
    pub throttled_ns: Nanos,
}

/// Something that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What, e.g. `hardware counters`.
    pub what: String,
    /// Why.
    pub why: String,
    /// How to get it, if it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a collector cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorCost {
    /// Its name.
    pub collector: String,
    /// CPU time of its readings, nanoseconds, on the controller's CPU.
    pub cpu_ns: Nanos,
}
