//! [`NaiveSearch`]: double until it fails, then bisect, one ten-second trial each, every trial believed.
//!
//! What most scripts and some tools do. It is here as the baseline of `corecurve validate search`, not for use.

use corecurve_core::{
    Load, Mat, MatKind, Nanos, Purpose, Quantiles, Rate, Search, Slo, Step, TrialRecord, TrialRequest,
};

/// Window of each trial.
const WINDOW: Nanos = Nanos(10_000_000_000);
/// Relative width of the bracket at which it stops.
const WIDTH: f64 = 0.01;
/// Most trials.
const MOST_TRIALS: usize = 60;

/// The plain search for one SLO.
#[derive(Clone, Debug)]
pub struct NaiveSearch {
    slo: Slo,
    first: Rate,
    no_load: Option<Nanos>,
    /// Highest rate that passed and lowest that failed.
    passed: Option<f64>,
    failed: Option<f64>,
    trials: usize,
}

impl NaiveSearch {
    /// A search that begins at this rate.
    pub fn new(slo: Slo, first: Rate) -> NaiveSearch {
        NaiveSearch { slo, first, no_load: None, passed: None, failed: None, trials: 0 }
    }

    fn limit(&self) -> Nanos {
        self.slo.limit_ns(self.no_load.unwrap_or_default())
    }

    fn ask(&self, purpose: Purpose, load: Load) -> Step {
        let limits = if purpose == Purpose::NoLoad { Vec::new() } else { vec![self.limit()] };
        Step::Try(TrialRequest { purpose, load, window: WINDOW, limits, fresh_target: false })
    }

    /// Its answer claims what such a search claims: the MAT is between the last pass and the last failure.
    fn answer(&self) -> Mat {
        let ci95 = self.passed.zip(self.failed).map(|(passed, failed)| [passed, failed]);
        let kind = match (self.passed, self.failed) {
            (Some(_), Some(_)) => MatKind::Regular,
            (None, _) => MatKind::MinLoadFails,
            _ => MatKind::NotConverged,
        };
        Mat {
            slo: self.slo,
            limit_ns: self.limit(),
            kind,
            mat_per_s: self.passed,
            ci95,
            trials: self.trials as u32,
            latency_ns: Quantiles::default(),
            utilisation: None,
            valid: kind.is_regular(),
            invalid_reasons: Vec::new(),
            caveats: vec!["found by doubling and bisection on single trials, without error control".to_owned()],
        }
    }
}

impl Search for NaiveSearch {
    fn next(&self) -> Step {
        if self.slo.is_relative() && self.no_load.is_none() {
            return self.ask(Purpose::NoLoad, Load::Closed(1));
        }
        let rate = match (self.passed, self.failed) {
            (None, None) => self.first.per_s(),
            (Some(passed), None) => 2.0 * passed,
            (None, Some(failed)) => 0.5 * failed,
            (Some(passed), Some(failed)) => 0.5 * (passed + failed),
        };
        let narrow = self.passed.zip(self.failed).is_some_and(|(passed, failed)| failed - passed <= WIDTH * failed);
        if narrow || self.trials >= MOST_TRIALS {
            return Step::Converged(vec![self.answer()]);
        }
        self.ask(Purpose::Search, Load::Open(Rate(rate)))
    }

    fn observe(&mut self, trial: &TrialRecord) {
        self.trials += 1;
        if trial.purpose == Purpose::NoLoad {
            let ok: u64 = trial.intervals.iter().map(|i| i.ok).sum();
            let sum: f64 = trial.intervals.iter().filter_map(|i| Some(i.ok as f64 * i.mean_ns?)).sum();
            let mean = trial.latency_ns.mean.unwrap_or(sum / ok.max(1) as f64);
            self.no_load = Some(Nanos(mean.round() as u64));
            return;
        }
        let over = trial.over(self.limit()).unwrap_or(trial.counts.scheduled) as f64;
        if over <= self.slo.allowed_over() * trial.counts.scheduled as f64 {
            self.passed = Some(trial.offered_per_s);
        } else {
            self.failed = Some(trial.offered_per_s);
        }
    }
}
