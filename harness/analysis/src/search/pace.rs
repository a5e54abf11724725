//! How long trials are and how much budget is left.

use corecurve_core::{Nanos, SearchSettings};

use crate::search::evidence::Seen;
use crate::search::fit::Prior;
use crate::search::goal::{Assessment, FORGOTTEN};

/// Operations expected over the limit in a first, coarse trial.
const COARSE_HITS: f64 = 150.0;
/// Relaxation times in a window: more than one for each interval the recorder cuts it into.
const RELAXATIONS: f64 = 60.0;
/// The same while it is not known where the answer lies.
const FIRST_RELAXATIONS: f64 = 20.0;
/// Share of the budget one coarse trial may take.
const COARSE_SHARE: f64 = 0.12;

/// Windows of a length after which the next is longer, if they have not settled it.
const STUCK: usize = 4;

/// Most that one window is longer than those before it: what is missing is an estimate too.
const GROWTH: f64 = 3.0;

/// Length of a coarse window, seconds: long enough to see the allowed share and for the queue to forget often enough,
/// within the settings. `near` when it is known that the answer is near this rate.
pub(super) fn coarse_window(settings: &SearchSettings, allowed: f64, rate: f64, prior: Prior, near: bool) -> f64 {
    let relaxations = if near { RELAXATIONS } else { FIRST_RELAXATIONS };
    let relaxations = if rate < prior.saturation { relaxations * prior.relaxation(rate) } else { 0.0 };
    let wanted = (COARSE_HITS / allowed).max(relaxations) / rate.max(1e-3);
    bounded(settings, wanted.min(COARSE_SHARE * settings.budget.as_secs_f64()))
}

/// Length of the window that would bring the interval to the wanted width, seconds: what is missing now, in two parts
/// while there are few trials, so that the second can be placed by what the first shows.
pub(super) fn refining_window(settings: &SearchSettings, a: &Assessment, allowed: f64, rate: f64, prior: Prior) -> f64 {
    let coarse = coarse_window(settings, allowed, rate, prior, a.fit.is_some());
    if a.memory > FORGOTTEN {
        // The noise cannot be judged by windows shorter than the queue's memory.
        return bounded(settings, a.longest_s * if a.memory > 0.7 { 4.0 } else { 2.0 });
    }
    let Some(fit) = a.fit.as_ref().filter(|fit| !fit.is_sparse() && !fit.assumed) else {
        return longer_when_stuck(settings, a, coarse);
    };
    let now = (0.5 * a.width()).powi(2) - a.fixed.powi(2);
    let wanted = ((0.5 * settings.width).powi(2) - a.fixed.powi(2)).max((0.2 * settings.width).powi(2));
    // A little more than needed, so that chance does not ask for yet another trial every other time.
    let missing_hits = fit.hits * (1.1 * now / wanted - 1.0).clamp(0.1, 4.0);
    let parts = if fit.trials < 4 { 2.0 } else { 1.0 };
    let share = allowed * (fit.slope * (rate - fit.guess)).clamp(0.0, 0.7).exp();
    let window = (missing_hits / share / rate / parts).min(GROWTH * a.longest_s.max(coarse));
    // Not so much shorter than the longest that it would be left out.
    bounded(settings, window.max(0.5 * coarse).max(0.25 * a.longest_s))
}

/// The longest window so far, and twice that once several of its kind have not been enough.
fn longer_when_stuck(settings: &SearchSettings, a: &Assessment, coarse: f64) -> f64 {
    let factor = if a.long >= STUCK { 2.0 } else { 0.8 };
    bounded(settings, coarse.max(factor * a.longest_s))
}

/// A window within the settings.
pub(super) fn bounded(settings: &SearchSettings, window_s: f64) -> f64 {
    let (least, most) = (settings.window_min.as_secs_f64(), settings.window_max.as_secs_f64());
    window_s.clamp(least, most.max(least))
}

/// Time spent so far and what a trial costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    /// Seconds left.
    pub(super) left_s: f64,
    warmup_s: Option<f64>,
    warmup_max_s: f64,
}

impl Purse {
    /// What the trials so far have left.
    pub(super) fn new(settings: &SearchSettings, seen: &[Seen]) -> Purse {
        let spent: f64 = seen.iter().map(Seen::cost_s).sum();
        Purse {
            left_s: settings.budget.as_secs_f64() - spent,
            warmup_s: settings.warmup.map(Nanos::as_secs_f64),
            warmup_max_s: settings.warmup_max.as_secs_f64(),
        }
    }

    /// What a window costs with its warm-up; an undetected one is taken for a fifth of the window.
    pub(super) fn cost_s(&self, window_s: f64) -> f64 {
        window_s + self.warmup_s.unwrap_or((0.2 * window_s).min(self.warmup_max_s))
    }

    /// The window, shortened to what is left beyond a reserve; `None` when that is less than the shortest one.
    pub(super) fn afford(&self, settings: &SearchSettings, window_s: f64, reserve_s: f64) -> Option<f64> {
        let left = self.left_s - reserve_s;
        if self.cost_s(window_s) <= left {
            return Some(window_s);
        }
        let least = settings.window_min.as_secs_f64();
        let share = self.cost_s(window_s) / window_s;
        let shorter = (left / share).min(left - self.warmup_s.unwrap_or(0.0));
        (shorter >= least).then_some(shorter)
    }
}
