//! [`Courtesy`]: a load thread at real-time priority lets the programs that share its CPU run before they starve.
//!
//! A thread that spins never leaves its CPU, and the kernel then gives starved programs up to 50 ms of it at once, every
//! second. So when somebody waits, the thread naps: so short that what comes due meanwhile is hardly late, and so
//! often that somebody who is busy for a few per cent of the time rarely starves. At 60,000 operations per second beside some
//! daemons most windows had a p99 of 0.11 to 0.24 ms, where spinning on gave 13 to 50 ms (docs/adr/0009-shield.md).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use corecurve_core::{Nanos, Placed};

/// Time from one look for waiting programs to the next.
const EVERY: Nanos = Nanos(200_000);
/// How long others are let run: with the time to fall asleep and to wake up, less than the validity rules let an operation
/// be late (50 µs). Naps of 30 µs were too long.
const NAP: Nanos = Nanos(10_000);

/// When to let others run. Costs a read of `/proc/loadavg` per look, about 3 µs.
#[derive(Debug)]
pub(crate) struct Courtesy {
    /// Tells how many threads are runnable.
    load: File,
    /// With as many, nobody waits: one on each CPU of server and load.
    expected: u32,
    /// When to look next.
    next: u64,
}

impl Courtesy {
    /// `None` where load threads have their CPUs for themselves, or the kernel does not tell.
    pub fn towards_others(placed: &Placed) -> Option<Courtesy> {
        let load = placed.load_is_realtime().then(|| File::open("/proc/loadavg").ok()).flatten()?;
        let expected = (placed.server_cpus().len() + placed.load_cpus().len()) as u32;
        Some(Courtesy { load, expected, next: 0 })
    }

    /// The thread has slept for some time until `now`. Long enough, and others have been let run already.
    #[inline]
    pub fn slept(&mut self, time: u64, now: u64) {
        if time >= NAP.0 {
            self.next = now + EVERY.0;
        }
    }

    /// Naps, if it is time to look and somebody waits; whether it did. Does not allocate.
    #[inline]
    pub fn nap(&mut self, now: u64) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + EVERY.0;
        let mut text = [0u8; 64];
        let length = self.load.read_at(&mut text, 0).unwrap_or(0);
        let somebody_waits = runnable(&text[..length]).is_some_and(|runnable| runnable > self.expected);
        if somebody_waits {
            std::thread::sleep(Duration::from_nanos(NAP.0));
        }
        somebody_waits
    }
}

/// The `7` of `0.20 0.18 0.12 7/80 11206`.
fn runnable(loadavg: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(loadavg).ok()?;
    text.split_whitespace().nth(3)?.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::{CpuId, CpuSet, Seat};

    fn placed(clear: &[u32]) -> Placed {
        let seat = |cpu| Seat { cpu: CpuId(cpu), node: None };
        let clear: CpuSet = clear.iter().map(|cpu| CpuId(*cpu)).collect();
        Placed { server: vec![seat(0)], load: vec![seat(1)], clear, ..Placed::default() }
    }

    #[test]
    fn only_who_shares_the_cpu_with_others_is_courteous() {
        assert!(Courtesy::towards_others(&placed(&[])).is_none());
        assert!(Courtesy::towards_others(&placed(&[0, 1])).is_none());
        assert_eq!(Courtesy::towards_others(&placed(&[0])).unwrap().expected, 2);
    }

    #[test]
    fn a_nap_is_taken_when_somebody_waits_and_not_again_at_once() {
        let with = |expected| Courtesy { expected, ..Courtesy::towards_others(&placed(&[0])).unwrap() };
        // The thread that runs this is always one too many.
        let mut courtesy = with(0);
        assert!(courtesy.nap(EVERY.0));
        assert!(!courtesy.nap(2 * EVERY.0 - 1));
        assert!(courtesy.nap(2 * EVERY.0));
        courtesy.slept(NAP.0, 3 * EVERY.0);
        assert!(!courtesy.nap(3 * EVERY.0), "a sleep is a nap");
        assert!(!with(u32::MAX).nap(EVERY.0));
    }

    #[test]
    fn the_number_of_runnable_threads_is_read() {
        assert_eq!(runnable(b"0.20 0.18 0.12 7/80 11206\n"), Some(7));
        for text in [&b""[..], b"0.20 0.18", b"a b c d/e f", b"1 2 3 \xff/2"] {
            assert_eq!(runnable(text), None);
        }
    }
}
