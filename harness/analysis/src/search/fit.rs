//! The local model: ln(share over the limit) is a straight line in the offered rate near the MAT.
//!
//! For M/M/1 that is exact, P(T>t) = e^{−(μ−λ)t}; for other queues it holds in a neighbourhood, which is why trials are
//! weighted by their distance from the allowed share. Counts are fitted by quasi-likelihood (variance = deff ×
//! binomial), so a trial with nothing over the limit counts for what it says, and no logarithm of a noisy
//! share is ever taken.

use crate::search::staircase::{Plateau, staircase};
use crate::stats::{Batch, design_effect, design_effect_about, normal_quantile, t_quantile};

/// One trial as the fit sees it.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Offered rate, per second.
    pub(super) rate: f64,
    /// Operations due in the window.
    pub(super) n: f64,
    /// Of those, over the limit (or failed).
    pub(super) hits: f64,
    /// The same, interval by interval.
    pub(super) batches: Vec<Batch>,
    /// Correlation of the backlog from one interval to the next.
    pub(super) memory: f64,
}

/// A fitted line, with the uncertainty of its crossing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// Rate at which the line crosses the allowed share.
    pub(super) root: f64,
    /// The same with a guess at the slope, for placing the next trial: steady while the slope is noise.
    pub(super) guess: f64,
    /// Slope of ln(share) with that guess, per unit of rate.
    pub(super) slope: f64,
    /// 95 % interval of the root; a side without an end is infinite or zero.
    pub(super) interval: [f64; 2],
    /// The slope of the line in that interval is partly a guess: the trials alone do not bound the root.
    pub(super) assumed: bool,
    /// Hits that carry the estimate, kernel-weighted.
    pub(super) hits: f64,
    /// Operations worth one independent one.
    pub(super) deff: f64,
    /// Mean distance of the trials from the root, in ln(share): negative when most of the work was below.
    pub(super) lean: f64,
    /// Trials that carry weight.
    pub(super) trials: usize,
}

/// What queueing theory lets one expect before there are data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    /// Median slope of ln(share) per unit of rate: used to place trials and to choose those that are near; in the interval
    /// only where the trials do not give one, and then no search ends by it.
    pub(super) slope: f64,
    /// Standard deviation of its logarithm.
    pub(super) spread: f64,
    /// Throughput of the closed loop, per second.
    pub(super) saturation: f64,
}

/// Load up to which the relaxation time is believed: beyond it the error of the probe makes it up.
const BELIEVED_LOAD: f64 = 0.97;
/// Least design effect, in relaxation times' worth of operations. M/M/c at its p99 shows 0.2 (five milliseconds on
/// 200 µs) to 0.8.
const LEAST_DEFF: f64 = 0.1;

impl Prior {
    /// Operations in one relaxation time 1/(μ(1−√ρ)²) of a queue at this rate.
    pub(super) fn relaxation(&self, rate: f64) -> f64 {
        let load = (rate / self.saturation).min(BELIEVED_LOAD);
        (1.0 - load.sqrt()).powi(-2)
    }

    /// The least a design effect can be there: a window with few hits cannot show it.
    pub(super) fn least_deff(&self, rate: f64) -> f64 {
        (LEAST_DEFF * self.relaxation(rate)).max(1.0)
    }
}

/// Reaches tried in turn, in ln(share): the first that holds enough trials is used. Beyond the last a queue's own
/// service times bend the line.
const REACHES: [f64; 2] = [1.6, 2.6];
/// The neighbourhood by which nearness is judged.
const WIDE: f64 = 4.5;
/// Fewest weighted hits to fit a line through.
const LEAST_HITS: f64 = 8.0;
/// Upper quantile of the interval. A search stops when its interval is narrow, which favours intervals that are narrow by
/// chance; simulated searches cover 95 % when each single interval is taken at 96 %.
const CONFIDENCE: f64 = 0.98;
/// How much wider than for placing trials the guess at the slope is where an interval needs it: a factor of three either way
/// is then within one standard deviation.
const LOOSELY: f64 = 2.0;
/// Design effect assumed of a trial that shows nothing.
pub(super) const DEFF_UNKNOWN: f64 = 5.0;

/// Fits the line. `None` while nothing near the allowed share was seen at two rates.
pub(super) fn fit(points: &[Point], allowed: f64, prior: Prior) -> Option<Fit> {
    let target = allowed.ln();
    let steps = staircase(points.iter().map(|p| Plateau::new(p.rate, p.rate, p.n, p.hits)).collect());
    let height = |p: &Point| steps.iter().find(|s| p.rate <= s.to).map_or(f64::NAN, |s| s.share.ln());
    let heights: Vec<f64> = points.iter().map(height).collect();
    // Nearness is judged by a line through a wide neighbourhood: the share of a single trial is too noisy for it, and a
    // line through the near ones only would draw far ones near by bending to them.
    let wide = weighted_line(points, &kernel(&heights, target, WIDE), Some(prior))?;
    let distances: Vec<f64> = points.iter().map(|p| wide.level + wide.slope * (p.rate - wide.centre)).collect();
    REACHES.iter().find_map(|reach| {
        let mut weights = kernel(&distances, target, *reach);
        keep_long(points, &mut weights);
        let line = weighted_line(points, &weights, Some(prior))?;
        finish(points, &weights, &line, target, prior)
    })
}

/// Leaves out the near trials with less than a sixth of the operations of the longest, once three longer ones at two rates
/// are there: they add little, and near saturation one burst in a short window says less than it seems to. Lengths are
/// chosen before a trial, so this does not choose results.
fn keep_long(points: &[Point], weights: &mut [f64]) {
    let near = || points.iter().zip(weights.iter()).filter(|(_, w)| **w > 0.05).map(|(p, _)| p);
    let longest = near().map(|p| p.n).fold(0.0, f64::max);
    let is_long = |p: &Point| 6.0 * p.n >= longest;
    let rates: Vec<f64> = near().filter(|p| is_long(p)).map(|p| p.rate).collect();
    if rates.len() >= 3 && rates.iter().any(|rate| (rate / rates[0] - 1.0).abs() > 0.001) {
        points.iter().zip(weights).filter(|(p, _)| !is_long(p)).for_each(|(_, w)| *w = 0.0);
    }
}

/// Tricube weights by distance from the target.
fn kernel(values: &[f64], target: f64, reach: f64) -> Vec<f64> {
    let weight = |value: &f64| {
        let u = ((value - target) / reach).abs();
        if u < 1.0 { (1.0 - u.powi(3)).powi(3) } else { 0.0 }
    };
    values.iter().map(weight).collect()
}

/// ln(share) = level + slope·(rate − centre).
#[derive(Clone, Copy, Debug)]
struct Line {
    centre: f64,
    level: f64,
    slope: f64,
}

impl Line {
    fn at(&self, rate: f64) -> f64 {
        (self.level + self.slope * (rate - self.centre)).clamp(-30.0, 0.0)
    }
}

/// Weighted quasi-Poisson regression with a log link, by Fisher scoring on level and ln(slope), with or without the
/// prior on the latter. Without it, `None` when the share does not rise.
fn weighted_line(points: &[Point], weights: &[f64], prior: Option<Prior>) -> Option<Line> {
    let used: Vec<(&Point, f64)> = points.iter().zip(weights.iter().copied()).filter(|(_, w)| *w > 1e-3).collect();
    let hits: f64 = used.iter().map(|(p, w)| p.hits * w).sum();
    if hits < LEAST_HITS || !distinct_rates(&used) {
        return None;
    }
    let batches: Vec<Vec<Batch>> = used.iter().map(|(p, _)| p.batches.clone()).collect();
    let deff = design_effect(&batches).map_or(DEFF_UNKNOWN, |effect| effect.deff);
    let total: f64 = used.iter().map(|(p, w)| p.n * w).sum();
    let centre = used.iter().map(|(p, w)| p.rate * p.n * w).sum::<f64>() / total;
    let spread = (used.iter().map(|(p, w)| (p.rate - centre).powi(2) * p.n * w).sum::<f64>() / total).sqrt();
    let precision = prior.map_or(0.0, |prior| prior.spread.powi(-2));
    let guess = prior.map_or((0.5 / spread).ln(), |prior| prior.slope.ln());
    let (mut level, mut tilt) = ((hits / total).ln(), guess);
    for _ in 0..60 {
        let slope = tilt.exp();
        let (mut s0, mut s1, mut i00, mut i01, mut i11) = (0.0, precision * (guess - tilt), 0.0, 0.0, precision);
        for (p, w) in &used {
            // The slope enters by its logarithm, so its derivative carries the slope itself.
            let x = (p.rate - centre) * slope;
            let expected = p.n * (level + x).clamp(-30.0, 0.0).exp();
            let (score, info) = (w * (p.hits - expected) / deff, w * expected / deff);
            s0 += score;
            s1 += score * x;
            i00 += info;
            i01 += info * x;
            i11 += info * x * x;
        }
        let det = i00 * i11 - i01 * i01;
        if det.is_nan() || det <= 1e-12 * i00 * i11 {
            return None;
        }
        let step = ((s0 * i11 - s1 * i01) / det).clamp(-0.7, 0.7);
        let turn = ((s1 * i00 - s0 * i01) / det).clamp(-0.7, 0.7);
        level += step;
        tilt += turn;
        if step.abs() + turn.abs() < 1e-9 {
            break;
        }
    }
    let slope = tilt.exp();
    // Without a rise the logarithm of the slope runs off to minus infinity.
    (level.is_finite() && (1e-3..1e3).contains(&(slope * spread))).then_some(Line { centre, level, slope })
}

fn distinct_rates(used: &[(&Point, f64)]) -> bool {
    let low = used.iter().map(|(p, _)| p.rate).fold(f64::INFINITY, f64::min);
    let high = used.iter().map(|(p, _)| p.rate).fold(0.0, f64::max);
    high > low * 1.0005
}

/// Dispersion, and the interval of the crossing.
///
/// `guessed` is the line with the prior; the answer is the line without it, if the share rises at all.
fn finish(points: &[Point], weights: &[f64], guessed: &Line, target: f64, prior: Prior) -> Option<Fit> {
    let free = weighted_line(points, weights, None);
    let line = free.as_ref().unwrap_or(guessed);
    let used: Vec<(&Point, f64)> = points.iter().zip(weights.iter().copied()).filter(|(_, w)| *w > 1e-3).collect();
    let near: Vec<(&[Batch], f64)> =
        used.iter().filter(|(_, w)| *w > 0.05).map(|(p, _)| (p.batches.as_slice(), line.at(p.rate).exp())).collect();
    let effect = design_effect_about(&near, 2.0 / near.len().max(1) as f64);
    let (deff, batch_df) = effect.map_or((DEFF_UNKNOWN, 4.0), |effect| (effect.deff, effect.df));
    let deff = deff.max(prior.least_deff(line.centre));
    let (mut hits, mut chi2, mut freedom) = (0.0, 0.0, 0.0);
    let (mut information, mut noise) = (0.0, 0.0);
    for (p, w) in &used {
        let eta = line.at(p.rate);
        let expected = p.n * eta.exp();
        let variance = deff * expected * (1.0 - eta.exp()).max(0.01);
        hits += w * p.hits;
        information += w * expected;
        noise += w * w * variance;
        chi2 += w * (p.hits - expected).powi(2) / variance;
        freedom += w;
    }
    // A cluster of hits is worth about two degrees of freedom, however many batches it is cut into.
    let mut df = batch_df.min(2.0 * hits / deff);
    // Weighted scores have variance `noise` where an unweighted likelihood would have `information`.
    let mut dispersion = noise / information;
    // Trials that disagree by more than their own noise: restarts, a drifting machine, a bent curve.
    let between = freedom - 2.0;
    if between > 0.5 {
        let ratio = chi2 / between;
        let usual = 1.0 + normal_quantile(0.95) * (2.0 / between).sqrt();
        if ratio > usual {
            dispersion *= ratio;
            df = df.min(between.max(2.0));
        }
    }
    let level = line.level - target;
    let root = line.centre - level / line.slope;
    if !root.is_finite() || root <= 0.0 {
        return None;
    }
    let t = t_quantile(CONFIDENCE, df.max(2.0));
    let tolerated = t * t * dispersion;
    let free = free.map(|free| profile(&used, root, free.slope, target, tolerated, None)).filter(is_closed);
    let assumed = free.is_none();
    let (root, interval) = match free {
        Some(interval) => (root, interval),
        None => {
            let root = guessed.centre - (guessed.level - target) / guessed.slope;
            let loosely = Prior { spread: LOOSELY * prior.spread, ..prior };
            (root, profile(&used, root, guessed.slope, target, tolerated, Some((loosely, dispersion))))
        }
    };
    if root.is_nan() || root <= 0.0 {
        return None;
    }
    // A guess far outside what was tried is noise in the slope.
    let near = || used.iter().filter(|(_, w)| *w > 0.05).map(|(p, _)| p.rate);
    let (least, most) = (near().fold(f64::INFINITY, f64::min), near().fold(0.0, f64::max));
    let guess = guessed.centre - (guessed.level - target) / guessed.slope;
    if near().count() < 2 {
        return None;
    }
    let stride = 1.0 / guessed.slope;
    let guess = guess.clamp(least - stride.min(0.07 * least), most + stride.min(0.07 * most));
    let lean = lean(points, guess, guessed.slope);
    let (slope, trials) = (guessed.slope, near().count());
    (guess > 0.0).then_some(Fit { root, guess, slope, interval, assumed, hits, deff, lean, trials })
}

/// Mean distance of all trials in the neighbourhood from the crossing, in ln(share) held to ±1, whether the kernel keeps
/// them or not; each with a weight between its operations and its hits.
fn lean(points: &[Point], root: f64, slope: f64) -> f64 {
    let distances = points.iter().map(|p| (slope * (p.rate - root), p.n)).filter(|(distance, _)| distance.abs() < 2.0);
    let (sum, total) = distances.fold((0.0, 1e-300), |(sum, total), (distance, n)| {
        let held = distance.clamp(-1.0, 1.0);
        let weight = n * (0.5 * held).exp();
        (sum + weight * held, total + weight)
    });
    sum / total
}

/// The rates at which a line forced through the allowed share fits worse by no more than `tolerated` (profile
/// quasi-likelihood: exact about asymmetry where hits are few, Fieller's interval where they are many).
///
/// `guess`: what is expected of the slope, with the dispersion that puts it on the scale of the deviance.
fn profile(
    used: &[(&Point, f64)],
    root: f64,
    slope: f64,
    target: f64,
    tolerated: f64,
    guess: Option<(Prior, f64)>,
) -> [f64; 2] {
    let least = deviance_through(used, root, slope, target, guess).0;
    let outside = |rate: f64, slope: f64| {
        let (deviance, slope) = deviance_through(used, rate, slope, target, guess);
        (deviance - least > tolerated, slope)
    };
    [-1.0, 1.0].map(|side| {
        let (mut inside, mut step, mut tilt) = (root, 0.2 / slope, slope);
        let edge = loop {
            let rate = root + side * step;
            if rate <= 0.2 * root {
                return 0.0;
            }
            if rate >= 4.0 * root {
                return f64::INFINITY;
            }
            let (out, at) = outside(rate, tilt);
            tilt = at;
            if out {
                break rate;
            }
            inside = rate;
            step *= 1.6;
        };
        let mut edge = edge;
        for _ in 0..14 {
            let middle = 0.5 * (inside + edge);
            let (out, at) = outside(middle, tilt);
            tilt = at;
            if out { edge = middle } else { inside = middle }
        }
        0.5 * (inside + edge)
    })
}

fn is_closed(interval: &[f64; 2]) -> bool {
    interval[0] > 0.0 && interval[1].is_finite()
}

/// Least weighted Poisson deviance of a line through the allowed share at `rate`, and its slope (Newton on its logarithm,
/// from `slope`).
fn deviance_through(
    used: &[(&Point, f64)],
    rate: f64,
    slope: f64,
    target: f64,
    guess: Option<(Prior, f64)>,
) -> (f64, f64) {
    // From flat to a cliff, over the rates there are; a line flatter or steeper fits no differently.
    let reach = used.iter().map(|(p, _)| (p.rate - rate).abs()).fold(1e-9 * rate, f64::max);
    let (floor, roof) = (1e-6 / reach, 1e3 / reach);
    let precision = guess.map_or(0.0, |(prior, dispersion)| dispersion / prior.spread.powi(2));
    let expected_tilt = guess.map_or(0.0, |(prior, _)| prior.slope.ln());
    let mut slope = slope.clamp(floor, roof);
    for _ in 0..20 {
        let (mut score, mut info) = (precision * (expected_tilt - slope.ln()), precision);
        for (p, w) in used {
            let x = slope * (p.rate - rate);
            let expected = p.n * (target + x).clamp(-30.0, 0.0).exp();
            score += w * (p.hits - expected) * x;
            info += w * expected * x * x;
        }
        let step = score / info;
        if !step.is_finite() {
            break;
        }
        let next = (slope * step.clamp(-1.6, 1.6).exp()).clamp(floor, roof);
        let done = (next / slope - 1.0).abs() < 1e-5;
        slope = next;
        if done {
            break;
        }
    }
    let deviance = used.iter().map(|(p, w)| {
        let expected = p.n * (target + slope * (p.rate - rate)).clamp(-30.0, 0.0).exp();
        let log = if p.hits > 0.0 { p.hits * (p.hits / expected).ln() } else { 0.0 };
        2.0 * w * (log - p.hits + expected)
    });
    let unlikely = precision * (slope.ln() - expected_tilt).powi(2);
    (deviance.sum::<f64>() + unlikely, slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::rng::{stream, unit_open};
    use rand::Rng as _;

    const PRIOR: Prior = Prior { slope: 0.004, spread: 0.7, saturation: 1e5 };

    /// Counts of an M/M/1-like line with independent operations, batches of equal length.
    fn point(rate: f64, n: usize, rng: &mut corecurve_core::Rng) -> Point {
        let share = (0.01f64.ln() + (rate - 1_000.0) * 0.005).exp();
        let batches: Vec<Batch> = (0..32)
            .map(|_| {
                let over = (0..n / 32).filter(|_| unit_open(rng.next_u64()) < share).count();
                Batch { n: (n / 32) as f64, over: over as f64 }
            })
            .collect();
        let sum = |of: fn(&Batch) -> f64| batches.iter().map(of).sum();
        Point { rate, n: sum(|b| b.n), hits: sum(|b| b.over), batches, memory: 0.0 }
    }

    #[test]
    fn the_root_of_a_true_line_lies_in_its_interval_as_often_as_it_should() {
        let (mut covered, mut bias) = (0, 0.0);
        for seed in 0..300 {
            let mut rng = stream(seed, 1);
            let points: Vec<Point> =
                [900.0, 1_080.0, 960.0, 1_040.0].map(|rate| point(rate, 16_000, &mut rng)).to_vec();
            let fit = fit(&points, 0.01, PRIOR).unwrap();
            covered += u32::from(fit.interval[0] <= 1_000.0 && 1_000.0 <= fit.interval[1]);
            bias += (fit.root / 1_000.0 - 1.0) / 300.0;
        }
        assert!((276..=300).contains(&covered), "{covered} of 300");
        assert!(bias.abs() < 0.002, "{bias}");
    }

    #[test]
    fn one_rate_or_nothing_over_the_limit_is_no_line() {
        let mut rng = stream(1, 2);
        let one = point(1_000.0, 16_000, &mut rng);
        assert!(fit(&[one.clone(), one.clone()], 0.01, PRIOR).is_none());
        let silent =
            Point { rate: 500.0, n: 1e4, hits: 0.0, batches: vec![Batch { n: 500.0, over: 0.0 }; 20], memory: 0.0 };
        assert!(fit(&[silent.clone(), Point { rate: 600.0, ..silent.clone() }], 0.01, PRIOR).is_none());
        assert!(fit(&[], 0.01, PRIOR).is_none());
    }

    #[test]
    fn trials_that_disagree_widen_the_interval() {
        let mut rng = stream(3, 2);
        let calm: Vec<Point> =
            [900.0, 950.0, 1_000.0, 1_050.0, 1_100.0, 980.0].map(|r| point(r, 32_000, &mut rng)).to_vec();
        let mut odd = calm.clone();
        for (i, p) in odd.iter_mut().enumerate() {
            // Restarts that differ: every other trial saw a third more.
            let factor = if i % 2 == 0 { 1.35 } else { 0.75 };
            p.hits *= factor;
            p.batches.iter_mut().for_each(|b| b.over *= factor);
        }
        let width = |points: &[Point]| {
            let fit = fit(points, 0.01, PRIOR).unwrap();
            fit.interval[1] - fit.interval[0]
        };
        assert!(width(&odd) > 2.0 * width(&calm), "{} {}", width(&odd), width(&calm));
    }
}
