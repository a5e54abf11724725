//! [`Slo`]: what "good enough" means, e.g. `p99<5ms,errors<0.1%`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::{Problem, printable};
use crate::units::{Nanos, exact_time};

/// A service-level objective: a latency quantile under a limit, and a bound on the share of errors.
///
/// Written `p99<5ms`, `p99.9<20ms,errors<0.5%` or, as a multiple of the no-load mean latency, `p99<10x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// The quantile, in (0, 1): 0.99 for `p99`.
    pub quantile: f64,
    /// What it must stay under.
    pub limit: Limit,
    /// Largest tolerated share of failed operations, 0 to 1. Unless written, 0.1 %.
    pub errors: f64,
}

/// The latency limit of an [`Slo`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A time.
    Absolute(Nanos),
    /// A multiple of the target's own no-load mean latency, as queueing theory states its results.
    TimesNoLoad(f64),
}

/// Share of errors tolerated when the SLO does not say.
pub const DEFAULT_ERRORS: f64 = 0.001;

impl Slo {
    /// The limit in time, given the mean latency seen without load.
    pub fn limit_ns(&self, no_load_mean: Nanos) -> Nanos {
        match self.limit {
            Limit::Absolute(limit) => limit,
            Limit::TimesNoLoad(factor) => no_load_mean.scale(factor),
        }
    }

    /// The share of operations that may be over the limit: 0.01 for `p99`.
    pub fn allowed_over(&self) -> f64 {
        1.0 - self.quantile
    }

    /// Whether the limit must be resolved against a no-load trial.
    pub fn is_relative(&self) -> bool {
        matches!(self.limit, Limit::TimesNoLoad(_))
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("p{}<", shortest(self.quantile * 100.0));
        match self.limit {
            Limit::Absolute(limit) => text += &exact_time(limit),
            Limit::TimesNoLoad(factor) => text += &format!("{}x", shortest(factor)),
        }
        if self.errors != DEFAULT_ERRORS {
            text += &format!(",errors<{}%", shortest(self.errors * 100.0));
        }
        f.pad(&text)
    }
}

/// A decimal without float dust: 99.9 and not 99.90000000000001.
fn shortest(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl FromStr for Slo {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Slo, Problem> {
        let shown = printable(text);
        let example = "write a latency quantile and a limit, e.g. `p99<5ms`, `p99<10x` or `p99<5ms,errors<0.1%`";
        let mut latency = None;
        let mut errors = None;
        for rule in text.split(',').map(str::trim) {
            let (what, bound) = rule
                .split_once("<=")
                .or_else(|| rule.split_once('<'))
                .ok_or_else(|| Problem::new(format!("SLO rule `{}` has no `<`", printable(rule))).help(example))?;
            let (what, bound) = (what.trim(), bound.trim());
            let doubled = |what: &str| Problem::new(format!("SLO `{shown}` limits {what} twice")).help(example);
            if let Some(quantile) = what.strip_prefix('p') {
                let parsed = (parse_quantile(quantile, what)?, parse_limit(bound, rule)?);
                if latency.replace(parsed).is_some() {
                    return Err(doubled("latency").help("give several SLOs by repeating --slo"));
                }
            } else if what == "errors" {
                if errors.replace(parse_share(bound, rule)?).is_some() {
                    return Err(doubled("errors"));
                }
            } else {
                return Err(Problem::unknown("SLO quantity", what, ["p50", "p90", "p99", "p99.9", "errors"], example));
            }
        }
        let (quantile, limit) =
            latency.ok_or_else(|| Problem::new(format!("SLO `{shown}` limits no latency")).help(example))?;
        Ok(Slo { quantile, limit, errors: errors.unwrap_or(DEFAULT_ERRORS) })
    }
}

fn parse_quantile(digits: &str, what: &str) -> Result<f64, Problem> {
    let problem = || {
        Problem::new(format!("`{}` is not a percentile", printable(what)))
            .help("percentiles go from p50 to p99.99, e.g. `p99`, `p99.9` or `p999`")
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(problem());
    }
    // p999 and p9999 are how people write p99.9 and p99.99.
    let percent: f64 = match digits {
        "999" => 99.9,
        "9999" => 99.99,
        _ => digits.parse().map_err(|_| problem())?,
    };
    if (50.0..=99.99).contains(&percent) { Ok(percent / 100.0) } else { Err(problem()) }
}

fn parse_limit(bound: &str, rule: &str) -> Result<Limit, Problem> {
    if let Some(factor) = bound.strip_suffix('x') {
        return match factor.parse::<f64>() {
            Ok(factor) if (1.1..=100_000.0).contains(&factor) => Ok(Limit::TimesNoLoad(factor)),
            _ => Err(Problem::new(format!("SLO rule `{}` has no usable multiple", printable(rule)))
                .help("multiples of the no-load mean go from 1.1x to 100000x, e.g. `p99<10x`")),
        };
    }
    match bound.parse::<Nanos>() {
        Ok(Nanos(1_000..=3_600_000_000_000)) => bound.parse().map(Limit::Absolute),
        Ok(_) => Err(Problem::new(format!("SLO rule `{}` has a limit out of range", printable(rule)))
            .help("limits go from 1us to 1h, e.g. `p99<5ms`")),
        Err(problem) => Err(problem.at(format!("SLO rule `{}`", printable(rule)))),
    }
}

fn parse_share(bound: &str, rule: &str) -> Result<f64, Problem> {
    let problem = || {
        Problem::new(format!("SLO rule `{}` has no usable share", printable(rule)))
            .help("write the share of errors as a percentage from 0% to 50%, e.g. `errors<0.1%`")
    };
    let percent: f64 = bound.strip_suffix('%').ok_or_else(problem)?.trim().parse().map_err(|_| problem())?;
    if (0.0..=50.0).contains(&percent) { Ok(percent / 100.0) } else { Err(problem()) }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slo {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Slo, D::Error> {
        String::deserialize(d)?.parse().map_err(|p: Problem| serde::de::Error::custom(p.one_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slos_read_and_print() {
        for (text, shown) in [
            ("p99<5ms", "p99<5ms"),
            ("p99 < 5ms , errors < 0.1%", "p99<5ms"),
            ("p999<20ms,errors<0.5%", "p99.9<20ms,errors<0.5%"),
            ("p99<10x", "p99<10x"),
            ("p50<=1500us", "p50<1500us"),
        ] {
            let slo: Slo = text.parse().unwrap();
            assert_eq!(slo.to_string(), shown, "{text}");
            assert_eq!(shown.parse::<Slo>().unwrap(), slo);
        }
        let slo: Slo = "p99<10x".parse().unwrap();
        assert_eq!(slo.limit_ns(Nanos(200_000)), Nanos(2_000_000));
        assert!((slo.allowed_over() - 0.01).abs() < 1e-12);
    }

    #[test]
    fn nonsense_names_the_token() {
        for (text, token) in [
            ("p99 < 1", "no unit"),
            ("p99", "no `<`"),
            ("p100<5ms", "p100"),
            ("p0<5ms", "p0"),
            ("q99<5ms", "q99"),
            ("errors<1%", "no latency"),
            ("p99<5ms,p99<6ms", "twice"),
            ("p99<0ms", "out of range"),
            ("p99<0.5x", "multiple"),
            ("p99<5ms,errors<1", "share"),
            ("p99<NaNms", "NaNms"),
            ("", "no `<`"),
        ] {
            let problem = text.parse::<Slo>().unwrap_err();
            assert!(problem.to_string().contains(token), "{text}: {problem}");
        }
    }
}
