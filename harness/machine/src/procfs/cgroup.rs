//! Control groups, both versions: how much CPU time this process may use, and how often it was refused.
//!
//! A quota does not show in the affinity mask. A process allowed half a CPU runs at full speed for half of each
//! period and then stands still, which looks like a server with a terrible tail.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{read_number, read_text};

/// Which interface a directory speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// How often the quota stopped the group since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which the group stood still at the end.
    pub periods: u64,
    /// Time it stood still, in nanoseconds, summed over CPUs.
    pub throttled_ns: u64,
}

/// The smallest CPU quota on the way from this process's group to the root, in CPUs; `None` without one.
///
/// `root` is `/`, or a directory with recorded `proc/self` and `sys/fs/cgroup` in a test.
pub fn quota_cpus(root: &Path) -> Option<f64> {
    groups(root, "self").iter().filter_map(Group::quota_cpus).min_by(f64::total_cmp)
}

/// Throttling of every group on the way up that has a quota of its own, summed; `None` where the kernel does not say.
pub fn throttling(root: &Path) -> Option<Throttling> {
    let each = groups(root, "self").into_iter().filter_map(|group| parse_throttling(&read_text(group.stat()).ok()?));
    each.reduce(|a, b| Throttling { periods: a.periods + b.periods, throttled_ns: a.throttled_ns + b.throttled_ns })
}

/// The group that governs this process's CPU time, by the version of its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuGroup {
    /// A directory with `cpu.cfs_quota_us`.
    One(PathBuf),
    /// A directory of the unified hierarchy that has the controller `cpu`.
    Two(PathBuf),
}

/// This process's own group, if one governs CPU time. `root` as for [`quota_cpus`].
pub fn own_cpu_group(root: &Path) -> Option<CpuGroup> {
    groups(root, "self").into_iter().find_map(|Group { version, path: dir }| match version {
        Version::One => dir.join("cpu.cfs_quota_us").exists().then_some(CpuGroup::One(dir)),
        Version::Two => {
            let controllers = read_text(dir.join("cgroup.controllers")).ok()?;
            controllers.split_whitespace().any(|name| name == "cpu").then_some(CpuGroup::Two(dir))
        }
    })
}

/// Reads `cpu.stat` of either version; `None` when it says nothing about throttling.
pub fn parse_throttling(text: &str) -> Option<Throttling> {
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok());
    let micros = value("throttled_usec").map(|us: u64| us.saturating_mul(1_000));
    Some(Throttling {
        periods: value("nr_throttled")?,
        throttled_ns: micros.or_else(|| value("throttled_time")).unwrap_or(0),
    })
}

/// One of the groups that limit a process's CPU time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    version: Version,
    path: PathBuf,
}

impl Group {
    /// Its own quota, in CPUs; `None` without one.
    pub fn quota_cpus(&self) -> Option<f64> {
        let (quota, period) = match self.version {
            Version::Two => parse_cpu_max(&read_text(self.path.join("cpu.max")).ok()?)?,
            Version::One => (
                read_number(self.path.join("cpu.cfs_quota_us")).ok()?,
                read_number(self.path.join("cpu.cfs_period_us")).ok()?,
            ),
        };
        (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
    }

    /// Where the kernel tells how often it was stopped, for [`parse_throttling`].
    pub fn stat(&self) -> PathBuf {
        self.path.join("cpu.stat")
    }
}

/// `50000 100000`, or `max 100000` for no quota.
fn parse_cpu_max(text: &str) -> Option<(i64, i64)> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some((quota.parse().ok()?, period.parse().ok()?))
}

/// The groups that limit the CPU time of a process (`self` or its pid), from its own up to each mount's root.
pub fn groups(root: &Path, process: &str) -> Vec<Group> {
    let own = read_text(root.join("proc").join(process).join("cgroup")).unwrap_or_default();
    let mounts = read_text(root.join("proc/self/mountinfo")).unwrap_or_default();
    let mut found = Vec::new();
    for mount in mounts.lines().filter_map(Mount::parse).filter(|mount| mount.controls_cpu) {
        let Some(group) = own.lines().find_map(|line| group_of(line, mount.version)) else { continue };
        // In a container the mount shows only a part of the tree; a group outside of it is seen as the mount's root.
        let inside = Path::new(group).strip_prefix(&mount.shows).unwrap_or(Path::new(""));
        let base = root.join(mount.at.strip_prefix("/").unwrap_or(&mount.at));
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        let safe = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let inside = if safe { inside } else { Path::new("") };
        found.extend(inside.ancestors().map(|part| Group { version: mount.version, path: base.join(part) }));
    }
    found
}

/// The group's path in a line of `/proc/self/cgroup` (`0::/a` or `4:cpu,cpuacct:/a`), if the line is about CPU time.
fn group_of(line: &str, version: Version) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let matches = match version {
        Version::Two => controllers.is_empty(),
        Version::One => controllers.split(',').any(|name| name == "cpu"),
    };
    matches.then_some(path)
}

/// A mounted control group hierarchy.
struct Mount {
    version: Version,
    controls_cpu: bool,
    /// The part of the hierarchy it shows.
    shows: PathBuf,
    /// Where.
    at: PathBuf,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo`: `31 23 0:28 ROOT POINT OPTIONS … - TYPE SOURCE SUPEROPTIONS`.
    fn parse(line: &str) -> Option<Mount> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (shows, at) = (unescape(left.next()?), unescape(left.next()?));
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let options = right.nth(1).unwrap_or("");
        let controls_cpu = version == Version::Two || options.split(',').any(|name| name == "cpu");
        Some(Mount { version, controls_cpu, shows: PathBuf::from(shows), at: PathBuf::from(at) })
    }
}

/// The kernel writes blanks in paths as `\040`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorded root: `(path, text)` files.
    fn recorded(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn version_two_takes_the_smallest_on_the_way_up() {
        let root = recorded(&[
            ("proc/self/cgroup", "0::/a.slice/b.scope\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/a.slice/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/a.slice/cpu.stat", "usage_usec 1\nnr_throttled 3\nthrottled_usec 20\n"),
            ("sys/fs/cgroup/a.slice/b.scope/cpu.max", "300000 100000\n"),
            ("sys/fs/cgroup/a.slice/b.scope/cpu.stat", "nr_throttled 1\nthrottled_usec 5\n"),
        ]);
        assert_eq!(quota_cpus(root.path()), Some(0.5));
        assert_eq!(throttling(root.path()), Some(Throttling { periods: 4, throttled_ns: 25_000 }));
    }

    #[test]
    fn the_own_group_is_one_that_governs_cpu_time() {
        let hybrid = recorded(&[
            ("proc/self/cgroup", "2:cpu,cpuacct:/a\n0::/b\n"),
            ("proc/self/mountinfo", &format!("{V2}31 23 0:28 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n")),
            ("sys/fs/cgroup/b/cgroup.controllers", "hugetlb\n"),
            ("cpu/a/cpu.cfs_quota_us", "-1\n"),
        ]);
        assert_eq!(own_cpu_group(hybrid.path()), Some(CpuGroup::One(hybrid.path().join("cpu/a"))));
        let unified = recorded(&[
            ("proc/self/cgroup", "0::/b\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/b/cgroup.controllers", "cpuset cpu io\n"),
        ]);
        assert_eq!(own_cpu_group(unified.path()), Some(CpuGroup::Two(unified.path().join("sys/fs/cgroup/b"))));
    }

    #[test]
    fn no_quota_is_none() {
        let root = recorded(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ]);
        assert_eq!(quota_cpus(root.path()), None);
        assert_eq!(throttling(root.path()), None);
        assert_eq!(quota_cpus(&root.path().join("nowhere")), None);
    }

    #[test]
    fn version_one_beside_an_empty_version_two() {
        let root = recorded(&[
            ("proc/self/cgroup", "3:cpuset:/x\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"),
            (
                "proc/self/mountinfo",
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                 32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                 34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                 41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            ),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 77\n"),
        ]);
        assert_eq!(quota_cpus(root.path()), Some(1.5));
        assert_eq!(throttling(root.path()), Some(Throttling { periods: 2, throttled_ns: 77 }));
    }

    #[test]
    fn a_container_sees_its_group_as_the_root_of_the_mount() {
        for own in ["0::/kubepods/pod1\n", "0::/../other\n", "0::/\n"] {
            let root = recorded(&[
                ("proc/self/cgroup", own),
                ("proc/self/mountinfo", "30 23 0:26 /kubepods/pod1 /sys/fs/c\\040g rw - cgroup2 cgroup2 rw\n"),
                ("sys/fs/c g/cpu.max", "25000 100000\n"),
            ]);
            assert_eq!(quota_cpus(root.path()), Some(0.25), "{own}");
        }
    }

    #[test]
    fn nonsense_is_no_quota() {
        for text in ["", "max", "0 100000", "-5 100000", "5 0", "a b", "99999999999999999999 1"] {
            let root = recorded(&[
                ("proc/self/cgroup", "junk\n0::/\n"),
                ("proc/self/mountinfo", &format!("junk\n{V2}")),
                ("sys/fs/cgroup/cpu.max", text),
            ]);
            assert_eq!(quota_cpus(root.path()), None, "{text}");
        }
    }
}
