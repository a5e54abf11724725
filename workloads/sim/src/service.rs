//! Service times as a pure function of seed and operation, so that any simulated trial can be replayed.

use corecurve_core::rng::{exponential_of, labelled, mix, splitmix, unit_open};
use corecurve_core::{Nanos, Problem};

use crate::settings::Values;

/// Keeps the stream of service times apart from every other use of the trial's seed.
const SERVICE_STREAM: u64 = 0x5e71_1ce5;

/// How long operations take.
#[derive(Clone, Debug)]
pub(crate) enum Law {
    /// Exponential with this mean in nanoseconds.
    Exp(f64),
    /// Always this long.
    Fixed(u64),
    /// Drawn from a list: cumulative probability and time, ascending in the former.
    Mixture(Vec<(f64, u64)>),
}

/// A law with the seed of the trial.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    law: Law,
    /// The start's seed: two starts differ in their services even under the same arrivals.
    own_seed: u64,
    /// The trial's seed, mixed once for all operations.
    key: u64,
}

impl Services {
    /// The services of a first trial under the start's seed.
    pub(crate) fn new(law: Law, seed: u64) -> Services {
        Services { law, own_seed: seed, key: splitmix(mix(seed, SERVICE_STREAM)) }
    }

    /// The services of another trial: a function of the start's seed and the trial's.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.key = splitmix(mix(mix(self.own_seed, seed), SERVICE_STREAM));
    }

    /// Service time of operation `id`, nanoseconds. About 5 ns.
    #[inline]
    pub(crate) fn time(&self, id: u64) -> u64 {
        let state = labelled(self.key, id);
        match &self.law {
            // Not `round`, which is a call where the processor is assumed to be the oldest of its kind.
            Law::Exp(mean) => (0.5 + mean * exponential_of(state)) as u64,
            Law::Fixed(time) => *time,
            Law::Mixture(steps) => {
                let u = unit_open(splitmix(state));
                steps.iter().find(|(upto, _)| u <= *upto).or(steps.last()).map_or(0, |(_, time)| *time)
            }
        }
    }
}

/// Most entries of a service-time list.
const MAX_STEPS: usize = 64;

/// Reads `100us:0.9,1ms:0.1` as times in nanoseconds with probabilities that add up to one.
///
/// # Errors
/// Names the entry that is no `TIME:WEIGHT`.
pub(crate) fn parse_mixture(values: &Values, key: &str) -> Result<Vec<(f64, f64)>, Problem> {
    let example = "write times with weights, e.g. `100us:0.9,1ms:0.1`";
    let entries: Vec<&str> = values.text(key).split(',').collect();
    if entries.len() > MAX_STEPS {
        return Err(values.bad(key, "has too many entries").help(format!("at most {MAX_STEPS}; {example}")));
    }
    let mut steps = Vec::with_capacity(entries.len());
    for entry in entries {
        let (time, weight) =
            entry.split_once(':').ok_or_else(|| values.bad(key, "has an entry without `:`").help(example))?;
        let time: Nanos = time.parse().map_err(|problem: Problem| problem.at(format!("setting `{key}`")))?;
        let weight = weight.trim().parse::<f64>().ok().filter(|weight| (1e-9..=1e9).contains(weight));
        let weight = weight.ok_or_else(|| values.bad(key, "has an unusable weight").help(example))?;
        if !(Nanos(100)..=Nanos(3_600_000_000_000)).contains(&time) {
            return Err(values.bad(key, "has a time out of range").help("times go from 100ns to 1h"));
        }
        steps.push((time.0 as f64, weight));
    }
    let total: f64 = steps.iter().map(|(_, weight)| weight).sum();
    Ok(steps.into_iter().map(|(time, weight)| (time, weight / total)).collect())
}

/// The law of a list of times with probabilities.
pub(crate) fn mixture(steps: &[(f64, f64)]) -> Law {
    let mut upto = 0.0;
    let cumulative = steps.iter().map(|(time, share)| {
        upto += share;
        (upto, time.round() as u64)
    });
    Law::Mixture(cumulative.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_replay_and_have_their_mean() {
        let law = mixture(&[(100_000.0, 0.9), (1_000_000.0, 0.1)]);
        for (law, mean) in [(Law::Exp(200_000.0), 200_000.0), (Law::Fixed(7), 7.0), (law, 190_000.0)] {
            let services = Services::new(law, 3);
            let n = 200_000;
            let sum: f64 = (0..n).map(|id| services.time(id) as f64).sum();
            assert!((sum / n as f64 / mean - 1.0).abs() < 0.02);
            assert_eq!(services.time(12), services.clone().time(12));
        }
    }
}
