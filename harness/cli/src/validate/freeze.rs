//! A server stopped for 5 s of a 10 s run. Whoever waits for its answers before asking again never sees it.

use std::time::Duration;

use corecurve_core::{ArrivalKind, Load, Nanos, Problem, Quantile, Rate};
use corecurve_engine::trial::TrialOutput;
use corecurve_report::terminal::Check;

use rustix::process::{Pid, Signal, kill_process};

use super::bench::Bench;
use super::{Context, near};

const RATE: Rate = Rate(1_000.0);
const WINDOW: Nanos = Nanos(10_000_000_000);
const FROZEN: Duration = Duration::from_secs(5);
/// Warm-up of the trial, and a second of the window, before the freeze.
const BEFORE: Duration = Duration::from_millis(1_700);
/// Relative error allowed.
const TOLERANCE: f64 = 0.03;

/// Freezes the server and looks at the percentiles: operations due in the freeze wait for its end, so the share 0.5
/// of all operations has latencies uniform on 0 to 5 s.
pub fn freeze(_: &Context) -> Result<Vec<Check>, Problem> {
    let mut bench = Bench::start("plaintext", &[])?;
    let pid = bench.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let pid = pid.ok_or_else(|| Problem::new("the server has no process"))?;
    let freezer = std::thread::spawn(move || {
        std::thread::sleep(BEFORE);
        let stopped = kill_process(pid, Signal::STOP);
        std::thread::sleep(FROZEN);
        stopped.and(kill_process(pid, Signal::CONT))
    });
    let output = bench.trial(ArrivalKind::Uniform, Load::Open(RATE), WINDOW, &[Nanos::SECOND]);
    let frozen = freezer.join().map_err(|_| Problem::new("the thread that freezes the server failed"))?;
    bench.stop()?;
    frozen.map_err(|error| Problem::new(format!("the server could not be frozen: {error}")))?;
    let output = output?;
    let record = &output.record;
    // Percentile p of all operations is p' = (p - 0.5) / 0.5 of the frozen half.
    let expected = |p: f64| (p - 0.5) / 0.5 * FROZEN.as_secs_f64();
    let seconds = |quantile: Quantile| quantile.finite().map_or(f64::NAN, Nanos::as_secs_f64);
    let row = |name: &str, p: f64, seen: f64| {
        near(format!("{name} of 10 s at 1,000/s, frozen for 5 s"), expected(p), seen, expected(p) * TOLERANCE, |v| {
            format!("{v:.2} s")
        })
    };
    Ok(vec![
        row("p75", 0.75, p75(&output)),
        row("p90", 0.90, seconds(record.latency_ns.p90)),
        row("p99", 0.99, seconds(record.latency_ns.p99)),
        Check {
            what: "no operation is lost from the books".to_owned(),
            expected: "balanced".to_owned(),
            seen: format!(
                "{} scheduled, {} ok, {} bad",
                record.counts.scheduled,
                record.counts.ok,
                record.counts.bad()
            ),
            tolerance: "exact".to_owned(),
            pass: record.counts.balanced() && record.counts.scheduled > 0,
        },
    ])
}

/// The record has no p75, so it is taken from the stamps of the window's operations; the unanswered rank as +∞.
fn p75(output: &TrialOutput) -> f64 {
    let from = Nanos::from_secs_f64(output.record.warmup_s).0;
    let until = from + WINDOW.0;
    let rows = output.trace.iter().flatten().filter(|row| (from..until).contains(&row.intended_ns));
    let mut latencies: Vec<u64> =
        rows.map(|row| if row.done_ns == u64::MAX { u64::MAX } else { row.done_ns - row.intended_ns }).collect();
    latencies.sort_unstable();
    latencies.get(latencies.len() * 3 / 4).map_or(f64::NAN, |ns| Nanos(*ns).as_secs_f64())
}
