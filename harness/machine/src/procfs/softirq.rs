//! Soft interrupts per CPU: on which CPU the network stack's receive side really ran.
//!
//! On loopback the *sending* CPU runs the receiver's network stack (`loopback_xmit` queues to the local backlog), so
//! part of a server's work is done on the load generator's cores. These counters show it.

use std::collections::BTreeMap;

use corecurve_core::CpuId;

use super::read_text;

/// Soft interrupts of one kind per CPU since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoftirqCounts(pub BTreeMap<CpuId, u64>);

impl SoftirqCounts {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &SoftirqCounts) -> SoftirqCounts {
        let grown = |(cpu, now): (&CpuId, &u64)| Some((*cpu, now.saturating_sub(*earlier.0.get(cpu)?)));
        SoftirqCounts(self.0.iter().filter_map(grown).collect())
    }
}

/// The row `kind` (`NET_RX`, `NET_TX`, `TIMER`) of `/proc/softirqs`; empty when there is none.
pub fn parse(text: &str, kind: &str) -> SoftirqCounts {
    let header = text.lines().next().unwrap_or("").split_whitespace();
    let cpus = header.filter_map(|name| name.strip_prefix("CPU")?.parse().ok().map(CpuId));
    let row = text.lines().find_map(|line| line.trim_start().strip_prefix(kind)?.strip_prefix(':'));
    let counts = row.unwrap_or("").split_whitespace().map_while(|n| n.parse().ok());
    SoftirqCounts(cpus.zip(counts).collect())
}

/// Reads `/proc/softirqs`.
///
/// # Errors
/// The reason when it cannot be read.
pub fn read(kind: &str) -> Result<SoftirqCounts, String> {
    Ok(parse(&read_text("/proc/softirqs")?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_meet_their_cpus() {
        let text = "                    CPU0       CPU3\n          HI:          0          1\n      NET_RX:         10         20\n";
        let counts = parse(text, "NET_RX");
        assert_eq!(counts.0, BTreeMap::from([(CpuId(0), 10), (CpuId(3), 20)]));
        let before = parse("CPU0 CPU3\nNET_RX: 4 20\n", "NET_RX");
        assert_eq!(counts.since(&before).0, BTreeMap::from([(CpuId(0), 6), (CpuId(3), 0)]));
        assert!(parse(text, "NET_TX").0.is_empty());
        assert!(parse("", "HI").0.is_empty());
        assert!(!read("NET_RX").unwrap().0.is_empty());
    }
}
