//! [`fit`]: every model of one curve, the choice among them, and the refusals.

use super::bootstrap::{self, Replicates};
use super::law::{Law, Terms, aicc};
use super::observation::{Data, Observation, Weights};
use super::usl::{self, Free};
use super::{FitReport, ModelFit, ModelKind, Param, Peak, Refusal};

/// How a curve is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitSettings {
    /// How much each observation counts.
    pub weights: Weights,
    /// The last core count of the first socket, for the two-segment model.
    pub boundary: Option<usize>,
    /// Bootstrap replicates; 0 gives no intervals.
    pub replicates: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for FitSettings {
    fn default() -> FitSettings {
        FitSettings { weights: Weights::Relative, boundary: None, replicates: 1000, seed: 1 }
    }
}

/// A model is preferred over a simpler one only if AICc falls by more than this.
const AICC_MARGIN: f64 = 2.0;
/// N* further out than this many times the largest tested core count is an extrapolation.
const EXTRAPOLATION: f64 = 1.5;
/// Held-out error from which a reader is warned.
const POOR: f64 = 0.15;
/// Points at a cap differ by no more than this share, unless their own errors are larger.
const LEVEL: f64 = 0.02;
/// Leaving out any one core count may move N* by at most this share.
const LEAVE_ONE_OUT: f64 = 0.3;

/// Fits every model to the MATs of one curve and chooses among them by AICc.
///
/// Points where the generator gave out first are left out (right-censored: the MAT is at least that). Several
/// observations at one core count are not merged: give one per core count, with its repetitions as replicates.
/// Costs about 20 µs × models × replicates. Procedure and thresholds: docs/methodology.md, "Models".
pub fn fit(observations: &[Observation], settings: &FitSettings) -> FitReport {
    let usable = |o: &&Observation| !o.at_least && o.cores > 0 && o.mat_per_s.is_finite() && o.mat_per_s > 0.0;
    let mut used: Vec<Observation> = observations.iter().filter(usable).cloned().collect();
    used.sort_by_key(|o| o.cores);
    let mut report = FitReport { notes: censoring_notes(observations), ..FitReport::default() };
    report.method = method(&used, settings);
    let data = Data::new(&used, settings.weights);
    let terms = Terms { boundary: settings.boundary, level: level_tolerance(&used) };

    let mut laws = Vec::new();
    for kind in ModelKind::ALL {
        match Law::fit(kind, &data, terms) {
            Ok(law) => laws.push((kind, law)),
            Err(why) => report.refused.push(Refusal { model: kind, why }),
        }
    }
    let scores: Vec<Option<f64>> =
        laws.iter().map(|(_, law)| aicc(data.rss(|n| law.at(n)), data.len(), law.params())).collect();
    report.chosen = choose(&laws, &scores);
    if report.chosen.is_none() && !laws.is_empty() {
        report.notes.push(format!(
            "{} core counts cannot tell a straight line from Amdahl's law: AICc needs five; shown for orientation only",
            data.len()
        ));
    }
    let least = scores.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let mut peaks = Vec::new();
    for ((kind, law), score) in laws.iter().zip(&scores) {
        let replicates = bootstrap::replicates(*kind, law, &data, &used, terms, settings);
        let mut model = describe(*kind, law, &data, &replicates);
        model.aicc = *score;
        model.delta_aicc = score.map(|score| score - least);
        model.held_out_error = held_out_error(*kind, &data, terms);
        report.fits.push(model);
        if *kind == ModelKind::Usl {
            peaks = replicates.peaks();
        }
    }
    judge_usl(&mut report, &data, &laws, &peaks);
    report.notes.extend(misfit_notes(&report));
    report
}

/// What a reader must know about the chosen model before believing it.
fn misfit_notes(report: &FitReport) -> Vec<String> {
    let mut notes = Vec::new();
    let sigma = |fit: &ModelFit| fit.params.iter().find(|param| param.name == "sigma").and_then(|p| p.unconstrained);
    if let Some(sigma) = report.get(ModelKind::Amdahl).and_then(sigma).filter(|sigma| *sigma < -0.001) {
        notes.push(format!(
            "MAT grows faster than cores (σ would be {sigma:.3}), which no model with σ ≥ 0 describes; one queue for all cores at a tight SLO does this"
        ));
    }
    if let Some(error) = report.best().and_then(|fit| fit.held_out_error).filter(|error| *error > POOR) {
        notes.push(format!(
            "the chosen model predicts core counts it has not seen with an error of {:.0} %",
            error * 100.0
        ));
    }
    notes
}

/// How level the points of a plateau must be: 2 %, or four of their own relative errors where those are known.
fn level_tolerance(used: &[Observation]) -> f64 {
    let largest = used.iter().filter_map(|o| o.rel_error).fold(0.0, f64::max);
    LEVEL.max(4.0 * largest)
}

/// The simplest model within the margin of the best. None unless a curved model could be scored too: a straight line
/// must not win because nobody else could run.
fn choose(laws: &[(ModelKind, Law)], scores: &[Option<f64>]) -> Option<ModelKind> {
    let scored = |wanted| laws.iter().zip(scores).any(|((kind, _), score)| *kind == wanted && score.is_some());
    if !scored(ModelKind::Linear) || !scored(ModelKind::Amdahl) {
        return None;
    }
    let least = scores.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let near = laws.iter().zip(scores).filter(|(_, score)| score.is_some_and(|score| score <= least + AICC_MARGIN));
    near.min_by_key(|((kind, law), _)| (law.params(), *kind)).map(|((kind, _), _)| *kind)
}

fn censoring_notes(observations: &[Observation]) -> Vec<String> {
    let censored: Vec<String> = observations.iter().filter(|o| o.at_least).map(|o| o.cores.to_string()).collect();
    if censored.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "at {} cores the generator gave out first: the MAT is at least what is shown, and the point is in no fit",
        censored.join(", ")
    )]
}

fn method(used: &[Observation], settings: &FitSettings) -> String {
    let scheme = bootstrap::scheme(used);
    format!(
        "Levenberg–Marquardt on the medians, {}, γ free, σ and κ ≥ 0; simplest model within {AICC_MARGIN} AICc of the best; 95 % percentile intervals from {} bootstrap replicates ({scheme}, seed {})",
        settings.weights.describe(),
        settings.replicates,
        settings.seed
    )
}

/// A fitted law as plain data, in the units of the observations.
fn describe(kind: ModelKind, law: &Law, data: &Data, replicates: &Replicates) -> ModelFit {
    let scale = data.scale;
    let unconstrained = match law {
        Law::Usl { free, .. } => usl::fit_unconstrained(data, *free),
        _ => None,
    };
    let mut params = Vec::new();
    let mut push = |name: &str, unit: &str, factor: f64, value: f64, free: Option<f64>| {
        let moved = free.filter(|free| (free - value).abs() > 1e-6 * value.abs().max(1e-6));
        params.push(Param {
            name: name.to_owned(),
            unit: unit.to_owned(),
            value: value * factor,
            ci95: replicates.interval(name).map(|[low, high]| [low * factor, high * factor]),
            unconstrained: moved.map(|free| free * factor),
            identified: true,
        });
    };
    match law {
        Law::Usl { usl, free } | Law::Capped { usl, free, .. } => {
            push("gamma", "per second per core", scale, usl.gamma, unconstrained.map(|u| u.gamma));
            if free.sigma {
                push("sigma", "share", 1.0, usl.sigma, unconstrained.map(|u| u.sigma));
            }
            if free.kappa {
                push("kappa", "share", 1.0, usl.kappa, unconstrained.map(|u| u.kappa));
            }
        }
        Law::Segments { gamma, delta, .. } => {
            push("gamma", "per second per core", scale, *gamma, None);
            push("delta", "per second per core", scale, *delta, None);
        }
    }
    if let Law::Capped { cap, .. } = law {
        push("cap", "per second", scale, *cap, None);
    }
    let ceiling_per_s = match law {
        Law::Capped { cap, .. } => Some(cap * scale),
        Law::Usl { usl, free } if *free == Free::AMDAHL && usl.sigma > 0.0 => Some(usl.gamma / usl.sigma * scale),
        _ => None,
    };
    if let Law::Segments { boundary, .. } = law {
        let unit = "cores".to_owned();
        let name = "boundary".to_owned();
        params.push(Param { name, unit, value: *boundary, ci95: None, unconstrained: None, identified: true });
    }
    let rss = data.rss(|n| law.at(n));
    let (points, line) = (data.len(), line(law, data));
    let mut notes = Vec::new();
    if let Some(sigma) = unconstrained.map(|u| u.sigma).filter(|sigma| *sigma < -1e-6) {
        notes.push(format!(
            "without the constraint σ would be {sigma:.4}: the data are superlinear, or the smallest core count is too slow"
        ));
    }
    ModelFit {
        model: kind,
        params,
        points,
        rss,
        aicc: None,
        delta_aicc: None,
        peak: None,
        peak_refused: None,
        ceiling_per_s,
        held_out_error: None,
        line,
        notes,
    }
}

/// The law from 1 to the largest tested core count, in 64 steps.
fn line(law: &Law, data: &Data) -> Vec<[f64; 2]> {
    const STEPS: usize = 64;
    let last = data.n.last().copied().unwrap_or(1.0);
    let n = |i: usize| 1.0 + (last - 1.0) * i as f64 / STEPS as f64;
    (0..=STEPS).map(|i| [n(i), law.at(n(i)) * data.scale]).collect()
}

/// Root mean square of the relative error when each core count in turn is predicted from the others.
fn held_out_error(kind: ModelKind, data: &Data, terms: Terms) -> Option<f64> {
    let mut sum = 0.0;
    for i in 0..data.len() {
        let law = Law::fit(kind, &data.without(i), terms.relaxed()).ok()?;
        sum += (law.at(data.n[i]) / data.x[i] - 1.0).powi(2);
    }
    Some((sum / data.len() as f64).sqrt())
}

/// κ and the peak are stated only when the data carry them.
fn judge_usl(report: &mut FitReport, data: &Data, laws: &[(ModelKind, Law)], peaks: &[(f64, Option<f64>)]) {
    let Some((_, law @ Law::Usl { usl, .. })) = laws.iter().find(|(kind, _)| *kind == ModelKind::Usl) else { return };
    let score = |kind| report.get(kind).and_then(|fit: &ModelFit| fit.aicc);
    let refused = match (score(ModelKind::Amdahl), score(ModelKind::Usl)) {
        _ if usl.kappa <= 0.0 => Some("κ = 0: throughput does not fall within the tested range".to_owned()),
        (Some(amdahl), Some(usl)) if usl < amdahl - AICC_MARGIN => None,
        (Some(amdahl), Some(usl)) => Some(format!(
            "κ is not identified: USL must beat Amdahl by more than {AICC_MARGIN} AICc and does so by {:.1}",
            amdahl - usl
        )),
        _ => Some(format!("κ is not identified: {} core counts are too few for AICc", data.len())),
    };
    let refused = refused.or_else(|| match report.chosen {
        Some(ModelKind::UslCapped) => Some("a cap explains the plateau better than a peak".to_owned()),
        Some(ModelKind::TwoSegments) => Some("a socket boundary explains the bend better than a peak".to_owned()),
        _ => unstable_peak(data),
    });
    let largest = data.n.last().copied().unwrap_or(1.0);
    let Some(fit) = report.fits.iter_mut().find(|fit| fit.model == ModelKind::Usl) else { return };
    match (refused, usl.peak()) {
        (None, Some(cores)) if cores.is_finite() => {
            let extrapolated = cores > EXTRAPOLATION * largest;
            if extrapolated {
                fit.notes
                    .push(format!("N* = {cores:.0} lies outside the tested range, which ends at {largest:.0} cores"));
            }
            let mats: Vec<f64> = peaks.iter().filter_map(|(_, mat)| *mat).collect();
            fit.peak = Some(Peak {
                cores,
                cores_ci95: bootstrap::interval(peaks.iter().map(|(cores, _)| *cores).collect())
                    .map(|[low, high]| (low, high.is_finite().then_some(high))),
                mat_per_s: law.at(cores) * data.scale,
                mat_ci95: bootstrap::interval(mats).map(|ci| ci.map(|mat| mat * data.scale)),
                extrapolated,
            });
        }
        (None, _) => fit.peak_refused = Some("σ ≥ 1: more than one core only costs".to_owned()),
        (Some(why), _) => {
            for param in fit.params.iter_mut().filter(|param| param.name == "kappa") {
                param.identified = false;
            }
            fit.peak_refused = Some(why);
        }
    }
}

/// Whether N* hangs on a single core count.
fn unstable_peak(data: &Data) -> Option<String> {
    let peak = |data: &Data| usl::fit(data, Free::USL).and_then(|usl| usl.peak());
    let all = peak(data)?;
    for i in 0..data.len() {
        let without = peak(&data.without(i))?;
        if (without / all - 1.0).abs() > LEAVE_ONE_OUT {
            let shown = if without.is_finite() { format!("{without:.0}") } else { "∞".to_owned() };
            return Some(format!("N* is not stable: without {:.0} cores it moves from {all:.0} to {shown}", data.n[i]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(n: usize) -> f64 {
        let n = n as f64;
        1000.0 * n / (1.0 + 0.03 * (n - 1.0) + 1e-3 * n * (n - 1.0))
    }

    fn curve(cores: &[usize], noise: f64) -> Vec<Observation> {
        let mut sign = 1.0;
        let mut point = |n: &usize| {
            sign = -sign;
            let mat = law(*n) * (1.0 + sign * noise);
            Observation { replicates: vec![mat * 0.99, mat, mat * 1.01], ..Observation::new(*n, mat) }
        };
        cores.iter().map(&mut point).collect()
    }

    #[test]
    fn an_identified_peak_is_stated_with_its_interval() {
        let report = fit(&curve(&[1, 2, 4, 8, 16, 24, 32, 48, 64], 0.005), &FitSettings::default());
        assert_eq!(report.chosen, Some(ModelKind::Usl));
        let peak = report.best().unwrap().peak.clone().unwrap();
        let truth = (0.97f64 / 1e-3).sqrt();
        let (low, high) = peak.cores_ci95.unwrap();
        assert!(low < truth && truth < high.unwrap() && high.unwrap() / low < 1.3, "{peak:?}");
        assert!(!peak.extrapolated && peak.mat_ci95.is_some());
        assert!(report.method.contains("repetitions redrawn within each core count"));
        assert!(report.best().unwrap().held_out_error.unwrap() < 0.05);
    }

    #[test]
    fn the_same_seed_gives_the_same_report() {
        let points = curve(&[1, 2, 4, 8, 16, 32], 0.01);
        let settings = FitSettings { replicates: 200, seed: 7, ..FitSettings::default() };
        assert_eq!(fit(&points, &settings), fit(&points, &settings));
        assert_ne!(fit(&points, &settings), fit(&points, &FitSettings { seed: 8, ..settings }));
    }

    #[test]
    fn a_peak_beyond_the_tested_range_is_called_an_extrapolation() {
        let report = fit(&curve(&[1, 2, 3, 4, 6, 8, 10, 12, 14, 16], 0.0002), &FitSettings::default());
        let fit = report.get(ModelKind::Usl).unwrap();
        assert!(fit.peak.as_ref().unwrap().extrapolated);
        assert!(fit.notes.iter().any(|note| note.contains("outside the tested range")), "{:?}", fit.notes);
    }

    #[test]
    fn a_point_where_the_generator_gave_out_is_in_no_fit() {
        let mut points = curve(&[1, 2, 4, 8, 16, 32], 0.0);
        points[5].at_least = true;
        points[5].mat_per_s = 1.0;
        let report = fit(&points, &FitSettings::default());
        assert_eq!(report.fits[0].points, 5);
        assert!(report.notes[0].contains("at 32 cores the generator gave out first"));
    }

    #[test]
    fn one_core_count_refuses_everything_with_reasons() {
        let report = fit(&curve(&[1], 0.0), &FitSettings::default());
        assert!(report.chosen.is_none() && report.fits.is_empty());
        assert_eq!(report.refused.len(), ModelKind::ALL.len());
        assert_eq!(report.refused[0].why, "1 core count, but 1-parameter fits take at least 2");
        assert_eq!(fit(&[], &FitSettings::default()).refused.len(), ModelKind::ALL.len());
    }

    #[test]
    fn three_core_counts_are_shown_for_orientation_and_nothing_is_chosen() {
        let report = fit(&curve(&[1, 2, 4], 0.0), &FitSettings::default());
        assert!(report.chosen.is_none() && report.get(ModelKind::Amdahl).is_some());
        assert!(report.notes.iter().any(|note| note.contains("cannot tell a straight line")));
    }

    #[test]
    fn a_straight_line_does_not_win_for_want_of_rivals() {
        let report = fit(&curve(&[1, 2, 4, 32], 0.0), &FitSettings::default());
        assert!(report.chosen.is_none() && report.get(ModelKind::Linear).unwrap().aicc.is_some());
        assert!(report.notes.iter().any(|note| note.contains("AICc needs five")), "{:?}", report.notes);
    }

    #[test]
    fn superlinear_growth_is_named() {
        let points: Vec<Observation> =
            [1usize, 2, 4, 8, 16, 32].map(|n| Observation::new(n, 5e3 * n as f64 * (1.0 - 0.46 / n as f64))).into();
        let report = fit(&points, &FitSettings::default());
        assert!(report.notes.iter().any(|note| note.contains("grows faster than cores")), "{:?}", report.notes);
    }

    #[test]
    fn a_peak_that_hangs_on_one_point_is_refused() {
        let mut points: Vec<Observation> =
            [1, 2, 4, 8, 12, 16, 20, 24].map(|n| Observation::new(n, 100.0 * n as f64)).into();
        points[7].mat_per_s = 1500.0;
        let report = fit(&points, &FitSettings { replicates: 0, ..FitSettings::default() });
        assert!(report.get(ModelKind::Usl).unwrap().peak.is_none());
    }

    #[test]
    fn coherency_that_would_be_zero_makes_the_interval_one_sided() {
        // Amdahl with noise: many replicates have κ = 0 and so no peak.
        let flat = |n: usize| 1000.0 * n as f64 / (1.0 + 0.05 * (n as f64 - 1.0));
        let points: Vec<Observation> =
            [1, 2, 4, 8, 16, 32].map(|n| Observation { rel_error: Some(0.03), ..Observation::new(n, flat(n)) }).into();
        let data = Data::new(&points, Weights::Relative);
        let terms = Terms { boundary: None, level: 0.02 };
        let law = Law::fit(ModelKind::Usl, &data, terms).unwrap();
        let redrawn = bootstrap::replicates(ModelKind::Usl, &law, &data, &points, terms, &FitSettings::default());
        let [low, high] = bootstrap::interval(redrawn.peaks().iter().map(|(cores, _)| *cores).collect()).unwrap();
        assert!(low.is_finite() && high.is_infinite(), "{low} {high}");
    }
}
