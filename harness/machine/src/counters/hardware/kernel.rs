//! The kernel's performance events, through `perf-event2`.

use std::io;

use corecurve_core::{Missing, Pid};
use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Hardware, Software};
use perf_event::{Builder, Counter};

use super::super::missing;
use super::pmu::{Event, Group, Pmu, Refusal, Scope, Value};

/// Counts what runs in the kernel too, or only user code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    pub user_only: bool,
}

#[derive(Debug)]
struct Counters {
    events: Vec<Event>,
    /// The first leads.
    counters: Vec<Counter>,
}

impl Kernel {
    /// What this process may count of a thread of the target, and what is missing: tried with an event of the kernel's own, which
    /// needs no hardware.
    pub fn allowed(thread: Pid) -> (Option<Kernel>, Option<Missing>) {
        let level = crate::procfs::read_text("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
        let level = level.trim();
        let help =
            "sudo sysctl -w kernel.perf_event_paranoid=1, or give the program CAP_PERFMON (`setcap cap_perfmon+ep`)";
        let tried = |user_only| {
            let kernel = Kernel { user_only };
            kernel.builder(Builder::new(Software::TASK_CLOCK), Scope::Thread(thread)).build().map(|_| kernel)
        };
        match tried(false).or_else(|_| tried(true)) {
            Ok(kernel) if kernel.user_only => {
                let why = format!("perf_event_paranoid = {level} leaves user code only");
                (Some(kernel), Some(missing("hardware counters: kernel code", why, help)))
            }
            Ok(kernel) => (Some(kernel), None),
            Err(error) => {
                let why = format!("performance events are refused: {error} (perf_event_paranoid = {level})");
                (None, Some(missing("performance events", why, help)))
            }
        }
    }

    fn builder(self, mut builder: Builder<'static>, scope: Scope) -> Builder<'static> {
        match scope {
            Scope::Thread(tid) => builder.observe_pid(tid as i32).any_cpu().inherit(true),
            Scope::Cpu(cpu) => builder.any_pid().one_cpu(cpu.0 as usize),
        };
        builder.exclude_kernel(self.user_only);
        builder
    }
}

impl Pmu for Kernel {
    fn open(&self, scope: Scope, events: &[Event], always: bool) -> Result<Box<dyn Group>, Refusal> {
        let mut group = Counters { events: Vec::new(), counters: Vec::new() };
        for event in events {
            let mut builder = self.builder(request(*event), scope);
            let opened = match group.counters.first_mut() {
                // Only a leader can insist.
                None => builder.pinned(always).build(),
                Some(leader) => builder.build_with_group(leader),
            };
            match opened.map_err(|error| refusal(&error)) {
                Ok(counter) => {
                    group.events.push(*event);
                    group.counters.push(counter);
                }
                Err(Refusal::Absent) => {}
                Err(other) => return Err(other),
            }
        }
        let leader = group.counters.first_mut().ok_or(Refusal::Absent)?;
        leader.enable_group().map_err(|error| refusal(&error))?;
        Ok(Box::new(group))
    }
}

impl Group for Counters {
    fn events(&self) -> &[Event] {
        &self.events
    }

    fn read(&mut self) -> Result<Vec<Value>, String> {
        let one = |counter: &mut Counter| {
            let data = counter.read_full()?;
            let nanos = |time: Option<std::time::Duration>| time.map_or(0, |time| time.as_nanos() as u64);
            let (enabled, running) = (nanos(data.time_enabled()), nanos(data.time_running()));
            Ok(Value { count: data.count(), enabled, running })
        };
        self.counters.iter_mut().map(one).collect::<io::Result<_>>().map_err(|error| error.to_string())
    }

    fn give_way(&mut self) {
        if let Some(leader) = self.counters.first_mut() {
            // One that cannot be stopped is seen by the share of the others.
            let _ = leader.disable_group();
        }
    }
}

fn request(event: Event) -> Builder<'static> {
    let read_misses = |which| Cache { which, operation: CacheOp::READ, result: CacheResult::MISS };
    match event {
        Event::Cycles => Builder::new(Hardware::CPU_CYCLES),
        Event::Instructions => Builder::new(Hardware::INSTRUCTIONS),
        Event::BranchMisses => Builder::new(Hardware::BRANCH_MISSES),
        Event::LlcMisses => Builder::new(Hardware::CACHE_MISSES),
        Event::L1dMisses => Builder::new(read_misses(CacheId::L1D)),
        Event::DtlbMisses => Builder::new(read_misses(CacheId::DTLB)),
        Event::StalledFrontEnd => Builder::new(Hardware::STALLED_CYCLES_FRONTEND),
        Event::StalledBackEnd => Builder::new(Hardware::STALLED_CYCLES_BACKEND),
    }
}

fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV | libc::EINVAL) => Refusal::Absent,
        Some(libc::EACCES | libc::EPERM) => Refusal::Forbidden,
        _ => Refusal::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_or_says_why_not() {
        let me = std::process::id();
        let (kernel, lacking) = Kernel::allowed(me);
        assert!(kernel.is_some_and(|kernel| !kernel.user_only) == lacking.is_none(), "{lacking:?}");
        let Some(kernel) = kernel else {
            assert!(lacking.unwrap().help.unwrap().contains("CAP_PERFMON"));
            return;
        };
        match kernel.open(Scope::Thread(me), &[Event::Cycles, Event::Instructions], true) {
            Ok(mut group) => {
                let values = group.read().unwrap();
                assert_eq!(values.len(), group.events().len());
            }
            // A machine without: the environment must know.
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Absent);
                assert_eq!(crate::environment::pmu().known(), Some(&false));
            }
        }
        assert!(kernel.open(Scope::Thread(u32::MAX / 4), &[Event::Cycles], true).is_err());
    }
}
