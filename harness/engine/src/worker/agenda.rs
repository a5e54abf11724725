//! [`Agenda`]: what one load worker has to send, and when.

use crate::schedule::{Ahead, Phase};
use crate::trial::TrialSetup;

/// The intended times of one worker: the warm-up's, then the window's.
#[derive(Debug)]
pub(crate) struct Agenda {
    warmup: Ahead,
    window: Ahead,
    open: bool,
    /// Rate of this worker, operations per nanosecond.
    rate: f64,
}

impl Agenda {
    /// `None` for a closed loop.
    pub(crate) fn new(setup: &TrialSetup, worker: usize) -> Option<Agenda> {
        let schedule = setup.schedule(setup.workers())?;
        let window = setup.request.window.0;
        Some(Agenda {
            warmup: Ahead::new(schedule.arrivals(worker, Phase::Warmup), u64::MAX, f64::INFINITY),
            window: Ahead::new(schedule.arrivals(worker, Phase::Window), window, schedule.expected(window)),
            open: false,
            rate: schedule.expected(1_000_000_000) / 1e9,
        })
    }

    pub(crate) fn begin(&mut self, start: u64) {
        self.warmup.begin(start);
    }

    pub(crate) fn open(&mut self, at: u64) {
        self.warmup.end_at(at);
        self.window.begin(at);
        self.open = true;
    }

    pub(crate) fn cut(&mut self, at: u64) {
        self.warmup.end_at(at);
        if self.open {
            self.window.end_at(at);
        }
    }

    /// When the next operation is due; `None` if none ever is.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u64> {
        match self.warmup.peek() {
            Some(due) => Some(due),
            None if self.open => self.window.peek(),
            None => None,
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) {
        if self.warmup.peek().is_some() { self.warmup.pop() } else { self.window.pop() }
    }

    #[inline]
    pub(crate) fn top_up(&mut self) {
        if self.open { self.window.top_up() } else { self.warmup.top_up() }
    }

    /// Roughly how many operations are due and were not taken.
    pub(crate) fn backlog(&mut self, now: u64) -> u64 {
        self.peek().map_or(0, |due| (now.saturating_sub(due) as f64 * self.rate) as u64)
    }
}
