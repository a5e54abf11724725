//! What the kernel says about the window: read by the controller at its two ends, never by a load worker.

use std::path::Path;
use std::sync::Arc;

use corecurve_core::{CpuSet, Nanos, Pid};
use corecurve_machine::Link;
use corecurve_machine::clock::{ClockCheck, ClockFinding};
use corecurve_machine::procfs::cpu::CpuStat;
use corecurve_machine::procfs::process::Identity;
use corecurve_machine::procfs::{cgroup, cpu, process, thread, ticks_per_second};

use super::receiving::{Packets, Receiving};

/// A process with more threads than this is read as a whole, in ticks: reading each thread would take longer than it
/// is worth on a core that may be one of the server's.
const THREADS_READ_ONE_BY_ONE: usize = 64;

/// The first end.
#[derive(Debug)]
pub(crate) struct Readings {
    clock: ClockCheck,
    cpus: Result<CpuStat, String>,
    throttled: Option<cgroup::Throttling>,
    processes: Vec<(Identity, Option<Nanos>)>,
    gone: Option<Pid>,
    receiving: Option<Receiving>,
}

/// The difference between the two ends.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub clock: Option<ClockFinding>,
    pub steal: Option<f64>,
    pub throttled: Option<u64>,
    /// CPU time of the target's processes.
    pub server_cpu: Result<Nanos, String>,
    pub target_fault: Option<String>,
    /// Packets of the link, if there is one and its counters can be read.
    pub packets: Option<Packets>,
}

impl Readings {
    /// Reads the first end. Cost: some small files, and two more for each thread of the target.
    pub(crate) fn begin(pids: &[Pid], link: Option<&Arc<Link>>) -> Readings {
        let mut gone = None;
        let mut processes = Vec::new();
        for pid in pids {
            match Identity::of(*pid) {
                Ok(identity) => processes.push((identity, cpu_time(*pid))),
                Err(_) => gone = Some(*pid),
            }
        }
        Readings {
            clock: ClockCheck::begin(),
            cpus: cpu::read(),
            throttled: cgroup::throttling(Path::new("/")),
            processes,
            gone,
            receiving: Receiving::begin(link),
        }
    }

    /// Reads the other end. `used`: the CPUs of server and load; `server`: those of the server.
    pub(crate) fn end(self, used: &CpuSet, server: &CpuSet) -> Reading {
        let clock = self.clock.end();
        let packets = self.receiving.and_then(|receiving| receiving.end(server).ok());
        let steal = match (self.cpus, cpu::read()) {
            (Ok(before), Ok(after)) => stolen(&after.since(&before), used),
            _ => None,
        };
        let throttled = match (self.throttled, cgroup::throttling(Path::new("/"))) {
            (Some(before), Some(after)) => Some(after.periods.saturating_sub(before.periods)),
            _ => None,
        };
        let changed = self.processes.iter().find(|(identity, _)| !identity.is_alive()).map(|(id, _)| id.pid);
        let target_fault = self.gone.or(changed).map(|pid| format!("process {pid} of the target is gone"));
        let server_cpu = spent(&self.processes);
        Reading { clock: Some(clock), steal, throttled, server_cpu, target_fault, packets }
    }
}

/// CPU time the processes used since their first reading.
fn spent(processes: &[(Identity, Option<Nanos>)]) -> Result<Nanos, String> {
    if processes.is_empty() {
        return Err("the target's processes are not known".to_owned());
    }
    let mut sum = Nanos::ZERO;
    for (identity, before) in processes {
        let spent = before.and_then(|before| Some(cpu_time(identity.pid)?.saturating_sub(before)));
        sum += spent.ok_or_else(|| format!("/proc/{} cannot be read", identity.pid))?;
    }
    Ok(sum)
}

/// CPU time of a process since it started: of its threads one by one, exact, or in ticks if it has many.
/// Time of threads that have ended is only in the ticks, so the larger of the two counts.
fn cpu_time(pid: Pid) -> Option<Nanos> {
    let line = process::stat(pid).ok()?;
    let ticks = (line.user_ticks + line.system_ticks).saturating_mul(1_000_000_000) / ticks_per_second().max(1);
    let few = process::threads(pid).is_ok_and(|threads| threads.len() <= THREADS_READ_ONE_BY_ONE);
    let exact = few.then(|| thread::of_process(pid).ok()?.iter().map(|t| t.cpu.map(|cpu| cpu.0)).sum::<Option<u64>>());
    Some(Nanos(ticks.max(exact.flatten().unwrap_or(0))))
}

/// The largest share of the time that was stolen from one of the CPUs in use.
fn stolen(cpus: &CpuStat, used: &CpuSet) -> Option<f64> {
    let shares = cpus.0.iter().filter(|(cpu, _)| used.contains(**cpu)).filter_map(|(_, times)| times.steal_share());
    shares.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_this_process_show_its_work() {
        let pid = std::process::id();
        let readings = Readings::begin(&[pid], None);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(80);
        let mut spin = 0u64;
        while std::time::Instant::now() < until {
            spin = std::hint::black_box(spin + 1);
        }
        let window = readings.end(&corecurve_machine::allowed::affinity().unwrap(), &CpuSet::default());
        assert!(window.server_cpu.unwrap() > Nanos::ZERO);
        assert_eq!(window.target_fault, None);
        assert!(window.clock.unwrap().span >= Nanos(80_000_000));
        assert!(window.steal.is_none_or(|share| (0.0..=1.0).contains(&share)));
    }

    #[test]
    fn a_process_that_went_is_noticed() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let readings = Readings::begin(&[pid], None);
        child.wait().unwrap();
        let window = readings.end(&CpuSet::default(), &CpuSet::default());
        assert!(window.target_fault.unwrap().contains(&pid.to_string()));
        assert!(Readings::begin(&[], None).end(&CpuSet::default(), &CpuSet::default()).server_cpu.is_err());
    }
}
