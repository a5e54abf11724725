//! When operations are due: absolute times from a seeded stream per load worker, made ahead and never reacted to.
//!
//! * `poisson`: each of L workers draws exponential gaps of mean L/λ from a stream of its own; the superposition of L independent Poisson
//!   processes of rate λ/L is a Poisson process of rate λ, so workers need no coordination.
//! * `uniform`: operation k is due at (k + ½)/λ; worker i takes every L-th from i on, so that the whole is exactly
//!   periodic. The half keeps operations off the edges of intervals.
//! * `burst:N`: N operations at one instant; the instants are a Poisson process of rate λ/N.
//!
//! Times are sums in `f64` nanoseconds (a step of 2⁻¹⁷ ns after ten minutes) rounded once, so no error builds up.
//! The warm-up and the window have streams of their own: the window's arrivals are the same whenever it begins,
//! and two trials of one seed see the same ones, which their hash proves.

mod ahead;
mod inspect;

pub use ahead::{Ahead, CHUNK, MEMORY};
pub use inspect::{ArrivalLaw, Inspection, Inspector, inspect};

use corecurve_core::rng::{exponential, mix};
use corecurve_core::{ArrivalKind, Rate, Rng};
use rand::SeedableRng;

/// Which part of a trial a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the window.
    Warmup,
    /// The measured window.
    Window,
}

/// Everything that determines the arrivals of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The process; an open one.
    pub kind: ArrivalKind,
    /// Offered rate over all workers.
    pub rate: Rate,
    /// Seed of the trial.
    pub seed: u64,
    /// Load workers.
    pub workers: usize,
}

impl Schedule {
    /// The arrivals of one worker in one phase, without end.
    pub fn arrivals(&self, worker: usize, phase: Phase) -> Arrivals {
        let label = worker as u64 * 2 + u64::from(phase == Phase::Window);
        let rng = Rng::seed_from_u64(mix(mix(self.seed, STREAM), label));
        let gap = 1e9 / self.rate.per_s().max(f64::MIN_POSITIVE);
        let workers = self.workers.max(1) as f64;
        let law = match self.kind {
            ArrivalKind::Uniform | ArrivalKind::Closed(_) => Law::Uniform { gap, next: worker as f64, step: workers },
            ArrivalKind::Poisson => Law::Poisson { mean: gap * workers, at: 0.0 },
            ArrivalKind::Burst(n) => {
                Law::Burst { mean: gap * workers * f64::from(n), at: 0.0, size: n.max(1), left: 0 }
            }
        };
        Arrivals { law, rng }
    }

    /// The period of `uniform` arrivals of one worker, in nanoseconds; zero for random ones.
    /// A window that opens a multiple of it after the warm-up began leaves the whole periodic.
    pub fn period(&self) -> f64 {
        match self.kind {
            ArrivalKind::Uniform => 1e9 / self.rate.per_s() * self.workers.max(1) as f64,
            _ => 0.0,
        }
    }

    /// How many operations of one worker to expect in `span_ns`.
    pub fn expected(&self, span_ns: u64) -> f64 {
        self.rate.per_s() * span_ns as f64 / 1e9 / self.workers.max(1) as f64
    }
}

/// Label of schedules among the streams of a trial.
const STREAM: u64 = 0x5c4e_d01e;

/// An endless ascending stream of intended times, in nanoseconds from the start of its phase.
#[derive(Clone, Debug)]
pub struct Arrivals {
    law: Law,
    rng: Rng,
}

#[derive(Clone, Debug)]
enum Law {
    Uniform { gap: f64, next: f64, step: f64 },
    Poisson { mean: f64, at: f64 },
    Burst { mean: f64, at: f64, size: u32, left: u32 },
}

impl Iterator for Arrivals {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        Some(match &mut self.law {
            Law::Uniform { gap, next, step } => {
                let due = (*next + 0.5) * *gap;
                *next += *step;
                due as u64
            }
            Law::Poisson { mean, at } => {
                *at += *mean * exponential(&mut self.rng);
                *at as u64
            }
            Law::Burst { mean, at, size, left } => {
                if *left == 0 {
                    *at += *mean * exponential(&mut self.rng);
                    *left = *size;
                }
                *left -= 1;
                *at as u64
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ArrivalKind, workers: usize) -> Schedule {
        Schedule { kind, rate: Rate(10_000.0), seed: 42, workers }
    }

    #[test]
    fn uniform_is_periodic_over_all_workers() {
        for workers in [1, 3] {
            let schedule = schedule(ArrivalKind::Uniform, workers);
            let mut all: Vec<u64> =
                (0..workers).flat_map(|w| schedule.arrivals(w, Phase::Window).take(1_000)).collect();
            all.sort_unstable();
            assert_eq!(all[0], 50_000);
            assert!(all.windows(2).all(|pair| pair[1] - pair[0] == 100_000));
        }
    }

    #[test]
    fn no_error_builds_up() {
        let odd = Schedule { rate: Rate(30_000.1), ..schedule(ArrivalKind::Uniform, 1) };
        let k = 20_000_000u64;
        let late = odd.arrivals(0, Phase::Window).nth(k as usize).unwrap();
        let exact = (k as f64 + 0.5) * 1e9 / 30_000.1;
        assert!((late as f64 - exact).abs() <= 1.0);
    }

    #[test]
    fn bursts_come_in_groups_at_the_offered_rate() {
        let schedule = schedule(ArrivalKind::Burst(8), 1);
        let due: Vec<u64> = schedule.arrivals(0, Phase::Window).take(80_000).collect();
        assert!(due.chunks(8).all(|group| group.iter().all(|t| *t == group[0])));
        let rate = 80_000.0 / (*due.last().unwrap() as f64 / 1e9);
        assert!((rate / 10_000.0 - 1.0).abs() < 0.05, "{rate}");
    }

    #[test]
    fn streams_differ_by_worker_phase_and_seed_and_repeat_otherwise() {
        let schedule = schedule(ArrivalKind::Poisson, 2);
        let first = |s: Schedule, w, p| s.arrivals(w, p).take(50).collect::<Vec<_>>();
        let base = first(schedule, 0, Phase::Window);
        assert_eq!(base, first(schedule, 0, Phase::Window));
        assert_ne!(base, first(schedule, 1, Phase::Window));
        assert_ne!(base, first(schedule, 0, Phase::Warmup));
        assert_ne!(base, first(Schedule { seed: 43, ..schedule }, 0, Phase::Window));
        assert!(base.is_sorted());
    }
}
