//! Tables of checks, conditions and names.

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::text::{count, plain, plain_long};

/// A truth check: one row of `validate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub what: String,
    /// What must come out, with unit.
    pub expected: String,
    /// What came out, with unit.
    pub seen: String,
    /// How far apart they may be.
    pub tolerance: String,
    /// Whether they are near enough.
    pub pass: bool,
}

/// The rows of `validate` and how many passed. What was checked is never cut short, however narrow the terminal.
pub fn validate(checks: &[Check], style: Style) -> String {
    let mut table = Table::new(&[
        ("what", Side::Left),
        ("expected", Side::Right),
        ("seen", Side::Right),
        ("tolerance", Side::Right),
        ("pass", Side::Left),
    ]);
    for check in checks {
        let (word, paint) = if check.pass { ("✓", Paint::Good) } else { ("✗ fail", Paint::Bad) };
        let cells =
            [&check.what, &check.expected, &check.seen, &check.tolerance].map(|text| (plain(text), Paint::Plain));
        table.row(cells.into_iter().chain([(word.to_owned(), paint)]));
    }
    let passed = checks.iter().filter(|check| check.pass).count();
    let paint = if passed == checks.len() { Paint::Good } else { Paint::Bad };
    let sum = format!("{passed} of {} passed", count(checks.len(), "check", "checks"));
    format!("{} {}\n", table.show(Style { width: usize::MAX, ..style }), style.paint(paint, &sum))
}

/// How serious a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Numbers are usable but carry a caveat.
    Warning,
    /// Something cannot be measured.
    Error,
}

/// A finding of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How serious.
    pub level: Level,
    /// What it is about, in a word: `governor`.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// Why it matters; empty when all is well.
    pub why: String,
    /// Commands or words that mend it; empty when nothing can or need be done.
    pub fix: Vec<String>,
}

/// The findings of `doctor`, and what they add up to.
pub fn doctor(conditions: &[Condition], style: Style) -> String {
    let room = conditions.iter().map(|c| super::paint::width(&plain(&c.about))).max().unwrap_or(0);
    let mut out = String::new();
    for condition in conditions {
        let (sign, paint) = match condition.level {
            Level::Good => ("✓", Paint::Good),
            Level::Warning => ("!", Paint::Warn),
            Level::Error => ("✗", Paint::Bad),
        };
        let about = plain(&condition.about);
        let gap = " ".repeat(room - super::paint::width(&about));
        let head = format!(" {sign} {about}{gap}  ");
        let shown = style.paragraph(&head, Paint::Plain, &plain_long(&condition.seen, 500));
        out += &shown.replacen(sign, &style.paint(paint, sign), 1);
        let indent = " ".repeat(room + 5);
        if !condition.why.is_empty() {
            out += &style.paragraph(&indent, Paint::Faint, &plain_long(&condition.why, 500));
        }
        for (i, fix) in condition.fix.iter().enumerate() {
            // A command stays on one line, so that it can be copied.
            let lead = if i == 0 { "fix: " } else { "     " };
            out += &format!("{indent}{lead}{}\n", style.paint(Paint::Strong, &plain_long(fix, 500)));
        }
    }
    let number = |level| conditions.iter().filter(|c| c.level == level).count();
    let (errors, warnings) = (number(Level::Error), number(Level::Warning));
    let sum = format!("{}, {}", count(errors, "error", "errors"), count(warnings, "warning", "warnings"));
    let paint = if errors > 0 {
        Paint::Bad
    } else if warnings > 0 {
        Paint::Warn
    } else {
        Paint::Good
    };
    out + &format!(" {}\n", style.paint(paint, &sum))
}

/// One section of `list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What is listed: `targets`.
    pub title: String,
    /// Names, each with one line about it.
    pub rows: Vec<(String, String)>,
}

/// The sections of `list`.
pub fn list(listings: &[Listing], style: Style) -> String {
    let room =
        listings.iter().flat_map(|l| &l.rows).map(|(name, _)| super::paint::width(&plain(name))).max().unwrap_or(0);
    let mut out = String::new();
    for (i, listing) in listings.iter().enumerate() {
        out += if i > 0 { "\n" } else { "" };
        out += &format!("{}\n", style.paint(Paint::Strong, &plain(&listing.title)));
        for (name, about) in &listing.rows {
            let name = plain(name);
            let gap = " ".repeat(room - super::paint::width(&name));
            out += &style.paragraph(&format!("  {name}{gap}  "), Paint::Plain, &plain_long(about, 500));
        }
    }
    out
}
