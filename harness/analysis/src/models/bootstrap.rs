//! Intervals of fitted parameters: the curve is redrawn many times with its core counts fixed, and fitted again.

use corecurve_core::Rng;
use corecurve_core::rng::{stream, unit_open};
use rand::Rng as _;

use super::ModelKind;
use super::fit::FitSettings;
use super::law::{Law, Terms};
use super::observation::{Data, Observation};
use crate::stats::{median, resample};

/// The parameters of every replicate that could be fitted, in the data's scale.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replicates {
    laws: Vec<Law>,
}

impl Replicates {
    /// 95 % percentile interval of a parameter; `None` with fewer than 100 replicates.
    pub(crate) fn interval(&self, name: &str) -> Option<[f64; 2]> {
        let values = self.laws.iter().filter_map(|law| parameter(law, name)).collect();
        interval(values)
    }

    /// Peaks of the replicates that are USLs: cores (infinite without one) and MAT there.
    pub(crate) fn peaks(&self) -> Vec<(f64, Option<f64>)> {
        let peak = |law: &Law| match law {
            Law::Usl { usl, .. } => {
                let cores = usl.peak().unwrap_or(1.0);
                Some((cores, cores.is_finite().then(|| usl.at(cores))))
            }
            _ => None,
        };
        self.laws.iter().filter_map(peak).collect()
    }
}

/// 2.5th and 97.5th percentile; either may be infinite.
pub(crate) fn interval(mut values: Vec<f64>) -> Option<[f64; 2]> {
    if values.len() < 100 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
    Some([at(0.025), at(0.975)])
}

fn parameter(law: &Law, name: &str) -> Option<f64> {
    match (law, name) {
        (Law::Usl { usl, .. } | Law::Capped { usl, .. }, "gamma") => Some(usl.gamma),
        (Law::Usl { usl, .. } | Law::Capped { usl, .. }, "sigma") => Some(usl.sigma),
        (Law::Usl { usl, .. } | Law::Capped { usl, .. }, "kappa") => Some(usl.kappa),
        (Law::Capped { cap, .. }, "cap") => Some(*cap),
        (Law::Segments { gamma, .. }, "gamma") => Some(*gamma),
        (Law::Segments { delta, .. }, "delta") => Some(*delta),
        _ => None,
    }
}

/// How the curve is redrawn, by what is known of each point's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Repetitions drawn with replacement within each core count.
    Replicates,
    /// Each point moved by its own relative error.
    OwnError,
    /// Nothing is known of the errors: the residuals of the fit stand in for them.
    Residuals,
}

/// The scheme the observations allow.
fn chosen_scheme(used: &[Observation]) -> Scheme {
    if !used.is_empty() && used.iter().all(|o| o.replicates.len() >= 3) {
        Scheme::Replicates
    } else if !used.is_empty() && used.iter().all(|o| o.rel_error.is_some()) {
        Scheme::OwnError
    } else {
        Scheme::Residuals
    }
}

/// The scheme in words.
pub(crate) fn scheme(used: &[Observation]) -> &'static str {
    match chosen_scheme(used) {
        Scheme::Replicates => "repetitions redrawn within each core count",
        Scheme::OwnError => "each point redrawn from its own interval, core counts fixed",
        Scheme::Residuals => "residuals redrawn, core counts fixed",
    }
}

/// Fits the model again to every redrawn curve.
pub(crate) fn replicates(
    kind: ModelKind,
    law: &Law,
    data: &Data,
    used: &[Observation],
    terms: Terms,
    settings: &FitSettings,
) -> Replicates {
    let scheme = chosen_scheme(used);
    let residuals = standard_residuals(law, data);
    let mut rng = stream(settings.seed, kind as u64);
    let mut laws = Vec::with_capacity(settings.replicates);
    for _ in 0..settings.replicates {
        let x = (0..data.len()).map(|i| match scheme {
            Scheme::Replicates => data.x[i] * redrawn_median(&used[i].replicates, &mut rng),
            Scheme::OwnError => data.x[i] * (used[i].rel_error.unwrap_or(0.0) * normal(&mut rng)).exp(),
            Scheme::Residuals => {
                let residual = residuals[below(&mut rng, residuals.len())];
                (law.at(data.n[i]) + residual / data.root_weight[i]).max(1e-9)
            }
        });
        let redrawn = data.with_x(x.collect());
        laws.extend(Law::fit(kind, &redrawn, terms.relaxed()).ok());
    }
    Replicates { laws }
}

/// Residuals in units of their weights, centred and widened by √(n/(n−p)) for the parameters they were fitted with.
fn standard_residuals(law: &Law, data: &Data) -> Vec<f64> {
    let n = data.len();
    let raw: Vec<f64> = (0..n).map(|i| data.root_weight[i] * (data.x[i] - law.at(data.n[i]))).collect();
    let mean = raw.iter().sum::<f64>() / n.max(1) as f64;
    let widen = (n as f64 / n.saturating_sub(law.params()).max(1) as f64).sqrt();
    raw.iter().map(|r| (r - mean) * widen).collect()
}

/// The median of a redrawn set of repetitions over the median of the set, widened by √(R/(R−1)).
fn redrawn_median(reps: &[f64], rng: &mut Rng) -> f64 {
    let mut drawn = Vec::with_capacity(reps.len());
    resample(reps, rng, &mut drawn);
    let widen = (reps.len() as f64 / (reps.len() - 1) as f64).sqrt();
    let moved = median(&drawn).zip(median(reps)).map_or(1.0, |(drawn, all)| drawn / all);
    (moved.ln() * widen).exp()
}

/// A uniform index below `n`, by the multiply-shift of Lemire (2019); the bias below 2⁻⁴⁰ is of no matter here.
pub(crate) fn below(rng: &mut Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A standard normal number by Box and Muller (1958).
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    let (u, v) = (unit_open(rng.next_u64()), unit_open(rng.next_u64()));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
