//! The elasticity table of `corecurve probe`.

use corecurve_analysis::findings::Findings;

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::elasticities::{COLUMNS, LEGEND, cells, change, sentence};
use crate::text::plain_long;

/// The whole result of a probe: the base's answer, the table, what was not measured and why.
pub fn probe(findings: &Findings, style: Style) -> String {
    let mut out = style.paragraph(" ", Paint::Strong, &plain_long(&findings.headline, 1_000));
    out += "\n";
    out += &elasticities(findings, style);
    out + &super::sweep::ending(findings, style)
}

/// The table; empty where nothing was probed.
fn elasticities(findings: &Findings, style: Style) -> String {
    let rows = &findings.elasticities;
    let side = |name: &&'static str| (*name, if matches!(*name, "probe" | "of") { Side::Left } else { Side::Right });
    let columns: Vec<(&str, Side)> = COLUMNS.iter().map(side).collect();
    let mut table = Table::new(&columns);
    for row in rows.iter().filter(|row| row.not_run.is_none()) {
        let paint = if row.limits() { Paint::Strong } else { Paint::Plain };
        table.row(cells(row).map(|text| (text, paint)));
        table.words(format!("  {}", change(row)), Paint::Faint);
    }
    let mut out = String::new();
    if rows.iter().any(|row| row.not_run.is_none()) {
        out += &table.show(style);
        out += "\n";
    }
    for (row, why) in rows.iter().filter_map(|row| Some((row, row.not_run.as_ref()?))) {
        out += &style.paragraph(" ", Paint::Faint, &format!("{} not run: {}", row.probe, plain_long(why, 300)));
    }
    out += "\n";
    out += &style.paragraph(" ", Paint::Strong, &plain_long(&sentence(rows), 500));
    out + &style.paragraph(" ", Paint::Faint, LEGEND)
}
