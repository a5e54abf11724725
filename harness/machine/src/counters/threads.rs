//! The target's threads: time on CPUs and waiting for one, switches, faults.
//!
//! A process with many threads is taken as a whole, by the clock the kernel keeps for it, which is exact and counts threads that
//! have ended too: reading each thread would take longer than it is worth on a core that may be one of the load's.

use corecurve_core::{Counters, CpuSplit, Nanos, Pid, ThreadCounts};

use super::kept::Kept;
use super::{Collector, Prepared, Subject, lost, missing};
use crate::procfs::process::{self, StatLine};
use crate::procfs::thread::{Scheduling, parse_sched, parse_schedstat, parse_scheduling};
use crate::procfs::{ticks, ticks_per_second};

/// A process with more threads than this is taken as a whole.
const THREADS_READ_ONE_BY_ONE: usize = 64;
/// Threads of all processes together that are read one by one, each with three open files.
const THREADS_IN_ALL: usize = 256;

/// Share of a process's time that may pass between the reading of its clock and those of its threads.
const READING: f64 = 0.01;

/// The name under which it is missing.
const NAME: &str = "threads";

#[derive(Debug)]
struct Threads(Vec<Process>);

/// A process of the target.
#[derive(Debug)]
struct Process {
    pid: Pid,
    stat: Kept,
    cpu: [Option<Nanos>; 2],
    /// Those read one by one; `None` if they are too many.
    threads: Option<Vec<Thread>>,
    /// How many more may be added while it is read.
    room: usize,
}

/// A thread with its files.
#[derive(Debug)]
struct Thread {
    tid: Pid,
    stat: Kept,
    schedstat: Option<Kept>,
    /// `sched` has all that is asked; a kernel without it has a part in `status`.
    sched: Option<Kept>,
    status: Option<Kept>,
    /// Began in the window: all it ever did was done there.
    is_new: bool,
}

/// What one end tells of a thread.
#[derive(Debug)]
struct Told {
    stat: StatLine,
    /// On a CPU, and waiting for one.
    times: Option<(Nanos, Nanos)>,
    scheduling: Scheduling,
}

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    if subject.pids.is_empty() {
        return Err(lost(NAME, "the target's processes are not known"));
    }
    let mut room = THREADS_IN_ALL;
    let mut processes = Vec::new();
    for pid in subject.pids {
        let process = Process::prepare(*pid, &mut room);
        processes.push(process.map_err(|why| lost(NAME, why))?);
    }
    Ok(Box::new(Threads(processes)))
}

impl Process {
    fn prepare(pid: Pid, room: &mut usize) -> Result<Process, String> {
        let stat = Kept::open(format!("/proc/{pid}/stat"))?;
        let tids = process::threads(pid)?;
        let few = tids.len() <= THREADS_READ_ONE_BY_ONE.min(*room);
        let threads: Option<Vec<Thread>> =
            few.then(|| tids.into_iter().filter_map(|tid| Thread::open(pid, tid).ok()).collect());
        *room -= threads.as_ref().map_or(0, Vec::len);
        let room = THREADS_READ_ONE_BY_ONE - threads.as_ref().map_or(0, Vec::len);
        Ok(Process { pid, stat, cpu: [None; 2], threads, room })
    }

    /// Adds threads that have begun since the last look.
    fn find_new(&mut self, is_new: bool) -> usize {
        let (Some(known), Ok(tids)) = (&mut self.threads, process::threads(self.pid)) else { return 0 };
        let before = known.len();
        for tid in tids {
            if self.room > 0 && known.iter().all(|thread| thread.tid != tid) {
                self.room -= 1;
                known.extend(Thread::open(self.pid, tid).map(|thread| Thread { is_new, ..thread }));
            }
        }
        known.len() - before
    }

    fn begin(&mut self) {
        self.find_new(false);
        self.stat.begin();
        self.cpu[0] = process::cpu_time(self.pid);
        self.threads.iter_mut().flatten().for_each(|thread| thread.files().for_each(Kept::begin));
    }

    fn end(&mut self) {
        self.cpu[1] = process::cpu_time(self.pid);
        self.stat.end();
        self.threads.iter_mut().flatten().for_each(|thread| thread.files().for_each(Kept::end));
        let found = self.find_new(true);
        let threads = self.threads.iter_mut().flatten().rev().take(found);
        threads.for_each(|thread| thread.files().for_each(Kept::end));
    }

    /// CPU time that is not among those of `counted`.
    fn tell(self, threads: &mut Vec<ThreadCounts>) -> Result<CpuSplit, String> {
        let gone = || format!("process {} is gone", self.pid);
        let (before, after) = (self.cpu[0].ok_or_else(gone)?, self.cpu[1].ok_or_else(gone)?);
        let stat = |text: Result<String, String>| {
            let text = text?;
            StatLine::parse(&text).ok_or_else(|| format!("/proc/{}/stat is not understood", self.pid))
        };
        let (from, to) = (stat(self.stat.before())?, stat(self.stat.after())?);
        let whole = (to.user_ticks.saturating_sub(from.user_ticks), to.system_ticks.saturating_sub(from.system_ticks));
        let all = after - before;
        let mut rest = all;
        let (mut user, mut system) = whole;
        let mut lost_some = self.threads.is_none() || self.room == 0;
        for thread in self.threads.into_iter().flatten() {
            match thread.counts(self.pid) {
                Some(counts) => {
                    rest = rest - counts.cpu_ns;
                    let per_tick = ticks(1, ticks_per_second()).0.max(1);
                    user = user.saturating_sub(counts.split.user_ns.0 / per_tick);
                    system = system.saturating_sub(counts.split.system_ns.0 / per_tick);
                    threads.push(counts);
                }
                None => lost_some = true,
            }
        }
        // If no thread is missing, what is left is what ran between the reading of the clock and that of a thread. Threads that
        // both began and ended in between are missed without a trace, but for their time.
        Ok(if lost_some || rest > all.scale(READING) { split(rest, user, system) } else { CpuSplit::default() })
    }
}

/// A time in the shares of its ticks; without any, in user code.
fn split(time: Nanos, user: u64, system: u64) -> CpuSplit {
    let all = user + system;
    let system_ns = if all == 0 { Nanos::ZERO } else { time.scale(system as f64 / all as f64) };
    CpuSplit { user_ns: time - system_ns, system_ns }
}

impl Thread {
    fn open(pid: Pid, tid: Pid) -> Result<Thread, String> {
        let open = |name: &str| Kept::open(format!("/proc/{pid}/task/{tid}/{name}"));
        let sched = open("sched").ok();
        let status = if sched.is_none() { open("status").ok() } else { None };
        Ok(Thread { tid, stat: open("stat")?, schedstat: open("schedstat").ok(), sched, status, is_new: false })
    }

    /// Its files, the exact times first.
    fn files(&mut self) -> impl Iterator<Item = &mut Kept> {
        let [schedstat, sched, status] = [&mut self.schedstat, &mut self.sched, &mut self.status];
        schedstat.iter_mut().chain([&mut self.stat]).chain(sched).chain(status)
    }

    fn told(&self, text: fn(&Kept) -> Result<String, String>) -> Option<Told> {
        let stat = StatLine::parse(&text(&self.stat).ok()?)?;
        let of = |kept: &Option<Kept>| text(kept.as_ref()?).ok();
        let times = of(&self.schedstat).and_then(|text| parse_schedstat(&text)).map(|(cpu, delay, _)| (cpu, delay));
        let scheduling = match of(&self.sched) {
            Some(sched) => parse_sched(&sched),
            None => parse_scheduling(&of(&self.status).unwrap_or_default(), None),
        };
        Some(Told { stat, times, scheduling })
    }

    /// What it did in the window; `None` if it has ended.
    fn counts(&self, pid: Pid) -> Option<ThreadCounts> {
        let after = self.told(Kept::after)?;
        let before = if self.is_new { after.blank() } else { self.told(Kept::before)? };
        Some(between(pid, &before, &after))
    }
}

impl Told {
    /// The same thread before it did anything.
    fn blank(&self) -> Told {
        let stat = StatLine { user_ticks: 0, system_ticks: 0, minor_faults: 0, major_faults: 0, ..self.stat.clone() };
        let zero = |count: Option<u64>| count.map(|_| 0);
        let scheduling = Scheduling {
            voluntary_switches: zero(self.scheduling.voluntary_switches),
            involuntary_switches: zero(self.scheduling.involuntary_switches),
            migrations: zero(self.scheduling.migrations),
        };
        Told { stat, times: self.times.map(|_| (Nanos::ZERO, Nanos::ZERO)), scheduling }
    }
}

fn between(pid: Pid, before: &Told, after: &Told) -> ThreadCounts {
    let user = after.stat.user_ticks.saturating_sub(before.stat.user_ticks);
    let system = after.stat.system_ticks.saturating_sub(before.stat.system_ticks);
    let per_second = ticks_per_second();
    let split = CpuSplit { user_ns: ticks(user, per_second), system_ns: ticks(system, per_second) };
    let exact = before.times.zip(after.times);
    let scheduling = after.scheduling.since(&before.scheduling);
    ThreadCounts {
        pid,
        tid: after.stat.pid,
        name: after.stat.name.clone(),
        cpu: after.stat.last_cpu,
        cpu_ns: exact.map_or(split.user_ns + split.system_ns, |(before, after)| after.0 - before.0),
        split,
        ticks: user + system,
        run_delay_ns: exact.map(|(before, after)| after.1 - before.1),
        voluntary_switches: scheduling.voluntary_switches,
        involuntary_switches: scheduling.involuntary_switches,
        migrations: scheduling.migrations,
        minor_faults: Some(after.stat.minor_faults.saturating_sub(before.stat.minor_faults)),
        major_faults: Some(after.stat.major_faults.saturating_sub(before.stat.major_faults)),
        hardware: None,
    }
}

impl Collector for Threads {
    fn begin(&mut self) {
        self.0.iter_mut().for_each(Process::begin);
    }

    fn end(&mut self) {
        self.0.iter_mut().for_each(Process::end);
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let mut threads = Vec::new();
        let mut others = CpuSplit::default();
        for process in self.0 {
            match process.tell(&mut threads) {
                Ok(rest) => {
                    others.user_ns += rest.user_ns;
                    others.system_ns += rest.system_ns;
                }
                // A sum that lacks a process is no sum.
                Err(why) => return counters.missing.push(lost(NAME, why)),
            }
        }
        if threads.iter().any(|thread| thread.run_delay_ns.is_none()) {
            counters.missing.push(missing(
                "run delay",
                "the kernel keeps no schedstat",
                "the kernel needs CONFIG_SCHED_INFO",
            ));
        }
        threads.retain(|thread| thread.cpu_ns > Nanos::ZERO || thread.ticks > 0);
        counters.threads = threads;
        // A target that did nothing at all did so for zero nanoseconds.
        let none = counters.threads.is_empty() || others != CpuSplit::default();
        counters.processes = none.then_some(others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stat: &str, times: Option<(u64, u64)>, switches: u64) -> Told {
        Told {
            stat: StatLine::parse(stat).unwrap(),
            times: times.map(|(cpu, delay)| (Nanos(cpu), Nanos(delay))),
            scheduling: Scheduling { voluntary_switches: Some(switches), ..Scheduling::default() },
        }
    }

    fn line(user: u64, system: u64, minor: u64) -> String {
        format!(
            "7 (w) S 1 1 1 0 -1 0 {minor} 0 2 0 {user} {system} 0 0 20 0 1 0 99 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 3 0"
        )
    }

    #[test]
    fn times_are_exact_and_their_split_is_by_ticks() {
        let before = told(&line(10, 20, 5), Some((1_000, 50)), 3);
        let after = told(&line(13, 21, 9), Some((41_000_000, 150)), 10);
        let counts = between(6, &before, &after);
        assert_eq!((counts.pid, counts.tid, counts.name.as_str()), (6, 7, "w"));
        assert_eq!((counts.cpu_ns, counts.run_delay_ns), (Nanos(40_999_000), Some(Nanos(100))));
        assert_eq!((counts.ticks, counts.minor_faults, counts.major_faults), (4, Some(4), Some(0)));
        assert_eq!(counts.split.user_ns, ticks(3, ticks_per_second()));
        assert_eq!((counts.voluntary_switches, counts.migrations), (Some(7), None));
        let whole = between(6, &after.blank(), &after);
        assert_eq!((whole.cpu_ns, whole.ticks, whole.voluntary_switches), (Nanos(41_000_000), 34, Some(10)));
        let coarse = between(6, &told(&line(0, 0, 0), None, 0), &told(&line(1, 1, 0), None, 0));
        assert_eq!((coarse.cpu_ns, coarse.run_delay_ns), (ticks(2, ticks_per_second()), None));
    }

    #[test]
    fn a_time_is_split_in_the_shares_of_its_ticks() {
        assert_eq!(split(Nanos(400), 3, 1), CpuSplit { user_ns: Nanos(300), system_ns: Nanos(100) });
        assert_eq!(split(Nanos(400), 0, 0), CpuSplit { user_ns: Nanos(400), system_ns: Nanos::ZERO });
    }
}
