//! What is opened for each thread: which events, with what in their records, as far as this user and kernel allow.

use std::io;

use corecurve_core::{CpuSet, Missing, Pid};
use perf_event::events::{Hardware, Software, Tracepoint};
use perf_event::{Builder, SampleFlag};

use super::ring::{Layout, Ring};
use super::tracefs::{self, TracePoint};

/// Samples per second of CPU time. No divisor of anything periodic in a kernel or a server, so that none is met in step.
pub(super) const FREQUENCY_HZ: u64 = 997;
/// One in so many system calls is looked at for its name; a prime, so that a server's cycle of calls is not met in step.
pub(super) const CALLS_PER_LOOK: u64 = 31;

/// Buffers: what a quarter of a second may write, with room for a controller that wakes late.
const SAMPLE_ROOM: usize = 512 << 10;
const WAIT_ROOM: usize = 1 << 20;
const SWITCH_ROOM: usize = 1 << 20;
const WAKING_ROOM: usize = 512 << 10;
const CALL_ROOM: usize = 128 << 10;

/// What a ring tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Where CPU time goes.
    Cpu,
    /// Which system calls are made.
    Calls,
    /// A futex system call begins.
    FutexBegin,
    /// A futex system call ends.
    FutexEnd,
    /// A wait for a lock of the kernel begins.
    LockBegin,
    /// A wait for a lock of the kernel ends.
    LockEnd,
    /// When the thread gets a CPU and leaves it.
    Switches,
    /// Who is woken, by whomever on one CPU.
    Waking,
}

/// A tracepoint and what is wanted of it.
#[derive(Clone, Debug)]
pub(super) struct Traced {
    pub topic: Topic,
    pub point: TracePoint,
}

/// What can be had.
#[derive(Clone, Debug)]
pub(super) struct Events {
    /// `cycles` or `cpu-clock`.
    pub cpu: &'static str,
    /// Whether the kernel's part of a stack may be seen.
    pub kernel: bool,
    pub traced: Vec<Traced>,
}

const TRACED: [(Topic, &str, &str); 6] = [
    (Topic::Calls, "raw_syscalls/sys_enter", "id"),
    (Topic::FutexBegin, "syscalls/sys_enter_futex", "op"),
    (Topic::FutexEnd, "syscalls/sys_exit_futex", "ret"),
    (Topic::LockBegin, "lock/contention_begin", "lock_addr"),
    (Topic::LockEnd, "lock/contention_end", "lock_addr"),
    (Topic::Waking, "sched/sched_waking", "pid"),
];

impl Events {
    /// Finds out on one thread what can be had; what cannot is added to `missing`.
    ///
    /// # Errors
    /// When not even user code can be sampled.
    pub(super) fn find(tid: Pid, missing: &mut Vec<Missing>) -> Result<Events, Missing> {
        let mut events = Events::sampling(tid, missing)?;
        for (topic, event, field) in TRACED {
            let found = tracefs::find(event, field).map(|point| Traced { topic, point }).and_then(|traced| {
                let opened = match topic {
                    Topic::Waking => open_waking(&traced, 0),
                    _ => open_traced(&traced, &events, tid),
                };
                opened.map(|_| traced).map_err(|error| format!("{event}: {error}"))
            });
            match found {
                Ok(traced) => events.traced.push(traced),
                Err(why) => miss(topic, why, missing),
            }
        }
        // Half a pair tells nothing.
        for (one, other) in [(Topic::FutexBegin, Topic::FutexEnd), (Topic::LockBegin, Topic::LockEnd)] {
            if !(events.has(one) && events.has(other)) {
                events.traced.retain(|traced| traced.topic != one && traced.topic != other);
            }
        }
        Ok(events)
    }

    /// Cycles before the clock, the kernel's part before none.
    fn sampling(tid: Pid, missing: &mut Vec<Missing>) -> Result<Events, Missing> {
        let mut first = None;
        for (cpu, kernel) in [("cycles", true), ("cycles", false), ("cpu-clock", true), ("cpu-clock", false)] {
            let events = Events { cpu, kernel, traced: Vec::new() };
            match events.open_cpu(tid) {
                Ok(_) => {
                    if !kernel {
                        missing.push(Missing {
                            what: "the kernel's part of the stacks".to_owned(),
                            why: "this user may sample user code only (perf_event_paranoid)".to_owned(),
                            help: Some(PRIVILEGE.to_owned()),
                        });
                    }
                    if cpu == "cpu-clock" {
                        missing.push(Missing {
                            what: "sampling by cycles".to_owned(),
                            why:
                                "no hardware counters here; the clock is sampled, which sees code with interrupts off \
                                  at the place where they are on again"
                                    .to_owned(),
                            help: Some("a machine, or a virtual machine, with a PMU".to_owned()),
                        });
                    }
                    return Ok(events);
                }
                Err(error) => {
                    // The reason of the event that every machine has is the one to tell.
                    if cpu == "cpu-clock" {
                        first = Some(error);
                    }
                }
            }
        }
        let why = first.map_or_else(String::new, |error| error.to_string());
        Err(Missing {
            what: "samples of the target's stacks".to_owned(),
            why: format!("the kernel refuses perf_event_open: {why}"),
            help: Some(format!("{PRIVILEGE}, and a container that allows perf_event_open")),
        })
    }

    /// Whether a topic can be had.
    pub(super) fn has(&self, topic: Topic) -> bool {
        topic == Topic::Cpu || self.traced.iter().any(|traced| traced.topic == topic)
    }

    /// Where in what a topic's tracepoint writes its field is.
    pub(super) fn offset(&self, topic: Topic) -> usize {
        self.traced.iter().find(|traced| traced.topic == topic).map_or(0, |traced| traced.point.offset)
    }

    /// Opens the sampling of one thread, not counting yet.
    ///
    /// # Errors
    /// The first refusal of the kernel: the thread is gone, or there are no more file descriptors.
    pub(super) fn open(&self, tid: Pid) -> io::Result<Vec<(Topic, Ring)>> {
        Ok(vec![(Topic::Cpu, self.open_cpu(tid)?)])
    }

    /// Opens what is traced of one thread, not counting yet. From now on the kernel takes its slower way through every
    /// system call.
    ///
    /// # Errors
    /// As [`Events::open`].
    pub(super) fn open_traced(&self, tid: Pid) -> io::Result<Vec<(Topic, Ring)>> {
        let mut rings = Vec::new();
        for traced in self.traced.iter().filter(|traced| traced.topic != Topic::Waking) {
            rings.push((traced.topic, open_traced(traced, self, tid)?));
        }
        if self.has(Topic::Waking) {
            let mut builder = Builder::new(Software::DUMMY);
            builder.context_switch(true);
            let ring = open(builder, self, Whom::Thread(tid), Layout::default(), SWITCH_ROOM)?;
            rings.push((Topic::Switches, ring));
        }
        Ok(rings)
    }

    /// Opens what tells of wake-ups: by CPU, since it is somebody else who wakes a thread. CPUs that are off are left out.
    pub(super) fn open_wakers(&self, cpus: &CpuSet) -> Vec<Ring> {
        let traced = self.traced.iter().find(|traced| traced.topic == Topic::Waking);
        traced.map_or_else(Vec::new, |traced| cpus.iter().filter_map(|cpu| open_waking(traced, cpu.0).ok()).collect())
    }

    fn open_cpu(&self, tid: Pid) -> io::Result<Ring> {
        let mut builder = match self.cpu {
            "cycles" => Builder::new(Hardware::CPU_CYCLES),
            _ => Builder::new(Software::CPU_CLOCK),
        };
        builder.sample_frequency(FREQUENCY_HZ);
        open(builder, self, Whom::Thread(tid), Layout { chain: true, raw: false }, SAMPLE_ROOM)
    }
}

fn open_traced(traced: &Traced, events: &Events, tid: Pid) -> io::Result<Ring> {
    let mut builder = Builder::new(Tracepoint::with_id(traced.point.id));
    builder.sample_period(if traced.topic == Topic::Calls { CALLS_PER_LOOK } else { 1 });
    let chain = matches!(traced.topic, Topic::FutexBegin | Topic::LockBegin);
    let room = match traced.topic {
        Topic::Calls => CALL_ROOM,
        _ => WAIT_ROOM,
    };
    // A tracepoint happens in the kernel: without its side there is nothing.
    let seeing = Events { kernel: true, ..events.clone() };
    open(builder, &seeing, Whom::Thread(tid), Layout { chain, raw: true }, room)
}

fn open_waking(traced: &Traced, cpu: u32) -> io::Result<Ring> {
    let mut builder = Builder::new(Tracepoint::with_id(traced.point.id));
    builder.sample_period(1);
    let seeing = Events { cpu: "", kernel: true, traced: Vec::new() };
    open(builder, &seeing, Whom::Cpu(cpu), Layout { chain: false, raw: true }, WAKING_ROOM)
}

/// Whom an event looks at.
#[derive(Clone, Copy, Debug)]
enum Whom {
    Thread(Pid),
    Cpu(u32),
}

fn open(mut builder: Builder<'_>, events: &Events, whom: Whom, layout: Layout, room: usize) -> io::Result<Ring> {
    match whom {
        Whom::Thread(tid) => builder.observe_pid(i32::try_from(tid).unwrap_or(i32::MAX)).any_cpu(),
        Whom::Cpu(cpu) => builder.any_pid().one_cpu(cpu as usize),
    };
    builder.sample(SampleFlag::TID).sample(SampleFlag::TIME).sample_id_all(true);
    if layout.chain {
        builder.sample(SampleFlag::CALLCHAIN);
    }
    if layout.raw {
        builder.sample(SampleFlag::RAW);
    }
    builder.exclude_kernel(!events.kernel);
    // Nobody sleeps on the buffer: it is looked at by the clock.
    builder.wakeup_watermark(room);
    Ring::open(&builder, layout, room)
}

/// How to be allowed more.
const PRIVILEGE: &str = "run as root, or give the program CAP_PERFMON, or `sudo sysctl kernel.perf_event_paranoid=1`";

fn miss(topic: Topic, why: String, missing: &mut Vec<Missing>) {
    let what = match topic {
        Topic::Cpu => "samples of the target's stacks",
        Topic::Calls => "system calls by name",
        Topic::FutexBegin | Topic::FutexEnd => "waits for user-space locks (futexes)",
        Topic::LockBegin | Topic::LockEnd => "waits for the kernel's own locks",
        Topic::Switches | Topic::Waking => "time from being woken to running",
    };
    let help = "tracepoints need root (or CAP_PERFMON), a mounted tracefs (`sudo mount -t tracefs nodev /sys/kernel/tracing`) \
                and a kernel that has the event";
    if !missing.iter().any(|known| known.what == what) {
        missing.push(Missing { what: what.to_owned(), why, help: Some(help.to_owned()) });
    }
}
