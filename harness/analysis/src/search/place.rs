//! Where the next trial goes.

use crate::search::fit::{Fit, Point, Prior};
use crate::search::goal::Assessment;

/// What is known about the target before the first open-loop trial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Throughput of the closed loop, per second.
    pub(super) saturation: f64,
    /// Latency limit, seconds.
    pub(super) limit_s: f64,
    /// Servers that would explain saturation and no-load latency.
    pub(super) servers: f64,
    /// Where to begin.
    pub(super) start: f64,
}

impl Scale {
    /// How steep ln(share over the limit) rises with the rate: by the limit for a queue that shares its servers, by the
    /// limit over the servers for one that does not (P(T>t) = e^{−(μ−λ)t} for each); between the two, and a factor beyond.
    pub(super) fn prior(&self) -> Prior {
        Prior {
            slope: self.limit_s / self.servers.sqrt(),
            spread: 0.5 + 0.25 * self.servers.ln().max(0.0),
            saturation: self.saturation,
        }
    }
}

/// Distances from the root, in ln(share), at which trials are placed in turn above and below: near enough for the line
/// to hold, far enough to give it a slope; farther above, where hits are plenty.
const STRIDES: [f64; 2] = [0.7, 0.45];
/// The same while the slope is not known yet.
const FIRST_STRIDE: f64 = 0.9;
/// The part of a gap, from its lower end, in which a step between two rates lands.
const INNER: [f64; 2] = [0.15, 0.85];

/// The rate to try next.
pub(super) fn next_rate(a: &Assessment, allowed: f64, scale: &Scale) -> f64 {
    if let Some(rate) = a.contradiction() {
        return rate;
    }
    let steps = rising(a);
    let below = steps.iter().rev().find(|step| step.share < allowed);
    let above = steps.iter().find(|step| step.share >= allowed);
    match (below, above) {
        (None, None) => scale.start,
        (Some(below), None) => up(below, allowed, scale),
        (None, Some(above)) => down(above, allowed, scale),
        (Some(below), Some(above)) => between(below, above, a.fit.as_ref(), allowed),
    }
}

/// Neighbouring rates with one share.
#[derive(Clone, Copy, Debug)]
struct Plateau {
    from: f64,
    to: f64,
    n: f64,
    hits: f64,
    share: f64,
}

/// The shares as the best rising staircase through all trials (pool adjacent violators; Ayer et al. 1955): it says on
/// which side of a rate the crossing is, whatever one unlucky trial says. Trials that diverged have everything over.
fn rising(a: &Assessment) -> Vec<Plateau> {
    let plateau =
        |from: f64, to: f64, n: f64, hits: f64| Plateau { from, to, n, hits, share: (hits + 0.5) / (n + 1.0) };
    let usual = a.points.iter().map(|p| p.n).fold(1.0, f64::max);
    let mut all: Vec<Plateau> = a.points.iter().map(|p: &Point| plateau(p.rate, p.rate, p.n, p.hits)).collect();
    all.extend(a.diverged.iter().map(|rate| plateau(*rate, *rate, usual, usual)));
    all.sort_by(|x, y| x.from.total_cmp(&y.from));
    let mut steps: Vec<Plateau> = Vec::with_capacity(all.len());
    for mut next in all {
        while let Some(last) = steps.last().filter(|last| last.share >= next.share || last.to >= next.from) {
            next = plateau(last.from, next.to, last.n + next.n, last.hits + next.hits);
            steps.pop();
        }
        steps.push(next);
    }
    steps
}

/// All too low so far: up by a slope that queues have, at most most of the way to saturation.
fn up(below: &Plateau, allowed: f64, scale: &Scale) -> f64 {
    let step = ((allowed / below.share).ln().max(0.3) + 0.3) / scale.prior().slope;
    let room = if scale.saturation > 1.02 * below.to { 0.6 * (scale.saturation - below.to) } else { 0.1 * below.to };
    below.to + step.min(room)
}

/// All too high so far: down by a slope that queues have.
fn down(above: &Plateau, allowed: f64, scale: &Scale) -> f64 {
    let step = ((above.share / allowed).ln().max(0.3) + 0.3) / scale.prior().slope;
    (above.from - step).clamp(0.4 * above.from, 0.97 * above.from)
}

/// Beside the crossing of the line if that lies where the staircase rises through the allowed share; else a secant step in
/// ln(share) kept inside the gap.
fn between(below: &Plateau, above: &Plateau, fit: Option<&Fit>, allowed: f64) -> f64 {
    let gap = above.from - below.to;
    if let Some(fit) = fit {
        let stride = FIRST_STRIDE / fit.slope;
        if (below.from - stride..=above.to + stride).contains(&fit.guess) {
            // Rates that look like the edge of the neighbourhood are; the slope may be wrong about them.
            let spare = 0.25 * (above.to - below.from);
            return beside(fit).clamp(below.from - spare, above.to + spare);
        }
    }
    let rise = (above.share / below.share).ln();
    let fraction = (allowed / below.share).ln() / rise.max(1e-9);
    below.to + fraction.clamp(INNER[0], INNER[1]) * gap
}

/// On the side of the crossing that has been looked at less.
fn beside(fit: &Fit) -> f64 {
    let known = fit.interval[1].is_finite() && fit.interval[0] > 0.0;
    let [above, below] = if known { STRIDES } else { [FIRST_STRIDE; 2] };
    let offset = if fit.lean > 0.0 { -below } else { above };
    (fit.guess + offset / fit.slope).clamp(0.6 * fit.guess, 1.3 * fit.guess)
}
