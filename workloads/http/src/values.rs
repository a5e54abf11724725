//! [`Values`]: the settings of one workload, read with their defaults, every problem remembered.

use std::str::FromStr;

use corecurve_core::problem::printable;
use corecurve_core::units::parse_count;
use corecurve_core::{Nanos, Problem, Problems, Settings};

use crate::registry::WorkloadKind;

/// The settings given for a workload laid over its defaults.
///
/// Every reader returns `None` and remembers the problem when the value is bad, so that all of them are shown at once.
#[derive(Debug)]
pub struct Values<'a> {
    kind: &'static WorkloadKind,
    given: &'a Settings,
    problems: Problems,
}

impl<'a> Values<'a> {
    /// Checks the keys of `given` against those `kind` knows.
    pub(crate) fn new(kind: &'static WorkloadKind, given: &'a Settings) -> Values<'a> {
        let known: Vec<String> = kind.settings.iter().map(|setting| format!("workload.{}", setting.key)).collect();
        let mut problems = Problems::default();
        for key in given.keys().filter(|key| !kind.settings.iter().any(|setting| setting.key == key.as_str())) {
            let see = if known.is_empty() {
                format!("`{}` takes no settings", kind.name)
            } else {
                "See `corecurve list workloads`".to_owned()
            };
            let key = format!("workload.{key}");
            problems.0.push(Problem::unknown("setting", &key, known.iter().map(String::as_str), &see));
        }
        Values { kind, given, problems }
    }

    pub(crate) fn into_problems(self) -> Problems {
        self.problems
    }

    /// The text of a setting: given, or its default; `None` when there is neither.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let default =
            self.kind.settings.iter().find(|setting| setting.key == key).map_or("", |setting| setting.default);
        Some(self.given.get(key).map_or(default, String::as_str)).filter(|text| !text.is_empty())
    }

    /// A setting of any type that reads from text with a [`Problem`].
    pub fn parse<T: FromStr<Err = Problem>>(&mut self, key: &str) -> Option<T> {
        let result = self.text(key).unwrap_or_default().parse();
        self.keep(key, result)
    }

    /// A count with SI suffix, within `range`.
    pub fn count(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(key).unwrap_or_default();
        let result = parse_count(text).and_then(|n| {
            let (low, high) = (range.start(), range.end());
            if range.contains(&n) { Ok(n) } else { Err(out_of_range(text, &low.to_string(), &high.to_string())) }
        });
        self.keep(key, result)
    }

    /// A time with unit, within `range`.
    pub fn time(&mut self, key: &str, range: std::ops::RangeInclusive<Nanos>) -> Option<Nanos> {
        let text = self.text(key).unwrap_or_default();
        let exact = |time: &Nanos| corecurve_core::units::exact_time(*time);
        let result = text.parse::<Nanos>().and_then(|time| {
            if range.contains(&time) {
                Ok(time)
            } else {
                Err(out_of_range(text, &exact(range.start()), &exact(range.end())))
            }
        });
        self.keep(key, result)
    }

    /// A request target: `/path?query` in visible ASCII.
    pub fn path(&mut self, key: &str) -> Option<String> {
        let result = match self.text(key) {
            None => Err(Problem::new(format!("workload.{key} is not given"))
                .help(format!("say what to ask for, e.g. `--set workload.{key}=/`"))),
            Some(text) => check_path(text).map_err(|problem| problem.at(format!("workload.{key}"))),
        };
        self.problems.take(result)
    }

    /// Keeps the value, or remembers the problem with the setting's name in front.
    pub fn keep<T>(&mut self, key: &str, result: Result<T, Problem>) -> Option<T> {
        self.problems.take(result.map_err(|problem| problem.at(format!("workload.{key}"))))
    }
}

fn out_of_range(text: &str, low: &str, high: &str) -> Problem {
    Problem::new(format!("`{}` is out of range", printable(text))).help(format!("it goes from {low} to {high}"))
}

fn check_path(text: &str) -> Result<String, Problem> {
    if !text.starts_with('/') {
        return Err(Problem::new(format!("`{}` does not start with `/`", printable(text)))
            .help(format!("write the path alone, e.g. `/{}`", printable(text))));
    }
    if text.len() > 4096 {
        return Err(Problem::new(format!("a path of {} bytes is too long", text.len())).help("at most 4096 bytes"));
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err(Problem::new(format!("`{}` holds a character that no request line can carry", printable(text)))
            .help("write it percent-encoded, e.g. a space as `%20`"));
    }
    Ok(text.to_owned())
}
