//! Pinning a thread to one CPU, and proof afterwards that it stayed there.
//!
//! A pin that silently failed looks like a slow server. So [`pin_current_thread`] reads back what the kernel took,
//! and a [`PinAudit`] around the measured window tells whether the thread was ever seen elsewhere, migrated or preempted.

use std::collections::BTreeSet;

use corecurve_core::{CpuId, CpuSet, Problem};
use serde::{Deserialize, Serialize};

use crate::allowed::affinity;
use crate::procfs::thread::{Scheduling, own_scheduling};

/// The highest CPU number the kernel's fixed-size mask can name.
const MAX_MASK_CPU: u32 = 1_023;

/// Pins the calling thread to `cpu` and checks that it took.
///
/// Cost: two system calls and a migration.
///
/// # Errors
/// When the kernel refuses, or took something else.
pub fn pin_current_thread(cpu: CpuId) -> Result<(), Problem> {
    let problem = |why: &str| {
        Problem::new(format!("a thread could not be pinned to CPU {cpu}: {why}"))
            .help("check that the CPU is online and inside the affinity mask (`taskset -p $$`) and the cpuset")
    };
    if cpu.0 > MAX_MASK_CPU {
        return Err(problem("pinning knows CPUs up to 1023"));
    }
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu.0 as usize }) {
        return Err(problem("the kernel refused"));
    }
    let taken = affinity()?;
    if taken != CpuSet::from_iter([cpu]) {
        return Err(problem(&format!("the kernel made it CPUs {taken}")));
    }
    Ok(())
}

/// The CPU the calling thread is running on right now. Cost: some nanoseconds, no system call on x86-64.
pub fn current_cpu() -> CpuId {
    CpuId(rustix::thread::sched_getcpu() as u32)
}

/// An audit in progress, started by the thread it audits.
#[derive(Debug)]
pub struct PinAudit {
    expected: CpuId,
    seen: BTreeSet<CpuId>,
    before: Scheduling,
}

/// What an audit saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinFinding {
    /// Where the thread was pinned.
    pub expected: CpuId,
    /// Every CPU it was seen on.
    pub seen: CpuSet,
    /// Times it gave up the CPU, in the window; `None` where the kernel does not say.
    pub voluntary_switches: Option<u64>,
    /// Times it was preempted, in the window: above zero on a core of its own means an intruder.
    pub involuntary_switches: Option<u64>,
    /// Times the scheduler moved it, in the window; `None` where the kernel does not say.
    pub migrations: Option<u64>,
}

impl PinFinding {
    /// Whether the thread stayed where it was put.
    pub fn stayed(&self) -> bool {
        self.seen.iter().all(|cpu| cpu == self.expected) && self.migrations.unwrap_or(0) == 0
    }
}

impl PinAudit {
    /// Starts on the calling thread, which should be pinned to `expected` already. Cost: reads two small `/proc` files.
    pub fn begin(expected: CpuId) -> PinAudit {
        PinAudit { expected, seen: BTreeSet::from([current_cpu()]), before: own_scheduling() }
    }

    /// Notes where the thread is. Does not allocate while the thread stays on CPUs already seen.
    #[inline]
    pub fn look(&mut self) {
        let cpu = current_cpu();
        if cpu != self.expected {
            self.seen.insert(cpu);
        }
    }

    /// Ends on the same thread. Cost: reads two small `/proc` files.
    pub fn end(mut self) -> PinFinding {
        let after = own_scheduling();
        self.seen.insert(current_cpu());
        let grew = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
        PinFinding {
            expected: self.expected,
            seen: CpuSet(self.seen),
            voluntary_switches: grew(self.before.voluntary_switches, after.voluntary_switches),
            involuntary_switches: grew(self.before.involuntary_switches, after.involuntary_switches),
            migrations: grew(self.before.migrations, after.migrations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_stays_and_the_audit_says_so() {
        for cpu in affinity().unwrap().iter() {
            let finding = std::thread::spawn(move || {
                pin_current_thread(cpu).unwrap();
                assert_eq!(current_cpu(), cpu);
                let mut audit = PinAudit::begin(cpu);
                std::thread::yield_now();
                audit.look();
                audit.end()
            })
            .join()
            .unwrap();
            assert!(finding.stayed(), "{finding:?}");
            assert_eq!(finding.seen.to_string(), cpu.to_string());
            assert!(finding.voluntary_switches.is_some());
        }
    }

    #[test]
    fn a_thread_that_moved_is_caught() {
        let cpus: Vec<CpuId> = affinity().unwrap().iter().collect();
        let [first, .., last] = cpus[..] else { return };
        let finding = std::thread::spawn(move || {
            pin_current_thread(first).unwrap();
            let audit = PinAudit::begin(first);
            pin_current_thread(last).unwrap();
            audit.end()
        })
        .join()
        .unwrap();
        assert!(!finding.stayed(), "{finding:?}");
        assert!(finding.seen.contains(last));
    }

    #[test]
    fn impossible_cpus_are_refused() {
        for cpu in [CpuId(1_023), CpuId(1_024), CpuId(60_000)] {
            let problem = std::thread::spawn(move || pin_current_thread(cpu)).join().unwrap().unwrap_err();
            assert!(problem.seen.contains(&format!("CPU {cpu}")), "{problem}");
        }
    }
}
