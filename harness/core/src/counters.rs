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
    /// The target's CPU time that is not among `threads`: of processes with too many threads, of threads that ended. Exact in
    /// sum, split by ticks.
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
    /// Bytes through the loopback device, both directions and whoever sent them, where there is no link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loopback_bytes: Option<u64>,
    /// How often and how long a quota on CPU time stopped the target's control group; `None` without a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// The same of the load generator's control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_quota: Option<Quota>,
    /// Time some task of the machine waited for a CPU (pressure stall, `some`), nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_pressure_ns: Option<Nanos>,
    /// What could not be read.
    pub missing: Vec<Missing>,
    /// What reading cost the controller, by collector.
    pub collectors: Vec<CollectorCost>,
}

impl Counters {
    /// CPU time of the target; `None` if its threads were not read.
    pub fn server_cpu(&self) -> Option<Nanos> {
        let others = self.processes.map(|split| split.user_ns + split.system_ns);
        let threads = self.threads.iter().map(|thread| thread.cpu_ns).reduce(|sum, cpu| sum + cpu);
        match (threads, others) {
            (None, None) => None,
            (threads, others) => Some(threads.unwrap_or_default() + others.unwrap_or_default()),
        }
    }

    /// The largest share of its time that one of the CPUs, server or load, lost to the hypervisor; `None` if none was read.
    pub fn steal(&self) -> Option<f64> {
        self.cpus.iter().filter_map(CpuCounts::steal_share).reduce(f64::max)
    }

    /// What the processor counted in all threads of the target. What a thread counts holds that of the threads it started
    /// in the window, which have none of their own.
    pub fn threads_hardware(&self) -> Option<Hardware> {
        sum(self.threads.iter().filter(|thread| thread.hardware.is_some()).map(|thread| thread.hardware))
    }

    /// What the processor counted on the server's CPUs of a NUMA node, or on all of them.
    pub fn cpus_hardware(&self, node: Option<NodeId>) -> Option<Hardware> {
        let server = self.cpus.iter().filter(|cpu| cpu.side != Side::Load);
        sum(server.filter(|cpu| node.is_none() || cpu.node == node).map(|cpu| cpu.hardware))
    }

    /// Why something is not there.
    pub fn why_missing(&self, what: &str) -> Option<&str> {
        self.missing.iter().find(|missing| missing.what == what).map(|missing| missing.why.as_str())
    }
}

fn sum(mut each: impl Iterator<Item = Option<Hardware>>) -> Option<Hardware> {
    let first = each.next()??;
    each.try_fold(first, |sum, next| Some(sum.plus(&next?)))
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
    /// What the processor counted while it ran, and while threads did that it started in the window.
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

impl CpuCounts {
    /// Stolen share of all time, 0 to 1; `None` when no tick has passed.
    pub fn steal_share(&self) -> Option<f64> {
        let others = self.user_ns + self.system_ns + self.irq_ns + self.softirq_ns + self.idle_ns;
        let all = others + self.steal_ns;
        (all > Nanos::ZERO).then(|| self.steal_ns.0 as f64 / all.0 as f64)
    }
}

/// Hardware events, scaled to the time they were asked for where the processor's counters were shared. `None` is a [`Missing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hardware {
    /// Smallest share of its enabled time that a group of events was on the counters, 0 to 1. What a group with less than 0.9
    /// counted is not stated.
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
    /// Only what ran in user code was counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_only: bool,
}

impl Hardware {
    /// The sum of both: an event that one of them lacks has none, the share is the smaller.
    #[must_use]
    pub fn plus(&self, other: &Hardware) -> Hardware {
        let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
        Hardware {
            running_share: self.running_share.min(other.running_share),
            cycles: sum(self.cycles, other.cycles),
            instructions: sum(self.instructions, other.instructions),
            llc_misses: sum(self.llc_misses, other.llc_misses),
            l1d_misses: sum(self.l1d_misses, other.l1d_misses),
            dtlb_misses: sum(self.dtlb_misses, other.dtlb_misses),
            branch_misses: sum(self.branch_misses, other.branch_misses),
            stalled_cycles: sum(self.stalled_cycles, other.stalled_cycles),
            user_only: self.user_only || other.user_only,
        }
    }

    /// What one of so many requests took on average; `None` of none.
    pub fn per(&self, requests: u64) -> Option<Hardware> {
        let each = |count: Option<f64>| count.map(|count| count / requests as f64);
        (requests > 0).then(|| Hardware {
            cycles: each(self.cycles),
            instructions: each(self.instructions),
            llc_misses: each(self.llc_misses),
            l1d_misses: each(self.l1d_misses),
            dtlb_misses: each(self.dtlb_misses),
            branch_misses: each(self.branch_misses),
            stalled_cycles: each(self.stalled_cycles),
            ..*self
        })
    }

    /// Clock cycles per instruction.
    pub fn cycles_per_instruction(&self) -> Option<f64> {
        let instructions = self.instructions.filter(|instructions| *instructions > 0.0)?;
        Some(self.cycles? / instructions)
    }
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
    /// Packets from load to server.
    #[serde(default)]
    pub packets_to_server: u64,
    /// Packets from server to load.
    #[serde(default)]
    pub packets_to_load: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(cycles: f64, llc: Option<f64>) -> Hardware {
        let instructions = Some(cycles / 2.0);
        Hardware { running_share: 1.0, cycles: Some(cycles), instructions, llc_misses: llc, ..Hardware::default() }
    }

    #[test]
    fn hardware_is_summed_by_thread_and_by_node_and_told_per_request() {
        let thread = |hardware| ThreadCounts { hardware, ..ThreadCounts::default() };
        let cpu = |node, side, hardware| CpuCounts { node: Some(NodeId(node)), side, hardware, ..CpuCounts::default() };
        let counters = Counters {
            threads: vec![thread(Some(hardware(100.0, Some(4.0)))), thread(Some(hardware(300.0, None)))],
            cpus: vec![
                cpu(0, Side::Server, Some(hardware(1_000.0, None))),
                cpu(1, Side::Server, Some(hardware(10.0, None))),
                cpu(1, Side::Shared, Some(hardware(20.0, None))),
                cpu(1, Side::Load, None),
            ],
            ..Counters::default()
        };
        let threads = counters.threads_hardware().unwrap();
        assert_eq!((threads.cycles, threads.instructions, threads.llc_misses), (Some(400.0), Some(200.0), None));
        assert_eq!(threads.cycles_per_instruction(), Some(2.0));
        assert_eq!(counters.cpus_hardware(None).unwrap().cycles, Some(1_030.0));
        assert_eq!(counters.cpus_hardware(Some(NodeId(1))).unwrap().cycles, Some(30.0));
        assert_eq!(counters.cpus_hardware(Some(NodeId(7))), None);
        assert_eq!(threads.per(8).unwrap().cycles, Some(50.0));
        assert_eq!(threads.per(0), None);
        let late = Counters { threads: vec![thread(None), thread(Some(hardware(1.0, None)))], ..counters };
        assert_eq!(late.threads_hardware().unwrap().cycles, Some(1.0), "the first is in the second's");
        assert_eq!(Counters { threads: vec![thread(None)], ..late }.threads_hardware(), None);
        assert_eq!(Hardware::default().cycles_per_instruction(), None);
    }

    #[test]
    fn the_largest_stolen_share_counts() {
        let cpu = |idle, steal| CpuCounts { idle_ns: Nanos(idle), steal_ns: Nanos(steal), ..CpuCounts::default() };
        let counters = Counters { cpus: vec![cpu(90, 10), cpu(60, 40), cpu(0, 0)], ..Counters::default() };
        assert_eq!(counters.steal(), Some(0.4));
        assert_eq!(Counters::default().steal(), None);
    }

    #[test]
    fn the_targets_time_is_that_of_its_threads_and_of_the_rest() {
        let thread = ThreadCounts { cpu_ns: Nanos(5), ..ThreadCounts::default() };
        let rest = CpuSplit { user_ns: Nanos(2), system_ns: Nanos(1) };
        let both = Counters { threads: vec![thread], processes: Some(rest), ..Counters::default() };
        assert_eq!(both.server_cpu(), Some(Nanos(8)));
        assert_eq!(Counters { processes: None, ..both.clone() }.server_cpu(), Some(Nanos(5)));
        assert_eq!(Counters { threads: Vec::new(), ..both }.server_cpu(), Some(Nanos(3)));
        assert_eq!(Counters::default().server_cpu(), None);
    }
}
