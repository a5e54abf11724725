//! `/proc/stat`: where each CPU's time went. Tick-based on most kernels, so use windows of seconds.

use std::collections::BTreeMap;

use corecurve_core::{CpuId, CpuSet, Nanos};
use serde::{Deserialize, Serialize};

use super::{read_text, ticks, ticks_per_second};

/// Time of one CPU since boot, by what it was spent on. Guest time is inside `user` and `nice`, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTimes {
    /// In user code.
    pub user: Nanos,
    /// In user code of niced processes.
    pub nice: Nanos,
    /// In the kernel for a process.
    pub system: Nanos,
    /// Nothing to do.
    pub idle: Nanos,
    /// Nothing to do while a local process waited for a disk.
    pub iowait: Nanos,
    /// In hardware interrupts.
    pub irq: Nanos,
    /// In soft interrupts: most of the network stack's receive side.
    pub softirq: Nanos,
    /// Wanted to run, but the hypervisor ran somebody else.
    pub steal: Nanos,
}

impl CpuTimes {
    /// Time in which the CPU did something.
    pub fn busy(&self) -> Nanos {
        self.user + self.nice + self.system + self.irq + self.softirq
    }

    /// All time, also idle and stolen.
    pub fn total(&self) -> Nanos {
        self.busy() + self.idle + self.iowait + self.steal
    }

    /// What was added since `earlier`; a counter that ran backwards (idle may) counts as zero.
    #[must_use]
    pub fn since(&self, earlier: &CpuTimes) -> CpuTimes {
        CpuTimes {
            user: self.user - earlier.user,
            nice: self.nice - earlier.nice,
            system: self.system - earlier.system,
            idle: self.idle - earlier.idle,
            iowait: self.iowait - earlier.iowait,
            irq: self.irq - earlier.irq,
            softirq: self.softirq - earlier.softirq,
            steal: self.steal - earlier.steal,
        }
    }

    /// Adds another CPU's times.
    #[must_use]
    pub fn plus(&self, other: &CpuTimes) -> CpuTimes {
        CpuTimes {
            user: self.user + other.user,
            nice: self.nice + other.nice,
            system: self.system + other.system,
            idle: self.idle + other.idle,
            iowait: self.iowait + other.iowait,
            irq: self.irq + other.irq,
            softirq: self.softirq + other.softirq,
            steal: self.steal + other.steal,
        }
    }

    /// Busy share of all time, 0 to 1; `None` when no time has passed.
    pub fn utilisation(&self) -> Option<f64> {
        share(self.busy(), self.total())
    }

    /// Stolen share of all time, 0 to 1; `None` when no time has passed.
    pub fn steal_share(&self) -> Option<f64> {
        share(self.steal, self.total())
    }
}

fn share(part: Nanos, whole: Nanos) -> Option<f64> {
    (whole.0 > 0).then(|| part.0 as f64 / whole.0 as f64)
}

/// Times of every CPU at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuStat(pub BTreeMap<CpuId, CpuTimes>);

impl CpuStat {
    /// What was added since `earlier` on the CPUs of both.
    #[must_use]
    pub fn since(&self, earlier: &CpuStat) -> CpuStat {
        let both = self.0.iter().filter_map(|(cpu, now)| Some((*cpu, now.since(earlier.0.get(cpu)?))));
        CpuStat(both.collect())
    }

    /// The sum over `cpus`.
    pub fn sum(&self, cpus: &CpuSet) -> CpuTimes {
        let chosen = self.0.iter().filter(|(cpu, _)| cpus.contains(**cpu));
        chosen.fold(CpuTimes::default(), |sum, (_, times)| sum.plus(times))
    }
}

/// Reads the `cpuN` lines.
pub fn parse(text: &str, per_second: u64) -> CpuStat {
    let line = |line: &str| {
        let mut words = line.strip_prefix("cpu")?.split_whitespace();
        let cpu = CpuId(words.next()?.parse().ok()?);
        let mut next = || words.next().and_then(|w| w.parse().ok()).map_or(Nanos::ZERO, |t| ticks(t, per_second));
        let times = CpuTimes {
            user: next(),
            nice: next(),
            system: next(),
            idle: next(),
            iowait: next(),
            irq: next(),
            softirq: next(),
            steal: next(),
        };
        // The line over all CPUs is `cpu  …`, whose first word is a time and not part of the name.
        Some((cpu, times))
    };
    CpuStat(text.lines().filter(|l| !l.starts_with("cpu ")).filter_map(line).collect())
}

/// Reads `/proc/stat`.
///
/// # Errors
/// The reason when it cannot be read.
pub fn read() -> Result<CpuStat, String> {
    Ok(parse(&read_text("/proc/stat")?, ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "cpu  30 0 30 300 0 0 0 6 0 0\ncpu0 10 1 20 100 4 5 6 2 0 0\ncpu17 20 0 10 200\nintr 5 0\ncpux 1\n";

    #[test]
    fn each_cpu_has_its_times() {
        let stat = parse(TEXT, 100);
        assert_eq!(stat.0.len(), 2);
        let zero = stat.0[&CpuId(0)];
        assert_eq!(zero.busy(), Nanos(420_000_000));
        assert_eq!(zero.total(), Nanos(1_480_000_000));
        assert_eq!(zero.steal, Nanos(20_000_000));
        assert_eq!(stat.0[&CpuId(17)].steal, Nanos::ZERO);
        assert_eq!(stat.sum(&"17".parse().unwrap()).idle, Nanos(2_000_000_000));
        let later = parse("cpu0 110 1 20 99 4 5 6 102 0 0\n", 100).since(&stat).0[&CpuId(0)];
        assert_eq!((later.utilisation(), later.steal_share()), (Some(0.5), Some(0.5)));
        assert_eq!(CpuTimes::default().utilisation(), None);
    }

    #[test]
    fn the_live_file_covers_this_cpu() {
        assert!(read().unwrap().0.contains_key(&crate::pin::current_cpu()));
    }
}
