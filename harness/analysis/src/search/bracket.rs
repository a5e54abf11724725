//! Three-way verdicts by rate, and the bracket they make.

use crate::search::fit::{DEFF_UNKNOWN, Point, Prior};
use crate::stats::{Batch, clopper_pearson_lower, clopper_pearson_upper, design_effect};

/// What the trials at one rate say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The SLO holds.
    Lower,
    /// The SLO is broken.
    Upper,
    /// Not enough operations to say.
    Undecided,
}

/// All trials at one rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    /// The rate.
    pub(super) rate: f64,
    /// The verdict over all of them.
    pub(super) verdict: Verdict,
    /// How many there were.
    pub(super) trials: u32,
    /// Operations of those that did not diverge.
    pub(super) operations: f64,
}

/// The bounds that matter, after the conservative reading of RFC 2544's heirs (MLRsearch): the relevant upper bound is
/// the smallest one, the relevant lower bound the largest below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Bracket {
    /// Rates in ascending order.
    pub(super) tried: Vec<Tried>,
    /// Relevant lower bound.
    pub(super) lower: Option<f64>,
    /// Relevant upper bound.
    pub(super) upper: Option<f64>,
    /// A lower bound above the relevant upper bound: loss inversion.
    pub(super) inverted: Option<f64>,
}

/// One-sided error of each verdict. Several are made in a search, and two that contradict each other cost trials.
const ALPHA: f64 = 0.005;
/// Correlation of the backlog from one interval to the next above which a trial has no verdict.
const MEMORY: f64 = 0.6;
/// Normal quantile of the realised rate's 95 % interval.
const ARRIVALS_Z: f64 = 1.96;
/// Most that a bound is moved: a trial that only diverged has no count to tell by.
const MOST_BLUR: f64 = 0.01;
/// Rates closer than this are the same.
const SAME_RATE: f64 = 5e-4;

impl Bracket {
    /// The relevant bounds as far as arrivals tell them apart: Poisson arrivals of n operations come at a rate that is itself
    /// off by 1/√n, and at a cliff that decides on which side a trial falls. Open sides are zero and infinite.
    pub(super) fn bounds(&self) -> [f64; 2] {
        let blur = |rate: f64| {
            let of_rate = self.tried.iter().find(|tried| tried.rate == rate);
            of_rate.map_or(0.0, |tried| ARRIVALS_Z / tried.operations.max(1.0).sqrt()).min(MOST_BLUR)
        };
        let floor = self.lower.map_or(0.0, |lower| lower * (1.0 - blur(lower)));
        [floor, self.upper.map_or(f64::INFINITY, |upper| upper * (1.0 + blur(upper)))]
    }
}

/// Verdicts from the trials that count and the rates of those that diverged.
///
/// `none_is_lower`: a thousand operations without a single hit pass, however small the allowed share is.
pub(super) fn bracket(points: &[Point], diverged: &[f64], allowed: f64, none_is_lower: bool, prior: Prior) -> Bracket {
    // The correlation where it matters: near the allowed share. Far below it little is over, far above it most is.
    let near = points.iter().filter(|p| (0.1 * allowed..=(10.0 * allowed).min(0.5)).contains(&(p.hits / p.n)));
    let overall = design_effect(&near.map(|p| p.batches.clone()).collect::<Vec<_>>());
    let overall = overall.map_or(DEFF_UNKNOWN, |effect| effect.deff);
    let mut order: Vec<(f64, Option<&Point>)> = points.iter().map(|p| (p.rate, Some(p))).collect();
    order.extend(diverged.iter().map(|rate| (*rate, None)));
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut tried = Vec::new();
    for group in order.chunk_by(|a, b| b.0 <= a.0 * (1.0 + SAME_RATE)) {
        let here: Vec<&Point> = group.iter().filter_map(|(_, point)| *point).collect();
        let away = group.len() - here.len();
        let verdict = if 2 * away > here.len() {
            Verdict::Upper
        } else {
            verdict(&here, overall.max(prior.least_deff(group[0].0)), allowed, none_is_lower)
        };
        let operations = here.iter().map(|point| point.n).sum();
        tried.push(Tried { rate: group[0].0, verdict, trials: group.len() as u32, operations });
    }
    let of = |verdict| tried.iter().filter(move |t| t.verdict == verdict).map(|t| t.rate);
    let upper = of(Verdict::Upper).next();
    let lower = of(Verdict::Lower).rfind(|rate| upper.is_none_or(|upper| *rate < upper));
    let inverted = of(Verdict::Lower).find(|rate| upper.is_some_and(|upper| *rate > upper));
    Bracket { lower, upper, inverted, tried }
}

fn verdict(points: &[&Point], overall: f64, allowed: f64, none_is_lower: bool) -> Verdict {
    // A window shorter than the queue's memory has seen one state of it.
    let points: Vec<&&Point> = points.iter().filter(|p| p.memory <= MEMORY).collect();
    let n: f64 = points.iter().map(|p| p.n).sum();
    let hits: f64 = points.iter().map(|p| p.hits).sum();
    if none_is_lower && hits == 0.0 && n >= 1_000.0 {
        return Verdict::Lower;
    }
    let batches: Vec<Vec<Batch>> = points.iter().map(|p| p.batches.clone()).collect();
    // A rate's own trials know its correlation if enough was over the limit; the search as a whole knows better.
    let own = design_effect(&batches).map_or(1.0, |effect| effect.deff).max(overall);
    let (n, hits) = (n / own, hits / own);
    if clopper_pearson_upper(hits, n, ALPHA) <= allowed {
        Verdict::Lower
    } else if clopper_pearson_lower(hits, n, ALPHA) > allowed {
        Verdict::Upper
    } else {
        Verdict::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior { slope: 1.0, spread: 1.0, saturation: 1e5 };

    fn point(rate: f64, share: f64) -> Point {
        let batches: Vec<Batch> = (0..20).map(|_| Batch { n: 1_000.0, over: (1_000.0 * share).round() }).collect();
        Point { rate, n: 20_000.0, hits: batches.iter().map(|b| b.over).sum(), batches, memory: 0.0 }
    }

    #[test]
    fn bounds_are_read_conservatively() {
        let points = [point(10.0, 0.001), point(20.0, 0.03), point(30.0, 0.002), point(15.0, 0.01)];
        let found = bracket(&points, &[50.0], 0.01, false, PRIOR);
        assert_eq!((found.lower, found.upper, found.inverted), (Some(10.0), Some(20.0), Some(30.0)));
        let verdicts: Vec<Verdict> = found.tried.iter().map(|t| t.verdict).collect();
        assert_eq!(verdicts, [Verdict::Lower, Verdict::Undecided, Verdict::Upper, Verdict::Lower, Verdict::Upper]);
    }

    #[test]
    fn trials_at_one_rate_are_judged_together() {
        let found = bracket(&[point(10.0, 0.009), point(10.001, 0.009)], &[], 0.01, false, PRIOR);
        assert_eq!(found.tried.len(), 1);
        assert_eq!((found.tried[0].trials, found.tried[0].operations), (2, 40_000.0));
        // One that diverged against two that did not is outvoted; alone it is an upper bound.
        assert_eq!(bracket(&[point(10.0, 0.0), point(10.0, 0.0)], &[10.0], 0.01, false, PRIOR).upper, None);
        assert_eq!(bracket(&[], &[10.0], 0.01, false, PRIOR).upper, Some(10.0));
    }

    #[test]
    fn bounds_are_no_sharper_than_the_arrivals() {
        let found = bracket(&[point(10.0, 0.001), point(10.01, 0.03)], &[], 0.01, false, PRIOR);
        let [floor, roof] = found.bounds();
        // 20,000 operations: 1.96/√20000 = 1.39 %, held to 1 %.
        assert!((floor - 9.9).abs() < 1e-9 && (roof - 10.01 * 1.01).abs() < 1e-9, "{floor} {roof}");
        assert_eq!(bracket(&[], &[], 0.01, false, PRIOR).bounds(), [0.0, f64::INFINITY]);
    }
}
