//! Per thread: CPU time and run-queue wait in nanoseconds, user and system time, switches and migrations.

use corecurve_core::{CpuId, Nanos, Pid};
use serde::{Deserialize, Serialize};

use super::process::StatLine;
use super::{read_text, ticks, ticks_per_second};

/// Where one thread's time went since it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadTimes {
    /// The thread.
    pub tid: Pid,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Time on a CPU, exact; `None` where the kernel keeps no schedstat.
    pub cpu: Option<Nanos>,
    /// Time it could have run but waited for a CPU, exact; `None` where the kernel keeps no schedstat.
    pub run_delay: Option<Nanos>,
    /// Times it was put on a CPU.
    pub timeslices: Option<u64>,
    /// In user code, by ticks.
    pub user: Nanos,
    /// In the kernel, by ticks.
    pub system: Nanos,
    /// The CPU it last ran on.
    pub last_cpu: Option<CpuId>,
}

/// The three numbers of `/proc/PID/task/TID/schedstat`: on-CPU time, run-queue wait, timeslices.
pub fn parse_schedstat(text: &str) -> Option<(Nanos, Nanos, u64)> {
    let mut words = text.split_whitespace().map(|w| w.parse::<u64>().ok());
    Some((Nanos(words.next()??), Nanos(words.next()??), words.next()??))
}

/// Times of one thread of this process, read by itself. Cost: two small files.
///
/// # Errors
/// The reason when `/proc` is not there.
pub fn own() -> Result<ThreadTimes, String> {
    let text = read_text("/proc/thread-self/stat")?;
    let stat = StatLine::parse(&text).ok_or("/proc/thread-self/stat is not understood")?;
    let schedstat = read_text("/proc/thread-self/schedstat").ok();
    let schedstat = schedstat.as_deref().and_then(parse_schedstat);
    let per_second = ticks_per_second();
    Ok(ThreadTimes {
        tid: stat.pid,
        cpu: schedstat.map(|(cpu, _, _)| cpu),
        run_delay: schedstat.map(|(_, delay, _)| delay),
        timeslices: schedstat.map(|(_, _, slices)| slices),
        user: ticks(stat.user_ticks, per_second),
        system: ticks(stat.system_ticks, per_second),
        last_cpu: stat.last_cpu,
        name: stat.name,
    })
}

/// How often a thread was switched and moved since it started; `None` where the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Gave up the CPU.
    pub voluntary_switches: Option<u64>,
    /// Was preempted.
    pub involuntary_switches: Option<u64>,
    /// Was moved to another CPU.
    pub migrations: Option<u64>,
}

/// From `/proc/…/sched` alone, which has all three and is cheaper to read than `status`.
pub fn parse_sched(text: &str) -> Scheduling {
    let value = |key: &str| {
        let line = text.lines().find(|line| line.split([':', ' ']).next() == Some(key))?;
        line.rsplit([':', ' ']).next()?.parse().ok()
    };
    Scheduling {
        voluntary_switches: value("nr_voluntary_switches"),
        involuntary_switches: value("nr_involuntary_switches"),
        migrations: value("se.nr_migrations"),
    }
}

/// From `/proc/…/status` and, where the kernel has it, `/proc/…/sched`.
pub fn parse_scheduling(status: &str, sched: Option<&str>) -> Scheduling {
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.split([':', ' ', '\t']).next() == Some(key))?;
        line.rsplit([':', ' ', '\t']).next()?.parse().ok()
    };
    Scheduling {
        voluntary_switches: value(status, "voluntary_ctxt_switches"),
        involuntary_switches: value(status, "nonvoluntary_ctxt_switches"),
        migrations: sched.and_then(|sched| value(sched, "se.nr_migrations")),
    }
}

impl Scheduling {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Scheduling) -> Scheduling {
        let grown = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Scheduling {
            voluntary_switches: grown(self.voluntary_switches, earlier.voluntary_switches),
            involuntary_switches: grown(self.involuntary_switches, earlier.involuntary_switches),
            migrations: grown(self.migrations, earlier.migrations),
        }
    }
}

/// Of the calling thread; everything `None` without `/proc`.
pub fn own_scheduling() -> Scheduling {
    let status = read_text("/proc/thread-self/status").unwrap_or_default();
    parse_scheduling(&status, read_text("/proc/thread-self/sched").ok().as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_and_switches_are_read() {
        assert_eq!(parse_schedstat("688230 132498 3\n"), Some((Nanos(688_230), Nanos(132_498), 3)));
        for text in ["", "1 2", "1 x 3", "-1 2 3"] {
            assert_eq!(parse_schedstat(text), None, "{text}");
        }
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        let sched = "se.nr_migrations                             :                    7\n";
        let both = parse_scheduling(status, Some(sched));
        assert_eq!(both.voluntary_switches.zip(both.involuntary_switches).zip(both.migrations), Some(((12, 3), 7)));
        assert_eq!(parse_scheduling("", None), Scheduling::default());
        let all = format!("{sched}nr_switches   :   15\nnr_voluntary_switches :  12\nnr_involuntary_switches   :  3\n");
        assert_eq!(parse_sched(&all), both);
        assert_eq!(
            parse_sched(&all).since(&both),
            parse_sched("se.nr_migrations: 0\nnr_voluntary_switches: 0\nnr_involuntary_switches: 0\n")
        );
    }

    #[test]
    fn this_thread_has_its_times() {
        let own = own().unwrap();
        assert!(super::super::process::threads(std::process::id()).unwrap().contains(&own.tid));
    }
}
