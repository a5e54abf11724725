//! [`Ladder`]: one objective or a range of them, e.g. `p99<1.5x..100x`: the limits from tight to loose in even steps.

use std::str::FromStr;

use crate::problem::{Problem, printable};
use crate::slo::{Limit, Slo};
use crate::units::Nanos;

/// What `--slo` takes: an [`Slo`], or two limits with `..` between them for a ladder of SLOs that differ in nothing else.
///
/// The rungs are both ends and every 1, 2, 3 and 5 times a power of ten between them: `p99<1.5x..100x` is 1.5x, 2x,
/// 3x, 5x, 10x, 20x, 30x, 50x and 100x.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder(pub Vec<Slo>);

/// Where rungs stand in each decade.
const STEPS: [f64; 4] = [1.0, 2.0, 3.0, 5.0];

/// A rung nearer than this factor to an end is left out: the end stands for it.
const NEAREST: f64 = 1.2;

const EXAMPLE: &str = "write two limits of one kind, the tighter one first, e.g. `p99<1.5x..100x` or `p99<1ms..50ms`";

impl FromStr for Ladder {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Ladder, Problem> {
        if !text.contains("..") {
            return Ok(Ladder(vec![text.parse()?]));
        }
        let (first, last) = ends(text)?;
        let about = |what: &str| Problem::new(format!("SLO ladder `{}` {what}", printable(text))).help(EXAMPLE);
        let limits: Vec<Limit> = match (first.limit, last.limit) {
            (Limit::Absolute(low), Limit::Absolute(high)) if low < high => {
                let rungs = rungs(low.0 as f64, high.0 as f64);
                rungs.into_iter().map(|ns| Limit::Absolute(Nanos(ns.round() as u64))).collect()
            }
            (Limit::TimesNoLoad(low), Limit::TimesNoLoad(high)) if low < high => {
                rungs(low, high).into_iter().map(Limit::TimesNoLoad).collect()
            }
            (Limit::Absolute(_), Limit::TimesNoLoad(_)) | (Limit::TimesNoLoad(_), Limit::Absolute(_)) => {
                return Err(about("goes from a time to a multiple of the no-load mean"));
            }
            _ => return Err(about("does not rise")),
        };
        Ok(Ladder(limits.into_iter().map(|limit| Slo { limit, ..first }).collect()))
    }
}

/// The SLOs at both ends: the text with either limit in place of the range.
fn ends(text: &str) -> Result<(Slo, Slo), Problem> {
    let shown = printable(text);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for rule in text.split(',') {
        let Some((low, high)) = rule.split_once("..") else {
            first.push(rule.to_owned());
            last.push(rule.to_owned());
            continue;
        };
        if rule.trim_start().starts_with("errors") {
            return Err(Problem::new(format!("SLO ladder `{shown}` has a range of errors")).help(EXAMPLE));
        }
        let (what, _) = low
            .split_once('<')
            .ok_or_else(|| Problem::new(format!("SLO rule `{}` has no `<`", printable(rule))).help(EXAMPLE))?;
        if high.contains("..") || high.trim().is_empty() || high.contains('<') {
            let seen = format!("SLO rule `{}` has no limit after `..` that is one", printable(rule));
            return Err(Problem::new(seen).help(EXAMPLE));
        }
        first.push(low.to_owned());
        last.push(format!("{what}<{high}"));
    }
    let at = |end: &str, rules: Vec<String>| {
        rules.join(",").parse::<Slo>().map_err(|problem| {
            // What is wrong with one end is told as of any SLO; how a ladder looks is told here.
            let help = problem.help.clone().map_or_else(|| EXAMPLE.to_owned(), |help| format!("{help}; {EXAMPLE}"));
            problem.at(format!("{end} end of SLO ladder `{shown}`")).help(help)
        })
    };
    Ok((at("lower", first)?, at("upper", last)?))
}

/// Both ends and the standard steps between them.
fn rungs(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let standard = decades.flat_map(|decade| STEPS.map(|step| step * 10f64.powi(decade)));
    let between = standard.filter(|rung| *rung >= low * NEAREST && *rung * NEAREST <= high);
    std::iter::once(low).chain(between).chain([high]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let ladder: Ladder = text.parse().unwrap();
        ladder.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_ladder_is_its_ends_and_the_standard_steps_between() {
        for (text, rungs) in [
            ("p99<5ms", "p99<5ms"),
            ("p99<10x,errors<1%", "p99<10x,errors<1%"),
            ("p99<1.5x..100x", "p99<1.5x p99<2x p99<3x p99<5x p99<10x p99<20x p99<30x p99<50x p99<100x"),
            (" p99.9 <= 1ms .. 20ms ", "p99.9<1ms p99.9<2ms p99.9<3ms p99.9<5ms p99.9<10ms p99.9<20ms"),
            ("p90<800us..3ms,errors<1%", "p90<800us,errors<1% p90<1ms,errors<1% p90<2ms,errors<1% p90<3ms,errors<1%"),
            ("errors<1%,p99<4x..9x", "p99<4x,errors<1% p99<5x,errors<1% p99<9x,errors<1%"),
            // 3x and 10x are the ends' own neighbours.
            ("p99<2.9x..11x", "p99<2.9x p99<5x p99<11x"),
            ("p99<7x..8x", "p99<7x p99<8x"),
        ] {
            assert_eq!(shown(text), rungs, "{text}");
        }
    }

    #[test]
    fn every_rung_reads_back_and_they_rise() {
        for text in ["p99<1.1x..100000x", "p99<1us..1h", "p50<3.7x..42x"] {
            let ladder: Ladder = text.parse().unwrap();
            let limits: Vec<Nanos> = ladder.0.iter().map(|slo| slo.limit_ns(Nanos(1_000_000))).collect();
            assert!(limits.windows(2).all(|pair| pair[0] < pair[1]), "{text}: {limits:?}");
            assert!(ladder.0.iter().all(|slo| slo.to_string().parse::<Slo>().as_ref() == Ok(slo)), "{text}");
        }
    }

    #[test]
    fn nonsense_names_the_token_and_shows_a_ladder() {
        for (text, token) in [
            ("p99<1.5..100x", "lower end of SLO ladder `p99<1.5..100x`"),
            ("p99<1.5x..100", "upper end of SLO ladder `p99<1.5x..100`"),
            ("p99<0.5x..10x", "lower end"),
            ("p99<10x..2x", "does not rise"),
            ("p99<5ms..5ms", "does not rise"),
            ("p99<1ms..100x", "from a time to a multiple"),
            ("p99<2x..5x..10x", "no limit after `..`"),
            ("p99<2x..", "no limit after `..`"),
            ("p99<..5x", "lower end"),
            ("p99<2x..p99<5x", "no limit after `..`"),
            ("p99<5ms,errors<0.1%..1%", "range of errors"),
            ("errors<1%..2%", "range of errors"),
            ("p99 2x..5x", "no `<`"),
            ("q99<2x..5x", "q99"),
            ("..", "no `<`"),
        ] {
            let problem = text.parse::<Ladder>().unwrap_err();
            assert!(problem.to_string().contains(token), "{text}: {problem}");
            assert!(problem.help.as_deref().is_some_and(|help| help.ends_with(EXAMPLE)), "{text}: {problem}");
        }
    }
}
