//! Lines for the progress of a run. Who prints them when is the command line's business.

use corecurve_core::{MatRecord, Nanos, Purpose, Rate, TrialRecord};

use crate::text::{bad_share, duration, mat_cell, plain, plain_long, rate_interval, small_share, time};

/// A finished trial in a line: `search #0.3  18.2 k/s  p50 61.0 µs  p99 0.94 ms  ✓`.
pub fn trial_line(trial: &TrialRecord) -> String {
    let purpose = match trial.purpose {
        Purpose::Fixed => "fixed",
        Purpose::NoLoad => "no load",
        Purpose::Probe => "probe",
        Purpose::Search => "search",
        Purpose::Confirm => "confirm",
        Purpose::Perturb => "other load threads",
        Purpose::Profile => "profile",
    };
    let bad = bad_share(trial);
    let failed = if bad > 0.0 { format!("  not ok {}", small_share(bad)) } else { String::new() };
    let verdict = match trial.invalid_reasons.first() {
        Some(reason) if !trial.valid => format!("✗ {}", reason.rule.name()),
        None if !trial.valid => "✗ invalid".to_owned(),
        _ => "✓".to_owned(),
    };
    let (offered, p50, p99) = (Rate(trial.offered_per_s), time(trial.latency_ns.p50), time(trial.latency_ns.p99));
    format!(
        "{purpose:<7} #{}.{:<2} {offered:>9}  p50 {p50:>8}  p99 {p99:>8}{failed}  {verdict}",
        trial.rep, trial.trial
    )
}

/// The answer of a finished search in a line: `MAT 18.2 k/s [17.9 … 18.5 k/s] at p99<5ms, 14 trials`.
pub fn mat_line(record: &MatRecord) -> String {
    let mat = &record.mat;
    let interval = if mat.ci95.is_some() { format!(" [{}]", rate_interval(mat.ci95)) } else { String::new() };
    let sign = if mat.valid { "✓" } else { "✗" };
    format!("{sign} MAT {}{interval} at {}, {} trials", mat_cell(mat), mat.slo, mat.trials)
}

/// Why a search or trial was struck out, one line per reason; empty when it was not.
pub fn struck_line(record: &MatRecord) -> Vec<String> {
    record.mat.invalid_reasons.iter().map(|reason| format!("✗ {}", plain_long(&reason.to_string(), 400))).collect()
}

/// Where a run is: `41/90  nginx on 16 cores  12 min 05 s gone, about 4 min 10 s left`.
pub fn elapsed_line(done: usize, of: usize, doing: &str, gone: Nanos, expected: Nanos) -> String {
    let left = expected.saturating_sub(gone);
    let digits = of.to_string().len();
    let left = if left == Nanos::ZERO { "nearly done".to_owned() } else { format!("about {} left", duration(left)) };
    format!("{done:>digits$}/{of}  {}  {} gone, {left}", plain(doing), duration(gone))
}
