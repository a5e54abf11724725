//! What counting costs: windows with and without it, in turns on one start of the server.
//!
//! Two numbers are compared. The rate of a closed loop falls if either side loses time. Operations per second of the server's CPU
//! time, at a rate it can carry, are the MAT of a server that is limited by its cores, up to a factor that both have in
//! common; the CPU time is taken from outside, by the same clock whatever is counted. The order within pairs alternates (AB, BA, …),
//! so that a drift of the machine falls on both alike.

use corecurve_analysis::stats::{median, median_interval};
use corecurve_core::{ArrivalKind, CollectorKind, Collectors, Counters, Load, Nanos, Problem, Rate};
use corecurve_machine::procfs::process;
use corecurve_report::terminal::Check;

use super::Context;
use super::bench::{Bench, Subject};

/// Most that everything which is on by default may cost.
const MOST: f64 = 0.02;
/// Pairs for all collectors together, and for each of them alone: fewest that have an interval.
const PAIRS_ALL: usize = 40;
const PAIRS_EACH: usize = 6;
const CONFIDENCE: f64 = 0.95;
const WINDOW: Nanos = Nanos(200_000_000);
const WARMUP: Nanos = Nanos(50_000_000);
/// Operations in flight of the closed loop.
const DEPTH: u32 = 16;
/// Share of the closed loop's rate that the open one offers.
const OFFERED: f64 = 0.6;

/// What is compared.
#[derive(Clone, Copy)]
struct Kind {
    load: Load,
    arrival: ArrivalKind,
    name: &'static str,
    number: fn(&Window) -> f64,
}

/// What one window came to.
struct Window {
    per_s: f64,
    per_cpu_s: f64,
    counters: Option<Counters>,
}

/// All collectors together, then each alone, by both numbers.
pub fn overhead(_: &Context) -> Result<Vec<Check>, Problem> {
    let mut bench = Bench::of(&Subject::usual("plaintext", &[]))?;
    let checks = measure(&mut bench);
    bench.stop()?;
    checks
}

fn measure(bench: &mut Bench) -> Result<Vec<Check>, Problem> {
    let closed = Kind {
        load: Load::Closed(DEPTH),
        arrival: ArrivalKind::Closed(DEPTH),
        name: "closed loop, operations per second",
        number: |window| window.per_s,
    };
    // The first window is cold and only tells the rate.
    let rate = Rate(OFFERED * window(bench, closed, &Collectors::none())?.per_s);
    let open = Kind {
        load: Load::Open(rate),
        arrival: ArrivalKind::Poisson,
        name: "open loop, operations per CPU second of the server",
        number: |window| window.per_cpu_s,
    };
    let mut checks = Vec::new();
    for kind in [closed, open] {
        let all = compared(bench, kind, &Collectors::default(), PAIRS_ALL)?;
        let least = 1.0 - MOST;
        checks.push(all.check(kind, "all", format!("≥ {least}"), all.ratio >= least));
        for collector in CollectorKind::ALL {
            // A few pairs can only show that one costs much.
            let one = compared(bench, kind, &Collectors([collector].into()), PAIRS_EACH)?;
            let tolerance = format!("its interval reaches {least}");
            checks.push(one.check(kind, collector.name(), tolerance, one.interval[1] >= least));
        }
    }
    Ok(checks)
}

/// Pairs of windows with and without.
struct Compared {
    pairs: usize,
    /// Median of with over without, and its interval.
    ratio: f64,
    interval: [f64; 2],
    /// CPU time of the controller's readings, microseconds a window, the median.
    readings_us: f64,
}

impl Compared {
    fn check(&self, kind: Kind, name: &str, tolerance: String, pass: bool) -> Check {
        let Compared { pairs, ratio, interval: [low, high], readings_us } = self;
        Check {
            what: format!("{}: {name} on over off", kind.name),
            expected: "1".to_owned(),
            seen: format!("{ratio:.4} ({low:.4}–{high:.4}), {pairs} pairs; {readings_us:.0} µs a window"),
            tolerance,
            pass,
        }
    }
}

fn compared(bench: &mut Bench, kind: Kind, with: &Collectors, pairs: usize) -> Result<Compared, Problem> {
    let none = Collectors::none();
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (on, off) = if pair % 2 == 0 {
            let on = window(bench, kind, with)?;
            (on, window(bench, kind, &none)?)
        } else {
            let off = window(bench, kind, &none)?;
            (window(bench, kind, with)?, off)
        };
        ratios.push((kind.number)(&on) / (kind.number)(&off));
        let cost = on.counters.iter().flat_map(|counters| &counters.collectors).map(|cost| cost.cpu_ns.0).sum::<u64>();
        costs.push(cost as f64 / 1e3);
    }
    let (ratio, interval, _) = median_interval(&ratios, CONFIDENCE).unwrap_or((f64::NAN, [f64::NAN; 2], 0.0));
    Ok(Compared { pairs, ratio, interval, readings_us: median(&costs).unwrap_or(f64::NAN) })
}

fn window(bench: &mut Bench, kind: Kind, collectors: &Collectors) -> Result<Window, Problem> {
    bench.count(collectors.clone());
    let spent = |bench: &Bench| bench.pid().and_then(process::cpu_time);
    let before = spent(bench);
    let record = bench.brief(kind.arrival, kind.load, WARMUP, WINDOW)?.record;
    let cpu = before.zip(spent(bench)).map(|(before, after)| after - before);
    let cpu = cpu.ok_or_else(|| Problem::new("the server's CPU time is not known: it is gone"))?;
    // Warm-up and window are of one load, so the rate is that of both.
    let operations = record.achieved_per_s * (WARMUP + WINDOW).as_secs_f64();
    let per_cpu_s = operations / cpu.as_secs_f64().max(1e-9);
    Ok(Window { per_s: record.achieved_per_s, per_cpu_s, counters: record.counters })
}
