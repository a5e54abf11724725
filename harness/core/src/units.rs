//! Quantities with their unit in the type: [`Nanos`] for time, [`Rate`] for events per second.
//!
//! Both parse what people write (`5ms`, `200us`, `50k`, `1.5M`) and print what people read.
//! A time without a unit is refused, because `--slo p99<1` has been read as seconds and as
//! milliseconds by different people on the same day.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// A span of time or an instant on the run's monotonic clock, in nanoseconds.
///
/// Range: 0 to 584 years. Subtraction saturates at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Nanos = Nanos(0);
    /// The longest representable time.
    pub const MAX: Nanos = Nanos(u64::MAX);
    /// One microsecond.
    pub const MICRO: Nanos = Nanos(1_000);
    /// One millisecond.
    pub const MILLI: Nanos = Nanos(1_000_000);
    /// One second.
    pub const SECOND: Nanos = Nanos(1_000_000_000);

    /// From seconds; negative and NaN become zero, too large becomes [`Nanos::MAX`].
    pub fn from_secs_f64(seconds: f64) -> Nanos {
        Nanos((seconds * 1e9).round() as u64)
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This time scaled by `factor`, rounded to the nearest nanosecond.
    pub fn scale(self, factor: f64) -> Nanos {
        Nanos((self.0 as f64 * factor).round() as u64)
    }

    /// `self - other`, or zero if that would be negative.
    pub fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Nanos) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    fn sub(self, other: Nanos) -> Nanos {
        self.saturating_sub(other)
    }
}

impl Mul<u64> for Nanos {
    type Output = Nanos;
    fn mul(self, factor: u64) -> Nanos {
        Nanos(self.0.saturating_mul(factor))
    }
}

impl Div<u64> for Nanos {
    type Output = Nanos;
    fn div(self, divisor: u64) -> Nanos {
        Nanos(self.0 / divisor)
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Nanos {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Duration {
        Duration::from_nanos(nanos.0)
    }
}

impl fmt::Display for Nanos {
    /// Three significant digits and the unit a reader expects: `870 ns`, `61.0 µs`, `1.24 ms`, `4.90 s`, `2 min 05 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        let text = match self.0 {
            0..1_000 => format!("{} ns", self.0),
            1_000..999_500 => format!("{} µs", three_digits(ns / 1e3)),
            999_500..999_500_000 => format!("{} ms", three_digits(ns / 1e6)),
            999_500_000..120_000_000_000 => format!("{} s", three_digits(ns / 1e9)),
            _ => {
                let seconds = (ns / 1e9).round() as u64;
                if seconds < 7_200 {
                    format!("{} min {:02} s", seconds / 60, seconds % 60)
                } else {
                    format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60)
                }
            }
        };
        f.pad(&text)
    }
}

impl FromStr for Nanos {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Nanos, Problem> {
        let text = text.trim();
        let (number, unit) = split_number(text);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" | "sec" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3_600e9,
            "" if !number.is_empty() => {
                return Err(Problem::new(format!("time `{text}` has no unit"))
                    .help(format!("write a time with a unit, e.g. `{number}ms` or `{number}s`")));
            }
            _ => return Err(bad_time(text)),
        };
        let value: f64 = number.parse().map_err(|_| bad_time(text))?;
        let ns = value * scale;
        if !(0.0..=1e18).contains(&ns) {
            return Err(Problem::new(format!("time `{text}` is out of range"))
                .help("times go from 0 to about 30 years, e.g. `200us`, `5ms`, `10s`"));
        }
        Ok(Nanos(ns.round() as u64))
    }
}

fn bad_time(text: &str) -> Problem {
    Problem::new(format!("`{text}` is not a time"))
        .help("write a number and a unit (ns, us, ms, s, min, h), e.g. `200us`, `5ms`, `10s`")
}

/// Events per second. Finite and not negative when it comes from [`Rate::from_str`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub f64);

impl Rate {
    /// Events per second.
    pub fn per_s(self) -> f64 {
        self.0
    }

    /// Mean time between events; [`Nanos::MAX`] for a rate of zero.
    pub fn interval(self) -> Nanos {
        if self.0 > 0.0 { Nanos::from_secs_f64(1.0 / self.0) } else { Nanos::MAX }
    }
}

impl fmt::Display for Rate {
    /// Three significant digits with an SI prefix: `950 /s`, `18.2 k/s`, `2.61 M/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.0;
        let text = if !r.is_finite() {
            "∞ /s".to_owned()
        } else if r < 999.5 {
            format!("{} /s", three_digits(r))
        } else if r < 999_500.0 {
            format!("{} k/s", three_digits(r / 1e3))
        } else {
            format!("{} M/s", three_digits(r / 1e6))
        };
        f.pad(&text)
    }
}

impl FromStr for Rate {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Rate, Problem> {
        let trimmed = text.trim();
        let bare = trimmed.strip_suffix("/s").unwrap_or(trimmed);
        let (number, prefix) = split_number(bare);
        let bad = || {
            Problem::new(format!("`{text}` is not a rate"))
                .help("write requests per second, with k or M if you like, e.g. `800`, `50k`, `1.2M`")
        };
        let scale = match prefix {
            "" => 1.0,
            "k" | "K" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            _ => return Err(bad()),
        };
        let value = number.parse::<f64>().map_err(|_| bad())? * scale;
        if !value.is_finite() || value <= 0.0 || value > 1e9 {
            return Err(Problem::new(format!("rate `{text}` is out of range"))
                .help("rates go from above 0 to 1G requests per second, e.g. `50k`"));
        }
        Ok(Rate(value))
    }
}

/// A count with an optional SI suffix: `64`, `10k`. Fractions are refused unless the suffix makes them whole.
///
/// # Errors
/// When the text is not a whole number between 0 and 10^12.
pub fn parse_count(text: &str) -> Result<u64, Problem> {
    let (number, prefix) = split_number(text.trim());
    let scale = match prefix {
        "" => Some(1.0),
        "k" | "K" => Some(1e3),
        "M" => Some(1e6),
        _ => None,
    };
    let value = scale.zip(number.parse::<f64>().ok()).map(|(s, v)| s * v);
    match value {
        Some(v) if (0.0..=1e12).contains(&v) && v.fract() == 0.0 => Ok(v as u64),
        _ => Err(Problem::new(format!("`{text}` is not a count"))
            .help("write a whole number, with k or M if you like, e.g. `64` or `10k`")),
    }
}

/// `8.23` → `8.23`, `18.24` → `18.2`, `182.4` → `182`: three digits whatever the size.
pub fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// Splits `1.5ms` into `1.5` and `ms`. Only plain decimal notation counts as a number:
/// `1e3`, `0x10` and `inf` leave a remainder that no unit matches.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// Serde form of a time a person writes: `"5ms"`.
pub mod time_text {
    use super::Nanos;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the time in the largest unit that keeps it whole, so that it reads back exactly.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Nanos>, s: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(t) => s.serialize_str(&super::exact_time(*t)),
            None => s.serialize_none(),
        }
    }

    /// Reads `"5ms"`.
    ///
    /// # Errors
    /// When the text is no time with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Nanos>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|t| t.parse().map_err(|p: crate::Problem| D::Error::custom(p.one_line()))).transpose()
    }
}

/// The shortest exact spelling of a time: `5ms`, `1500us`, `90s`.
pub fn exact_time(time: Nanos) -> String {
    for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if time.0 >= size && time.0.is_multiple_of(size) {
            return format!("{}{unit}", time.0 / size);
        }
    }
    format!("{}ns", time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_print() {
        for (text, ns, shown) in [
            ("5ms", 5_000_000, "5.00 ms"),
            ("200us", 200_000, "200 µs"),
            ("1.5s", 1_500_000_000, "1.50 s"),
            ("10 min", 600_000_000_000, "10 min 00 s"),
            ("870ns", 870, "870 ns"),
            ("3h", 10_800_000_000_000, "3 h 00 min"),
        ] {
            let t: Nanos = text.parse().unwrap();
            assert_eq!(t.0, ns, "{text}");
            assert_eq!(t.to_string(), shown, "{text}");
            assert_eq!(exact_time(t).parse::<Nanos>().unwrap(), t, "{text}");
        }
    }

    #[test]
    fn times_without_unit_or_sense_are_refused() {
        for text in ["10", "", "ms", "1e3ms", "-5s", "0x10s", "nans", "infs", "10q", "1.2.3s", "٣s"] {
            let problem = text.parse::<Nanos>().unwrap_err();
            assert!(problem.to_string().contains(text), "{problem}");
        }
        assert!("1".repeat(400).parse::<Nanos>().is_err());
        assert!(format!("{}s", "9".repeat(400)).parse::<Nanos>().is_err());
    }

    #[test]
    fn rates_read_and_print() {
        for (text, value, shown) in [
            ("800", 800.0, "800 /s"),
            ("50k", 50e3, "50.0 k/s"),
            ("2.61M", 2.61e6, "2.61 M/s"),
            ("1k/s", 1e3, "1.00 k/s"),
        ] {
            let r: Rate = text.parse().unwrap();
            assert_eq!(r.0, value);
            assert_eq!(r.to_string(), shown);
        }
        for text in ["0", "-1", "NaN", "inf", "1e18", "0x10", "", "k", "10q"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(parse_count("10k").unwrap(), 10_000);
        assert_eq!(parse_count("1.5k").unwrap(), 1_500);
        for text in ["1.5", "-1", "", "1e3", "x"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
