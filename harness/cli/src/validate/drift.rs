//! Schedules do not drift: an instant hours into a schedule is where arithmetic puts it, whatever was drawn before.

use corecurve_core::{ArrivalKind, Nanos, Problem, Rate};
use corecurve_engine::recorder::Window;
use corecurve_engine::schedule::{Phase, Schedule, inspect};
use corecurve_report::terminal::Check;

use super::{Context, near, truth};

/// A rate whose period is no whole number of nanoseconds.
const ODD: Rate = Rate(30_000.1);
/// Operations of about ten minutes at that rate.
const MANY: usize = 18_000_000;
/// How long random arrivals are counted.
const LONG: Nanos = Nanos(600_000_000_000);
/// At this rate.
const RATE: Rate = Rate(20_000.0);

/// The arrival law and the hash, and then what ten minutes add up to.
pub fn schedule(context: &Context) -> Result<Vec<Check>, Problem> {
    let mut checks = truth::schedule(context)?;
    let uniform = Schedule { kind: ArrivalKind::Uniform, rate: ODD, seed: context.seed, workers: 1 };
    let last = uniform.arrivals(0, Phase::Window).nth(MANY).unwrap_or(0) as f64;
    let exact = (MANY as f64 + 0.5) * 1e9 / ODD.per_s();
    checks.push(near(format!("uniform arrivals: operation {MANY} minus (k + ½)/λ"), 0.0, last - exact, 1.0, |ns| {
        format!("{ns:.1} ns")
    }));
    for (kind, per_event) in [(ArrivalKind::Poisson, 1.0), (ArrivalKind::Burst(8), 8.0)] {
        let schedule = Schedule { kind, rate: RATE, seed: context.seed, workers: 2 };
        let seen = inspect(&schedule, &Window::new(LONG), LONG);
        let expected = RATE.per_s() * LONG.as_secs_f64();
        // The count of a Poisson process has its mean as variance; groups of n multiply it by n.
        let tolerance = 4.0 * (expected * per_event).sqrt();
        checks.push(near(
            format!("{kind} arrivals of ten minutes at {RATE}, two load threads: their number"),
            expected,
            seen.scheduled as f64,
            tolerance,
            |n| format!("{n:.0}"),
        ));
        checks.push(halves(&kind.to_string(), &seen.per_interval, per_event));
    }
    Ok(checks)
}

/// The second half of the window holds as many as the first, within four standard deviations of their difference.
fn halves(kind: &str, per_interval: &[u64], per_event: f64) -> Check {
    let (first, second) = per_interval.split_at(per_interval.len() / 2);
    let [a, b] = [first, second].map(|half| half.iter().sum::<u64>() as f64);
    let tolerance = 4.0 * ((a + b) * per_event).sqrt();
    near(format!("{kind} arrivals: second half minus first"), 0.0, b - a, tolerance, |n| format!("{n:.0}"))
}
