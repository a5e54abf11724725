//! How far repetitions scatter, and what that says about a median and about a ratio of medians.
//!
//! All arithmetic is on ln(MAT): MATs err by a share of themselves, and a ratio is a difference of logarithms.
//! A repetition has its own search error `s` (from its 95 % interval) and the restart's variation `b`; its variance is
//! `s² + b²`. `b²` is pooled over every cell of a run that was repeated at the same SLO, because two or three
//! repetitions of one cell say almost nothing about it. A percentile bootstrap of three values would be dishonest
//! (it is [min, max] and covers 75 % of the time), so the medians are redrawn from a normal sample of that variance, and the
//! variance itself is redrawn from its χ² distribution: the interval widens as Student's t does.

use corecurve_core::rng::{stream, unit_open};
use corecurve_core::{MatRecord, Rng};
use rand::Rng as _;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use crate::stats::{mean, variance};

/// Redrawn medians per interval.
pub const RESAMPLES: usize = 10_000;

/// Half of a 95 % normal interval, in standard errors.
const Z95: f64 = 1.959_964;

/// Degrees of freedom granted when restarts were hardly repeated anywhere: the restart's variation is then
/// assumed to be of the order of the search's own error: 4.30/√(1+q²) ≥ 1.96 up to q = 1.9 times that error.
const LEAST_FREEDOM: f64 = 2.0;

/// The usable answers of one cell at one SLO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// MAT of each repetition, per second.
    pub mats: Vec<f64>,
    /// Mean square of the repetitions' own standard errors, in ln.
    pub own_variance: f64,
}

impl Sample {
    /// From the usable ones among these records; empty when none is.
    pub fn of(records: &[MatRecord]) -> Sample {
        let usable = || records.iter().filter(|record| usable(record));
        let mats = usable().filter_map(|record| record.mat.mat_per_s).collect();
        let own: Vec<f64> = usable().map(|record| own_error(record).powi(2)).collect();
        Sample { mats, own_variance: mean(&own).unwrap_or(0.0) }
    }

    /// Number of repetitions.
    pub fn len(&self) -> usize {
        self.mats.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.mats.is_empty()
    }

    /// The median MAT, per second. Of an even number it is the geometric mean of the middle two, so that its
    /// logarithm is the median of logarithms.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.mats.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        match n {
            0 => None,
            n if n % 2 == 1 => Some(sorted[n / 2]),
            _ => Some((sorted[n / 2 - 1] * sorted[n / 2]).sqrt()),
        }
    }

    /// Unbiased variance of ln(MAT) over the repetitions; `None` of fewer than two.
    fn seen_variance(&self) -> Option<f64> {
        let ln_mats: Vec<f64> = self.mats.iter().map(|mat| mat.ln()).collect();
        variance(&ln_mats)
    }
}

/// Whether a repetition's answer may be used in medians, ratios and fits: valid, with a number, and the target's own.
pub fn usable(record: &MatRecord) -> bool {
    let number = record.mat.mat_per_s.is_some_and(|mat| mat.is_finite() && mat > 0.0);
    record.mat.valid && number && record.mat.kind != corecurve_core::MatKind::GeneratorLimited
}

/// Standard error of ln(MAT) as the search states it; zero without an interval.
fn own_error(record: &MatRecord) -> f64 {
    match record.mat.ci95 {
        Some([low, high]) if low > 0.0 && high >= low && high.is_finite() => (high / low).ln() / (2.0 * Z95),
        _ => 0.0,
    }
}

/// The restart's variation, pooled over cells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// b², in ln; never negative.
    pub between: f64,
    /// Degrees of freedom it rests on; 0 when nothing was repeated.
    pub freedom: f64,
}

impl Spread {
    /// Pools samples, each of one and the same thing repeated.
    pub fn pooled<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Spread {
        let (mut sum, mut freedom) = (0.0, 0.0);
        for sample in samples {
            let Some(seen) = sample.seen_variance() else { continue };
            let weight = (sample.len() - 1) as f64;
            sum += weight * (seen - sample.own_variance);
            freedom += weight;
        }
        let between = if freedom > 0.0 { (sum / freedom).max(0.0) } else { 0.0 };
        Spread { between, freedom }
    }

    /// The variance of one repetition of `sample` and its degrees of freedom. A sample that scatters more than
    /// the pool allows (F test at 1 %) stands on its own.
    fn of(self, sample: &Sample) -> Scale {
        let pooled = Scale {
            variance: sample.own_variance + self.between,
            freedom: self.freedom.max(LEAST_FREEDOM),
            pooled: true,
        };
        let Some(seen) = sample.seen_variance() else { return pooled };
        let freedom = (sample.len() - 1) as f64;
        let chance = FisherSnedecor::new(freedom, pooled.freedom).map_or(1.0, |f| f.sf(seen / pooled.variance));
        if pooled.variance > 0.0 && chance >= 0.01 {
            return pooled;
        }
        Scale { variance: seen.max(pooled.variance), freedom, pooled: false }
    }
}

/// The variance of one repetition and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    variance: f64,
    freedom: f64,
    pooled: bool,
}

/// A ratio of medians with its interval and the probability of a larger deviation from 1 by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The ratio.
    pub ratio: f64,
    /// 95 % interval.
    pub ci95: [f64; 2],
    /// Two-sided p-value of "the ratio is 1".
    pub p_value: f64,
}

/// 95 % interval of a median, as factors below and above it: `[0.98, 1.02]`. `None` of an empty sample.
///
/// A single repetition where nothing was repeated has only its search's own interval: ± 1.96 s.
/// Costs about a millisecond.
pub fn median_factors(sample: &Sample, spread: Spread, seed: u64) -> Option<[f64; 2]> {
    if sample.is_empty() {
        return None;
    }
    if sample.len() == 1 && spread.freedom == 0.0 {
        let half = Z95 * sample.own_variance.sqrt();
        return Some([(-half).exp(), half.exp()]);
    }
    let scale = spread.of(sample);
    let (mut gauss, error) = (Gauss::new(seed, 1), scale.variance.sqrt());
    let mut moved = || (gauss.stretch(scale.freedom) * error * gauss.median(sample.len())).abs();
    let half = upper(&mut (0..RESAMPLES).map(|_| moved()).collect::<Vec<f64>>());
    Some([(-half).exp(), half.exp()])
}

/// Median of B over median of A, with a 95 % interval from [`RESAMPLES`] redrawn pairs of medians.
/// `None` when either sample is empty. Costs about two milliseconds.
pub fn ratio(a: &Sample, b: &Sample, spread: Spread, seed: u64) -> Option<Judged> {
    let difference = (b.median()? / a.median()?).ln();
    let (of_a, of_b) = (spread.of(a), spread.of(b));
    let (mut gauss, shared) = (Gauss::new(seed, 2), of_a.pooled && of_b.pooled);
    let mut moved = || {
        let stretch_a = gauss.stretch(of_a.freedom);
        let stretch_b = if shared { stretch_a } else { gauss.stretch(of_b.freedom) };
        let moved_a = stretch_a * of_a.variance.sqrt() * gauss.median(a.len());
        (stretch_b * of_b.variance.sqrt() * gauss.median(b.len()) - moved_a).abs()
    };
    let mut drawn: Vec<f64> = (0..RESAMPLES).map(|_| moved()).collect();
    let half = upper(&mut drawn);
    let beyond = drawn.iter().filter(|moved| **moved >= difference.abs()).count();
    Some(Judged {
        ratio: difference.exp(),
        ci95: [(difference - half).exp(), (difference + half).exp()],
        p_value: (beyond + 1) as f64 / (RESAMPLES + 1) as f64,
    })
}

/// Standard normal numbers (Box & Muller 1958) and what is made of them.
struct Gauss {
    rng: Rng,
    spare: Option<f64>,
    scratch: Vec<f64>,
}

impl Gauss {
    fn new(seed: u64, label: u64) -> Gauss {
        Gauss { rng: stream(seed, label), spare: None, scratch: Vec::new() }
    }

    fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u, v) = (unit_open(self.rng.next_u64()), unit_open(self.rng.next_u64()));
        let (radius, (sine, cosine)) = ((-2.0 * u.ln()).sqrt(), (std::f64::consts::TAU * v).sin_cos());
        self.spare = Some(radius * sine);
        radius * cosine
    }

    /// Median of `n` of them. That of two is their mean.
    fn median(&mut self, n: usize) -> f64 {
        if n <= 2 {
            return self.next() / (n as f64).sqrt();
        }
        self.scratch.clear();
        for _ in 0..n {
            let drawn = self.next();
            self.scratch.push(drawn);
        }
        self.scratch.sort_unstable_by(f64::total_cmp);
        let (below, above) = (self.scratch[(n - 1) / 2], self.scratch[n / 2]);
        (below + above) / 2.0
    }

    /// √(ν/χ²_ν): how much larger the true standard deviation may be than the estimate.
    fn stretch(&mut self, freedom: f64) -> f64 {
        let chi_squared = if freedom <= 20.0 {
            // χ² of an even number is −2 ln of a product of uniforms; an odd one adds a squared normal.
            let whole = freedom.round() as u32;
            let odd = if whole % 2 == 1 { self.next().powi(2) } else { 0.0 };
            let product: f64 = (0..whole / 2).map(|_| unit_open(self.rng.next_u64())).product();
            odd - 2.0 * product.ln()
        } else {
            // Wilson & Hilferty 1931: the cube root of χ²/ν is nearly normal.
            let shrink = 2.0 / (9.0 * freedom);
            freedom * (1.0 - shrink + self.next() * shrink.sqrt()).max(0.05).powi(3)
        };
        (freedom / chi_squared.max(1e-12)).sqrt()
    }
}

/// The 95th percentile, without sorting everything. `values` is not empty.
fn upper(values: &mut [f64]) -> f64 {
    let at = (values.len() * 95).div_ceil(100).saturating_sub(1);
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

/// Holm's step-down correction (Holm 1979): adjusted p-values in the order given, each at most 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut running = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        running = running.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        adjusted[index] = running;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(own: f64, values: &[f64]) -> Sample {
        Sample { mats: values.to_vec(), own_variance: own * own }
    }

    /// Share of A/A ratios whose interval excludes 1, with `reps` a side, search error 1 % and restart error `b`.
    fn false_rate(reps: usize, b: f64, pairs: usize, label: u64) -> f64 {
        let mut gauss = Gauss::new(99, label);
        let mut draw = || {
            let noise = (0.01f64.powi(2) + b * b).sqrt();
            Sample { mats: (0..reps).map(|_| (noise * gauss.next()).exp()).collect(), own_variance: 1e-4 }
        };
        let mut wrong = 0;
        for i in 0..pairs {
            let (a, b) = (draw(), draw());
            let spread = Spread::pooled([&a, &b]);
            wrong += usize::from(ratio(&a, &b, spread, i as u64).unwrap().p_value < 0.05);
        }
        wrong as f64 / pairs as f64
    }

    #[test]
    fn intervals_cover_whatever_the_restarts_do() {
        for (reps, restart) in [(1, 0.019), (2, 0.0), (2, 0.05), (3, 0.05), (6, 0.05)] {
            let rate = false_rate(reps, restart, 200, (reps * 1000) as u64 + (restart * 100.0) as u64);
            // 200 pairs at a true 5 % give more than 10 % once in a thousand times.
            assert!(rate <= 0.10, "{reps} reps, restart error {restart}: {rate}");
        }
    }

    #[test]
    fn repeating_narrows_the_interval() {
        let width = |a: &Sample| {
            let [low, high] = median_factors(a, Spread::pooled([a]), 1).unwrap();
            (high / low).ln()
        };
        let two = width(&sample(0.01, &[99.0, 101.0]));
        let six = width(&sample(0.01, &[99.0, 101.0, 100.0, 99.5, 100.5, 100.0]));
        assert!(six < 0.6 * two, "{two} {six}");
        // One repetition has its own interval and no more.
        let [low, high] = median_factors(&sample(0.01, &[100.0]), Spread::default(), 1).unwrap();
        assert!(((high / low).ln() - 2.0 * 1.96 * 0.01).abs() < 1e-5);
        assert_eq!(median_factors(&Sample::default(), Spread::default(), 1), None);
    }

    #[test]
    fn a_cell_out_of_line_stands_on_its_own() {
        let calm: Vec<Sample> = (0..10).map(|_| sample(0.002, &[99.9, 100.0, 100.1])).collect();
        let wild = sample(0.002, &[80.0, 100.0, 125.0]);
        let spread = Spread::pooled(calm.iter());
        assert!(spread.of(&calm[0]).pooled && spread.freedom == 20.0);
        let scale = spread.of(&wild);
        assert!(!scale.pooled && scale.freedom == 2.0 && scale.variance.sqrt() > 0.2, "{scale:?}");
    }

    #[test]
    fn one_and_two_repetitions_have_the_interval_of_students_t() {
        // Median = mean there, so ± t(ν) √(v/n) is exact and the redrawn interval must meet it within 4 %.
        for (freedom, n) in [(2.0, 1), (3.0, 2), (8.0, 2), (40.0, 1)] {
            let sample = Sample { mats: vec![1.0; n], own_variance: 1e-4 };
            let [_, high] = median_factors(&sample, Spread { between: 3e-4, freedom }, 3).unwrap();
            let exact = crate::stats::t_quantile(0.975, freedom) * (4e-4 / n as f64).sqrt();
            assert!((high.ln() / exact - 1.0).abs() < 0.04, "{freedom} {n}: {} {exact}", high.ln());
        }
    }

    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), vec![0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.9, 0.8]), vec![1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let (a, b) = (sample(0.01, &[100.0, 101.0]), sample(0.01, &[90.0, 91.0]));
        let spread = Spread::pooled([&a, &b]);
        assert_eq!(ratio(&a, &b, spread, 5), ratio(&a, &b, spread, 5));
        let judged = ratio(&a, &b, spread, 5).unwrap();
        assert!((judged.ratio - 90.5 / 100.5).abs() < 1e-4, "{judged:?}");
    }
}
