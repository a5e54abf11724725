//! Two runs side by side.

use corecurve_analysis::compare::{RatioRow, RunComparison, Verdict};

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::text::{change, count, plain, plain_long, rate};

/// A comparison: the answer, a row per pair, and how it was judged.
pub fn compare(comparison: &RunComparison, style: Style) -> String {
    let mut out = format!(" base  {}\n head  {}\n", plain(&comparison.a), plain(&comparison.b));
    out += &style.paragraph(" ", Paint::Strong, &plain_long(&comparison.headline, 1_000));
    out += "\n";
    let same = comparison.rows.iter().all(|row| row.a.label == row.b.label);
    out += &rows(&comparison.rows, !same, style);
    for (side, names) in [("base", &comparison.only_a), ("head", &comparison.only_b)] {
        if !names.is_empty() {
            let shown: Vec<String> = names.iter().take(8).map(|name| plain(name)).collect();
            let n = count(names.len(), "result", "results");
            out += &style.paragraph(" ", Paint::Warn, &format!("only in {side}: {n} ({})", shown.join(", ")));
        }
    }
    match comparison.noise_floor {
        Some(floor) => out += &format!(" noise floor {:.1} %\n", floor * 100.0),
        None => out += " noise floor unknown: neither run measured an A/A control\n",
    }
    out += &style.paragraph(" ", Paint::Faint, &plain_long(&comparison.method, 1_000));
    for note in &comparison.notes {
        out += &style.paragraph(" ! ", Paint::Warn, &plain_long(note, 500));
    }
    out
}

/// The label that every row is held against, when there is one.
pub(super) fn common_base(rows: &[RatioRow]) -> Option<&str> {
    let first = rows.first()?.a.label.as_str();
    rows.iter().all(|row| row.a.label == first).then_some(first)
}

/// The rows of a table of ratios; against whom is a column of it unless that is told elsewhere.
pub(super) fn rows(rows: &[RatioRow], tell_against: bool, style: Style) -> String {
    let mut columns = vec![("target", Side::Left), ("cores", Side::Right)];
    if tell_against {
        columns.push(("against", Side::Left));
    }
    let tell_slo = rows.iter().any(|row| row.slo != rows[0].slo);
    if tell_slo {
        columns.push(("SLO", Side::Left));
    }
    columns.extend([
        ("base", Side::Right),
        ("MAT", Side::Right),
        ("change", Side::Right),
        ("95 % CI", Side::Right),
        ("verdict", Side::Left),
    ]);
    let mut table = Table::new(&columns);
    for row in rows {
        let mut cells = vec![(plain(&row.b.label), Paint::Plain), (row.cores.to_string(), Paint::Plain)];
        if tell_against {
            cells.push((plain(&row.a.label), Paint::Plain));
        }
        if tell_slo {
            cells.push((row.slo.to_string(), Paint::Plain));
        }
        cells.push((rate(row.a.mat_per_s), Paint::Plain));
        cells.push((rate(row.b.mat_per_s), Paint::Plain));
        let paint = match row.verdict {
            Verdict::Better => Paint::Good,
            Verdict::Worse => Paint::Bad,
            Verdict::NoDifference => Paint::Plain,
            Verdict::Incomparable => Paint::Warn,
        };
        match row.ratio {
            Some(ratio) => {
                let shown = if row.verdict == Verdict::NoDifference { "~".into() } else { change(ratio.value) };
                let [lo, hi] = ratio.ci95.map(|end| change(end).trim_end_matches(" %").to_owned());
                cells.push((shown, paint));
                cells.push((format!("[{lo}, {hi}] %"), Paint::Plain));
            }
            None => cells.extend([("—".to_owned(), Paint::Plain), ("—".to_owned(), Paint::Plain)]),
        }
        cells.push((row.verdict.name().to_owned(), paint));
        table.row(cells);
        if row.verdict == Verdict::Incomparable {
            table.words(plain_long(&row.why, 300), Paint::Faint);
        }
    }
    table.show(style)
}
