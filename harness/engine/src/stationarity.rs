//! Whether the window was in steady state, and how drift is told from overload.
//!
//! Both move latency within the window. *Overload* is the target's own answer to the rate: operations pile up, and by
//! Little's law latency rises with what is in flight. Such a trial is valid; it fails its SLO, which is what it was run to find
//! out. *Drift* is latency that moves while nothing piles up: caches still warming, a neighbour come or gone, memory
//! growing. The mean of such a window belongs to no state of the target, and the trial is invalid.
//!
//! So: the halves of the window are compared; if they differ by more than chance, the trial is drifting unless latency
//! rose *and* what is in flight grew with it by more than [`OVERLOAD_SHARE`] of the arrivals (the target did not keep up).
//! Latency near saturation wanders slowly by chance alone, so the number of independent intervals is corrected by their
//! autocorrelation and the bar is high: a rule that threw away every restless window would keep only the calm ones,
//! and the MAT would come out too high.

use corecurve_core::Interval;

use crate::warmup::slope;

/// Share of the window's arrivals that must be left in flight for rising latency to be overload.
pub const OVERLOAD_SHARE: f64 = 0.001;
/// t-value of the growth of what is in flight from which it is overload.
pub const OVERLOAD_T: f64 = 4.0;
/// t-value of the difference between the halves that is drift, and the relative difference it must have too.
pub const DRIFT_INVALID: (f64, f64) = (6.0, 0.5);
/// The same for a caveat.
pub const DRIFT_CAVEAT: (f64, f64) = (4.0, 0.2);
/// Fewest intervals with a mean in each half.
const MIN_HALF: usize = 5;

/// What the intervals of a window show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Mean latency of the second half over that of the first, minus one.
    pub change: f64,
    /// t-value of that difference.
    pub t: f64,
    /// Operations piled up with it.
    pub overloaded: bool,
}

impl Trend {
    /// Looks at the intervals of a window; `None` when too few of them have a mean.
    pub fn of(intervals: &[Interval]) -> Option<Trend> {
        let means: Vec<f64> = intervals.iter().filter_map(|interval| interval.mean_ns).collect();
        let half = means.len() / 2;
        if half < MIN_HALF {
            return None;
        }
        let (first, second) = (Half::of(&means[..half]), Half::of(&means[means.len() - half..]));
        let difference = second.mean - first.mean;
        let error = (first.error * first.error + second.error * second.error).sqrt();
        let t = if error > 0.0 { difference / error } else { difference.signum() * f64::INFINITY };
        let in_flight: Vec<f64> = intervals.iter().map(|interval| interval.in_flight as f64).collect();
        let arrivals: f64 = intervals.iter().map(|interval| interval.scheduled as f64).sum();
        let (per_interval, slope_t) = slope(&in_flight);
        let growth = per_interval * in_flight.len() as f64 / arrivals.max(1.0);
        Some(Trend {
            change: if first.mean > 0.0 { difference / first.mean } else { 0.0 },
            t: if difference == 0.0 { 0.0 } else { t },
            overloaded: growth > OVERLOAD_SHARE && slope_t > OVERLOAD_T,
        })
    }

    /// Whether latency moved by more than `bar` without the target being overloaded.
    pub fn drifts(&self, bar: (f64, f64)) -> bool {
        self.t.abs() > bar.0 && self.change.abs() > bar.1 && !(self.overloaded && self.change > 0.0)
    }
}

struct Half {
    mean: f64,
    error: f64,
}

impl Half {
    /// Mean and its standard error, with the variance of an autoregressive series of the lag-one correlation seen:
    /// var(mean) = s²/n · (1 + r)/(1 − r).
    fn of(values: &[f64]) -> Half {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
        let r = if squares > 0.0 { (products / squares).clamp(0.0, 0.9) } else { 0.0 };
        Half { mean, error: (squares / (n - 1.0) / n * (1.0 + r) / (1.0 - r)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(mean: impl Fn(usize) -> f64, in_flight: impl Fn(usize) -> u64) -> Vec<Interval> {
        let one = |i: usize| Interval {
            scheduled: 1_000,
            ok: 1_000,
            mean_ns: Some(mean(i) * if i.is_multiple_of(2) { 1.02 } else { 0.98 }),
            in_flight: in_flight(i) + (i as u64 % 3),
            ..Interval::default()
        };
        (0..20).map(one).collect()
    }

    #[test]
    fn a_steady_window_has_no_trend() {
        let trend = Trend::of(&window(|_| 1e5, |_| 5)).unwrap();
        assert!(!trend.drifts(DRIFT_CAVEAT) && !trend.overloaded, "{trend:?}");
    }

    #[test]
    fn overload_is_not_drift() {
        let trend = Trend::of(&window(|i| 1e5 * (1 + i) as f64, |i| 20 * i as u64)).unwrap();
        assert!(trend.overloaded && !trend.drifts(DRIFT_CAVEAT), "{trend:?}");
    }

    #[test]
    fn drift_either_way_is_drift() {
        for mean in [|i: usize| if i < 10 { 1e5 } else { 2e5 }, |i: usize| if i < 10 { 3e5 } else { 1e5 }] {
            let trend = Trend::of(&window(mean, |_| 5)).unwrap();
            assert!(trend.drifts(DRIFT_INVALID), "{trend:?}");
        }
        let slight = Trend::of(&window(|i| if i < 10 { 1e5 } else { 1.3e5 }, |_| 5)).unwrap();
        assert!(slight.drifts(DRIFT_CAVEAT) && !slight.drifts(DRIFT_INVALID), "{slight:?}");
    }

    #[test]
    fn too_few_intervals_say_nothing() {
        assert_eq!(Trend::of(&window(|_| 1e5, |_| 5)[..9]), None);
    }
}
