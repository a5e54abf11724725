//! MAT against the objective: a short table, and who carries more where.

use corecurve_analysis::findings::Findings;

use super::Style;
use super::paint::{Paint, width};
use super::table::{Side, Table};
use crate::objectives::{at, limit_words, marks, most, names, sentences, title, value};

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
            let room = (style.width.saturating_sub(10) / chart.lines.len().max(1)).saturating_sub(2);
            let (names, key) = heads(names(chart), room);
            for line in key {
                out += &style.paragraph("   ", Paint::Faint, &line);
            }
            let heads = names.iter().map(|name| (name.as_str(), Side::Right));
            let columns: Vec<(&str, Side)> = [("limit", Side::Right)].into_iter().chain(heads).collect();
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

/// The heads of the columns: the names, or where one is too wide for its column letters and what they stand for.
fn heads(names: Vec<String>, room: usize) -> (Vec<String>, Vec<String>) {
    if names.iter().all(|name| width(name) <= room) {
        return (names, Vec::new());
    }
    let letters: Vec<String> = ('A'..).take(names.len()).map(String::from).collect();
    let key = letters.iter().zip(&names).map(|(letter, name)| format!("{letter}  {name}")).collect();
    (letters, key)
}
