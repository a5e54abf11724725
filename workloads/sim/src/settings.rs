//! [`Setting`] and [`Values`]: what a simulation can be told, checked against its own list.

use corecurve_core::problem::printable;
use corecurve_core::{Nanos, Problem, Rate, Settings};

/// One thing a simulation can be told with `--set target.KEY=VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// Its value unless given.
    pub default: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
}

/// The settings of one simulation, every key present: as given, or its default.
#[derive(Clone, Debug)]
pub struct Values {
    sim: &'static str,
    entries: Vec<(&'static str, String)>,
}

impl Values {
    /// Lays the given settings over the defaults.
    ///
    /// # Errors
    /// Names the first key the simulation does not have, with the nearest one it has.
    pub fn resolve(sim: &'static str, known: &'static [Setting], given: &Settings) -> Result<Values, Problem> {
        if let Some(key) = given.keys().find(|key| known.iter().all(|setting| setting.key != key.as_str())) {
            let see = format!("See `corecurve list targets` for the settings of `{sim}`");
            return Err(Problem::unknown("setting", key, known.iter().map(|setting| setting.key), &see).at(sim));
        }
        let value = |setting: &Setting| given.get(setting.key).map_or(setting.default, String::as_str).to_owned();
        Ok(Values { sim, entries: known.iter().map(|setting| (setting.key, value(setting))).collect() })
    }

    /// The text of a setting; empty for a key that is not in the simulation's list.
    pub fn text(&self, key: &str) -> &str {
        self.entries.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
    }

    /// A time of at least `least`.
    ///
    /// # Errors
    /// When it is no time, or shorter.
    pub fn time(&self, key: &str, least: Nanos) -> Result<Nanos, Problem> {
        let time: Nanos = self.text(key).parse().map_err(|problem: Problem| problem.at(self.place(key)))?;
        if (least..=Nanos(3_600_000_000_000)).contains(&time) {
            return Ok(time);
        }
        Err(self.bad(key, "is out of range").help(format!("write a time from {} ns to 1h, e.g. `200us`", least.0)))
    }

    /// A rate per second.
    ///
    /// # Errors
    /// When it is no rate.
    pub fn rate(&self, key: &str) -> Result<Rate, Problem> {
        self.text(key).parse().map_err(|problem: Problem| problem.at(self.place(key)))
    }

    /// A plain number within a range.
    ///
    /// # Errors
    /// When it is no number, or outside.
    pub fn number(&self, key: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, Problem> {
        match self.text(key).parse::<f64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.bad(key, "is no usable number").help(format!(
                "write a number from {} to {}",
                range.start(),
                range.end()
            ))),
        }
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// When it is no whole number, or outside.
    pub fn count(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Problem> {
        let count = corecurve_core::units::parse_count(self.text(key)).ok().filter(|count| range.contains(count));
        count.ok_or_else(|| {
            self.bad(key, "is no usable count").help(format!(
                "write a whole number from {} to {}",
                range.start(),
                range.end()
            ))
        })
    }

    /// One of several words.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn word(&self, key: &str, words: &[&'static str]) -> Result<&'static str, Problem> {
        let text = self.text(key);
        let found = words.iter().copied().find(|word| *word == text);
        found.ok_or_else(|| Problem::unknown("choice", text, words.iter().copied(), "").at(self.place(key)))
    }

    /// A problem with the value of `key`.
    pub fn bad(&self, key: &str, what: &str) -> Problem {
        Problem::new(format!("{}: `{}` {what}", self.place(key), printable(self.text(key))))
    }

    fn place(&self, key: &str) -> String {
        format!("{} setting `{key}`", self.sim)
    }
}
