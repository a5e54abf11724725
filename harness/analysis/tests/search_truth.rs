//! The search against queues whose MAT is known in closed form: coverage, bias and width over many seeds.
//!
//! `SEEDS=1000 cargo test --release -p corecurve-analysis --test search_truth -- --nocapture` prints the full table.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use corecurve_analysis::oracle::mat_at;
use corecurve_analysis::search::{Hints, MatSearch, NaiveSearch};
use corecurve_analysis::stats::{mean, median};
use corecurve_core::{ArrivalKind, Rate, Search, Slo};
use corecurve_sim::{KNOWN, Known, sim_target};
use rayon::prelude::*;
use support::{Bench, mats, settings};

struct Row {
    name: &'static str,
    covered: f64,
    bias: f64,
    width: f64,
    trials: f64,
    operations: f64,
    converged: f64,
    spread: f64,
}

fn row(known: &'static Known, seeds: u64, naive: bool) -> Row {
    let slo: Slo = known.slo.parse().unwrap();
    let law = sim_target(known.sim, &known.settings()).unwrap().law(known.cores).unwrap().unwrap();
    let truth = mat_at(&law, &slo).unwrap();
    let first: u64 = std::env::var("FIRST").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let runs: Vec<(f64, [f64; 2], u64, u64, bool)> = (first..first + seeds)
        .into_par_iter()
        .map(|seed| {
            let mut bench = Bench::new(known.sim, &known.settings(), known.cores, seed * 7919 + 1);
            let hints = Hints { cores: known.cores, rate_cap: None };
            let mut ours = MatSearch::new(&[slo], ArrivalKind::Poisson, settings(), hints);
            let mut plain = NaiveSearch::new(slo, Rate(0.1 * law.capacity_per_s()));
            let search: &mut dyn Search = if naive { &mut plain } else { &mut ours };
            let (end, records) = bench.search(search);
            let mat = &mats(end)[0];
            let estimate = mat.mat_per_s.unwrap_or(f64::NAN) / truth;
            if std::env::var("TRACE").is_ok_and(|t| {
                t == seed.to_string()
                    || (t == "bad" && (estimate - 1.0).abs() > 0.03)
                    || (t == "stuck" && !mat.kind.is_regular())
            }) {
                println!(
                    "{} seed {seed} {} {:?} {:?}\n{}",
                    known.name,
                    truth,
                    mat.kind,
                    mat.ci95,
                    support::describe(&records)
                );
            }
            let ci = mat.ci95.map_or([f64::NAN; 2], |ci| ci.map(|end| end / truth));
            (estimate, ci, records.len() as u64, bench.operations, mat.kind.is_regular())
        })
        .collect();
    let of = |f: &dyn Fn(&(f64, [f64; 2], u64, u64, bool)) -> f64| runs.iter().map(f).collect::<Vec<f64>>();
    let estimates = of(&|r| r.0);
    Row {
        name: known.name,
        covered: mean(&of(&|r| f64::from(u8::from(r.1[0] <= 1.0 && 1.0 <= r.1[1])))).unwrap(),
        bias: mean(&estimates).unwrap() - 1.0,
        width: median(&of(&|r| (r.1[1] - r.1[0]) / r.0)).unwrap(),
        trials: mean(&of(&|r| r.2 as f64)).unwrap(),
        operations: mean(&of(&|r| r.3 as f64)).unwrap(),
        converged: mean(&of(&|r| f64::from(u8::from(r.4)))).unwrap(),
        spread: corecurve_analysis::stats::variance(&estimates).unwrap().sqrt(),
    }
}

fn table(seeds: u64, which: &[&str], naive: bool) -> Vec<Row> {
    println!(
        "{:<20} covered    bias   width  spread  trials  k-ops regular  s/1000",
        if naive { "double, bisect" } else { "MatSearch" }
    );
    KNOWN
        .iter()
        .filter(|known| which.is_empty() || which.contains(&known.name))
        .filter(|known| std::env::var("ONLY").is_ok_and(|only| only != known.name) == false)
        .map(|known| {
            let begun = std::time::Instant::now();
            let row = row(known, seeds, naive);
            println!(
                "{:<20} {:6.1} % {:+6.2}% {:6.2}% {:6.2}% {:7.1} {:6.0} {:6.1}% {:7.1}",
                row.name,
                100.0 * row.covered,
                100.0 * row.bias,
                100.0 * row.width,
                100.0 * row.spread,
                row.trials,
                row.operations / 1e3,
                100.0 * row.converged,
                begun.elapsed().as_secs_f64() * 1000.0 / seeds as f64
            );
            row
        })
        .collect()
}

#[test]
fn the_interval_covers_the_known_answer() {
    let seeds: Option<u64> = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let which: &[&str] = if seeds.is_some() { &[] } else { &["M/M/1", "M/M/16 shared", "M/D/1"] };
    if std::env::var("NAIVE").is_ok() {
        table(seeds.unwrap_or(40), which, true);
        return;
    }
    for row in table(seeds.unwrap_or(40), which, false) {
        // With 40 seeds, 93 % true coverage falls below 80 % once in several hundred runs; the seeds are fixed.
        let least = if seeds.is_some_and(|seeds| seeds >= 300) { 0.93 } else { 0.8 };
        assert!(row.covered >= least, "{}: covered {}", row.name, row.covered);
        assert!(row.bias.abs() <= 0.005, "{}: bias {}", row.name, row.bias);
        assert!(row.width <= 0.04, "{}: width {}", row.name, row.width);
    }
}
