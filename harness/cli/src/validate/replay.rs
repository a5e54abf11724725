//! The latency of every request against a replay: the same arrivals and the same measured services through Lindley's
//! recursion give the latency a perfect observer would have seen. The difference is the harness's own error.

use corecurve_core::{ArrivalKind, Load, Nanos, Problem, Rate};
use corecurve_report::terminal::Check;

use super::Context;
use super::bench::Bench;
use crate::replay::{errors, served};

/// Mean service time asked for.
const MEAN: &str = "200us";
/// Offered rate: 60 % of capacity.
const RATE: Rate = Rate(3_000.0);
const WINDOW: Nanos = Nanos(6_000_000_000);
/// Median error that would still be believed: the way through two sockets and back.
const MOST_P50: Nanos = Nanos(200_000);

/// Replays a run of `/work` with exponential services.
pub fn replay(_: &Context) -> Result<Vec<Check>, Problem> {
    let mut bench = Bench::start("work", &[("dist", "exp"), ("mean", MEAN)])?;
    let output = bench.trial(ArrivalKind::Poisson, Load::Open(RATE), WINDOW, &[Nanos::MILLI * 5]);
    bench.stop()?;
    let rows = output?.trace.unwrap_or_default();
    let errors = errors(&served(&rows));
    let at = |q: f64| errors.get(((errors.len() as f64 * q) as usize).min(errors.len().saturating_sub(1))).copied();
    let (p50, p99) = (at(0.5).unwrap_or(i64::MAX), at(0.99).unwrap_or(i64::MAX));
    let shown = |ns: i64| format!("{}{}", if ns < 0 { "−" } else { "" }, Nanos(ns.unsigned_abs()));
    let answered = rows.iter().filter(|row| row.done_ns != u64::MAX).count();
    Ok(vec![
        Check {
            what: format!("measured − replayed latency, p50 of {}", errors.len()),
            expected: "0 ns".to_owned(),
            seen: shown(p50),
            tolerance: format!("± {MOST_P50}"),
            pass: p50.unsigned_abs() <= MOST_P50.0 && !errors.is_empty(),
        },
        Check {
            what: "measured − replayed latency, p99".to_owned(),
            expected: "stated".to_owned(),
            seen: shown(p99),
            tolerance: "the machine's".to_owned(),
            pass: p99 != i64::MAX,
        },
        Check {
            what: "operations with an answer".to_owned(),
            expected: rows.len().to_string(),
            seen: answered.to_string(),
            tolerance: "none".to_owned(),
            pass: answered == rows.len() && answered > 0,
        },
    ])
}
