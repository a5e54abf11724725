//! Numbers and names as people read them, the same in every output.

use corecurve_analysis::findings::Findings;
use corecurve_core::problem::printable;
use corecurve_core::{CapacityRecord, Mat, Nanos, Quantile, Rate, TrialRecord};

/// A name or message from outside, safe to show: control and direction-changing characters are spelt out,
/// at most 120 characters.
pub fn plain(text: &str) -> String {
    printable(text)
}

/// A longer text from outside (a caveat, a reason, a sentence): as [`plain`], but up to `most` characters.
pub fn plain_long(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    for piece in text.split_inclusive([' ', '\n', '\t']) {
        let word = printable(piece.trim_end());
        let length = word.chars().count() + 1;
        if length > left {
            out.push('…');
            return out;
        }
        left -= length;
        out.push_str(&word);
        if piece.ends_with([' ', '\n', '\t']) {
            out.push(' ');
        }
    }
    out.trim_end().to_owned()
}

/// A text of many lines from outside: each line as [`plain`], at most `most` bytes in all.
pub fn plain_lines(text: &str, most: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if out.len() > most {
            out.push('…');
            break;
        }
        out.push_str(&printable(line));
        out.push('\n');
    }
    out
}

/// `text` cut to `width` characters, with an ellipsis when something is lost.
pub fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `18.2 k/s`, or a dash.
pub fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| "—".to_owned(), |r| Rate(r).to_string())
}

/// `1.24 ms`, `∞` or a dash.
pub fn time(quantile: Quantile) -> String {
    quantile.to_string()
}

/// `98 %`, or a dash.
pub fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "—".to_owned(), |s| format!("{:.0} %", s * 100.0))
}

/// A small share with as many digits as it needs: `0 %`, `0.004 %`, `1.3 %`.
pub fn small_share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.001 => "< 0.001 %".to_owned(),
        p if p < 0.1 => format!("{p:.3} %"),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// An interval around a value, relative to it: `± 0.6 %`, or `−0.4 +1.3 %` where the two sides differ by half or more.
pub fn relative_interval(value: Option<f64>, ci95: Option<[f64; 2]>) -> String {
    let (Some(value), Some([lo, hi])) = (value, ci95) else { return "—".to_owned() };
    if value <= 0.0 || !value.is_finite() || !lo.is_finite() || !hi.is_finite() {
        return "—".to_owned();
    }
    let (down, up) = ((value - lo) / value * 100.0, (hi - value) / value * 100.0);
    let even = (down - up).abs() <= 0.5 * down.abs().max(up.abs()) || down.max(up) < 0.1;
    if even { format!("± {:.1} %", (down + up) / 2.0) } else { format!("−{down:.1} +{up:.1} %") }
}

/// `17.9 … 18.5 k/s`: both ends in one unit.
pub fn rate_interval(ci95: Option<[f64; 2]>) -> String {
    let Some([lo, hi]) = ci95 else { return "—".to_owned() };
    let (lo, hi) = (Rate(lo).to_string(), Rate(hi).to_string());
    match (lo.split_once(' '), hi.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} … {hi}"),
        _ => format!("{lo} … {hi}"),
    }
}

/// `1.38×`, or a dash.
pub fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "—".to_owned(), |r| format!("{}×", corecurve_core::units::three_digits(r)))
}

/// `+5.6 %` for a ratio of 1.056.
pub fn change(ratio: f64) -> String {
    format!("{}{:.1} %", if ratio < 1.0 { "−" } else { "+" }, ((ratio - 1.0) * 100.0).abs())
}

/// A command line that a shell reads back as the same arguments.
pub fn command(arguments: &[String]) -> String {
    arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:=,%+@".contains(c);
    if !argument.is_empty() && argument.chars().all(safe) {
        return argument.to_owned();
    }
    format!("'{}'", plain_long(argument, 2_000).replace('\'', "'\\''"))
}

/// Share of a trial's operations that did not complete correctly.
pub fn bad_share(trial: &TrialRecord) -> f64 {
    if trial.counts.scheduled == 0 { 0.0 } else { trial.counts.bad() as f64 / trial.counts.scheduled as f64 }
}

/// Whether a target is a queue in virtual time, computed and not measured.
pub fn is_simulated(target: &str) -> bool {
    target.starts_with("sim:") || target == "sim"
}

/// A search's answer in one cell of a table: the rate, `≥ rate`, or why there is none.
pub fn mat_cell(mat: &Mat) -> String {
    match mat.mat_per_s {
        Some(per_s) if mat.kind == corecurve_core::MatKind::GeneratorLimited => format!("≥ {}", Rate(per_s)),
        Some(per_s) => Rate(per_s).to_string(),
        None => mat.kind.name().to_owned(),
    }
}

/// `1 h 47 min` for a person who waits.
pub fn duration(time: Nanos) -> String {
    time.to_string()
}

/// `8518049` → `8 518 049`, with narrow spaces that do not break.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `one repetition`, `3 repetitions`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// What the load generator itself can do with one workload.
pub(crate) fn capacity(record: &CapacityRecord) -> String {
    let what = format!("{} over {}", record.workload, record.transport);
    if !record.valid {
        let why = record.invalid_reasons.first().map_or("no reason is given", String::as_str);
        return format!("{what}: capacity not known: {why}");
    }
    let [low, high] = record.range_per_s;
    let least = if record.saturated.is_lower_bound() { "≥ " } else { "" };
    format!(
        "{what}: G_max {least}{} on {} ({} to {} in {}), {} per CPU second of a load core; {} (load {}, null server {})",
        Rate(record.g_max_per_s),
        count(record.load_cores, "load core", "load cores"),
        Rate(low),
        Rate(high),
        count(record.rounds as usize, "window", "windows"),
        Rate(record.per_core_per_s),
        record.saturated,
        share(Some(record.load_busy)),
        share(record.server_busy),
    )
}

/// A line for each capacity that was measured, and one about the perturbation checks.
pub(crate) fn generator(findings: &Findings) -> Vec<String> {
    let mut lines: Vec<String> = findings.capacities.iter().map(capacity).collect();
    let made: Vec<Option<bool>> =
        findings.cells.iter().filter_map(|cell| Some(cell.perturbation.as_ref()?.agrees)).collect();
    if !made.is_empty() {
        let same = made.iter().filter(|agrees| **agrees == Some(true)).count();
        lines.push(format!("with other load threads or connections {same} of {} answers stay the same", made.len()));
    } else if findings.plan.checks.perturb {
        lines.push("no answer could be tried with other load threads or connections".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_well() {
        assert_eq!(relative_interval(Some(100.0), Some([99.4, 100.6])), "± 0.6 %");
        assert_eq!(relative_interval(Some(100.0), Some([99.6, 101.3])), "−0.4 +1.3 %");
        assert_eq!(relative_interval(None, Some([1.0, 2.0])), "—");
        assert_eq!(relative_interval(Some(0.0), Some([0.0, 0.0])), "—");
        assert_eq!(rate_interval(Some([17_900.0, 18_500.0])), "17.9 … 18.5 k/s");
        assert_eq!(rate_interval(Some([950.0, 1_050.0])), "950 /s … 1.05 k/s");
        assert_eq!((change(1.056), change(0.91)), ("+5.6 %".to_owned(), "−9.0 %".to_owned()));
    }

    #[test]
    fn commands_read_back() {
        let given = ["corecurve", "mat", "--slo", "p99<5ms", "it's", ""].map(str::to_owned);
        assert_eq!(command(&given), "corecurve mat --slo 'p99<5ms' 'it'\\''s' ''");
    }

    #[test]
    fn foreign_text_is_harmless_and_bounded() {
        let hostile = "a\u{1b}[31m \u{202e}b\nc";
        assert_eq!(plain_long(hostile, 200), "a\\u{1b}[31m \\u{202e}b c");
        assert!(plain_long(&"word ".repeat(1_000), 100).chars().count() <= 101);
        assert_eq!(short("thread-per-core", 8), "thread-…");
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 8_518_049].map(grouped), ["0", "999", "1\u{202f}000", "8\u{202f}518\u{202f}049"]);
    }

    #[test]
    fn small_shares_keep_their_digits() {
        let shown = [0.0, 1e-7, 4e-5, 0.013, 0.5].map(small_share);
        assert_eq!(shown, ["0 %", "< 0.001 %", "0.004 %", "1.3 %", "50 %"]);
    }
}
