//! Where a target's CPU time and waiting goes, by stack.
//!
//! Each thread of the target is sampled by the clock of its own CPU time, kernel and user stacks walked by frame pointer, and
//! its futex waits, waits for kernel locks, system calls and wake-ups are traced. The kernel writes into one buffer per thread and event;
//! the caller empties them now and then. Names are looked up afterwards, while the target still lives.
//!
//! What it costs falls on the target's CPUs, so it is done in a trial of its own and never in one that counts.

mod events;
mod folded;
mod names;
mod ring;
mod stacks;
mod symbols;
mod tracefs;
mod waits;

use std::collections::BTreeMap;
use std::time::Duration;

use corecurve_core::{CpuSet, Missing, Nanos, Pid, Profile, SCHEMA};

use self::events::{Events, FREQUENCY_HZ, Topic};
use self::ring::{Record, Ring, int, long};
use self::stacks::Stacks;
use self::waits::{Mark, Turn};
use crate::procfs::{process, read_text};

pub use folded::folded;

/// Most threads watched: each takes up to seven file descriptors and three megabytes that the kernel locks.
const MOST_THREADS: usize = 96;
/// Most marks and turns kept of a thread, so that memory is bounded whatever the target does.
const MOST_MARKS: usize = 4_000_000;
/// Operations of the futex system call that wait for a lock or a condition: `WAIT`, `LOCK_PI`, `WAIT_BITSET`,
/// `WAIT_REQUEUE_PI`, `LOCK_PI2`.
const FUTEX_WAITS: [u32; 5] = [0, 6, 9, 11, 13];
/// The bits of a futex operation that say which.
const FUTEX_COMMAND: u32 = 0x7f;

/// A thread of the target with its open events.
#[derive(Debug)]
struct Watched {
    pid: Pid,
    tid: Pid,
    rings: Vec<(Topic, Ring)>,
    futexes: Vec<(u64, Mark)>,
    locks: Vec<(u64, Mark)>,
    turns: Vec<(u64, Turn)>,
}

/// How far a profile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    Sampling,
    Tracing,
}

/// A profile being taken.
#[derive(Debug)]
pub struct Profiling {
    pids: Vec<Pid>,
    events: Option<Events>,
    threads: Vec<Watched>,
    wakers: Vec<Ring>,
    /// Threads seen, with their place among those watched.
    known: BTreeMap<Pid, Option<usize>>,
    stacks: Stacks,
    counts: BTreeMap<u32, u64>,
    lost: BTreeMap<Topic, u64>,
    calls: BTreeMap<u32, u64>,
    late: usize,
    beyond: usize,
    phase: Phase,
    missing: Vec<Missing>,
}

impl Profiling {
    /// Opens the events of every thread of the processes; nothing is counted yet. Never fails: what cannot be had is told in
    /// the profile. Cost: milliseconds the first time the kernel is asked for a tracepoint.
    pub fn prepare(pids: &[Pid]) -> Profiling {
        let mut profiling = Profiling {
            pids: pids.to_vec(),
            events: None,
            threads: Vec::new(),
            wakers: Vec::new(),
            known: BTreeMap::new(),
            stacks: Stacks::default(),
            counts: BTreeMap::new(),
            lost: BTreeMap::new(),
            calls: BTreeMap::new(),
            late: 0,
            beyond: 0,
            phase: Phase::Ready,
            missing: Vec::new(),
        };
        let first = pids.iter().find_map(|pid| process::threads(*pid).ok()?.first().copied());
        let found = match first {
            Some(tid) => Events::find(tid, &mut profiling.missing),
            None => Err(Missing {
                what: "samples of the target's stacks".to_owned(),
                why: "the target's processes are not known".to_owned(),
                help: Some(
                    "let corecurve start the target: what listens at a `url:` is not ours to look into".to_owned(),
                ),
            }),
        };
        match found {
            Ok(events) => {
                profiling.events = Some(events);
            }
            Err(missing) => profiling.missing.push(missing),
        }
        profiling.watch_new_threads();
        profiling
    }

    /// Begins to sample.
    pub fn start(&mut self) {
        self.watch_new_threads();
        self.phase = Phase::Sampling;
        for thread in &mut self.threads {
            thread.enable(|topic| topic == Topic::Cpu);
        }
    }

    /// Ends the sampling and begins to trace waits, system calls and wake-ups: apart, because tracing makes every system
    /// call dearer, which the samples would show. Once; later calls do nothing.
    pub fn trace(&mut self) {
        if self.phase != Phase::Sampling {
            return;
        }
        self.phase = Phase::Tracing;
        self.disable();
        let Some(events) = &self.events else { return };
        self.wakers = events.open_wakers(&online());
        for thread in &mut self.threads {
            // One that cannot be opened has ended; that there are descriptors is known from its first event.
            thread.rings.extend(events.open_traced(thread.tid).unwrap_or_default());
            thread.enable(|topic| topic != Topic::Cpu);
        }
        for ring in &mut self.wakers {
            // A CPU that went off tells nothing.
            let _ = ring.enable();
        }
    }

    /// Empties the buffers, and watches threads that have come since. To be called a few times a second.
    pub fn drain(&mut self) {
        self.watch_new_threads();
        self.take_records();
    }

    /// Ends counting and takes what is left.
    pub fn stop(&mut self) {
        self.disable();
        self.take_records();
    }

    fn disable(&mut self) {
        let of_threads = self.threads.iter_mut().flat_map(|thread| &mut thread.rings).map(|(_, ring)| ring);
        for ring in of_threads.chain(&mut self.wakers) {
            // A thread that is gone has stopped by itself.
            let _ = ring.disable();
        }
    }

    fn watch_new_threads(&mut self) {
        let Some(events) = &self.events else { return };
        for pid in &self.pids {
            for tid in process::threads(*pid).unwrap_or_default() {
                if self.known.contains_key(&tid) {
                    continue;
                }
                self.known.insert(tid, None);
                if self.threads.len() >= MOST_THREADS {
                    self.beyond += 1;
                    continue;
                }
                // One that cannot be opened has ended, or there are no descriptors left: then it is one beyond.
                let Ok(rings) = events.open(tid) else {
                    self.beyond += usize::from(process::threads(*pid).is_ok_and(|alive| alive.contains(&tid)));
                    continue;
                };
                let mut thread =
                    Watched { pid: *pid, tid, rings, futexes: Vec::new(), locks: Vec::new(), turns: Vec::new() };
                match self.phase {
                    Phase::Ready => {}
                    Phase::Sampling => {
                        self.late += 1;
                        thread.enable(|_| true);
                    }
                    Phase::Tracing => {
                        self.late += 1;
                        thread.rings = events.open_traced(tid).unwrap_or_default();
                        thread.enable(|_| true);
                    }
                }
                self.known.insert(tid, Some(self.threads.len()));
                self.threads.push(thread);
            }
        }
    }

    fn take_records(&mut self) {
        let Some(events) = &self.events else { return };
        for thread in &mut self.threads {
            let Watched { pid, rings, futexes, locks, turns, .. } = thread;
            for (topic, ring) in rings {
                let (topic, offset) = (*topic, events.offset(*topic));
                ring.drain(|record| match (topic, record) {
                    (topic, Record::Lost(lost)) => *self.lost.entry(topic).or_default() += lost,
                    (Topic::Cpu, Record::Sample { chain, .. }) => {
                        *self.counts.entry(self.stacks.number(*pid, chain.addresses())).or_default() += 1;
                    }
                    (Topic::Calls, Record::Sample { raw, .. }) => {
                        if let Some(number) = int(raw, offset) {
                            *self.calls.entry(number).or_default() += 1;
                        }
                    }
                    (Topic::FutexBegin, Record::Sample { at, chain, raw }) => {
                        let waits = int(raw, offset).is_some_and(|op| FUTEX_WAITS.contains(&(op & FUTEX_COMMAND)));
                        if waits && futexes.len() < MOST_MARKS {
                            let stack = self.stacks.number(*pid, chain.addresses());
                            futexes.push((at, Mark::Begin { lock: 0, stack }));
                        }
                    }
                    (Topic::FutexEnd, Record::Sample { at, .. }) if futexes.len() < MOST_MARKS => {
                        futexes.push((at, Mark::End { lock: 0 }));
                    }
                    (Topic::LockBegin, Record::Sample { at, chain, raw }) if locks.len() < MOST_MARKS => {
                        if let Some(lock) = long(raw, offset) {
                            let stack = self.stacks.number(*pid, chain.addresses());
                            locks.push((at, Mark::Begin { lock, stack }));
                        }
                    }
                    (Topic::LockEnd, Record::Sample { at, raw, .. }) if locks.len() < MOST_MARKS => {
                        locks.extend(long(raw, offset).map(|lock| (at, Mark::End { lock })));
                    }
                    (Topic::Switches, Record::Switch { at, out }) if turns.len() < MOST_MARKS => {
                        turns.push((at, if out { Turn::Out } else { Turn::In }));
                    }
                    _ => {}
                });
            }
        }
        let offset = events.offset(Topic::Waking);
        for ring in &mut self.wakers {
            ring.drain(|record| match record {
                Record::Sample { at, raw, .. } => {
                    let woken = int(raw, offset).and_then(|tid| self.known.get(&tid).copied().flatten());
                    if let Some(thread) = woken.and_then(|place| self.threads.get_mut(place)) {
                        thread.turns.push((at, Turn::Woken));
                    }
                }
                Record::Lost(lost) => *self.lost.entry(Topic::Waking).or_default() += lost,
                Record::Switch { .. } => {}
            });
        }
    }

    /// Looks up the names and puts the profile together; what the caller knows (cell, trial, requests) it fills in. To be
    /// called while the target lives. Cost: reads the debug information of the target's files, a second for large ones.
    pub fn conclude(mut self) -> Profile {
        let mut profile = Profile { schema: SCHEMA, frequency_hz: FREQUENCY_HZ, ..Profile::default() };
        let Some(events) = self.events.take() else {
            profile.missing = self.missing;
            return profile;
        };
        profile.event = events.cpu.to_owned();
        profile.samples = self.counts.values().sum();
        profile.lost = self.lost.get(&Topic::Cpu).copied().unwrap_or(0);
        let (mut calls, mut cpu) = (0, Duration::ZERO);
        let (mut futexes, mut locks, mut delays) = (waits::BySite::new(), waits::BySite::new(), Vec::new());
        for thread in &mut self.threads {
            for (topic, ring) in &mut thread.rings {
                match (topic, ring.totals()) {
                    (Topic::Cpu, Some((_, running))) => cpu += running,
                    (Topic::Calls, Some((count, _))) => calls += count,
                    _ => {}
                }
            }
            waits::pair(std::mem::take(&mut thread.futexes), &mut futexes);
            waits::pair(std::mem::take(&mut thread.locks), &mut locks);
            waits::delays(std::mem::take(&mut thread.turns), &mut delays);
        }
        profile.cpu_ns = Nanos(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX));
        profile.syscalls = events.has(Topic::Calls).then(|| names::by_name(&self.calls, calls));
        profile.wakeups = events.has(Topic::Waking).then(|| names::wakeups(delays));
        self.tell_what_is_missing();
        profile.missing = self.missing;

        let raw = self.stacks.into_all();
        let mut weights: BTreeMap<u32, u64> = self.counts.clone();
        for site in futexes.keys().chain(locks.keys()) {
            *weights.entry(*site).or_default() += 1;
        }
        let named = symbols::name(&raw, &weights, &mut profile.missing);
        profile.stacks = named.merged(&self.counts);
        profile.futex_waits = events.has(Topic::FutexBegin).then(|| named.waits(&futexes));
        profile.kernel_lock_waits = events.has(Topic::LockBegin).then(|| named.waits(&locks));
        profile.functions = named.into_functions();
        profile
    }

    fn tell_what_is_missing(&mut self) {
        let mut tell = |what: String, why: &str, help: Option<&str>| {
            self.missing.push(Missing { what, why: why.to_owned(), help: help.map(str::to_owned) });
        };
        if self.late > 0 {
            tell(
                format!("the first moments of {} threads", self.late),
                "they were started in the window, and threads are looked for four times a second",
                None,
            );
        }
        if self.beyond > 0 {
            tell(
                format!("{} further threads", self.beyond),
                "no more are watched at once, or file descriptors ran out",
                Some("raise `ulimit -n`, or profile the target with fewer threads"),
            );
        }
        for (topic, lost) in self.lost.iter().filter(|(topic, _)| **topic != Topic::Cpu) {
            let what = match topic {
                Topic::Switches | Topic::Waking => "switches and wake-ups",
                Topic::Calls | Topic::Cpu => "system calls",
                Topic::FutexBegin | Topic::FutexEnd => "futex calls",
                Topic::LockBegin | Topic::LockEnd => "waits for kernel locks",
            };
            tell(
                format!("{lost} {what}"),
                "the kernel had no room for them; what is shown is less than there was",
                None,
            );
        }
    }
}

impl Watched {
    fn enable(&mut self, wanted: impl Fn(Topic) -> bool) {
        for (_, ring) in self.rings.iter_mut().filter(|(topic, _)| wanted(*topic)) {
            // A thread that ended meanwhile has nothing to count.
            let _ = ring.enable();
        }
    }
}

/// The CPUs that may wake somebody.
fn online() -> CpuSet {
    let listed = read_text("/sys/devices/system/cpu/online").unwrap_or_default();
    listed.trim().parse().unwrap_or_default()
}
