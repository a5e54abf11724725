//! Where the next trial goes.

use crate::search::fit::{Fit, Prior};
use crate::search::goal::Assessment;
use crate::search::staircase::{Plateau, staircase};

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
/// Farthest from the allowed share, in ln, that a trial is put where the shares are known.
const FARTHEST: f64 = 1.4;
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
        (Some(below), Some(above)) => {
            held(between(below, above, a.fit.as_ref(), allowed, scale), &steps, below, above, allowed)
        }
    }
}

/// The staircase through all trials; those that diverged have everything over.
fn rising(a: &Assessment) -> Vec<Plateau> {
    let usual = a.points.iter().map(|p| p.n).fold(1.0, f64::max);
    let mut all: Vec<Plateau> = a.points.iter().map(|p| Plateau::new(p.rate, p.rate, p.n, p.hits)).collect();
    all.extend(a.diverged.iter().map(|rate| Plateau::new(*rate, *rate, usual, usual)));
    staircase(all)
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
fn between(below: &Plateau, above: &Plateau, fit: Option<&Fit>, allowed: f64, scale: &Scale) -> f64 {
    let gap = above.from - below.to;
    if let Some(fit) = fit {
        let stride = FIRST_STRIDE / fit.slope;
        if (below.from - stride..=above.to + stride).contains(&fit.guess) {
            return beside(fit);
        }
    }
    let stride = FIRST_STRIDE / fit.map_or(scale.prior().slope, |fit| fit.slope).max(scale.prior().slope);
    if gap < 0.3 * stride {
        // Two trials side by side that differ say nothing yet of where between them; look a stride away.
        let share = (below.hits + above.hits) / (below.n + above.n);
        let crossing = 0.5 * (below.to + above.from);
        return if share > allowed { crossing - stride } else { crossing + stride };
    }
    let rise = (above.share / below.share).ln();
    let fraction = (allowed / below.share).ln() / rise.max(1e-9);
    below.to + fraction.clamp(INNER[0], INNER[1]) * gap
}

/// Drawn towards the crossing until what was seen on both sides of the rate says that it is near: a line with the wrong
/// slope would ask again and again for a rate that its own fit then leaves out.
fn held(rate: f64, steps: &[Plateau], below: &Plateau, above: &Plateau, allowed: f64) -> f64 {
    let corners: Vec<(f64, f64)> =
        steps.iter().flat_map(|s| [(s.from, (s.share / allowed).ln()), (s.to, (s.share / allowed).ln())]).collect();
    let height = |rate: f64| {
        let pair = corners.windows(2).find(|pair| pair[0].0 <= rate && rate < pair[1].0);
        let beyond = corners.last().filter(|last| rate >= last.0).or(corners.first()).map_or(0.0, |corner| corner.1);
        pair.map_or(beyond, |pair| pair[0].1 + (pair[1].1 - pair[0].1) * (rate - pair[0].0) / (pair[1].0 - pair[0].0))
    };
    let crossing = 0.5 * (below.to + above.from);
    let mut rate = rate;
    for _ in 0..12 {
        if height(rate).abs() <= FARTHEST {
            break;
        }
        rate = 0.75 * rate + 0.25 * crossing;
    }
    rate
}

/// On the side of the crossing that has been looked at less.
fn beside(fit: &Fit) -> f64 {
    let [above, below] = if !fit.assumed { STRIDES } else { [FIRST_STRIDE; 2] };
    let offset = if fit.lean > 0.0 { -below } else { above };
    (fit.guess + offset / fit.slope).clamp(0.6 * fit.guess, 1.3 * fit.guess)
}
