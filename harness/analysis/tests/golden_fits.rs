//! Published throughput curves, fitted: the parameters that others found for the same data must come out again.
//!
//! SDM91: the data set of the R package `usl`. Seastar: the httpd table of its wiki. NGINX: the vendor's own
//! tables of HTTP requests and connections per second. Figures are those of an independent fit of the same formula.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use corecurve_analysis::models::{FitReport, FitSettings, ModelFit, ModelKind, Observation, Weights, fit};

const NGINX_CORES: [usize; 7] = [1, 2, 4, 8, 16, 32, 36];

fn fitted(cores: &[usize], mats: &[f64], weights: Weights) -> FitReport {
    let points: Vec<Observation> = cores.iter().zip(mats).map(|(n, x)| Observation::new(*n, *x)).collect();
    fit(&points, &FitSettings { weights, replicates: 400, ..FitSettings::default() })
}

fn usl(report: &FitReport) -> &ModelFit {
    report.get(ModelKind::Usl).unwrap()
}

fn near(fit: &ModelFit, name: &str, expected: f64, tolerance: f64) {
    let seen = fit.param(name).unwrap();
    assert!((seen - expected).abs() <= tolerance, "{name}: {seen} and not {expected} ± {tolerance}");
}

/// N* = √((1−σ)/κ) of the fit, stated or not.
fn peak(fit: &ModelFit) -> f64 {
    ((1.0 - fit.param("sigma").unwrap()) / fit.param("kappa").unwrap()).sqrt()
}

fn aicc_gain(report: &FitReport) -> f64 {
    report.get(ModelKind::Amdahl).unwrap().aicc.unwrap() - usl(report).aicc.unwrap()
}

#[test]
fn sdm91_reproduces_the_r_package() {
    let report = fitted(
        &[1, 18, 36, 72, 108, 144, 216],
        &[64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2],
        Weights::Uniform,
    );
    let fit = usl(&report);
    near(fit, "gamma", 89.995, 0.0005);
    near(fit, "sigma", 0.02773, 0.000_005);
    near(fit, "kappa", 1.0436e-4, 0.0001e-4);
    assert!((peak(fit) - 96.5).abs() < 0.05);
    let (gamma, sigma, kappa) = (fit.params[0].value, fit.params[1].value, fit.params[2].value);
    let top = gamma * 96.52 / (1.0 + sigma * 95.52 + kappa * 96.52 * 95.52);
    assert!((top - 1884.0).abs() < 1.0, "{top}");
    // Seven points are too few: AICc prefers Amdahl by 3 although the data visibly fall, so no peak is stated.
    assert!((aicc_gain(&report) + 3.0).abs() < 0.1, "{}", aicc_gain(&report));
    assert_eq!(report.chosen, Some(ModelKind::Amdahl));
    assert!(fit.peak.is_none() && fit.peak_refused.as_ref().unwrap().contains("not identified"));
    assert!(!fit.params[2].identified);
}

#[test]
fn seastar_shows_that_weights_decide_an_unidentified_sigma() {
    let cores = [2, 4, 6, 8, 12, 16, 20, 24, 28, 32];
    let mats = [
        637_430.0,
        1_303_761.0,
        1_907_912.0,
        2_493_690.0,
        3_495_012.0,
        4_385_829.0,
        5_359_786.0,
        6_291_073.0,
        6_826_827.0,
        6_869_199.0,
    ];
    let relative = fitted(&cores, &mats, Weights::Relative);
    near(usl(&relative), "gamma", 325e3, 0.5e3);
    near(usl(&relative), "sigma", 0.0048, 0.000_05);
    near(usl(&relative), "kappa", 3.2e-4, 0.05e-4);
    assert!((peak(usl(&relative)) - 55.0).abs() < 1.0, "{}", peak(usl(&relative)));
    let uniform = fitted(&cores, &mats, Weights::Uniform);
    near(usl(&uniform), "sigma", 0.0, 0.0);
    assert!((usl(&uniform).params[1].unconstrained.unwrap() + 0.003).abs() < 0.0005);
    for report in [relative, uniform] {
        assert!(usl(&report).peak.is_none(), "σ and κ cannot be told apart here, so no peak");
    }
}

#[test]
fn nginx_0kb_is_amdahl() {
    let mats = [145_551.0, 249_293.0, 543_061.0, 1_048_421.0, 2_001_846.0, 3_019_182.0, 3_298_511.0];
    let report = fitted(&NGINX_CORES, &mats, Weights::Relative);
    near(report.get(ModelKind::Amdahl).unwrap(), "sigma", 0.0141, 0.000_05);
    assert!((aicc_gain(&report) + 10.8).abs() < 0.05, "{}", aicc_gain(&report));
    assert_eq!(report.chosen, Some(ModelKind::Amdahl));
}

#[test]
fn nginx_1kb_has_an_apparent_peak_that_is_refused() {
    let mats = [74_091.0, 131_466.0, 261_269.0, 524_745.0, 972_382.0, 1_316_362.0, 1_309_358.0];
    for weights in [Weights::Uniform, Weights::Relative] {
        let report = fitted(&NGINX_CORES, &mats, weights);
        near(usl(&report), "sigma", 0.0, 0.0);
        near(usl(&report), "kappa", 7e-4, 0.3e-4);
        assert!((36.5..38.5).contains(&peak(usl(&report))), "{}", peak(usl(&report)));
        assert!(usl(&report).peak.is_none());
    }
}

#[test]
fn nginx_100kb_is_a_link_and_no_peak() {
    let mats = [33_125.0, 62_554.0, 88_691.0, 91_640.0, 91_623.0, 91_640.0, 91_655.0];
    let report = fitted(&NGINX_CORES, &mats, Weights::Uniform);
    // What a USL alone would claim: nonsense, because the plateau is a pair of 40 Gb/s links.
    near(usl(&report), "kappa", 0.003, 0.0005);
    assert!((peak(usl(&report)) - 14.8).abs() < 0.05);
    assert_eq!(report.chosen, Some(ModelKind::UslCapped));
    let cap = report.best().unwrap().ceiling_per_s.unwrap();
    assert!((cap - 91_640.0).abs() < 10.0, "{cap}");
    assert!((cap * 100.0 * 1024.0 * 8.0 / 1e9 - 75.0).abs() < 0.5, "75 Gb/s");
    assert!(usl(&report).peak.is_none());
}

#[test]
fn nginx_connections_are_truly_retrograde() {
    let mats = [34_344.0, 54_368.0, 123_164.0, 194_967.0, 255_032.0, 261_033.0, 257_000.0];
    let six = fitted(&NGINX_CORES[..6], &mats[..6], Weights::Uniform);
    near(usl(&six), "sigma", 0.045, 0.0005);
    near(usl(&six), "kappa", 1.8e-3, 0.05e-3);
    assert!((22.0..23.0).contains(&peak(usl(&six))));
    assert!((22.0..23.0).contains(&peak(usl(&fitted(&NGINX_CORES[..6], &mats[..6], Weights::Relative)))));
    // With the seventh point the peak is identified, and its interval is the published one.
    let seven = fitted(&NGINX_CORES, &mats, Weights::Uniform);
    assert_eq!(seven.chosen, Some(ModelKind::Usl));
    let peak = usl(&seven).peak.clone().unwrap();
    let (low, high) = peak.cores_ci95.unwrap();
    assert!((23.0..24.0).contains(&peak.cores) && !peak.extrapolated, "{peak:?}");
    assert!((20.0..23.0).contains(&low) && (25.0..29.0).contains(&high.unwrap()), "{peak:?}");
}
