//! The whole pipeline on simulated targets: one search each at 16 cores, and the same again to the bit.

use corecurve_analysis::search::{Hints, MatSearch};
use corecurve_core::{ArrivalKind, Mat, Problem, Settings, Slo};
use corecurve_report::terminal::Check;

use super::lab::{Lab, settings};
use super::{Context, near};

const CORES: usize = 16;

/// Load a 16-core server carries at p99 < 10 mean service times, in percent of its capacity, by its queues.
const EXPECTED: [(&str, &str, f64); 2] =
    [("sim:partitioned", "16 queues, one per core", 53.9), ("sim:mmc", "one shared queue", 96.8)];

/// Partitioned and shared queues at the same SLO, in percent of capacity.
pub fn sim(context: &Context) -> Result<Vec<Check>, Problem> {
    let mut checks = Vec::new();
    for (name, words, expected) in EXPECTED {
        let mat = find(name, context.seed)?;
        let again = find(name, context.seed)?;
        let capacity = CORES as f64 * 1e9 / 200_000.0;
        let share = |rate: f64| 100.0 * rate / capacity;
        let seen = mat.mat_per_s.map_or(f64::NAN, share);
        checks.push(near(format!("{CORES} cores at p99<10x, {words}"), expected, seen, 1.0, |v| format!("{v:.1} %")));
        let [low, high] = mat.ci95.map_or([f64::NAN; 2], |ci| ci.map(share));
        checks.push(Check {
            what: format!("{name}: its interval"),
            expected: "narrow".to_owned(),
            seen: format!("{low:.1} to {high:.1} %"),
            tolerance: "≤ 4 % wide".to_owned(),
            pass: (high - low) / seen <= 0.04,
        });
        checks.push(Check {
            what: format!("{name}: the same seed gives the same answer"),
            expected: "bit for bit".to_owned(),
            seen: if mat == again { "the same" } else { "another" }.to_owned(),
            tolerance: "none".to_owned(),
            pass: mat == again,
        });
    }
    Ok(checks)
}

fn find(name: &str, seed: u64) -> Result<Mat, Problem> {
    let slo: Slo = "p99<10x".parse()?;
    let mut lab = Lab::new(name, &Settings::new(), CORES, seed)?;
    let hints = Hints { cores: CORES, rate_cap: None };
    let mut search = MatSearch::new(&[slo], ArrivalKind::Poisson, settings(), hints);
    lab.search(&mut search)?.into_iter().next().ok_or_else(|| Problem::new("a search without an answer"))
}
