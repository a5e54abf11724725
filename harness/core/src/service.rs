//! Service times that are a pure function of seed and request id, so that any run can be replayed exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::rng::{mix, splitmix, unit_open};
use crate::units::Nanos;

/// The shape of a service-time distribution; the mean is given apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceShape {
    /// Always the mean.
    Fixed,
    /// Exponential: the M of M/M/1.
    #[default]
    Exp,
    /// 99.5 % short, 0.5 % a hundred times as long (the shape of dataplane papers: 10 µs and 1 ms).
    Bimodal,
    /// Log-normal with σ = 1, scaled to the mean.
    Lognormal,
}

impl ServiceShape {
    /// Every shape.
    pub const ALL: [ServiceShape; 4] =
        [ServiceShape::Fixed, ServiceShape::Exp, ServiceShape::Bimodal, ServiceShape::Lognormal];

    /// The name in URLs, specs and records.
    pub fn name(self) -> &'static str {
        match self {
            ServiceShape::Fixed => "fixed",
            ServiceShape::Exp => "exp",
            ServiceShape::Bimodal => "bimodal",
            ServiceShape::Lognormal => "lognormal",
        }
    }
}

impl fmt::Display for ServiceShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ServiceShape {
    type Err = Problem;
    fn from_str(text: &str) -> Result<ServiceShape, Problem> {
        ServiceShape::ALL
            .into_iter()
            .find(|shape| shape.name() == text)
            .ok_or_else(|| Problem::unknown("distribution", text, ServiceShape::ALL.map(ServiceShape::name), ""))
    }
}

/// A service-time distribution with its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The shape.
    pub shape: ServiceShape,
    /// The mean.
    pub mean: Nanos,
    /// The seed of the sequence.
    pub seed: u64,
}

/// Share of long requests in the bimodal shape.
const BIMODAL_LONG_SHARE: f64 = 0.005;
/// How much longer a long request is than a short one.
const BIMODAL_RATIO: f64 = 100.0;
/// σ of the underlying normal of the log-normal shape.
const LOGNORMAL_SIGMA: f64 = 1.0;

impl Service {
    /// The service time of request `id`: the same for the same seed and id, on any machine.
    pub fn time(&self, id: u64) -> Nanos {
        let bits = mix(self.seed, id);
        let mean = self.mean.0 as f64;
        let ns = match self.shape {
            ServiceShape::Fixed => mean,
            ServiceShape::Exp => -mean * unit_open(bits).ln(),
            ServiceShape::Bimodal => {
                let short = mean / (1.0 + BIMODAL_LONG_SHARE * (BIMODAL_RATIO - 1.0));
                if unit_open(bits) <= BIMODAL_LONG_SHARE { short * BIMODAL_RATIO } else { short }
            }
            ServiceShape::Lognormal => {
                // Box–Muller on two independent words.
                let radius = (-2.0 * unit_open(bits).ln()).sqrt();
                let angle = std::f64::consts::TAU * unit_open(splitmix(bits));
                let normal = radius * angle.cos();
                mean * (LOGNORMAL_SIGMA * normal - LOGNORMAL_SIGMA * LOGNORMAL_SIGMA / 2.0).exp()
            }
        };
        Nanos(ns.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_the_mean_it_was_given_and_replays() {
        for shape in ServiceShape::ALL {
            let service = Service { shape, mean: Nanos(200_000), seed: 7 };
            let n = 400_000u64;
            let sum: f64 = (0..n).map(|id| service.time(id).0 as f64).sum();
            let mean = sum / n as f64;
            assert!((mean / 200_000.0 - 1.0).abs() < 0.015, "{shape}: mean {mean}");
            assert_eq!(service.time(99), service.time(99));
            assert_eq!(shape.name().parse::<ServiceShape>().unwrap(), shape);
        }
    }
}
