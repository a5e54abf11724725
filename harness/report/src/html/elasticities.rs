//! The elasticity table: what the MAT did when one resource was changed.

use corecurve_analysis::findings::{Elasticity, Findings};
use maud::{Markup, html};

use crate::elasticities::{COLUMNS, LEGEND, cells, change, sentence};
use crate::text::plain_long;

/// The section; `None` where nothing was probed.
pub(super) fn elasticities(findings: &Findings) -> Option<Markup> {
    let rows = &findings.elasticities;
    if rows.is_empty() {
        return None;
    }
    let measured: Vec<&Elasticity> = rows.iter().filter(|row| row.not_run.is_none()).collect();
    Some(html! {
        p .lead { (plain_long(&sentence(rows), 500)) }
        @if !measured.is_empty() {
            div .scroll tabindex="0" { table {
                thead { tr { @for (at, name) in COLUMNS.iter().enumerate() { @if at < 2 { th { (name) } } @else { th .n { (name) } } } th { "change" } } }
                tbody { @for row in &measured { tr {
                    @for (at, text) in cells(row).iter().enumerate() { @if at < 2 { td .name { (text) } } @else { td .n { (text) } } }
                    td { (change(row)) }
                } } }
            } }
        }
        @for (row, why) in rows.iter().filter_map(|row| Some((row, row.not_run.as_ref()?))) {
            p .note { (row.probe) " not run: " (plain_long(why, 300)) }
        }
        p .note { (LEGEND) }
    })
}
