//! [`Ahead`]: a worker's intended times, ready before they are needed.

use super::Arrivals;

/// Memory one worker may spend on its schedule. Up to it, all times are made before the trial.
pub const MEMORY: usize = 64 << 20;
/// Times made at once beyond that: some 3 µs of work, an order below what counts as late.
pub const CHUNK: usize = 256;
/// Times kept ready beyond that.
const READY: usize = 8_192;

/// Intended times from `base` on, up to a horizon.
///
/// Either all of them in one array, or, if that would not fit [`MEMORY`], a ring that [`Ahead::top_up`] refills
/// while the worker has nothing to do (and [`Ahead::peek`], a chunk at a time, should it run dry).
#[derive(Clone, Debug)]
pub struct Ahead {
    times: Vec<u64>,
    head: usize,
    source: Arrivals,
    base: u64,
    horizon: u64,
    dry: bool,
}

impl Ahead {
    /// Times before `horizon` (nanoseconds from the phase's start); `expected` of them, of which all are made now if
    /// they fit. Allocates; touches the memory first from the calling thread.
    pub fn new(source: Arrivals, horizon: u64, expected: f64) -> Ahead {
        let room = (expected + 6.0 * expected.sqrt() + 64.0) as usize;
        let whole = room.saturating_mul(size_of::<u64>()) <= MEMORY;
        let capacity = if whole { room } else { READY };
        let mut ahead = Ahead { times: Vec::with_capacity(capacity), head: 0, source, base: 0, horizon, dry: false };
        ahead.fill(capacity);
        ahead
    }

    /// Moves all times by `base`: the instant the phase begins.
    pub fn begin(&mut self, base: u64) {
        self.base = base;
    }

    /// Moves the horizon in: nothing is due from `until` (on the trial's clock) on.
    pub fn end_at(&mut self, until: u64) {
        self.horizon = self.horizon.min(until.saturating_sub(self.base));
    }

    /// The next time; `None` at the horizon.
    #[inline]
    pub fn peek(&mut self) -> Option<u64> {
        if self.head == self.times.len() {
            self.refill();
        }
        let due = *self.times.get(self.head)?;
        (due < self.horizon).then(|| due + self.base)
    }

    /// Takes the time last peeked at.
    #[inline]
    pub fn pop(&mut self) {
        self.head += 1;
    }

    /// Makes more times, if fewer than half are ready. To be called when idle. Cost: nothing, or some 3 µs.
    #[inline]
    pub fn top_up(&mut self) {
        if !self.dry && self.times.len() - self.head < READY / 2 {
            self.times.drain(..self.head);
            self.head = 0;
            self.fill(CHUNK);
        }
    }

    #[cold]
    fn refill(&mut self) {
        if !self.dry {
            self.times.clear();
            self.head = 0;
            self.fill(CHUNK);
        }
    }

    /// Makes up to `n` more, without growing the array.
    fn fill(&mut self, n: usize) {
        for _ in 0..n.min(self.times.capacity() - self.times.len()) {
            let Some(due) = self.source.next().filter(|due| *due < self.horizon) else {
                self.dry = true;
                return;
            };
            self.times.push(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Phase, Schedule};
    use corecurve_core::{ArrivalKind, Rate};

    fn all(mut ahead: Ahead, idle: bool) -> Vec<u64> {
        let mut out = Vec::new();
        while let Some(due) = ahead.peek() {
            ahead.pop();
            out.push(due);
            if idle {
                ahead.top_up();
            }
        }
        out
    }

    #[test]
    fn whole_and_chunked_schedules_are_the_same() {
        let schedule = Schedule { kind: ArrivalKind::Poisson, rate: Rate(100_000.0), seed: 3, workers: 2 };
        let horizon = 1_000_000_000;
        let source = || schedule.arrivals(1, Phase::Window);
        let straight: Vec<u64> = source().take_while(|due| *due < horizon).collect();
        let capacity = |expected| Ahead::new(source(), horizon, expected).times.capacity();
        assert!(capacity(50_000.0) >= straight.len() && capacity(1e9) < 2 * READY);
        assert_eq!(all(Ahead::new(source(), horizon, 50_000.0), false), straight);
        for idle in [false, true] {
            assert_eq!(all(Ahead::new(source(), horizon, 1e9), idle), straight, "chunked, idle {idle}");
            assert_eq!(all(Ahead::new(source(), horizon, 10.0), idle), straight, "expected too few, idle {idle}");
        }
    }

    #[test]
    fn a_phase_begins_and_ends_where_it_is_told() {
        let schedule = Schedule { kind: ArrivalKind::Uniform, rate: Rate(1_000.0), seed: 3, workers: 1 };
        let mut ahead = Ahead::new(schedule.arrivals(0, Phase::Warmup), u64::MAX, 1e12);
        ahead.begin(7_000_000_000);
        assert_eq!(ahead.peek(), Some(7_000_500_000));
        ahead.end_at(7_002_000_000);
        assert_eq!(all(ahead, true), [7_000_500_000, 7_001_500_000]);
    }
}
