//! [`Lapse`]: a load worker that falls asleep now and then, because somebody wants to see whether that is noticed.

use corecurve_core::Nanos;
use corecurve_core::fault::GENERATOR_SLEEP_EVERY;

/// When to sleep next, and how long.
#[derive(Debug)]
pub(crate) struct Lapse {
    length: Nanos,
    next: u64,
}

impl Lapse {
    /// Sleeps of that length.
    pub fn new(length: Nanos) -> Lapse {
        Lapse { length, next: 0 }
    }

    /// Sleeps, if it is time to.
    #[inline]
    pub fn take(&mut self, now: u64) {
        if now >= self.next {
            self.next = now + GENERATOR_SLEEP_EVERY.0;
            std::thread::sleep(self.length.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_machine::clock;

    #[test]
    fn it_sleeps_fifty_times_a_second_and_not_in_between() {
        let mut lapse = Lapse::new(Nanos::MILLI);
        let mut slept = |now: u64| {
            let before = clock::now();
            lapse.take(now);
            clock::now() - before >= Nanos::MILLI
        };
        let half = GENERATOR_SLEEP_EVERY.0 / 2;
        assert!(slept(0) && slept(2 * half) && slept(5 * half));
        // A sleep that is not due takes no time worth naming, unless another thread takes the CPU: then once more.
        assert!((0..50).any(|_| !slept(6 * half)));
    }
}
