//! Real-time priority for the harness's own threads, for where they must share a CPU with other programs.
//!
//! A thread of a load generator that has to wait for its CPU sends late and stamps late, and the target gets the blame.
//! Under `SCHED_FIFO` it runs whenever it has something to do, and the others run while it waits for answers.

use std::io;

/// The first kernel that gives starved threads a share without stopping real-time ones that nobody is waiting for
/// (the fair server). Before it, one that is busy for 95 % of a second is stopped for the rest of it.
const FIRST_KERNEL: (u32, u32) = (6, 12);

/// Who runs at real-time priority; the later in the list, the more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A load thread.
    Load = 1,
    /// The controller of a trial: it mostly sleeps, and orders must be in time.
    Control = 2,
}

/// Why threads of this process may not run at real-time priority here; `None` if they may.
///
/// Cost: a thread is started and tries it.
pub fn refusal() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if version(&release).is_none_or(|version| version < FIRST_KERNEL) {
        let (major, minor) = FIRST_KERNEL;
        return Some(format!(
            "kernel {} stops busy real-time threads now and then (from {major}.{minor} on it does not)",
            release.trim()
        ));
    }
    let tried = std::thread::spawn(|| Realtime::enter(Priority::Load).map(drop)).join();
    match tried {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("real-time priority was refused: {error}")),
        Err(_) => Some("real-time priority could not be tried".to_owned()),
    }
}

/// Major and minor number of a kernel release such as `6.12.3-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// While it lives, the thread that made it runs at real-time priority; afterwards by the policy it had before.
#[derive(Debug)]
pub struct Realtime {
    before: libc::c_int,
    /// Bound to its thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Realtime {
    /// Raises the calling thread. Threads and processes it starts meanwhile do not inherit it.
    ///
    /// # Errors
    /// When the kernel refuses: it takes `CAP_SYS_NICE` or a limit on real-time priorities (`ulimit -r`).
    pub fn enter(priority: Priority) -> io::Result<Realtime> {
        // SAFETY: takes no pointer; 0 means the calling thread.
        let before = unsafe { libc::sched_getscheduler(0) };
        if before < 0 {
            return Err(io::Error::last_os_error());
        }
        set(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority as libc::c_int)?;
        Ok(Realtime { before, _here: std::marker::PhantomData })
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        // A thread that was at real-time priority before has lost which; the lowest is left to it.
        let policy = self.before & !libc::SCHED_RESET_ON_FORK;
        let _ = set(policy, libc::c_int::from(matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR)));
    }
}

fn set(policy: libc::c_int, sched_priority: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the parameters are live and only read; 0 means the calling thread, and nothing but its policy changes.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> String {
        // The 41st field of proc(5): 0 is the normal policy, 1 is first in, first out.
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(41 - 3).unwrap().to_owned()
    }

    #[test]
    fn a_thread_is_raised_while_the_guard_lives_and_a_child_is_not() {
        std::thread::spawn(|| match Realtime::enter(Priority::Control) {
            Ok(raised) => {
                assert_eq!(policy(), "1");
                assert_eq!(std::thread::spawn(policy).join().unwrap(), "0");
                drop(raised);
                assert_eq!(policy(), "0");
            }
            Err(error) => {
                assert_eq!((policy().as_str(), error.raw_os_error()), ("0", Some(libc::EPERM)));
                assert!(refusal().is_some());
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn releases_are_read_by_their_numbers() {
        for (release, told) in [
            ("6.12.3-amd64\n", Some((6, 12))),
            ("5.4.0-150-generic", Some((5, 4))),
            ("6.18.44", Some((6, 18))),
            ("7.0", Some((7, 0))),
            ("", None),
            ("strange", None),
        ] {
            assert_eq!(version(release), told, "{release}");
        }
    }
}
