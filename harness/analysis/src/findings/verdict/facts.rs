//! [`Facts`]: how a rule notes what it looked at.

use super::types::{Cause, Fact, Ruling};

/// What was looked at so far.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<Fact>);

impl Facts {
    /// Notes a figure that should be at least so much. `false` where it is not known.
    pub fn at_least(&mut self, what: &str, seen: Option<f64>, asked: f64, show: fn(f64) -> String) -> bool {
        self.note(what, seen, format!("at least {}", show(asked)), show, |seen| seen >= asked)
    }

    /// Notes a figure that should be below so much. `false` where it is not known.
    pub fn below(&mut self, what: &str, seen: Option<f64>, asked: f64, show: fn(f64) -> String) -> bool {
        self.note(what, seen, format!("below {}", show(asked)), show, |seen| seen < asked)
    }

    /// Notes a count that should not be zero. `false` where it is not known.
    pub fn some(&mut self, what: &str, seen: Option<f64>) -> bool {
        self.note(what, seen, "more than 0".to_owned(), count, |seen| seen > 0.0)
    }

    /// Notes something that is so or not.
    pub fn is(&mut self, what: &str, seen: impl Into<String>, asked: &str, holds: bool) -> bool {
        self.0.push(Fact { what: what.to_owned(), seen: seen.into(), asked: asked.to_owned(), holds: Some(holds) });
        holds
    }

    fn note(
        &mut self,
        what: &str,
        seen: Option<f64>,
        asked: String,
        show: fn(f64) -> String,
        test: impl Fn(f64) -> bool,
    ) -> bool {
        let seen = seen.filter(|seen| seen.is_finite());
        let holds = seen.map(test);
        let seen = seen.map_or_else(|| "not known".to_owned(), show);
        self.0.push(Fact { what: what.to_owned(), seen, asked, holds });
        holds.unwrap_or(false)
    }

    /// The ruling.
    pub fn rule(self, cause: Cause, hit: bool, detail: Option<String>) -> Ruling {
        Ruling { cause, hit, detail: detail.filter(|_| hit), facts: self.0 }
    }
}

/// A share of one.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 + 0.0 {
        large if large >= 1_000.0 => format!("{:.0} times", large / 100.0),
        small if small.abs() < 9.95 => format!("{small:.1} %"),
        large => format!("{large:.0} %"),
    }
}

/// A count, or a number per request.
pub(super) fn count(n: f64) -> String {
    if n == n.trunc() && n.abs() < 1e15 { format!("{n:.0}") } else { format!("{n:.2}") }
}

/// A ratio.
pub(super) fn times(ratio: f64) -> String {
    format!("{ratio:.2} times")
}

/// A time.
pub(super) fn time(ns: f64) -> String {
    corecurve_core::Nanos(ns.max(0.0).round() as u64).to_string()
}
