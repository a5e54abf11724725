//! The run's clock, how fine it is, and whether it can be believed.
//!
//! Every time in a run is `CLOCK_MONOTONIC` since boot, so that processes on one machine agree and a step of the
//! wall clock changes nothing. NTP may still slew it; a [`ClockCheck`] compares it with the raw counter, and with
//! the clock that runs on through suspend.

use corecurve_core::Nanos;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Now, since boot. The same instant in every process of the machine. Cost: about 25 ns, no system call where the
/// clock source is the time stamp counter.
#[inline]
pub fn now() -> Nanos {
    read(ClockId::Monotonic)
}

/// CPU time of the calling thread. Cost: a system call.
pub fn thread_cpu() -> Nanos {
    read(ClockId::ThreadCPUTime)
}

#[inline]
fn read(clock: ClockId) -> Nanos {
    let t = clock_gettime(clock);
    Nanos((t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64))
}

/// How fine [`now`] is and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockPrecision {
    /// The smallest step seen between two readings.
    pub step_ns: u64,
    /// Mean cost of one reading.
    pub cost_ns: f64,
}

/// Measures [`now`]. Cost: well under a millisecond.
pub fn precision() -> ClockPrecision {
    const READINGS: u32 = 10_000;
    let start = now();
    let mut last = start;
    let mut step = Nanos::MAX;
    for _ in 0..READINGS {
        let next = now();
        if next > last {
            step = step.min(next - last);
        }
        last = next;
    }
    // A clock that never moved is as coarse as the whole measurement.
    let step_ns = if step == Nanos::MAX { (last - start).0.max(1) } else { step.0 };
    ClockPrecision { step_ns, cost_ns: (last - start).0 as f64 / f64::from(READINGS) }
}

/// Name of the kernel's clock source (`tsc`, `kvm-clock`, `hpet`).
///
/// # Errors
/// The reason when the kernel does not say.
pub fn source() -> Result<String, String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let name = text.trim();
    if name.is_empty() { Err(format!("{path} is empty")) } else { Ok(name.to_owned()) }
}

/// A check of the clock over a span, begun and ended around it.
#[derive(Clone, Copy, Debug)]
pub struct ClockCheck {
    begin: Reading,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    monotonic: Nanos,
    raw: Nanos,
    boot: Nanos,
    wall: Nanos,
}

/// What a check saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockFinding {
    /// The span on the run's clock.
    pub span: Nanos,
    /// How much faster the run's clock went than the raw counter, in parts per million: NTP slew.
    pub drift_ppm: f64,
    /// Time the machine was suspended within the span.
    pub suspended: Nanos,
    /// How far the wall clock went astray from the run's clock, in nanoseconds, signed: a step of the wall clock.
    pub wall_step_ns: i64,
}

impl Reading {
    fn take() -> Reading {
        Reading {
            monotonic: read(ClockId::Monotonic),
            raw: read(ClockId::MonotonicRaw),
            boot: read(ClockId::Boottime),
            wall: read(ClockId::Realtime),
        }
    }
}

impl ClockCheck {
    /// Begins a span. Cost: four clock readings.
    pub fn begin() -> ClockCheck {
        ClockCheck { begin: Reading::take() }
    }

    /// Ends it. Cost: four clock readings. Drift is meaningful over spans of a second and more.
    pub fn end(self) -> ClockFinding {
        compare(self.begin, Reading::take())
    }
}

fn compare(begin: Reading, end: Reading) -> ClockFinding {
    let span = end.monotonic - begin.monotonic;
    let raw = end.raw - begin.raw;
    let boot = end.boot - begin.boot;
    let wall = end.wall.0 as i128 - begin.wall.0 as i128;
    // The wall clock runs on through suspend, so it is held against the clock that does too.
    let wall_step = wall - i128::from(boot.0);
    ClockFinding {
        span,
        drift_ppm: if raw.0 == 0 { 0.0 } else { (span.0 as f64 / raw.0 as f64 - 1.0) * 1e6 },
        suspended: if boot - span > SUSPEND_NOISE { boot - span } else { Nanos::ZERO },
        wall_step_ns: i64::try_from(wall_step).unwrap_or(if wall_step < 0 { i64::MIN } else { i64::MAX }),
    }
}

/// Clocks of one reading are some time apart when the thread is preempted between them; no suspend is that short.
const SUSPEND_NOISE: Nanos = Nanos(100_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(monotonic: u64, raw: u64, boot: u64, wall: u64) -> Reading {
        let s = |seconds: u64| Nanos(seconds * 1_000_000_000);
        Reading { monotonic: s(monotonic), raw: s(raw), boot: s(boot), wall: s(wall) }
    }

    #[test]
    fn the_clock_goes_forward_and_agrees_with_the_standard_library() {
        let (ours, theirs) = (now(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let theirs = theirs.elapsed();
        let ours = now() - ours;
        assert!(ours >= Nanos::from(theirs), "ours spans theirs: {ours} {theirs:?}");
        assert!(precision().step_ns > 0);
    }

    #[test]
    fn a_quiet_span_has_no_findings() {
        let finding = compare(reading(100, 100, 100, 1_000), reading(110, 110, 110, 1_010));
        assert_eq!(finding.span, Nanos(10_000_000_000));
        assert_eq!((finding.drift_ppm, finding.suspended, finding.wall_step_ns), (0.0, Nanos::ZERO, 0));
    }

    #[test]
    fn suspend_slew_and_a_stepped_wall_clock_are_told_apart() {
        let asleep = compare(reading(100, 100, 100, 1_000), reading(110, 110, 113, 1_013));
        assert_eq!((asleep.suspended, asleep.wall_step_ns), (Nanos(3_000_000_000), 0));
        let slewed = compare(reading(100, 100, 100, 1_000), reading(1_001, 1_000, 1_001, 1_901));
        assert!((slewed.drift_ppm - 1e6 / 900.0).abs() < 1.0, "{slewed:?}");
        let stepped = compare(reading(100, 100, 100, 7_200), reading(110, 110, 110, 3_610));
        assert_eq!((stepped.suspended, stepped.wall_step_ns), (Nanos::ZERO, -3_600_000_000_000));
    }

    #[test]
    fn a_live_check_spans_what_it_is_put_around() {
        let check = ClockCheck::begin();
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(check.end().span >= Nanos(10_000_000));
    }
}
