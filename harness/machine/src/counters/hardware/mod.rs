//! The processor's counters, by thread of the target and by CPU of the server.
//!
//! A processor has a handful of counters. What is asked of each thread comes first: cycles, instructions and branch misses for all
//! of the time or not at all, then the rest, in groups that take turns if they must. CPUs are counted beside them, where that
//! is allowed, as long as all of it fits; if it does not, they give way before the window opens.

mod kernel;
mod pmu;

use std::collections::BTreeMap;
use std::fmt::Debug;

use corecurve_core::{Counters, CpuId, Hardware, Missing, Pid};

use self::kernel::Kernel;
use self::pmu::{Event, Group, Pmu, Refusal, Scope, Value};
use super::{Collector, Prepared, Subject, lost, missing};
use crate::environment::pmu;
use crate::procfs::process;

/// What is counted of a thread, group by group; the first group is counted always or not at all.
const OF_THREADS: [&[Event]; 3] = [
    &[Event::Cycles, Event::Instructions, Event::BranchMisses],
    &[Event::LlcMisses, Event::L1dMisses],
    &[Event::DtlbMisses, Event::StalledFrontEnd, Event::StalledBackEnd],
];
/// What is counted of a CPU.
const OF_CPUS: [&[Event]; 1] = [&[Event::Cycles, Event::Instructions]];
/// A group that was counted for a smaller share of its time is not stated: what it missed need not be like what it saw.
const LEAST_SHARE: f64 = 0.9;
/// More threads than this are not counted: each takes eight open files.
const MOST_THREADS: usize = 64;

const NAME: &str = "hardware counters";
const OF_CPUS_NAME: &str = "hardware counters of CPUs";

#[derive(Debug)]
struct Processor {
    user_only: bool,
    threads: Vec<Counted<(Pid, Pid)>>,
    cpus: Vec<Counted<CpuId>>,
    missing: Vec<Missing>,
}

/// What is counted of one thread or CPU.
#[derive(Debug)]
struct Counted<K> {
    of: K,
    groups: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    group: Box<dyn Group>,
    before: Result<Vec<Value>, String>,
    after: Result<Vec<Value>, String>,
}

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    let Some(first) = subject.pids.first() else { return Err(lost(NAME, "the target's processes are not known")) };
    let (kernel, lacking) = Kernel::allowed(*first);
    let mut processor =
        Processor { user_only: false, threads: Vec::new(), cpus: Vec::new(), missing: lacking.into_iter().collect() };
    if pmu().known() == Some(&false) {
        processor.missing.push(missing(
            NAME,
            "this machine has no PMU, or does not pass it on to this virtual machine",
            "measure on bare metal, or have the host pass its PMU through (QEMU: `-cpu host,pmu=on`)",
        ));
    } else if let Some(kernel) = kernel {
        let threads = threads(subject.pids, &mut processor.missing);
        let cpus: Vec<CpuId> = subject.placed.server_cpus().iter().collect();
        processor.open(&kernel, &threads, &cpus);
        processor.user_only = kernel.user_only;
    }
    Ok(Box::new(processor))
}

/// The target's threads with their processes, if they are not too many.
fn threads(pids: &[Pid], lacking: &mut Vec<Missing>) -> Vec<(Pid, Pid)> {
    let of = |pid: Pid| process::threads(pid).unwrap_or_default().into_iter().map(move |tid| (pid, tid));
    let all: Vec<(Pid, Pid)> = pids.iter().copied().flat_map(of).collect();
    if all.len() <= MOST_THREADS {
        return all;
    }
    let why = format!("the target has {} threads (at most {MOST_THREADS} are counted)", all.len());
    lacking.push(lost("hardware counters of threads", why));
    Vec::new()
}

impl Processor {
    fn open(&mut self, pmu: &dyn Pmu, threads: &[(Pid, Pid)], cpus: &[CpuId]) {
        let mut absent: Vec<Event> = Vec::new();
        for thread in threads {
            match open(pmu, Scope::Thread(thread.1), &OF_THREADS, &mut absent) {
                Ok(groups) => self.threads.push(Counted { of: *thread, groups }),
                Err(refusal) => {
                    // Some of the threads would pass for all of them.
                    self.threads.clear();
                    self.missing.extend(refused(NAME, &refusal, "1"));
                    break;
                }
            }
        }
        for cpu in cpus {
            match open(pmu, Scope::Cpu(*cpu), &OF_CPUS, &mut absent) {
                Ok(groups) => self.cpus.push(Counted { of: *cpu, groups }),
                Err(refusal) => {
                    self.cpus.clear();
                    self.missing.extend(refused(OF_CPUS_NAME, &refusal, "0"));
                    break;
                }
            }
        }
        absent.sort_unstable();
        absent.dedup();
        let what = |event: Event| lost(&format!("{NAME}: {}", event.name()), "this processor has no such event");
        self.missing.extend(absent.into_iter().map(what));
    }
}

/// Opens what can be had of `wanted`; events that the processor does not have are added to `absent`.
fn open(pmu: &dyn Pmu, scope: Scope, wanted: &[&[Event]], absent: &mut Vec<Event>) -> Result<Vec<Open>, Refusal> {
    let mut groups = Vec::new();
    for (at, events) in wanted.iter().enumerate() {
        let always = at == 0 && matches!(scope, Scope::Thread(_));
        match pmu.open(scope, events, always) {
            Ok(group) => {
                absent.extend(events.iter().filter(|event| !group.events().contains(event)));
                let unread = || Err("was not read".to_owned());
                groups.push(Open { group, before: unread(), after: unread() });
            }
            Err(Refusal::Absent) => absent.extend(*events),
            Err(other) => return Err(other),
        }
    }
    Ok(groups)
}

/// `level`: the `perf_event_paranoid` that would do.
fn refused(what: &str, refusal: &Refusal, level: &str) -> Option<Missing> {
    match refusal {
        Refusal::Forbidden => Some(missing(
            what,
            "the kernel does not allow it",
            format!("sudo sysctl -w kernel.perf_event_paranoid={level}, or give the program CAP_PERFMON"),
        )),
        Refusal::Other(why) => Some(lost(what, why.clone())),
        Refusal::Absent => None,
    }
}

impl<K> Counted<K> {
    fn begin(&mut self) {
        self.groups.iter_mut().for_each(|open| open.before = open.group.read());
    }

    fn end(&mut self) {
        self.groups.iter_mut().for_each(|open| open.after = open.group.read());
    }

    /// Whether some group has had to take turns so far.
    fn is_crowded(&self) -> bool {
        let values = self.groups.iter().flat_map(|open| open.before.iter().flatten());
        values.fold(1.0, |least, value| value.share().min(least)) < LEAST_SHARE
    }

    /// What was counted; what was not is added to `unstated`, by event.
    fn tell(&self, unstated: &mut BTreeMap<Event, String>) -> Hardware {
        let mut hardware = Hardware { running_share: 1.0, ..Hardware::default() };
        for Open { group, before, after } in &self.groups {
            let events = group.events();
            let (before, after) = match (before, after) {
                (Ok(before), Ok(after)) => (before, after),
                (Err(why), _) | (_, Err(why)) => {
                    unstated.extend(events.iter().map(|event| (*event, why.clone())));
                    continue;
                }
            };
            for ((event, before), after) in events.iter().zip(before).zip(after) {
                let value = after.since(*before);
                hardware.running_share = hardware.running_share.min(value.share());
                if value.share() < LEAST_SHARE {
                    let share = value.share() * 100.0;
                    unstated.insert(
                        *event,
                        format!("was on the processor's counters for {share:.0} % of the time (at least 90 %)"),
                    );
                } else {
                    *event.of(&mut hardware).get_or_insert(0.0) += value.scaled();
                }
            }
        }
        hardware
    }
}

impl Collector for Processor {
    fn begin(&mut self) {
        self.threads.iter_mut().for_each(Counted::begin);
        if self.threads.iter().any(Counted::is_crowded) && !self.cpus.is_empty() {
            let groups = self.cpus.iter_mut().flat_map(|cpu| &mut cpu.groups);
            groups.for_each(|open| open.group.give_way());
            self.cpus.clear();
            let why = "the processor has too few counters for its CPUs beside the target's threads";
            self.missing.push(missing(OF_CPUS_NAME, why, "sudo sysctl -w kernel.nmi_watchdog=0 gives one more"));
        }
        self.cpus.iter_mut().for_each(Counted::begin);
    }

    fn end(&mut self) {
        self.cpus.iter_mut().for_each(Counted::end);
        self.threads.iter_mut().for_each(Counted::end);
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let mut unstated = BTreeMap::new();
        for counted in &self.threads {
            let mut told = || Hardware { user_only: self.user_only, ..counted.tell(&mut unstated) };
            // One that did not run is not among the threads.
            let thread = counters.threads.iter_mut().find(|thread| (thread.pid, thread.tid) == counted.of);
            if let Some(thread) = thread {
                thread.hardware = Some(told());
            }
        }
        for counted in &self.cpus {
            let told = Hardware { user_only: self.user_only, ..counted.tell(&mut unstated) };
            if let Some(cpu) = counters.cpus.iter_mut().find(|cpu| cpu.cpu == counted.of) {
                cpu.hardware = Some(told);
            }
        }
        counters.missing.extend(self.missing);
        let help = "stop other profilers; sudo sysctl -w kernel.nmi_watchdog=0 gives one more counter";
        let what = |(event, why): (Event, String)| missing(&format!("{NAME}: {}", event.name()), why, help);
        counters.missing.extend(unstated.into_iter().map(what));
    }
}

#[cfg(test)]
mod tests;
