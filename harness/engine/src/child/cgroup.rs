//! A control group of the target's own, which the kernel kills whole in one write. Used where cgroup2 is writable.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the names of leaves begin with; the guardian's pid and a unique number follow.
pub(crate) const PREFIX: &str = "corecurve-";

/// A leaf of the cgroup2 tree that holds a target and everything it starts.
#[derive(Debug)]
pub(super) struct Leaf {
    path: PathBuf,
    home: PathBuf,
}

impl Leaf {
    /// Makes a leaf under this process's own group; `None` where the kernel or the user's rights do not allow it.
    pub fn make(name: &str) -> Option<Leaf> {
        let name = format!("{PREFIX}{}-{name}", std::process::id());
        let home = own_group()?;
        remove_abandoned(&home);
        let path = home.join(name);
        std::fs::create_dir(&path).ok()?;
        if !path.join("cgroup.kill").exists() {
            // Linux before 5.14: a group that cannot be killed is of no use here.
            let _ = std::fs::remove_dir(&path);
            return None;
        }
        Some(Leaf { path, home })
    }

    /// Moves the calling process in, so that what it starts next is born there; when it may not, the leaf is removed.
    pub fn enter_or_remove(&self) -> bool {
        let entered = std::fs::write(self.path.join("cgroup.procs"), "0").is_ok();
        if !entered {
            remove(&self.path);
        }
        entered
    }

    /// Moves the calling process back to where it came from; false when it may not.
    pub fn leave(&self) -> bool {
        std::fs::write(self.home.join("cgroup.procs"), "0").is_ok()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes leaves whose guardian is dead, as when guardian and harness were killed at once. One that still holds
/// processes stays: nothing here proves whose they are.
pub(crate) fn remove_abandoned(home: &Path) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let guardian = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if guardian.is_some_and(|pid: u32| corecurve_machine::procfs::process::stat(pid).is_err()) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// Kills every process of the group at `path`.
pub(super) fn kill(path: &Path) {
    let _ = std::fs::write(path.join("cgroup.kill"), "1");
}

/// Whether `pid` is in the group at `path`, by its last component, which is unique.
pub(super) fn holds(path: &Path, pid: u32) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().any(|line| line.starts_with("0::") && line.split('/').any(|part| part == name))
}

/// Removes the group at `path` once it is empty; waits up to half a second for the kernel to finish with its dead.
pub(crate) fn remove(path: &Path) {
    let deadline = Instant::now() + Duration::from_millis(500);
    while std::fs::remove_dir(path).is_err_and(|e| e.kind() != std::io::ErrorKind::NotFound) {
        if Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The directory of this process's group in the cgroup2 tree.
fn own_group() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let (root, mount) = mounts.lines().find_map(cgroup2_mount)?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new(group).strip_prefix(root).ok()?;
    Some(Path::new(mount).join(below))
}

/// Root and mount point of a cgroup2 line of mountinfo: `ID PARENT DEV ROOT MOUNT OPTIONS … - TYPE …`.
fn cgroup2_mount(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut words = before.split(' ');
    after.starts_with("cgroup2 ").then_some(())?;
    Some((words.nth(3)?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup2_mount_is_found_among_others() {
        let line = "37 30 0:31 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(cgroup2_mount(line), Some(("/", "/sys/fs/cgroup/unified")));
        assert_eq!(cgroup2_mount("31 30 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"), None);
        assert_eq!(cgroup2_mount("nonsense"), None);
    }

    #[test]
    fn a_leaf_kills_what_lives_in_it() {
        // Where cgroup2 is not writable there is nothing to test, and the guardian does without.
        let Some(leaf) = Leaf::make("test") else { return };
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let moved = std::fs::write(leaf.path().join("cgroup.procs"), child.id().to_string()).is_ok();
        if moved {
            assert!(holds(leaf.path(), child.id()));
            assert!(!holds(leaf.path(), std::process::id()));
            kill(leaf.path());
        } else {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        remove(leaf.path());
        assert!(!leaf.path().exists());
    }
}
