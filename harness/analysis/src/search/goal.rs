//! [`Assessment`]: what all trials together say about one SLO, and where to look next.

use corecurve_core::Nanos;

use crate::search::bracket::{Bracket, Verdict, bracket};
use crate::search::evidence::{Seen, Standing};
use crate::search::fit::{Fit, Point, Prior, fit};
use crate::stats::{neighbour_correlation, t_quantile};

/// What must hold at the MAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    /// The share over this latency limit.
    Latency(Nanos),
    /// The share that did not complete correctly.
    Errors,
}

/// A latency limit that was measured, not given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    /// Relative standard error of the limit.
    pub(super) error: f64,
    /// Limits on both sides of it that were counted as well, to see how much it matters.
    pub(super) flanks: Option<[Nanos; 2]>,
}

/// What the trials say about one criterion of one SLO.
#[derive(Clone, Debug)]
pub(super) struct Assessment {
    /// Verdicts by rate.
    pub(super) bracket: Bracket,
    /// The local line, if there is one and it agrees with the bracket.
    pub(super) fit: Option<Fit>,
    /// The MAT, per second.
    pub(super) estimate: Option<f64>,
    /// Its 95 % interval.
    pub(super) interval: Option<[f64; 2]>,
    /// Part of half the interval's relative width that no further trial at these rates takes away.
    pub(super) fixed: f64,
    /// Trials that count, with their counts for this criterion.
    pub(super) points: Vec<Point>,
    /// Rates of the trials that diverged.
    pub(super) diverged: Vec<f64>,
    /// Correlation of the backlog from one interval to the next in trials near the answer: large when windows are too
    /// short for the queue's memory.
    pub(super) memory: f64,
    /// Longest window among those, seconds.
    pub(super) longest_s: f64,
    /// How many of those windows were at least half as long.
    pub(super) long: usize,
}

/// Fewest trials behind a line that may end the search.
const LEAST_TRIALS: usize = 3;
/// Most one-sided that the trials behind such a line may be, in ln(share).
const MOST_LEAN: f64 = 0.7;
/// Fewest clusters of hits behind a line that may end the search.
const LEAST_CLUSTERS: f64 = 4.0;
/// Correlation from one interval to the next below which intervals are long enough to judge the noise by.
pub(super) const FORGOTTEN: f64 = 0.5;
/// Degrees of freedom of the no-load mean's error: twenty blocks, two fifths of them winsorised.
const REFERENCE_DF: f64 = 11.0;
/// Times a contradiction is measured before it is believed.
pub(super) const BELIEVED: u32 = 3;

/// Reads all trials for one criterion with its allowed share.
pub(super) fn assess(
    seen: &[Seen],
    criterion: Criterion,
    allowed: f64,
    loose: Option<Loose>,
    prior: Prior,
) -> Assessment {
    let points = points(seen, criterion);
    let diverged: Vec<f64> = seen
        .iter()
        .filter(|s| s.is_open() && s.standing == Standing::Diverging && criterion != Criterion::Errors)
        .map(Seen::rate)
        .collect();
    let bracket = bracket(&points, &diverged, allowed, criterion == Criterion::Errors, prior);
    // After an inversion nothing above the relevant upper bound is trusted.
    let roof = bracket.inverted.and(bracket.upper).map_or(f64::INFINITY, |upper| upper * 1.001);
    let line = |criterion| {
        let mut points = if criterion == Criterion::Errors { Vec::new() } else { self::points(seen, criterion) };
        points.retain(|p| p.rate <= roof);
        fit(&points, allowed, prior)
    };
    let trusted: Vec<Point> = points.iter().filter(|p| p.rate <= roof).cloned().collect();
    let fit = fit(&trusted, allowed, prior).filter(|fit| agrees(fit, &bracket));
    let elasticity = || {
        let [low, high] = loose?.flanks?;
        let (below, above) = (line(Criterion::Latency(low))?, line(Criterion::Latency(high))?);
        Some(((above.root / below.root).ln() / (high.0 as f64 / low.0 as f64).ln()).clamp(0.0, 20.0))
    };
    let fixed = loose.map_or(0.0, |loose| t_quantile(0.975, REFERENCE_DF) * loose.error * elasticity().unwrap_or(1.0));
    let (estimate, interval) = answer(fit.as_ref(), &bracket, fixed);
    let (memory, longest_s, long) = memory(seen, criterion, allowed);
    Assessment { bracket, fit, estimate, interval, fixed, points, diverged, memory, longest_s, long }
}

/// How long the queue remembers, from the trials whose share is of the order of the allowed one and whose windows are
/// at least half as long as the longest of them.
fn memory(seen: &[Seen], criterion: Criterion, allowed: f64) -> (f64, f64, usize) {
    let near = |s: &&Seen| {
        let over = match criterion {
            Criterion::Latency(limit) => s.record.over(limit).unwrap_or(0),
            Criterion::Errors => s.record.counts.bad(),
        };
        let share = over as f64 / s.record.counts.scheduled.max(1) as f64;
        (0.02 * allowed..=(30.0 * allowed).max(0.6)).contains(&share)
    };
    let near: Vec<&Seen> = seen.iter().filter(|s| s.is_usable()).filter(near).collect();
    let longest = near.iter().map(|s| s.record.window_s).fold(0.0, f64::max);
    let long = near.iter().filter(|s| s.record.window_s >= 0.5 * longest);
    let backlogs: Vec<Vec<f64>> =
        long.map(|s| s.record.intervals.iter().map(|i| i.in_flight as f64).collect()).collect();
    (neighbour_correlation(&backlogs).unwrap_or(0.0), longest, backlogs.len())
}

/// Counts of every usable trial for a criterion.
fn points(seen: &[Seen], criterion: Criterion) -> Vec<Point> {
    let point = |s: &Seen| {
        let (hits, batches) = match criterion {
            Criterion::Latency(limit) => (s.record.over(limit)?, s.over_batches(limit)?),
            Criterion::Errors => (s.record.counts.scheduled.saturating_sub(s.record.counts.ok), s.bad_batches()),
        };
        let n = s.record.counts.scheduled as f64;
        let backlog = s.record.intervals.iter().map(|i| i.in_flight as f64).collect();
        let memory = neighbour_correlation(&[backlog]).unwrap_or(0.0);
        (n > 0.0).then(|| Point { rate: s.rate(), n, hits: hits as f64, batches, memory })
    };
    seen.iter().filter(|s| s.is_usable()).filter_map(point).collect()
}

/// A line whose crossing contradicts what was seen at a rate itself is not used.
fn agrees(fit: &Fit, bracket: &Bracket) -> bool {
    bracket.upper.is_none_or(|upper| fit.interval[0] < upper)
        && bracket.lower.is_none_or(|lower| fit.interval[1] > lower)
}

/// The estimate and its interval: from the line, its open sides closed by the bracket; or from the bracket alone.
fn answer(fit: Option<&Fit>, bracket: &Bracket, fixed: f64) -> (Option<f64>, Option<[f64; 2]>) {
    let [floor, roof] = bracket.bounds();
    let Some(fit) = fit else {
        let closed = floor > 0.0 && roof.is_finite();
        return (closed.then_some(0.5 * (floor + roof)), closed.then_some([floor, roof]));
    };
    // Verdicts bound it as well, each wrong in one of two hundred: at a cliff they are all there is to know.
    let [mut low, mut high] = fit.interval;
    if low.max(floor) < high.min(roof) {
        (low, high) = (low.max(floor), high.min(roof));
    }
    let root = fit.root.clamp(low, high);
    let low = root - (root - low).max(0.0).hypot(fixed * root);
    let high = root + (high - root).max(0.0).hypot(fixed * root);
    let interval = (low > 0.0 && high.is_finite()).then_some([low, high]);
    (Some(root), interval)
}

impl Fit {
    /// Whether so few clusters of hits carry it that its noise cannot be judged.
    pub(super) fn is_sparse(&self) -> bool {
        self.hits < LEAST_CLUSTERS * self.deff
    }
}

impl Assessment {
    /// Width of the interval over the estimate; infinite when there is none.
    pub(super) fn width(&self) -> f64 {
        match (self.estimate, self.interval) {
            (Some(estimate), Some([low, high])) => (high - low) / estimate,
            _ => f64::INFINITY,
        }
    }

    /// Whether the interval is narrow enough and rests on enough.
    pub(super) fn converged(&self, width: f64, window_max_s: f64) -> bool {
        let sound =
            |fit: &Fit| fit.trials >= LEAST_TRIALS && !fit.is_sparse() && !fit.assumed && fit.lean.abs() < MOST_LEAN;
        // Verdicts stand by themselves: at a cliff there is no line to wait for.
        let bounds = self.bracket.lower.zip(self.bracket.upper);
        let bracketed = bounds.is_some_and(|(lower, upper)| upper - lower <= width * lower);
        let enough = bracketed || self.fit.as_ref().is_none_or(sound);
        let long = self.memory <= FORGOTTEN || self.longest_s >= 0.9 * window_max_s;
        enough && long && self.width() <= width && self.contradiction().is_none()
    }

    /// The rate to measure again because two verdicts contradict each other, until each has been measured
    /// [`BELIEVED`] times.
    pub(super) fn contradiction(&self) -> Option<f64> {
        let (upper, inverted) = (self.bracket.upper?, self.bracket.inverted?);
        let tried = |rate: f64| self.bracket.tried.iter().find(|t| t.rate == rate);
        [upper, inverted].into_iter().find(|rate| tried(*rate).is_some_and(|t| t.trials < BELIEVED))
    }

    /// Highest rate with a trial that counts.
    pub(super) fn highest(&self) -> Option<f64> {
        self.points.iter().map(|p| p.rate).reduce(f64::max)
    }

    /// The verdict at a rate.
    pub(super) fn verdict_at_least(&self, rate: f64, verdict: Verdict) -> bool {
        self.bracket.tried.iter().any(|t| t.rate >= rate && t.verdict == verdict)
    }
}
