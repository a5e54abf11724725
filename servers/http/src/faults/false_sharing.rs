//! `false-sharing`: every worker raises a counter of its own, and all counters lie in one cache line.

use std::sync::atomic::{AtomicU8, Ordering};

/// As many counters as a cache line has bytes. Workers beyond that share them, which is no better.
const COUNTERS: usize = 64;

/// A cache line of counters.
#[derive(Debug)]
#[repr(align(64))]
pub struct SharedLine {
    counters: [AtomicU8; COUNTERS],
    times: u32,
}

impl SharedLine {
    /// A line whose counters are raised `times` per request.
    pub fn new(times: u32) -> SharedLine {
        SharedLine { counters: [const { AtomicU8::new(0) }; COUNTERS], times }
    }

    /// What the counter of a worker stands at, modulo 256.
    pub fn counted(&self, worker: usize) -> u8 {
        self.counters[worker % COUNTERS].load(Ordering::Relaxed)
    }
}

/// Raises the counter of a worker as often as was asked for.
#[inline(never)]
pub fn count(line: &SharedLine, worker: usize) {
    let counter = &line.counters[worker % COUNTERS];
    for _ in 0..line.times {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_neighbours_and_each_is_raised_as_often_as_asked() {
        let line = SharedLine::new(7);
        let address = |worker: usize| std::ptr::from_ref(&line.counters[worker]).addr();
        assert_eq!((address(0) % 64, address(63) - address(0)), (0, 63));
        count(&line, 0);
        count(&line, 1);
        count(&line, 1);
        assert_eq!([0, 1, 2].map(|worker| line.counted(worker)), [7, 14, 0]);
    }
}
