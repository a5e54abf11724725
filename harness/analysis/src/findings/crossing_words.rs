//! Who carries more where, in a sentence.

use corecurve_core::units::{exact_time, three_digits};
use corecurve_core::{Limit, Nanos, Slo};

use super::crossings::leader;
use super::objectives::Crossing;
use crate::compare::{RatioRow, Verdict};

/// A lead that changes by less than this factor neither shrinks nor grows.
const STEADY: f64 = 1.02;

/// `A carries more from 5x to 20x (1.80 to 1.12 times); no difference is shown at 30x; B carries more …; they cross
/// between 20x and 50x, near 31.2x`.
pub(super) fn words(a: &str, b: &str, rows: &[RatioRow], crossings: &[Crossing]) -> String {
    let runs = runs(rows);
    let mut parts: Vec<String> = match runs.as_slice() {
        [] => return incomparable(a, b, rows),
        [run] => vec![throughout(run, a, b)],
        runs => runs.iter().map(|run| stretch(run, a, b)).collect(),
    };
    parts.extend(crossings.iter().map(|crossing| {
        let near = limit(&crossing.first, crossing.near);
        format!("they cross between {} and {}, near {near}", exact(&crossing.last), exact(&crossing.first))
    }));
    let left_out: Vec<String> = rows.iter().filter(|row| row.ratio.is_none()).map(|row| exact(&row.slo)).collect();
    if !left_out.is_empty() {
        parts.push(format!("not comparable at {}", left_out.join(", ")));
    }
    parts.join("; ")
}

/// Neighbouring rows with the same verdict; those without a ratio are left out.
fn runs(rows: &[RatioRow]) -> Vec<Vec<&RatioRow>> {
    let mut runs: Vec<Vec<&RatioRow>> = Vec::new();
    for row in rows.iter().filter(|row| row.ratio.is_some()) {
        match runs.last_mut() {
            Some(run) if run[0].verdict == row.verdict => run.push(row),
            _ => runs.push(vec![row]),
        }
    }
    runs
}

fn incomparable(a: &str, b: &str, rows: &[RatioRow]) -> String {
    let named = |why: &str| match why.split_once(' ') {
        Some(("A", rest)) => format!(": {a} {rest}"),
        Some(("B", rest)) => format!(": {b} {rest}"),
        _ => format!(": {why}"),
    };
    format!("{a} and {b} can be compared at no limit{}", rows.first().map_or(String::new(), |row| named(&row.why)))
}

/// The one thing to say of all limits.
fn throughout(run: &[&RatioRow], a: &str, b: &str) -> String {
    let (first, last) = (run[0], run[run.len() - 1]);
    let Some(leader) = leader(first, a, b) else {
        let most = run.iter().filter_map(|row| row.ratio).map(|ratio| ratio.ci95[1].max(1.0 / ratio.ci95[0]));
        let hidden = (most.fold(1.0, f64::max) - 1.0) * 100.0;
        let which = if run.len() == 1 { String::new() } else { "any limit ".to_owned() };
        return format!(
            "no difference between {a} and {b} is shown at {which}{} (one up to {hidden:.1} % could hide)",
            range(run)
        );
    };
    if run.len() == 1 {
        return stretch(run, a, b);
    }
    let (start, end) = (lead(first), lead(last));
    let moves = match end / start {
        change if change < 1.0 / STEADY => "shrinks",
        change if change > STEADY => "grows",
        _ => return format!("{leader} carries more at every limit {}, {} times", range(run), three_digits(end)),
    };
    let (start, end) = (three_digits(start), three_digits(end));
    format!("{leader} carries more at every limit {}; the lead {moves} from {start} to {end} times", range(run))
}

/// One stretch among several.
fn stretch(run: &[&RatioRow], a: &str, b: &str) -> String {
    let at = if run.len() == 1 { format!("at {}", range(run)) } else { range(run) };
    let Some(leader) = leader(run[0], a, b) else { return format!("no difference is shown {at}") };
    let (start, end) = (three_digits(lead(run[0])), three_digits(lead(run[run.len() - 1])));
    let times = if start == end { start } else { format!("{start} to {end}") };
    format!("{leader} carries more {at} ({times} times)")
}

/// How many times more the leader carries.
fn lead(row: &RatioRow) -> f64 {
    let ratio = row.ratio.map_or(1.0, |ratio| ratio.value);
    if row.verdict == Verdict::Worse { 1.0 / ratio } else { ratio }
}

/// `10x`, or `from 5x to 20x`.
fn range(run: &[&RatioRow]) -> String {
    match run {
        [first, .., last] => format!("from {} to {}", exact(&first.slo), exact(&last.slo)),
        [one] => exact(&one.slo),
        [] => String::new(),
    }
}

/// An SLO's limit as it was written: `10x`, `5ms`.
pub fn exact(slo: &Slo) -> String {
    match slo.limit {
        Limit::Absolute(limit) => exact_time(limit),
        Limit::TimesNoLoad(factor) => format!("{factor}x"),
    }
}

/// A limit that was computed, to three digits, in the kind of limit that `like` has: `31.2x`, `9.60 ms`.
pub fn limit(like: &Slo, value: f64) -> String {
    if like.is_relative() { format!("{}x", three_digits(value)) } else { Nanos(value.round() as u64).to_string() }
}
