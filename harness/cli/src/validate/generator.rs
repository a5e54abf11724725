//! The load generator on this machine: does it keep its schedule at a good part of what it can do, and what does an open
//! loop cost it more than a closed one? Real sockets against the null server.

use corecurve_core::{ArrivalKind, CapacityRecord, Load, Nanos, Problem, Rate, Settings, TrialRecord};
use corecurve_engine::capacity::Effort;
use corecurve_engine::trial::TrialOutput;
use corecurve_report::terminal::Check;

use super::bench::Bench;
use super::{Context, near};
use crate::capacity::measure_here;

/// Share of G_max at which the schedule must be kept.
const LOAD: f64 = 0.7;
/// Least share of operations sent on time.
const ADHERENCE: f64 = 0.999;
/// The limit whose hundredth may be late, if that is more than 50 µs.
const SLO: Nanos = Nanos(5_000_000);
/// Runs of which the median counts.
const RUNS: usize = 5;
const WINDOW: Nanos = Nanos(2_000_000_000);
/// Most that the send lag may have moved from the first tenth of a window to the last.
const MOST_DRIFT_NS: f64 = 20_000.0;
/// Upper ends of the send-lag classes that are printed.
const CLASSES: [Nanos; 8] = [
    Nanos(1_000),
    Nanos(2_000),
    Nanos(5_000),
    Nanos(10_000),
    Nanos(20_000),
    Nanos(50_000),
    Nanos(100_000),
    Nanos(1_000_000),
];

/// G_max, then five open-loop runs at 70 % of it.
pub fn adherence(_: &Context) -> Result<Vec<Check>, Problem> {
    let known = measure_here("plaintext", &Settings::new(), 1, Effort::OF_A_RUN)?;
    if !known.valid {
        return Ok(ceiling(&known));
    }
    let mut bench = Bench::start("plaintext", &[])?;
    let measured = adherence_of(&mut bench, &known);
    bench.stop()?;
    measured
}

fn adherence_of(bench: &mut Bench, known: &CapacityRecord) -> Result<Vec<Check>, Problem> {
    let rate = Rate(LOAD * known.g_max_per_s);
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(bench.load(ArrivalKind::Poisson, Load::Open(rate), WINDOW, &[SLO])?);
    }
    // The stamps of every operation take memory traffic of their own, so they are kept in a run that does not count.
    let traced = bench.trial(ArrivalKind::Poisson, Load::Open(rate), WINDOW, &[SLO])?;
    runs.sort_by(|a, b| kept(&a.record).total_cmp(&kept(&b.record)));
    let shares: Vec<f64> = runs.iter().map(|run| kept(&run.record)).collect();
    let (median, within) = (&runs[RUNS / 2], runs[RUNS / 2].record.adherence.map_or(Nanos::ZERO, |a| a.within_ns));
    let mut checks = ceiling(known);
    checks.push(Check {
        what: format!("sent within {within} of due at {:.0} % of G_max, median of {RUNS} runs", LOAD * 100.0),
        expected: "all".to_owned(),
        seen: format!(
            "{:.3} % ({:.3} to {:.3})",
            100.0 * kept(&median.record),
            100.0 * shares[0],
            100.0 * shares[RUNS - 1]
        ),
        tolerance: format!("≥ {:.1} %", 100.0 * ADHERENCE),
        pass: kept(&median.record) >= ADHERENCE,
    });
    checks.extend(classes(median));
    checks.push(drift(&traced));
    Ok(checks)
}

/// Share of operations sent on time among those that found a free connection.
fn kept(record: &TrialRecord) -> f64 {
    record.adherence.map_or(0.0, corecurve_core::Adherence::share)
}

/// A row that states something and passes if that could be had.
fn stated(what: impl Into<String>, seen: Option<String>) -> Check {
    Check {
        what: what.into(),
        expected: "stated".to_owned(),
        pass: seen.is_some(),
        seen: seen.unwrap_or_else(|| "not known".to_owned()),
        tolerance: "the machine's".to_owned(),
    }
}

/// G_max, and who was the busy one.
fn ceiling(known: &CapacityRecord) -> Vec<Check> {
    if !known.valid {
        return vec![stated(format!("G_max: {}", known.invalid_reasons.join("; ")), None)];
    }
    let least = if known.saturated.is_lower_bound() { "≥ " } else { "" };
    let [low, high] = known.range_per_s.map(Rate);
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let server = known.server_busy.map_or("not known".to_owned(), percent);
    vec![
        stated(
            format!("G_max over {}, closed loop of {}", known.transport, known.depth),
            Some(format!("{least}{} ({low} to {high})", Rate(known.g_max_per_s))),
        ),
        stated("busy share of load core and null server", Some(format!("{}, {server}", percent(known.load_busy)))),
        stated("operations per CPU second of a load core", Some(Rate(known.per_core_per_s).to_string())),
    ]
}

/// The send lag's distribution: the share up to each class's end.
fn classes(run: &TrialOutput) -> Vec<Check> {
    let lag = &run.histograms.lag;
    let share = |end: u64| {
        let upto = lag.iter_recorded().take_while(|step| step.value_iterated_to() <= end);
        let count: u64 = upto.map(|step| step.count_since_last_iteration()).sum();
        format!("{:.3} %", 100.0 * count as f64 / lag.len().max(1) as f64)
    };
    let row = |end: Nanos| stated(format!("send lag of that run, up to {end}"), Some(share(end.0)));
    let mut rows: Vec<Check> = CLASSES.into_iter().map(row).collect();
    rows.push(stated("send lag of that run, largest", Some(Nanos(lag.max()).to_string())));
    rows
}

/// The middle send lag of the last tenth of the operations against that of the first.
fn drift(run: &TrialOutput) -> Check {
    let sent = run.trace.iter().flatten().filter(|row| row.sent_ns != u64::MAX);
    let lags: Vec<u64> = sent.map(|row| row.sent_ns.saturating_sub(row.intended_ns)).collect();
    let tenth = lags.len() / 10;
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).map_or(f64::NAN, |ns| *ns as f64)
    };
    let moved = middle(&lags[lags.len() - tenth..]) - middle(&lags[..tenth]);
    near("median send lag, last tenth minus first", 0.0, moved, MOST_DRIFT_NS, |ns| format!("{:.1} µs", ns / 1e3))
}

/// Operations in flight of the closed loop: one, which leaves both sides idle most of the time, so that every operation wakes
/// them; and so many that a server is well used.
const DEPTHS: [u32; 2] = [1, 8];
/// Pairs of a closed and an open loop, one after the other.
const PAIRS: usize = 7;
/// Most CPU an operation of an open loop may cost, relative to one of a closed loop.
const MOST_COST: f64 = 1.10;

/// CPU time of the load thread for each operation: open against closed loop at the same rate, both waiting in the kernel.
pub fn cost(_: &Context) -> Result<Vec<Check>, Problem> {
    let mut bench = Bench::start("plaintext", &[])?;
    bench.wait_in_the_kernel();
    let measured: Result<Vec<[Check; 3]>, Problem> =
        DEPTHS.into_iter().map(|depth| cost_at(&mut bench, depth)).collect();
    bench.stop()?;
    Ok(measured?.into_iter().flatten().collect())
}

fn cost_at(bench: &mut Bench, depth: u32) -> Result<[Check; 3], Problem> {
    let pairs = pairs(bench, depth)?;
    let mut ratios: Vec<f64> = pairs.iter().map(|(closed, open)| cpu_ns(open) / cpu_ns(closed)).collect();
    ratios.sort_by(f64::total_cmp);
    let (median, last) = (ratios[PAIRS / 2], ratios[PAIRS - 1]);
    let (closed, open) = &pairs[PAIRS / 2];
    Ok([
        stated(format!("closed loop of {depth}, CPU of the load thread for each"), Some(each(closed))),
        stated("open loop at the same rate", Some(each(open))),
        Check {
            what: format!("CPU for each operation, open over closed loop of {depth}: median of {PAIRS} pairs"),
            expected: "1".to_owned(),
            seen: format!("{median:.3} ({:.3} to {last:.3})", ratios[0]),
            tolerance: format!("at most {MOST_COST}"),
            pass: median <= MOST_COST,
        },
    ])
}

fn pairs(bench: &mut Bench, depth: u32) -> Result<Vec<(TrialRecord, TrialRecord)>, Problem> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let closed = bench.load(ArrivalKind::Closed(depth), Load::Closed(depth), WINDOW, &[SLO])?.record;
        let rate = Rate(closed.achieved_per_s);
        let open = bench.load(ArrivalKind::Poisson, Load::Open(rate), WINDOW, &[SLO])?.record;
        pairs.push((closed, open));
    }
    Ok(pairs)
}

/// Rate, and CPU time for each operation.
fn each(record: &TrialRecord) -> String {
    format!("{:.2} µs at {}", cpu_ns(record) / 1e3, Rate(record.achieved_per_s))
}

/// CPU time of the load threads for each correct completion, nanoseconds.
fn cpu_ns(record: &TrialRecord) -> f64 {
    record.load_cpu_s.map_or(f64::NAN, |s| s * 1e9) / record.counts.ok.max(1) as f64
}
