//! When operations are due.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::{Problem, printable};

/// The arrival process of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ArrivalKind {
    /// Exponential gaps: independent users. The default.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
    /// Groups of N due at the same instant, the groups a Poisson process.
    Burst(u32),
    /// DEPTH operations always in flight, the next sent when one completes. A capacity probe: never a MAT.
    Closed(u32),
}

impl ArrivalKind {
    /// Whether operations are due at times of their own, whatever the target does.
    pub fn is_open(self) -> bool {
        !matches!(self, ArrivalKind::Closed(_))
    }
}

impl fmt::Display for ArrivalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArrivalKind::Poisson => f.pad("poisson"),
            ArrivalKind::Uniform => f.pad("uniform"),
            ArrivalKind::Burst(n) => f.pad(&format!("burst:{n}")),
            ArrivalKind::Closed(depth) => f.pad(&format!("closed:{depth}")),
        }
    }
}

impl FromStr for ArrivalKind {
    type Err = Problem;
    fn from_str(text: &str) -> Result<ArrivalKind, Problem> {
        let known = "write `poisson`, `uniform`, `burst:8` or `closed:32`";
        let (name, argument) = text.split_once(':').map_or((text, None), |(n, a)| (n, Some(a)));
        let count = |what: &str| match argument.map(str::parse::<u32>) {
            Some(Ok(n)) if (1..=1_000_000).contains(&n) => Ok(n),
            _ => {
                Err(Problem::new(format!("arrival `{}` needs a {what} from 1 to 1000000", printable(text))).help(known))
            }
        };
        match (name, argument) {
            ("poisson", None) => Ok(ArrivalKind::Poisson),
            ("uniform", None) => Ok(ArrivalKind::Uniform),
            ("burst", _) => count("size").map(ArrivalKind::Burst),
            ("closed", _) => count("depth").map(ArrivalKind::Closed),
            ("poisson" | "uniform", Some(_)) => {
                Err(Problem::new(format!("arrival `{}` takes no number", printable(text))).help(known))
            }
            _ => Err(Problem::unknown("arrival", text, ["poisson", "uniform", "burst", "closed"], known)),
        }
    }
}

impl Serialize for ArrivalKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArrivalKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<ArrivalKind, D::Error> {
        String::deserialize(d)?.parse().map_err(|p: Problem| serde::de::Error::custom(p.one_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_read_and_print() {
        for text in ["poisson", "uniform", "burst:8", "closed:32"] {
            assert_eq!(text.parse::<ArrivalKind>().unwrap().to_string(), text);
        }
        for text in ["", "poison", "burst", "burst:0", "closed:x", "uniform:3", "closed:-1"] {
            assert!(text.parse::<ArrivalKind>().is_err(), "{text}");
        }
        assert!("poison".parse::<ArrivalKind>().unwrap_err().to_string().contains("did you mean `poisson`"));
    }
}
