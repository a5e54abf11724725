//! MAT against the objective: a short table, and who carries more where.

use corecurve_analysis::findings::Findings;

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::objectives::{at, limit_words, marks, most, names, sentences, title, value};
use crate::text::short;

/// Targets whose numbers fit beside each other.
const COLUMNS: usize = 4;

/// Sentences shown; the report has the others.
const SENTENCES: usize = 6;

/// Every chart of the run; nothing where every question was asked at one limit.
pub(super) fn objectives(findings: &Findings, style: Style) -> String {
    let mut out = String::new();
    for chart in &findings.objectives {
        let (simulated, shared_cores) = marks(chart);
        out += &format!("\n {}\n", style.paint(Paint::Strong, "MAT against the objective"));
        out += &style.paragraph(" ", Paint::Plain, &title(chart));
        if simulated {
            out += &format!(" {}\n", style.paint(Paint::Warn, "simulated"));
        }
        if shared_cores {
            out += &format!(" {}\n", style.paint(Paint::Warn, "shared-cores"));
        }
        if chart.lines.len() <= COLUMNS {
            let names: Vec<String> = names(chart).iter().map(|name| short(name, 21)).collect();
            let columns: Vec<(&str, Side)> = [("limit", Side::Right)]
                .into_iter()
                .chain(names.iter().map(|name| (name.as_str(), Side::Right)))
                .collect();
            let mut table = Table::new(&columns);
            for slo in &chart.slos {
                let row = at(chart, slo);
                let cells = row.iter().enumerate().map(|(i, point)| {
                    let paint = match (most(&row) == Some(i), point.is_some_and(|point| point.valid)) {
                        (true, _) => Paint::Strong,
                        (false, true) => Paint::Plain,
                        (false, false) => Paint::Faint,
                    };
                    (value(*point), paint)
                });
                table.row([(limit_words(slo), Paint::Plain)].into_iter().chain(cells));
            }
            out += &table.show(style);
        }
        let sentences = sentences(chart);
        for sentence in sentences.iter().take(SENTENCES) {
            out += &style.paragraph(" → ", Paint::Plain, sentence);
        }
        if sentences.len() > SENTENCES {
            out += &format!("   … and {} more pairs; see the report\n", sentences.len() - SENTENCES);
        }
        for note in &chart.notes {
            out += &style.paragraph("   ! ", Paint::Warn, &crate::text::plain_long(note, 400));
        }
    }
    out
}
