//! [`Window`]: the measured stretch of time and its equal intervals.

use corecurve_core::Nanos;

/// Fewest intervals of a window: error estimates need that many batches.
pub const MIN_INTERVALS: u64 = 20;
/// Longest interval, unless there would be more than 64 of them.
pub const MAX_INTERVAL: Nanos = Nanos::SECOND;
/// Most intervals of a window: more batches add nothing to an error estimate, and each has a histogram of its own.
pub const MAX_INTERVALS: u64 = 64;

/// A window that starts at an instant not known when it is made: it is opened when the warm-up has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u64,
    end: u64,
    length: u64,
    interval: u64,
    intervals: usize,
}

impl Window {
    /// A window of this length (at least a microsecond), not open yet: no instant is in it.
    pub fn new(length: Nanos) -> Window {
        let length = length.0.max(1_000);
        let intervals = length.div_ceil(MAX_INTERVAL.0).clamp(MIN_INTERVALS, MAX_INTERVALS);
        let interval = length.div_ceil(intervals);
        // Rounding up may leave the last interval empty; then there is one fewer.
        let intervals = length.div_ceil(interval) as usize;
        Window { start: u64::MAX, end: u64::MAX, length, interval, intervals }
    }

    /// Opens it at `start` on the clock of the trial.
    pub fn open(&mut self, start: u64) {
        self.start = start;
        self.end = start.saturating_add(self.length);
    }

    /// Ends it early, at `end`, because the trial was interrupted.
    pub fn cut(&mut self, end: u64) {
        if self.start != u64::MAX {
            self.end = end.clamp(self.start, self.end);
        }
    }

    /// First instant; `u64::MAX` while it is not open.
    #[inline]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// First instant after it.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Length as asked for.
    pub fn length(&self) -> Nanos {
        Nanos(self.length)
    }

    /// Length from start to end, shorter than asked for when it was cut.
    pub fn spanned(&self) -> Nanos {
        Nanos(self.end.saturating_sub(self.start)).min(Nanos(self.length))
    }

    /// Number of intervals: at least [`MIN_INTERVALS`] for any window worth measuring.
    pub fn intervals(&self) -> usize {
        self.intervals
    }

    /// Length of every interval but possibly the last, which may be some nanoseconds shorter.
    pub fn interval(&self) -> Nanos {
        Nanos(self.interval)
    }

    /// Whether an operation due at `instant` belongs to the window.
    #[inline]
    pub fn contains(&self, instant: u64) -> bool {
        instant >= self.start && instant < self.end
    }

    /// The interval of an instant in the window.
    #[inline]
    pub fn index(&self, instant: u64) -> usize {
        (((instant - self.start) / self.interval) as usize).min(self.intervals - 1)
    }

    /// Time from the start of the window to `instant`, no less than zero and no more than the window.
    #[inline]
    pub fn clip(&self, instant: u64) -> u64 {
        instant.clamp(self.start, self.end) - self.start
    }

    /// Start and length of an interval, relative to the window.
    pub fn slice(&self, index: usize) -> (Nanos, Nanos) {
        let start = index as u64 * self.interval;
        (Nanos(start), Nanos(self.interval.min(self.length - start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_cover_the_window_and_nothing_else() {
        for (length, intervals) in [(Nanos::SECOND, 20), (Nanos(60_000_000_000), 60), (Nanos(2_500_000_007), 20)] {
            let mut window = Window::new(length);
            assert_eq!(window.intervals(), intervals);
            assert!(window.interval() <= MAX_INTERVAL || window.intervals() as u64 >= MAX_INTERVALS - 1);
            assert!(!window.contains(0) && !window.contains(u64::MAX - 1));
            window.open(5_000);
            assert!(!window.contains(4_999) && window.contains(5_000));
            assert!(window.contains(4_999 + length.0) && !window.contains(5_000 + length.0));
            assert_eq!((window.index(5_000), window.index(4_999 + length.0)), (0, intervals - 1));
            let sum: u64 = (0..intervals).map(|i| window.slice(i).1.0).sum();
            assert_eq!(sum, length.0);
        }
    }

    #[test]
    fn a_cut_window_is_as_long_as_it_was() {
        let mut window = Window::new(Nanos::SECOND);
        window.cut(7);
        assert_eq!(window.start(), u64::MAX, "a window that was never open has no end");
        window.open(100);
        window.cut(400_000_100);
        assert_eq!(window.spanned(), Nanos(400_000_000));
        assert!(!window.contains(400_000_100));
    }
}
