//! What costs more per request on more cores: the first lines of it.

use corecurve_analysis::findings::Findings;

use super::Style;
use super::paint::Paint;
use crate::profile::{growth, kind, loss_title, nothing_grew, who};
use crate::text::plain_long;

/// Rows of each comparison; the report has all.
const ROWS: usize = 3;

/// A heading and a few lines for each series with two profiles; nothing without.
pub(super) fn losses(findings: &Findings, style: Style) -> String {
    if findings.losses.is_empty() {
        return String::new();
    }
    let mut out = format!("\n {}\n", style.paint(Paint::Strong, "Scaling loss by function"));
    for loss in &findings.losses {
        out += &style.paragraph(" ", Paint::Plain, &loss_title(loss));
        if loss.rows.is_empty() {
            out += &style.paragraph("   ", Paint::Good, &nothing_grew(loss));
        }
        for row in loss.rows.iter().take(ROWS) {
            let line = format!("{} per request, {}: {}", growth(row), kind(row.kind), who(row));
            out += &style.paragraph("   ", Paint::Plain, &plain_long(&line, 400));
        }
    }
    out
}
