//! The end of the warm-up, detected: [`SteadyDetector`] on means of batches.
//!
//! Latency is averaged over short batches, and MSER-5 (White 1997; the five being the fewest batches left after the cut)
//! finds the cut d that makes the standard error of what remains smallest:
//! d* = argmin Σ_{i>d}(x_i − x̄_d)² / (n − d)². The warm-up has ended when the best cut lies in the first half of what was
//! seen, so that at least as much steady time as unsteady time has passed.
//!
//! A queue that grows without bound never looks steady. Waiting for it would only waste time, because the window would
//! then be measured at a backlog that depends on the waiting; so growth of what is in flight ends the warm-up too, and
//! the window shows the overload.

use corecurve_core::Nanos;

/// Fewest batches before anything is decided.
pub const MIN_BATCHES: usize = 20;
/// Fewest batches after the cut.
pub const MSER_TAIL: usize = 5;
/// Fewest completions in a batch.
pub const MIN_COMPLETIONS: u64 = 5;
/// A batch is this part of the window, within the two bounds below.
pub const BATCHES_PER_WINDOW: u64 = 100;
/// Shortest batch.
pub const MIN_BATCH: Nanos = Nanos(5_000_000);
/// Longest batch, unless completions are rare.
pub const MAX_BATCH: Nanos = Nanos(100_000_000);
/// Growth of what is in flight, as a share of arrivals, above which the target is overloaded.
pub const OVERLOAD_GROWTH: f64 = 0.01;
/// t-value of the slope of what is in flight from which growth is no accident.
pub const OVERLOAD_T: f64 = 4.0;

/// Length of a batch for a window.
pub fn batch_length(window: Nanos) -> Nanos {
    (window / BATCHES_PER_WINDOW).clamp(MIN_BATCH, MAX_BATCH)
}

/// What is known about the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not steady yet.
    Settling,
    /// Steady.
    Steady,
    /// Overloaded: it will never be steady.
    Overloaded,
}

/// Watches running totals and says when the warm-up is over.
#[derive(Clone, Debug, Default)]
pub struct SteadyDetector {
    means: Vec<f64>,
    in_flight: Vec<f64>,
    arrivals: Vec<f64>,
    last_completed: u64,
    last_sum: u64,
}

impl SteadyDetector {
    /// Nothing seen yet.
    pub fn new() -> SteadyDetector {
        SteadyDetector::default()
    }

    /// Takes in running totals at the end of a batch: operations completed, the sum of their latencies (ns), operations
    /// that came due. A batch with too few completions is left open: the next totals continue it.
    pub fn see(&mut self, completed: u64, latency_sum: u64, due: u64) -> Phase {
        let n = completed.saturating_sub(self.last_completed);
        if n >= MIN_COMPLETIONS {
            self.means.push(latency_sum.saturating_sub(self.last_sum) as f64 / n as f64);
            self.in_flight.push(due.saturating_sub(completed) as f64);
            self.arrivals.push(due as f64);
            (self.last_completed, self.last_sum) = (completed, latency_sum);
        }
        self.phase()
    }

    fn phase(&self) -> Phase {
        let n = self.means.len();
        if n < MIN_BATCHES {
            return Phase::Settling;
        }
        if mser_cut(&self.means) <= n / 2 {
            return Phase::Steady;
        }
        let (slope, t) = slope(&self.in_flight[n / 2..]);
        let (first, last) = (self.arrivals[n / 2], self.arrivals[n - 1]);
        let growth = slope * (n - n / 2) as f64 / (last - first).max(1.0);
        if t > OVERLOAD_T && growth > OVERLOAD_GROWTH { Phase::Overloaded } else { Phase::Settling }
    }
}

/// MSER's cut: how many leading values to drop so that the standard error of the mean of the rest is smallest.
pub fn mser_cut(values: &[f64]) -> usize {
    let last = values.len().saturating_sub(MSER_TAIL);
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    // Around the overall mean, so that the sums of squares do not cancel.
    let centre = values.iter().sum::<f64>() / values.len().max(1) as f64;
    for (cut, value) in values.iter().enumerate().rev() {
        let value = value - centre;
        n += 1.0;
        sum += value;
        squares += value * value;
        let score = (squares - sum * sum / n).max(0.0) / (n * n);
        if cut <= last && score <= best.0 {
            best = (score, cut);
        }
    }
    best.1
}

/// Least-squares slope of evenly spaced values, per step, and its t-value. Infinite for a perfect line.
pub fn slope(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.len() < 3 {
        return (0.0, 0.0);
    }
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let sxx = n * (n * n - 1.0) / 12.0;
    let sxy: f64 = values.iter().enumerate().map(|(x, y)| (x as f64 - mean_x) * (y - mean_y)).sum();
    let slope = sxy / sxx;
    let rest: f64 = values
        .iter()
        .enumerate()
        .map(|(x, y)| {
            let off = y - mean_y - slope * (x as f64 - mean_x);
            off * off
        })
        .sum();
    let error = (rest / (n - 2.0) / sxx).sqrt();
    let t = if error > 0.0 {
        slope / error
    } else if slope == 0.0 {
        0.0
    } else {
        slope.signum() * f64::INFINITY
    };
    (slope, t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::rng::{stream, unit_open};
    use rand::Rng as _;

    /// Batches with a mean latency and a growth of what is in flight, until the warm-up is over.
    fn run(mean: impl Fn(usize) -> f64, growth: u64, batches: usize) -> (Phase, usize) {
        let mut noise = stream(1, 2);
        let mut detector = SteadyDetector::new();
        let (mut completed, mut sum) = (0u64, 0u64);
        for batch in 0..batches {
            completed += 100;
            let wobble = 0.98 + 0.04 * unit_open(noise.next_u64());
            sum += (100.0 * mean(batch) * wobble) as u64;
            match detector.see(completed, sum, completed + growth * batch as u64 + 3) {
                Phase::Settling => {}
                phase => return (phase, batch + 1),
            }
        }
        (Phase::Settling, batches)
    }

    #[test]
    fn a_steady_target_is_steady_at_once() {
        let (phase, after) = run(|_| 1e5, 0, 500);
        assert_eq!(phase, Phase::Steady);
        assert!((MIN_BATCHES..=2 * MIN_BATCHES).contains(&after), "{after}");
    }

    #[test]
    fn a_cold_start_is_waited_for() {
        let (phase, after) = run(|batch| if batch < 60 { 1e6 - batch as f64 * 1.5e4 } else { 1e5 }, 0, 500);
        assert_eq!(phase, Phase::Steady);
        assert!((70..=180).contains(&after), "{after}");
    }

    #[test]
    fn an_overloaded_target_is_not_waited_for() {
        let (phase, after) = run(|batch| 1e5 * (1 + batch) as f64, 10, 500);
        assert_eq!(phase, Phase::Overloaded);
        assert!(after <= 2 * MIN_BATCHES, "{after}");
    }

    #[test]
    fn growing_latency_without_a_growing_queue_is_not_overload() {
        assert_eq!(run(|batch| 1e5 * (1 + batch) as f64, 0, 100).0, Phase::Settling);
    }

    #[test]
    fn rare_completions_make_longer_batches() {
        let mut detector = SteadyDetector::new();
        for i in 0..(MIN_BATCHES as u64 * MIN_COMPLETIONS - 1) {
            assert_eq!(detector.see(i, i * 1_000, i + 1), Phase::Settling);
        }
        let n = MIN_BATCHES as u64 * MIN_COMPLETIONS;
        assert_eq!(detector.see(n, n * 1_000, n + 1), Phase::Steady);
    }

    #[test]
    fn the_cut_and_the_slope_are_those_of_the_formula() {
        assert_eq!(mser_cut(&[9.0, 9.0, 1.0, 1.1, 1.0, 0.9, 1.0, 1.0]), 2);
        assert_eq!(mser_cut(&[1.0; 8]), 0);
        assert_eq!(mser_cut(&[]), 0);
        assert_eq!(slope(&[1.0, 3.0, 5.0, 7.0]), (2.0, f64::INFINITY));
        assert_eq!(slope(&[4.0; 9]), (0.0, 0.0));
    }
}
