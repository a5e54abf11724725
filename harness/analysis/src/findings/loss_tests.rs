use super::*;
use crate::findings::analyse;
use crate::findings::testing::{cell, run};
use corecurve_core::rng::{stream, unit_open};
use corecurve_core::{Nanos, Rng, Stack, WaitSite, Waits};
use rand::Rng as _;

/// Functions with geometrically falling shares, a few large and a long tail, as real profiles have.
const FUNCTIONS: usize = 60;

fn share(n: usize) -> f64 {
    0.9f64.powi(n as i32) * 0.1 / (1.0 - 0.9f64.powi(FUNCTIONS as i32))
}

/// Draws a profile in which function n costs `cost(n)` times its share of 10 µs per request.
fn drawn(cell: &str, cores: usize, samples: u64, cost: impl Fn(usize) -> f64, rng: &mut Rng) -> Profile {
    let weights: Vec<f64> = (0..FUNCTIONS).map(|n| share(n) * cost(n)).collect();
    let total: f64 = weights.iter().sum();
    let mut counts = vec![0u64; FUNCTIONS];
    for _ in 0..samples {
        let mut at = unit_open(rng.next_u64()) * total;
        let drawn = weights.iter().position(|weight| {
            at -= weight;
            at < 0.0
        });
        counts[drawn.unwrap_or(0)] += 1;
    }
    let function =
        |n| Function { name: format!("app::f{n}"), module: "app".into(), source: Some(format!("app.rs:{n}")) };
    let requests = 50_000;
    Profile {
        cell: CellId(cell.to_owned()),
        cores,
        samples,
        cpu_ns: Nanos((total * 10_000.0 * requests as f64) as u64),
        requests,
        traced_requests: requests,
        functions: (0..FUNCTIONS).map(function).collect(),
        stacks: counts
            .into_iter()
            .enumerate()
            .map(|(n, count)| Stack { frames: vec![n as u32], count })
            .filter(|stack| stack.count > 0)
            .collect(),
        ..Profile::default()
    }
}

fn losses(profiles: Vec<Profile>) -> Vec<ScalingLoss> {
    let cells = profiles.iter().map(|profile| cell(&profile.cell.0, "app", profile.cores, false)).collect();
    let data = crate::findings::RunData { profiles, ..run(cells, Vec::new()) };
    analyse(&data).losses
}

#[test]
fn two_profiles_of_the_same_thing_claim_nothing() {
    let mut claims = 0;
    let runs = 200;
    for seed in 0..runs {
        let mut rng = stream(seed, 0);
        // Other numbers of samples on the two sides, as there are.
        let base = drawn("a-1", 1, 1_000, |_| 1.0, &mut rng);
        let more = drawn("a-2", 2, 2_500, |_| 1.0, &mut rng);
        let found = losses(vec![base, more]);
        assert_eq!(found.len(), 1);
        claims += u64::from(!found[0].rows.is_empty());
    }
    assert!(claims as f64 <= FALSE_CLAIMS * runs as f64, "{claims} of {runs} pairs claim something");
}

#[test]
fn growth_is_ranked_by_time_per_request_and_named_with_its_line() {
    let mut rng = stream(1, 0);
    let grown = |n: usize| match n {
        3 => 3.0,
        0 => 1.5,
        _ => 1.0,
    };
    let base = drawn("a-1", 1, 5_000, |_| 1.0, &mut rng);
    let more = drawn("a-4", 4, 20_000, grown, &mut rng);
    let found = losses(vec![more, base]);
    let loss = &found[0];
    assert_eq!((loss.base_cores, loss.cores), (1, 4));
    let named: Vec<&str> = loss.rows.iter().map(|row| row.function.name.as_str()).collect();
    assert_eq!(named, ["app::f3", "app::f0"]);
    let row = &loss.rows[0];
    let truth = 2.0 * share(3) * 10_000.0;
    assert!((row.growth_ns / truth - 1.0).abs() < 0.1, "{} {truth}", row.growth_ns);
    assert!(row.ci95[0] < truth && truth < row.ci95[1] && row.growth_ns > loss.floor_ns);
    assert_eq!(row.function.source.as_deref(), Some("app.rs:3"));
    assert!(loss.flame.frames.iter().any(|frame| frame.name == "app::f3" && frame.ns > 2.0 * frame.base_ns));
}

/// A profile whose function 1 waits for a lock this often, each time this long.
fn waiting(cell: &str, cores: usize, waits: u64, each: u64, rng: &mut Rng) -> Profile {
    let mut profile = drawn(cell, cores, 5_000, |_| 1.0, rng);
    let next = profile.functions.len() as u32;
    let function = |name: &str, module: &str| Function { name: name.into(), module: module.into(), source: None };
    profile.functions.push(function("std::sys::sync::mutex::futex::Mutex::lock_contended", "app"));
    profile.functions.push(function("syscall", "libc.so.6"));
    profile.functions.push(function("std::sys::sync::condvar::futex::Condvar::wait", "app"));
    let site = |frames: Vec<u32>, count: u64| WaitSite { frames, count, total_ns: Nanos(count * each) };
    let sites = vec![
        site(vec![0, 1, next, next + 1], waits),
        // Idle workers wait for work ever longer: no loss.
        site(vec![0, 2, next + 2, next + 1], 100_000 * cores as u64),
    ];
    profile.futex_waits = Some(Waits { count: waits, total_ns: Nanos(waits * each), sites });
    profile
}

#[test]
fn a_planted_mutex_is_named_by_who_takes_it() {
    let mut rng = stream(2, 0);
    let base = waiting("a-1", 1, 0, 0, &mut rng);
    let more = waiting("a-2", 2, 20_000, 50_000, &mut rng);
    let found = losses(vec![base, more]);
    let first = &found[0].rows[0];
    assert_eq!((first.kind, first.function.name.as_str()), (LossKind::LockWait, "app::f1"));
    assert!((first.growth_ns - 20_000.0).abs() < 1.0, "{}", first.growth_ns);
    assert_eq!(found[0].rows.len(), 1, "{:?}", found[0].rows);
    // As often on both sides it is no loss, and a handful tells nothing.
    for (before, after) in [(20_000, 20_000), (0, 5)] {
        let base = waiting("a-1", 1, before, 50_000, &mut rng);
        let more = waiting("a-2", 2, after, 50_000, &mut rng);
        assert_eq!(losses(vec![base, more])[0].rows, [], "{before} {after}");
    }
}

#[test]
fn what_has_no_samples_is_compared_with_nothing() {
    let mut rng = stream(3, 0);
    let empty = Profile { cell: CellId("a-1".into()), cores: 1, ..Profile::default() };
    assert_eq!(losses(vec![empty, drawn("a-2", 2, 100, |_| 1.0, &mut rng)]), []);
}
