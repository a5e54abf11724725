//! One harness at a time in a run directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use corecurve_core::Problem;
use rustix::fs::{FlockOperation, flock};

use super::files::problem;

/// The name of the lock file.
pub(super) const LOCK: &str = "lock";

/// The lock of a run directory, held as long as this lives. The kernel drops it when the process dies, so a stale one
/// is simply taken over.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Takes the lock of `dir`.
    ///
    /// # Errors
    /// Names the holder.
    pub fn take(dir: &Path) -> Result<Lock, Problem> {
        let path = dir.join(LOCK);
        let mut file = open(&path).map_err(|e| problem("open", &path, &e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(dir, &mut file)),
            Err(e) => return Err(problem("lock", &path, &e.into())),
        }
        let command = std::env::args().take(2).collect::<Vec<_>>().join(" ");
        let text = format!("pid {} `{}`\n", std::process::id(), corecurve_core::problem::printable(&command));
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|e| problem("write", &path, &e))?;
        Ok(Lock(file))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

fn held(dir: &Path, file: &mut File) -> Problem {
    let mut holder = String::new();
    let _ = file.take(1_000).read_to_string(&mut holder);
    let holder = corecurve_core::problem::printable(holder.trim());
    let holder = if holder.is_empty() { "another process" } else { &holder };
    Problem::new(format!("{} is in use by {holder}", dir.display()))
        .help("wait for it to end or stop it with Ctrl-C; its finished trials are safe")
}

/// Whether some process has the run directory in use.
pub fn is_locked(dir: &Path) -> bool {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(dir.join(LOCK));
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_comer_hears_who_holds_it_and_a_stale_lock_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK), "pid 1 `long gone`\n").unwrap();
        assert!(!is_locked(dir.path()));
        let lock = Lock::take(dir.path()).unwrap();
        assert!(is_locked(dir.path()));
        let problem = Lock::take(dir.path()).unwrap_err();
        assert!(problem.seen.contains(&format!("pid {}", std::process::id())), "{problem}");
        assert!(!problem.seen.contains("long gone"), "{problem}");
        drop(lock);
        assert!(!is_locked(dir.path()));
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_is_not_made_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, dir.path().join(LOCK)).unwrap();
        assert!(Lock::take(dir.path()).is_err());
        assert!(!elsewhere.exists());
    }
}
