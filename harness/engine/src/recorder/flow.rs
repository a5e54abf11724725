//! [`Flow`]: operations counted in and out, as a check on the histograms by another road (Little's law).
//!
//! The time integral of the number in the system is Σ(out) − Σ(in), which needs no per-operation memory: each arrival takes
//! its instant off, each departure adds its own. Divided by the window that is L. The histograms give λW. The two are equal
//! but for what reaches over the edges of the window and for what never completed, and both of those are summed apart,
//! so that the identity is exact whatever the load: L − edges = λW. A lost operation, one booked twice, a latency from the
//! wrong stamp or a wrong unit breaks it.

use super::Window;

/// Sums in nanoseconds relative to the window's start. Additions wrap: only differences mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Integral of the number in the system, before the window's end is charged for those still there.
    area: i128,
    /// Arrivals minus departures.
    inside: i64,
    /// Part of the area that belongs to operations of the warm-up.
    carried_in: i128,
    /// Latency of the window's completed operations that lies after its end.
    tail: i128,
    /// Part of the area that belongs to operations of the window that never completed correctly.
    fell_out: i128,
}

impl Flow {
    #[inline]
    pub(super) fn enter(&mut self, window: &Window, at: u64) {
        self.inside += 1;
        self.area -= i128::from(clip(window, at));
    }

    #[inline]
    pub(super) fn leave(&mut self, window: &Window, at: u64) {
        self.inside -= 1;
        self.area += i128::from(clip(window, at));
    }

    #[inline]
    pub(super) fn left_before(&mut self, window: &Window, at: u64) {
        self.carried_in += i128::from(clip(window, at));
    }

    #[inline]
    pub(super) fn completed(&mut self, window: &Window, at: u64) {
        self.tail += i128::from(at.saturating_sub(window.end()));
    }

    pub(super) fn fell_out(&mut self, window: &Window, since: u64, at: u64) {
        self.fell_out += i128::from(clip(window, at)) - i128::from(clip(window, since));
    }

    pub(super) fn add(&mut self, other: &Flow) {
        self.area += other.area;
        self.inside += other.inside;
        self.carried_in += other.carried_in;
        self.tail += other.tail;
        self.fell_out += other.fell_out;
    }

    /// Mean number in the system over the window.
    pub fn mean_in_system(&self, window: &Window) -> f64 {
        self.area_to(window) as f64 / window.spanned().0.max(1) as f64
    }

    /// Sum of the latencies of the window's correct completions as it follows from counting, nanoseconds.
    pub fn latency_sum(&self, window: &Window) -> f64 {
        (self.area_to(window) - self.carried_in - self.fell_out + self.tail) as f64
    }

    fn area_to(&self, window: &Window) -> i128 {
        self.area + i128::from(self.inside) * i128::from(clip(window, u64::MAX))
    }
}

/// Position in the window; zero while it is not open, because nothing of that time counts.
#[inline]
fn clip(window: &Window, at: u64) -> u64 {
    if window.start() == u64::MAX { 0 } else { window.clip(at) }
}
