//! Quotas on CPU time: how often the control groups of the target and of the load generator were stopped.
//!
//! The target is in a group of its own where that can be had, below the load generator's; a target that was there before is
//! wherever it was put.

use std::path::Path;

use corecurve_core::{Counters, Nanos, Quota};

use super::kept::Kept;
use super::{Collector, Prepared, Subject};
use crate::procfs::cgroup::{self, Throttling, parse_throttling};

#[derive(Debug)]
struct Quotas {
    target: Vec<Limited>,
    load: Vec<Limited>,
}

/// A group with a quota.
#[derive(Debug)]
struct Limited {
    cpus: f64,
    stat: Kept,
}

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    let target = subject.pids.first().map_or(Vec::new(), |pid| limited(Path::new("/"), &pid.to_string()));
    Ok(Box::new(Quotas { target, load: limited(Path::new("/"), "self") }))
}

/// The groups on the way from a process's own to the root that have a quota.
fn limited(root: &Path, process: &str) -> Vec<Limited> {
    let limited =
        |group: cgroup::Group| Some(Limited { cpus: group.quota_cpus()?, stat: Kept::open(group.stat()).ok()? });
    cgroup::groups(root, process).into_iter().filter_map(limited).collect()
}

impl Collector for Quotas {
    fn begin(&mut self) {
        self.target.iter_mut().chain(&mut self.load).for_each(|group| group.stat.begin());
    }

    fn end(&mut self) {
        self.target.iter_mut().chain(&mut self.load).for_each(|group| group.stat.end());
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        (counters.quota, counters.load_quota) = (total(&self.target), total(&self.load));
    }
}

/// The smallest quota, and what all did together; `None` without one.
fn total(groups: &[Limited]) -> Option<Quota> {
    let stopped = |group: &Limited| {
        let (before, after) = (read(group.stat.before())?, read(group.stat.after())?);
        Some(Quota {
            cpus: group.cpus,
            throttled_periods: after.periods.saturating_sub(before.periods),
            throttled_ns: Nanos(after.throttled_ns.saturating_sub(before.throttled_ns)),
        })
    };
    groups.iter().filter_map(stopped).reduce(|a, b| Quota {
        cpus: a.cpus.min(b.cpus),
        throttled_periods: a.throttled_periods + b.throttled_periods,
        throttled_ns: a.throttled_ns + b.throttled_ns,
    })
}

fn read(text: Result<String, String>) -> Option<Throttling> {
    parse_throttling(&text.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_own_group_and_those_above_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let stat = |periods: u32, usec: u32| format!("usage_usec 1\nnr_throttled {periods}\nthrottled_usec {usec}\n");
        write("proc/self/cgroup", "0::/a\n");
        write("proc/42/cgroup", "0::/a/leaf\n");
        write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        write("sys/fs/cgroup/a/cpu.max", "100000 100000\n");
        write("sys/fs/cgroup/a/cpu.stat", &stat(1, 10));
        write("sys/fs/cgroup/a/leaf/cpu.max", "50000 100000\n");
        write("sys/fs/cgroup/a/leaf/cpu.stat", &stat(5, 70));
        let mut quotas = Quotas { target: limited(root.path(), "42"), load: limited(root.path(), "self") };
        quotas.begin();
        write("sys/fs/cgroup/a/cpu.stat", &stat(2, 15));
        write("sys/fs/cgroup/a/leaf/cpu.stat", &stat(9, 100));
        quotas.end();
        let mut counters = Counters::default();
        Box::new(quotas).tell(&mut counters);
        assert_eq!(counters.quota, Some(Quota { cpus: 0.5, throttled_periods: 5, throttled_ns: Nanos(35_000) }));
        assert_eq!(counters.load_quota, Some(Quota { cpus: 1.0, throttled_periods: 1, throttled_ns: Nanos(5_000) }));
        assert_eq!(total(&[]), None);
    }
}
