//! [`Envelope`]: the shares that chance alone gives, when each of C connections goes to one of N workers, any of them as likely
//! as any other.
//!
//! The counts are multinomial with equal probabilities, which is what N independent Poisson counts of mean C/N are, given that
//! their sum is C. Cut to what a count may be, their sum is a plain convolution (Levin 1981†):
//!
//! ```text
//! P(low ≤ every count ≤ high) = P(X₁ + … + X_N = C, low ≤ each Xᵢ ≤ high) / P(Poisson(C) = C),   Xᵢ ~ Poisson(C/N)
//! ```
//!
//! The N-fold convolution is made by squaring. Terms under 10⁻¹⁸ at its ends are left out, which changes no probability by
//! more than 10⁻¹².

use statrs::function::gamma::ln_gamma;

/// Confidence of an envelope.
const CONFIDENCE: f64 = 0.95;
/// Terms smaller than this at the ends of a distribution are left out.
const NEGLIGIBLE: f64 = 1e-18;
/// Up to so many connections the distribution is exact. With more, each count is all but normal, and the distance of the bounds
/// from the mean count, in parts of it, shrinks as 1/√C.
const EXACT_UP_TO: u64 = 1 << 14;

/// What chance gives: in 95 of 100 dealings every worker has at least `smallest` and at most `largest` of the whole.
///
/// Each bound alone is exceeded in at most 2.5 of 100, so both hold in at least 95 (Bonferroni).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Envelope {
    /// Lower bound of the smallest share, 0 to 1.
    pub smallest: f64,
    /// Upper bound of the largest share, 0 to 1.
    pub largest: f64,
}

impl Envelope {
    /// For so many connections on so many workers; `None` without either. Cost: up to a few milliseconds, by the number of workers.
    pub fn of(workers: usize, connections: u64) -> Option<Envelope> {
        if workers == 0 || connections == 0 {
            return None;
        }
        let exact = connections.min(EXACT_UP_TO);
        let mean = exact as f64 / workers as f64;
        let beyond = (exact as f64 / connections as f64).sqrt();
        let side = 1.0 - (1.0 - CONFIDENCE) / 2.0;
        let share = |count: u64| (1.0 + (count as f64 / mean - 1.0) * beyond) / workers as f64;
        Some(Envelope {
            smallest: share(smallest_count(workers, exact, side)),
            largest: share(largest_count(workers, exact, side)),
        })
    }

    /// Whether a share lies within it, rounding forgiven.
    pub fn holds(&self, share: f64) -> bool {
        (self.smallest - 1e-9..=self.largest + 1e-9).contains(&share)
    }
}

/// The smallest count that, with this probability, no worker exceeds.
fn largest_count(workers: usize, connections: u64, probability: f64) -> u64 {
    let holds = |most: u64| all_within(workers, connections, 0, most) >= probability;
    let (mut fails, mut reaches) = (connections.div_ceil(workers as u64).saturating_sub(1), connections);
    while reaches - fails > 1 {
        let middle = fails + (reaches - fails) / 2;
        if holds(middle) { reaches = middle } else { fails = middle }
    }
    reaches
}

/// The largest count that, with this probability, every worker reaches.
fn smallest_count(workers: usize, connections: u64, probability: f64) -> u64 {
    let holds = |least: u64| all_within(workers, connections, least, connections) >= probability;
    let (mut reaches, mut fails) = (0, connections / workers as u64 + 1);
    while fails - reaches > 1 {
        let middle = reaches + (fails - reaches) / 2;
        if holds(middle) { reaches = middle } else { fails = middle }
    }
    reaches
}

/// The probability that every one of `workers` has at least `low` and at most `high` of the connections.
fn all_within(workers: usize, connections: u64, low: u64, high: u64) -> f64 {
    let mean = connections as f64 / workers as f64;
    let Some(one) = Counts::of_one(mean, low, high.min(connections)) else { return 0.0 };
    let sum = one.times(workers, connections as usize);
    (sum / poisson(connections as f64, connections)).min(1.0)
}

/// The probability of exactly `n` at a mean.
fn poisson(mean: f64, n: u64) -> f64 {
    (n as f64 * mean.ln() - mean - ln_gamma(n as f64 + 1.0)).exp()
}

/// Probabilities of the counts from `first` on.
#[derive(Clone, Debug)]
struct Counts {
    first: usize,
    p: Vec<f64>,
}

impl Counts {
    /// A Poisson count, cut to what it may be; `None` if nothing is left.
    fn of_one(mean: f64, low: u64, high: u64) -> Option<Counts> {
        // Twelve standard deviations and some: beyond, terms are negligible, and a million of them would be made for nothing.
        let reach = 12.0 * mean.sqrt() + 40.0;
        let (low, high) = (low.max((mean - reach).max(0.0) as u64), high.min((mean + reach) as u64));
        if low > high {
            return None;
        }
        Counts { first: low as usize, p: (low..=high).map(|n| poisson(mean, n)).collect() }.trimmed()
    }

    /// Without negligible ends; `None` if nothing is left.
    fn trimmed(mut self) -> Option<Counts> {
        let from = self.p.iter().position(|p| *p > NEGLIGIBLE)?;
        let to = self.p.iter().rposition(|p| *p > NEGLIGIBLE)?;
        self.p.truncate(to + 1);
        self.p.drain(..from);
        self.first += from;
        Some(self)
    }

    /// The sum of two independent counts.
    fn and(&self, other: &Counts) -> Option<Counts> {
        let mut p = vec![0.0; self.p.len() + other.p.len() - 1];
        for (i, a) in self.p.iter().enumerate() {
            for (sum, b) in p[i..].iter_mut().zip(&other.p) {
                *sum += a * b;
            }
        }
        Counts { first: self.first + other.first, p }.trimmed()
    }

    /// The probability that two independent counts sum to `n`: one point of [`Counts::and`].
    fn and_at(&self, other: &Counts, n: usize) -> f64 {
        let term = |(i, a): (usize, &f64)| {
            let at = n.checked_sub(self.first + i)?.checked_sub(other.first)?;
            Some(a * other.p.get(at)?)
        };
        self.p.iter().enumerate().filter_map(term).sum()
    }

    /// The probability that so many independent counts sum to `n`.
    fn times(&self, copies: usize, n: usize) -> f64 {
        if copies == 1 {
            return n.checked_sub(self.first).and_then(|at| self.p.get(at)).copied().unwrap_or(0.0);
        }
        // Halves, of which only one point of the sum is needed.
        let (half, rest) = (copies / 2, copies - copies / 2);
        let Some(half_sum) = self.power(half) else { return 0.0 };
        let rest_sum = if rest == half { Some(half_sum.clone()) } else { half_sum.and(self) };
        rest_sum.map_or(0.0, |rest_sum| half_sum.and_at(&rest_sum, n))
    }

    /// The sum of so many independent counts, at least one.
    fn power(&self, copies: usize) -> Option<Counts> {
        if copies <= 1 {
            return Some(self.clone());
        }
        let half = self.power(copies / 2)?;
        let even = half.and(&half)?;
        if copies.is_multiple_of(2) { Some(even) } else { even.and(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt as _;
    use statrs::function::beta::beta_reg;

    /// Mean of the largest count over the mean count.
    fn expected_largest(workers: usize, connections: u64) -> f64 {
        let mean = connections as f64 / workers as f64;
        let over = |most: u64| 1.0 - all_within(workers, connections, 0, most);
        (0..connections).map(over).sum::<f64>() / mean
    }

    #[test]
    fn the_reference_table_of_uneven_hashing() {
        // Mean of the largest share over the mean share, and its 95 % quantile, as simulated elsewhere. That quantile is a count or two
        // off at 8 × 1024 and 32 × 1024: of 20 000 throws of our own at the former, 94.1 % had at most 154 and 95.4 % at most 155.
        for (workers, connections, expected, p95) in [
            (8, 64, 1.53, 1.88),
            (8, 256, 1.26, 1.44),
            (8, 1024, 1.13, 1.23),
            (16, 64, 1.98, 2.50),
            (16, 256, 1.46, 1.69),
            (16, 1024, 1.23, 1.34),
            (32, 1024, 1.38, 1.53),
        ] {
            let largest = largest_count(workers, connections, 0.95) as f64 * workers as f64 / connections as f64;
            let mean = expected_largest(workers, connections);
            assert!((mean - expected).abs() < 0.015, "{workers} × {connections}: mean {mean}, known {expected}");
            assert!((largest - p95).abs() < 0.035, "{workers} × {connections}: p95 {largest}, known {p95}");
        }
        assert_eq!(largest_count(8, 1024, 0.95), 155);
        let largest = largest_count(16, 4096, 0.95) as f64 / 256.0;
        assert!((largest - 1.17).abs() < 0.006, "{largest}");
    }

    #[test]
    fn the_documented_table_of_shares() {
        let text = include_str!("../../../../docs/methodology.md");
        for (workers, connections) in [(2, 64), (8, 64), (8, 256), (8, 1024), (32, 1024)] {
            let envelope = Envelope::of(workers, connections).unwrap();
            let percent = |share: f64| match share * 100.0 {
                share if (share - share.round()).abs() < 0.05 || share > 30.0 => format!("{share:.0} %"),
                share => format!("{share:.1} %"),
            };
            let row = format!(
                "| {connections} on {workers} | {:.2} | {:.2} | {} … {} |",
                expected_largest(workers, connections),
                largest_count(workers, connections, 0.95) as f64 * workers as f64 / connections as f64,
                percent(envelope.smallest),
                percent(envelope.largest)
            );
            assert!(text.contains(&row), "{row}");
        }
    }

    #[test]
    fn two_workers_are_a_binomial() {
        for connections in [1u64, 2, 7, 64, 999] {
            for most in connections.div_ceil(2)..connections {
                // P(C−m ≤ Bin(C, ½) ≤ m) = 1 − 2 P(Bin ≥ m+1) = 1 − 2 I_½(m+1, C−m).
                let known = 1.0 - 2.0 * beta_reg(most as f64 + 1.0, (connections - most) as f64, 0.5);
                let found = all_within(2, connections, 0, most);
                assert!((found - known).abs() < 1e-9, "{most} of {connections}: {found}, known {known}");
            }
        }
    }

    #[test]
    fn few_connections_are_counted_out() {
        // 3 connections on 3 workers: 6 of 27 ways are even, 3 put all on one.
        assert!((all_within(3, 3, 0, 1) - 6.0 / 27.0).abs() < 1e-12);
        assert!((all_within(3, 3, 0, 2) - 24.0 / 27.0).abs() < 1e-12);
        assert!((all_within(3, 3, 1, 3) - 6.0 / 27.0).abs() < 1e-12);
        assert_eq!(all_within(3, 3, 2, 3), 0.0);
        assert_eq!(Envelope::of(2, 1), Some(Envelope { smallest: 0.0, largest: 1.0 }));
        assert_eq!(Envelope::of(1, 9), Some(Envelope { smallest: 1.0, largest: 1.0 }));
        assert_eq!((Envelope::of(0, 9), Envelope::of(9, 0)), (None, None));
    }

    #[test]
    fn throws_fall_within_as_often_as_they_should() {
        let mut rng = corecurve_core::rng::stream(11, 3);
        let throws = 20_000;
        for (workers, connections) in [(2, 64), (3, 100), (7, 50), (16, 256), (64, 512)] {
            let envelope = Envelope::of(workers, connections).unwrap();
            let (most, least) =
                (largest_count(workers, connections, 0.975), smallest_count(workers, connections, 0.975));
            let (mut inside, mut under, mut over) = (0, 0, 0);
            for _ in 0..throws {
                let mut counts = vec![0u64; workers];
                (0..connections).for_each(|_| counts[rng.random_range(0..workers)] += 1);
                let (low, high) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
                let share = |count: u64| count as f64 / connections as f64;
                inside += u32::from(envelope.holds(share(low)) && envelope.holds(share(high)));
                under += u32::from(high <= most);
                over += u32::from(low >= least);
            }
            let of = |hits: u32| f64::from(hits) / f64::from(throws);
            // Five standard errors of 20 000 throws at 95 % are 0.8 %.
            assert!(of(inside) > 0.942, "{workers} × {connections}: {} inside {envelope:?}", of(inside));
            for (seen, known) in [
                (of(under), all_within(workers, connections, 0, most)),
                (of(over), all_within(workers, connections, least, connections)),
                (of(inside), all_within(workers, connections, least, most)),
            ] {
                let error = 5.0 * (known * (1.0 - known) / f64::from(throws)).sqrt() + 1e-9;
                assert!((seen - known).abs() < error, "{workers} × {connections}: seen {seen}, computed {known}");
            }
            // One connection less, and too many throws would be outside.
            assert!(all_within(workers, connections, 0, most - 1) < 0.975);
            assert!(all_within(workers, connections, least + 1, connections) < 0.975);
        }
    }

    #[test]
    fn many_connections_go_on_where_the_exact_ends() {
        for workers in [2, 12, 256] {
            let at = |connections| Envelope::of(workers, connections).unwrap();
            let (exact, half, next) = (at(EXACT_UP_TO), at(EXACT_UP_TO / 4), at(EXACT_UP_TO * 4));
            // Four times the connections halve the distance from even, in the exact range as beyond it. Counts are whole, so
            // a bound is known to one count.
            let distance = |envelope: Envelope| envelope.largest * workers as f64 - 1.0;
            let grain = 2.0 * workers as f64 / (EXACT_UP_TO / 4) as f64;
            assert!((distance(exact) / distance(half) - 0.5).abs() < 0.05 + grain / distance(half), "{workers}");
            assert!((distance(next) / distance(exact) - 0.5).abs() < 1e-9);
            assert!(next.smallest > exact.smallest && next.smallest < 1.0 / workers as f64);
            let many = at(1_000_000_000);
            assert!(many.largest * (workers as f64) < 1.02, "{many:?}");
        }
    }
}
