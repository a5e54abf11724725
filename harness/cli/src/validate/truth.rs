//! Checks against tables and data that others published, or that follow from a formula by hand.

use corecurve_analysis::models::{FitReport, FitSettings, ModelKind, Observation, Weights, fit};
use corecurve_analysis::oracle;
use corecurve_core::{ArrivalKind, Nanos, Problem, QueueLaw, Rate};
use corecurve_engine::recorder::Window;
use corecurve_engine::schedule::{Schedule, inspect};
use corecurve_report::terminal::Check;

use super::{Context, near};

/// Load at which the 99th percentile is k mean service times, in percent of capacity: cores sharing one queue,
/// then k = 6, 10, 20, 100. Exact M/M/c.
const SHARED_QUEUE: [(usize, [f64; 4]); 5] = [
    (1, [23.2, 53.9, 77.0, 95.4]),
    (2, [54.4, 75.8, 88.3, 97.7]),
    (4, [75.0, 87.5, 94.1, 98.8]),
    (8, [86.7, 93.6, 97.0, 99.4]),
    (16, [93.0, 96.8, 98.5, 99.7]),
];

/// Closed forms against the table.
pub fn oracle(_: &Context) -> Result<Vec<Check>, Problem> {
    let mean_ns = 200_000.0;
    let mut checks = Vec::new();
    for (servers, row) in SHARED_QUEUE {
        for (k, expected) in [6.0, 10.0, 20.0, 100.0].into_iter().zip(row) {
            let law = QueueLaw::Shared { mean_ns, servers };
            let mat = oracle::mat(&law, 0.99, k * mean_ns / 1e9).unwrap_or(f64::NAN);
            let seen = 100.0 * mat / law.capacity_per_s();
            checks.push(near(format!("M/M/{servers} at p99<{k}x"), expected, seen, 0.1, percent));
        }
    }
    Ok(checks)
}

/// A published data set and what a fit of it must give.
struct Golden {
    name: &'static str,
    data: &'static [(usize, f64)],
    model: ModelKind,
    expected: &'static [(&'static str, f64, f64)],
}

const GOLDEN: [Golden; 3] = [
    Golden {
        name: "SPEC SDM91",
        data: &[(1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2)],
        model: ModelKind::Usl,
        expected: &[("gamma", 89.995, 0.05), ("sigma", 0.02773, 1e-4), ("kappa", 1.0436e-4, 1e-6)],
    },
    Golden {
        name: "NGINX new connection per request",
        data: &[(1, 34_344.0), (2, 54_368.0), (4, 123_164.0), (8, 194_967.0), (16, 255_032.0), (32, 261_033.0)],
        model: ModelKind::Usl,
        expected: &[("sigma", 0.045, 0.01), ("kappa", 1.8e-3, 3e-4)],
    },
    Golden {
        name: "NGINX 100 KB, a plateau at the link",
        data: &[
            (1, 33_125.0),
            (2, 62_554.0),
            (4, 88_691.0),
            (8, 91_640.0),
            (16, 91_623.0),
            (32, 91_640.0),
            (36, 91_655.0),
        ],
        model: ModelKind::UslCapped,
        expected: &[("cap", 91_640.0, 300.0)],
    },
];

/// Fits of published curves.
pub fn models(context: &Context) -> Result<Vec<Check>, Problem> {
    let mut checks = Vec::new();
    for golden in &GOLDEN {
        let report = fit_golden(golden, context.seed);
        let found = report.get(golden.model);
        for (name, expected, tolerance) in golden.expected {
            let seen = found.and_then(|fit| fit.param(name)).unwrap_or(f64::NAN);
            checks.push(near(format!("{}: {name}", golden.name), *expected, seen, *tolerance, significant));
        }
    }
    let plateau = fit_golden(&GOLDEN[2], context.seed);
    checks.push(Check {
        what: "a plateau is not taken for a USL peak".to_owned(),
        expected: ModelKind::UslCapped.name().to_owned(),
        seen: plateau.chosen.map_or("no model".to_owned(), |kind| kind.name().to_owned()),
        tolerance: "exact".to_owned(),
        pass: plateau.chosen == Some(ModelKind::UslCapped),
    });
    Ok(checks)
}

/// Poisson arrivals: their law, and that a seed gives the same instants again.
pub fn schedule(context: &Context) -> Result<Vec<Check>, Problem> {
    let look = |seed: u64, workers: usize| {
        let schedule = Schedule { kind: ArrivalKind::Poisson, rate: Rate(50_000.0), seed, workers };
        inspect(&schedule, &Window::new(Nanos::SECOND * 10), Nanos::SECOND * 10)
    };
    let (first, again, other) = (look(context.seed, 2), look(context.seed, 2), look(context.seed + 1, 2));
    let ks = first.law.ks.unwrap_or(f64::NAN);
    let word = |same: bool| if same { "the same" } else { "another" }.to_owned();
    let mut checks = vec![
        Check {
            what: format!("Poisson gaps: Kolmogorov-Smirnov distance over {}", first.law.gaps),
            expected: "0".to_owned(),
            seen: significant(ks),
            tolerance: "≤ 0.02".to_owned(),
            pass: ks <= 0.02,
        },
        Check {
            what: "the same seed gives the same schedule (SHA-256)".to_owned(),
            expected: "the same".to_owned(),
            seen: word(first.sha256 == again.sha256),
            tolerance: "exact".to_owned(),
            pass: first.sha256 == again.sha256,
        },
        Check {
            what: "another seed gives another schedule".to_owned(),
            expected: "another".to_owned(),
            seen: word(first.sha256 == other.sha256),
            tolerance: "exact".to_owned(),
            pass: first.sha256 != other.sha256,
        },
    ];
    for ((dispersion, bins), ms) in first.law.dispersion.iter().zip([1, 10, 100]) {
        // The variance of an index of dispersion over n bins is 2/n.
        let tolerance = 4.0 * (2.0 / *bins as f64).sqrt();
        checks.push(near(
            format!("index of dispersion of counts over {ms} ms"),
            1.0,
            *dispersion,
            tolerance,
            significant,
        ));
    }
    Ok(checks)
}

fn fit_golden(golden: &Golden, seed: u64) -> FitReport {
    let observations: Vec<Observation> =
        golden.data.iter().map(|(cores, mat)| Observation::new(*cores, *mat)).collect();
    fit(&observations, &FitSettings { weights: Weights::Uniform, seed, ..FitSettings::default() })
}

fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v >= 1_000.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.3}"),
        v if v >= 1e-3 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}
