//! The search against queues whose MAT is known, over many seeds, and the search everybody writes first beside it.

use std::time::Instant;

use corecurve_analysis::oracle::mat_at;
use corecurve_analysis::search::{Hints, MatSearch, NaiveSearch};
use corecurve_analysis::stats::{mean, median};
use corecurve_core::rng::mix;
use corecurve_core::{ArrivalKind, Mat, Problem, Rate, Search, Slo};
use corecurve_report::terminal::Check;
use corecurve_sim::{KNOWN, Known, sim_target};
use rayon::prelude::*;

use super::Context;
use super::lab::{Lab, settings};

/// Share of seeds whose 95 % interval must hold the truth.
const LEAST_COVERAGE: f64 = 0.93;
/// Largest mean error of the estimate.
const MOST_BIAS: f64 = 0.005;
/// Largest median width of the interval, relative to the estimate.
const MOST_WIDTH: f64 = 0.04;

/// A queue and the answer to its question.
struct Truth {
    known: &'static Known,
    slo: Slo,
    mat_per_s: f64,
    capacity_per_s: f64,
}

/// What a search did over all seeds.
struct Score {
    coverage: f64,
    bias: f64,
    width: f64,
}

/// A row for each property of each queue; the plain search is shown beside ours and judged by nobody.
pub fn search(context: &Context) -> Result<Vec<Check>, Problem> {
    let mut checks = Vec::new();
    for known in KNOWN {
        let truth = truth(known)?;
        let begun = Instant::now();
        let ours = score(&truth, context, false)?;
        let between = begun.elapsed();
        let plain = score(&truth, context, true)?;
        eprintln!(
            " {}: {} seeds in {:.1} s, plain search {} seeds in {:.1} s",
            known.name,
            context.seeds,
            between.as_secs_f64(),
            plain_seeds(context.seeds),
            (begun.elapsed() - between).as_secs_f64()
        );
        let beside = |text: String, plain: String| format!("{text} (plain {plain})");
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let fine = |share: f64| format!("{:+.2} %", 100.0 * share);
        let name = known.name;
        checks.push(Check {
            what: format!("{name}: intervals that hold the MAT"),
            expected: "95 %".to_owned(),
            seen: beside(percent(ours.coverage), percent(plain.coverage)),
            tolerance: format!("≥ {}", percent(LEAST_COVERAGE)),
            pass: ours.coverage >= LEAST_COVERAGE,
        });
        checks.push(Check {
            what: format!("{name}: bias"),
            expected: "0 %".to_owned(),
            seen: beside(fine(ours.bias), fine(plain.bias)),
            tolerance: format!("± {:.1} %", 100.0 * MOST_BIAS),
            pass: ours.bias.abs() <= MOST_BIAS,
        });
        checks.push(Check {
            what: format!("{name}: median width"),
            expected: "narrow".to_owned(),
            seen: beside(percent(ours.width), percent(plain.width)),
            tolerance: format!("≤ {}", percent(MOST_WIDTH)),
            pass: ours.width <= MOST_WIDTH,
        });
    }
    Ok(checks)
}

fn truth(known: &'static Known) -> Result<Truth, Problem> {
    let slo: Slo = known.slo.parse()?;
    let law = sim_target(known.sim, &known.settings())?.law(known.cores)?;
    let missing = || Problem::new(format!("{} has no closed form", known.name));
    let law = law.ok_or_else(missing)?;
    let mat_per_s = mat_at(&law, &slo).ok_or_else(missing)?;
    Ok(Truth { known, slo, mat_per_s, capacity_per_s: law.capacity_per_s() })
}

fn score(truth: &Truth, context: &Context, plain: bool) -> Result<Score, Problem> {
    let seeds = 0..if plain { plain_seeds(context.seeds) } else { context.seeds };
    let mats: Vec<Mat> =
        seeds.into_par_iter().map(|n| one(truth, mix(context.seed, n), plain)).collect::<Result<_, _>>()?;
    let relative = |value: f64| value / truth.mat_per_s;
    let ratio = |mat: &Mat| relative(mat.mat_per_s.unwrap_or(0.0));
    let interval = |mat: &Mat| mat.ci95.map_or([0.0; 2], |ci| ci.map(relative));
    let of = |f: &dyn Fn(&Mat) -> f64| mats.iter().map(f).collect::<Vec<f64>>();
    let covered = |mat: &Mat| if (interval(mat)[0]..=interval(mat)[1]).contains(&1.0) { 1.0 } else { 0.0 };
    let width = |mat: &Mat| (interval(mat)[1] - interval(mat)[0]) / ratio(mat).max(1e-9);
    Ok(Score {
        coverage: mean(&of(&covered)).unwrap_or(0.0),
        bias: mean(&of(&ratio)).unwrap_or(0.0) - 1.0,
        width: median(&of(&width)).unwrap_or(f64::INFINITY),
    })
}

/// The plain search stands beside ours to be looked at; a tenth of the seeds shows what it is.
fn plain_seeds(seeds: u64) -> u64 {
    (seeds / 10).max(seeds.min(50))
}

fn one(truth: &Truth, seed: u64, plain: bool) -> Result<Mat, Problem> {
    let known = truth.known;
    let mut lab = Lab::new(known.sim, &known.settings(), known.cores, seed)?;
    let hints = Hints { cores: known.cores, rate_cap: None };
    let mut ours = MatSearch::new(&[truth.slo], ArrivalKind::Poisson, settings(), hints);
    let mut naive = NaiveSearch::new(truth.slo, Rate(0.1 * truth.capacity_per_s));
    let search: &mut dyn Search = if plain { &mut naive } else { &mut ours };
    lab.search(search)?.into_iter().next().ok_or_else(|| Problem::new("a search without an answer"))
}
