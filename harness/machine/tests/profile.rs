//! Profiles of this very process: what is known to be busy, and who is known to wait, is found by name.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corecurve_core::{Nanos, Profile};
use corecurve_machine::Profiling;
use corecurve_machine::profile::folded;

/// Where this process spends its time.
#[inline(never)]
fn spin_where_everybody_sees_it(until: &AtomicBool) -> u64 {
    let mut sum = 0u64;
    while !until.load(Ordering::Relaxed) {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
    sum
}

/// Where threads queue up.
#[inline(never)]
fn queue_at_the_counter(counter: &Mutex<u64>) {
    let mut held = counter.lock().unwrap();
    let until = Instant::now() + Duration::from_micros(300);
    while Instant::now() < until {
        *held = black_box(*held + 1);
    }
}

/// One at a time: what another test does would be in the profile.
static ALONE: Mutex<()> = Mutex::new(());

/// Profiles this process for some time while `work` runs in so many threads.
fn profiled(threads: usize, work: impl Fn(&AtomicBool) + Send + Sync) -> Profile {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&stop));
        }
        std::thread::sleep(Duration::from_millis(50));
        let mut profiling = Profiling::prepare(&[std::process::id()]);
        profiling.start();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            profiling.drain();
        }
        profiling.trace();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            profiling.drain();
        }
        profiling.stop();
        let profile = profiling.conclude();
        stop.store(true, Ordering::Relaxed);
        profile
    })
}

fn has(profile: &Profile, frames: &[u32], name: &str) -> bool {
    frames.iter().any(|frame| profile.functions[*frame as usize].name.contains(name))
}

/// Without the right to look there is a reason, shown loudly, and nothing else to test.
fn refused(profile: &Profile, what: &str) -> bool {
    let told = profile.missing.iter().find(|missing| missing.what.contains(what));
    if let Some(missing) = told {
        assert!(!missing.why.is_empty() && missing.help.is_some());
        eprintln!("NOT TESTED: {} cannot be had here: {}", missing.what, missing.why);
    }
    told.is_some()
}

#[test]
fn what_is_busy_is_found_by_name_and_line() {
    let profile = profiled(1, |stop| {
        black_box(spin_where_everybody_sees_it(stop));
    });
    if refused(&profile, "samples of the target's stacks") {
        assert_eq!((profile.samples, profile.stacks.len()), (0, 0));
        return;
    }
    let busy: u64 = profile
        .stacks
        .iter()
        .filter(|stack| has(&profile, &stack.frames, "spin_where_everybody_sees_it"))
        .map(|stack| stack.count)
        .sum();
    assert!(busy > 10, "{busy} of {} samples: {:#?}", profile.samples, profile.functions);
    assert!(profile.cpu_ns > Nanos(10_000_000), "{}", profile.cpu_ns);
    assert_eq!(profile.samples, profile.stacks.iter().map(|stack| stack.count).sum::<u64>());
    let spun = profile.functions.iter().find(|f| f.name.contains("spin_where_everybody_sees_it")).unwrap();
    assert!(spun.source.as_deref().is_some_and(|source| source.contains("tests/profile.rs:")), "{spun:?}");
    let folded = folded(&profile);
    assert!(folded.lines().any(|line| line.contains("spin_where_everybody_sees_it")), "{folded}");
    let total: u64 = folded.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(total, profile.samples);
}

#[test]
fn who_waits_for_a_mutex_is_found_by_name() {
    let counter = Arc::new(Mutex::new(0u64));
    let profile = profiled(3, |stop| {
        while !stop.load(Ordering::Relaxed) {
            queue_at_the_counter(&counter);
        }
    });
    if refused(&profile, "futexes") || refused(&profile, "samples of the target's stacks") {
        assert_eq!(profile.futex_waits, None);
        return;
    }
    let waits = profile.futex_waits.as_ref().unwrap();
    let here = |site: &&corecurve_core::WaitSite| has(&profile, &site.frames, "queue_at_the_counter");
    let found: u64 = waits.sites.iter().filter(here).map(|site| site.count).sum();
    assert!(found > 10, "{found} of {} waits: {:#?}", waits.count, profile.functions);
    assert!(waits.sites.iter().filter(here).all(|site| site.total_ns > Nanos::ZERO));
    let calls = profile.syscalls.as_ref().unwrap();
    assert!(calls.get("futex").is_some_and(|calls| *calls > 50), "{calls:?}");
    assert!(profile.wakeups.is_some_and(|wakeups| wakeups.count > 10 && wakeups.p50_ns <= wakeups.p99_ns));
}

#[test]
fn a_thread_that_comes_late_is_watched_and_told_of() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let stop = AtomicBool::new(false);
    let mut profiling = Profiling::prepare(&[std::process::id()]);
    profiling.start();
    let profile = std::thread::scope(|scope| {
        scope.spawn(|| black_box(spin_where_everybody_sees_it(&stop)));
        std::thread::sleep(Duration::from_millis(30));
        profiling.drain();
        std::thread::sleep(Duration::from_millis(200));
        profiling.stop();
        let profile = profiling.conclude();
        stop.store(true, Ordering::Relaxed);
        profile
    });
    if refused(&profile, "samples of the target's stacks") {
        return;
    }
    assert!(profile.stacks.iter().any(|stack| has(&profile, &stack.frames, "spin_where_everybody_sees_it")));
    assert!(
        profile.missing.iter().any(|missing| missing.what.starts_with("the first moments")),
        "{:?}",
        profile.missing
    );
}

#[test]
fn processes_that_are_not_known_or_gone_give_a_profile_with_a_reason() {
    for pids in [&[][..], &[u32::MAX - 1]] {
        let mut profiling = Profiling::prepare(pids);
        profiling.start();
        profiling.trace();
        profiling.drain();
        profiling.stop();
        let profile = profiling.conclude();
        assert_eq!(profile.samples, 0);
        assert!(profile.missing.iter().any(|missing| missing.what.contains("samples")), "{:?}", profile.missing);
        assert_eq!((profile.futex_waits, profile.syscalls, profile.wakeups), (None, None, None));
    }
}
