//! [`Problem`]: something the user can mend, with what was seen and what to do.

use std::fmt;

/// One thing that is wrong and how to mend it.
///
/// Printed as
/// ```text
/// error: unknown target `thread-percore`
///   help: did you mean `thread-per-core`?  See `corecurve list targets`
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// What was seen, naming the token.
    pub seen: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that says what was seen.
    pub fn new(seen: impl Into<String>) -> Problem {
        Problem { seen: seen.into(), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Puts where it was seen in front: `--window: time `10` has no unit`.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Problem {
        self.seen = format!("{place}: {}", self.seen);
        self
    }

    /// Both sentences on one line, for formats that have only one.
    pub fn one_line(&self) -> String {
        match &self.help {
            Some(help) => format!("{} ({help})", self.seen),
            None => self.seen.clone(),
        }
    }

    /// `unknown WHAT NAME; did you mean …?` against the known names.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>, see: &str) -> Problem {
        let known: Vec<&str> = known.into_iter().collect();
        let nearest = nearest(name, &known);
        let shown = printable(name);
        let help = match nearest {
            Some(near) => format!("did you mean `{near}`?  {see}"),
            None if known.is_empty() => see.to_owned(),
            None => format!("known: {}.  {see}", known.join(", ")),
        };
        Problem::new(format!("unknown {what} `{shown}`")).help(help.trim())
    }
}

/// The known name closest to `name`, if it is close enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), *k))
        .filter(|(distance, k)| *distance <= (k.len() / 3).max(1))
        .min()
        .map(|(_, k)| k)
}

/// Text that may come from anywhere, safe for a terminal: control characters escaped, length bounded.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == 120 {
            out.push('…');
            break;
        }
        let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || bidi { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seen)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Several problems found in one pass, so that the user mends them all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Keeps the value, or remembers the problem and goes on.
    pub fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// The value, unless something went wrong before.
    ///
    /// # Errors
    /// All problems found so far.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let newline = if i > 0 { "\n" } else { "" };
            write!(f, "{newline}error: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        let problem =
            Problem::unknown("target", "thread-percore", ["thread-per-core", "nginx"], "See `corecurve list targets`");
        assert_eq!(
            problem.to_string(),
            "unknown target `thread-percore`\n  help: did you mean `thread-per-core`?  See `corecurve list targets`"
        );
        assert!(Problem::unknown("target", "zzz", ["nginx"], "").to_string().contains("known: nginx"));
    }

    #[test]
    fn hostile_names_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}\u{202e}b"), "a\\u{1b}]0;x\\u{7}\\u{202e}b");
        assert!(printable(&"x".repeat(1 << 20)).chars().count() <= 121);
    }
}
