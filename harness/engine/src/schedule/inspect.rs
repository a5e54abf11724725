//! [`Inspection`]: the schedule looked at as a whole. Its hash, its count in every interval, and whether it follows its law.

use corecurve_core::{ArrivalKind, Nanos};
use sha2::{Digest, Sha256};

use super::{Phase, Schedule};
use crate::recorder::Window;

/// Gaps looked at for their distribution: enough to tell a distance of 0.02 from none (1.63/√n = 0.012 at 99 %).
const GAPS: u64 = 20_000;
/// Bins of the distribution of gaps: the distance is known to 1/4096.
const BINS: usize = 4_096;
/// Shortest bin of counts. Dispersion is looked at over one, ten and a hundred of these.
const COUNT_BIN: Nanos = Nanos::MILLI;
/// Most bins of counts; longer windows get wider bins.
const COUNT_BINS: u64 = 1 << 16;

/// What was found out about a schedule's window.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// SHA-256 over the intended times (little-endian u64 nanoseconds from the window's start, workers in order), in hex.
    pub sha256: String,
    /// Operations due in the window.
    pub scheduled: u64,
    /// Operations due in each interval.
    pub per_interval: Vec<u64>,
    /// Whether they follow the law asked for.
    pub law: ArrivalLaw,
}

/// Distance of a schedule from the law it was asked to follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrivalLaw {
    /// Kolmogorov–Smirnov distance of the gaps of each worker (between groups, for bursts) from the exponential law,
    /// 0 to 1; `None` for `uniform`.
    pub ks: Option<f64>,
    /// Number of gaps behind it.
    pub gaps: u64,
    /// Index of dispersion (variance over mean) of counts over 1, 10 and 100 bins of a millisecond, divided by what the
    /// law says (1 for Poisson, N for bursts of N), with the number of bins; empty for `uniform`.
    pub dispersion: Vec<(f64, u64)>,
    /// Largest departure from the period, nanoseconds; `None` for random arrivals.
    pub jitter_ns: Option<f64>,
}

/// Looks at the first `span` of a window's schedule by making it once more. Cost: some 20 ns an operation.
pub fn inspect(schedule: &Schedule, window: &Window, span: Nanos) -> Inspection {
    let span = span.min(window.length());
    let mut inspector = Inspector::new(schedule, window);
    for worker in 0..schedule.workers.max(1) {
        inspector.begin_worker();
        let mut times = schedule.arrivals(worker, Phase::Window);
        let mut chunk = [0u64; 1_024];
        loop {
            let mut n = 0;
            while n < chunk.len() {
                match times.next().filter(|due| *due < span.0) {
                    Some(due) => chunk[n] = due,
                    None => break,
                }
                n += 1;
            }
            inspector.see(&chunk[..n]);
            if n < chunk.len() {
                break;
            }
        }
    }
    inspector.finish()
}

/// An inspection in progress, for who has the times anyway.
#[derive(Debug)]
pub struct Inspector {
    schedule: Schedule,
    interval: u64,
    count_bin: u64,
    hash: Sha256,
    bytes: Vec<u8>,
    scheduled: u64,
    per_interval: Vec<u64>,
    counts: Vec<u32>,
    gaps: Vec<u32>,
    gaps_seen: u64,
    /// Every how many operations a gap is looked at.
    stride: u64,
    until_gap: u64,
    last: Option<u64>,
    nth: u64,
    jitter: f64,
}

impl Inspector {
    /// For a schedule over a window; `window` need not be open.
    pub fn new(schedule: &Schedule, window: &Window) -> Inspector {
        let expected = schedule.rate.per_s() * window.length().as_secs_f64();
        let count_bin = COUNT_BIN.0.max(window.length().0.div_ceil(COUNT_BINS));
        Inspector {
            schedule: *schedule,
            interval: window.interval().0,
            count_bin,
            hash: Sha256::new(),
            bytes: Vec::new(),
            scheduled: 0,
            per_interval: vec![0; window.intervals()],
            counts: vec![0; window.length().0.div_ceil(count_bin) as usize],
            gaps: vec![0; BINS],
            gaps_seen: 0,
            stride: (expected as u64 / group(schedule.kind) / GAPS).max(1),
            until_gap: 1,
            last: None,
            nth: 0,
            jitter: 0.0,
        }
    }

    /// The times seen next are those of another worker.
    pub fn begin_worker(&mut self) {
        (self.last, self.nth, self.until_gap) = (None, 0, 1);
    }

    /// Takes in times of the current worker, relative to the window's start, ascending, all within the window.
    pub fn see(&mut self, times: &[u64]) {
        self.bytes.clear();
        for due in times {
            self.bytes.extend_from_slice(&due.to_le_bytes());
            if let Some(count) = self.per_interval.get_mut((due / self.interval) as usize) {
                *count += 1;
            }
            if let Some(count) = self.counts.get_mut((due / self.count_bin) as usize) {
                *count += 1;
            }
        }
        self.scheduled += times.len() as u64;
        self.hash.update(&self.bytes);
        match self.schedule.kind {
            ArrivalKind::Poisson | ArrivalKind::Burst(_) => self.see_gaps(times),
            ArrivalKind::Uniform | ArrivalKind::Closed(_) => self.see_period(times),
        }
    }

    fn see_gaps(&mut self, times: &[u64]) {
        let group = group(self.schedule.kind);
        let mean = 1e9 / self.schedule.rate.per_s() * self.schedule.workers.max(1) as f64 * group as f64;
        for due in times {
            let first_of_group = self.nth.is_multiple_of(group);
            self.nth += 1;
            if !first_of_group {
                continue;
            }
            self.until_gap -= 1;
            if self.until_gap == 0 {
                self.until_gap = self.stride;
                let gap = due - self.last.unwrap_or(0);
                let share = 1.0 - (-(gap as f64) / mean).exp();
                self.gaps[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
                self.gaps_seen += 1;
            }
            self.last = Some(*due);
        }
    }

    fn see_period(&mut self, times: &[u64]) {
        let period = 1e9 / self.schedule.rate.per_s() * self.schedule.workers.max(1) as f64;
        for due in times {
            if let Some(last) = self.last {
                self.jitter = self.jitter.max(((due - last) as f64 - period).abs());
            }
            self.last = Some(*due);
        }
    }

    /// What was found.
    pub fn finish(self) -> Inspection {
        let random = matches!(self.schedule.kind, ArrivalKind::Poisson | ArrivalKind::Burst(_));
        let expected = group(self.schedule.kind) as f64;
        let dispersion = match random {
            true => [1, 10, 100].into_iter().filter_map(|width| dispersion(&self.counts, width, expected)).collect(),
            false => Vec::new(),
        };
        Inspection {
            sha256: self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            scheduled: self.scheduled,
            law: ArrivalLaw {
                ks: (random && self.gaps_seen > 0).then(|| distance(&self.gaps, self.gaps_seen)),
                gaps: self.gaps_seen,
                dispersion,
                jitter_ns: (!random).then_some(self.jitter),
            },
            per_interval: self.per_interval,
        }
    }
}

fn group(kind: ArrivalKind) -> u64 {
    match kind {
        ArrivalKind::Burst(n) => u64::from(n.max(1)),
        _ => 1,
    }
}

/// Largest difference between the share of values up to a bin's end and what is due to a uniform law.
fn distance(bins: &[u32], n: u64) -> f64 {
    let mut seen = 0u64;
    let gap = |(i, count): (usize, &u32)| {
        seen += u64::from(*count);
        (seen as f64 / n as f64 - (i + 1) as f64 / bins.len() as f64).abs()
    };
    bins.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// Variance over mean of counts over `width` bins, relative to `expected`; `None` with fewer than ten such.
/// The last bin may be cut short by the window and is left out.
fn dispersion(counts: &[u32], width: usize, expected: f64) -> Option<(f64, u64)> {
    let whole = &counts[..counts.len().saturating_sub(1)];
    let sums: Vec<f64> =
        whole.chunks_exact(width).map(|bins| bins.iter().map(|c| f64::from(*c)).sum::<f64>()).collect();
    let n = sums.len();
    if n < 10 {
        return None;
    }
    let mean = sums.iter().sum::<f64>() / n as f64;
    if mean <= 0.0 {
        return None;
    }
    let variance = sums.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (n - 1) as f64;
    Some((variance / mean / expected, n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::Rate;

    fn look(kind: ArrivalKind, workers: usize, seed: u64) -> Inspection {
        let schedule = Schedule { kind, rate: Rate(20_000.0), seed, workers };
        inspect(&schedule, &Window::new(Nanos(5_000_000_000)), Nanos::MAX)
    }

    #[test]
    fn same_seed_same_hash() {
        for kind in [ArrivalKind::Poisson, ArrivalKind::Uniform, ArrivalKind::Burst(4)] {
            let found = look(kind, 2, 1);
            assert_eq!(found, look(kind, 2, 1));
            assert_eq!(found.sha256.len(), 64);
            assert_eq!(found.per_interval.iter().sum::<u64>(), found.scheduled);
            assert_ne!(found.sha256, look(kind, 3, 1).sha256);
        }
        assert_ne!(look(ArrivalKind::Poisson, 2, 1).sha256, look(ArrivalKind::Poisson, 2, 2).sha256);
    }

    #[test]
    fn the_hash_is_of_the_times_as_documented() {
        let schedule = Schedule { kind: ArrivalKind::Poisson, rate: Rate(500.0), seed: 5, workers: 2 };
        let window = Window::new(Nanos::SECOND);
        let mut hash = Sha256::new();
        for worker in 0..2 {
            for due in schedule.arrivals(worker, Phase::Window).take_while(|due| *due < 1_000_000_000) {
                hash.update(due.to_le_bytes());
            }
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(inspect(&schedule, &window, Nanos::MAX).sha256, hex);
    }

    #[test]
    fn schedules_follow_their_law() {
        for seed in 0..5 {
            for kind in [ArrivalKind::Poisson, ArrivalKind::Burst(8)] {
                let law = look(kind, 2, seed).law;
                assert!(law.ks.unwrap() < 0.03, "{kind}: {law:?}");
                for (index, bins) in law.dispersion {
                    assert!((index - 1.0).abs() < 5.0 * (2.0 / bins as f64).sqrt(), "{kind}: {index} over {bins}");
                }
            }
        }
        assert!(look(ArrivalKind::Uniform, 3, 0).law.jitter_ns.unwrap() <= 1.0);
    }

    #[test]
    fn another_law_is_noticed() {
        // Uniform times inspected as if they were to be Poisson: distance near 1 − 1/e, no dispersion at all.
        let schedule = Schedule { kind: ArrivalKind::Poisson, rate: Rate(1_000.0), seed: 0, workers: 1 };
        let window = Window::new(Nanos(5_000_000_000));
        let mut inspector = Inspector::new(&schedule, &window);
        inspector.begin_worker();
        inspector.see(&(0..5_000).map(|k| k * 1_000_000).collect::<Vec<_>>());
        let law = inspector.finish().law;
        assert!(law.ks.unwrap() > 0.3 && law.dispersion[1].0 < 0.1, "{law:?}");
    }
}
