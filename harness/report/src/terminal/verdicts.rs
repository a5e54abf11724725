//! What stops each cell, a line each, and where efficiency went.

use corecurve_analysis::findings::{Account, Findings};

use super::Style;
use super::paint::Paint;
use crate::text::{count, plain, plain_long};

/// The verdicts and the accounts of a run; nothing where there are none.
pub(super) fn verdicts(findings: &Findings, style: Style) -> String {
    let mut out = String::new();
    if !findings.verdicts.is_empty() {
        out += &format!("\n {}\n", style.paint(Paint::Strong, "What stops it"));
    }
    for verdict in &findings.verdicts {
        let name = format!("{} on {}", plain(&verdict.label), count(verdict.cores, "core", "cores"));
        out += &style.paragraph("   ", Paint::Plain, &format!("{name}: {}", plain_long(&verdict.sentence, 600)));
        if let Some(disputed) = &verdict.disputed {
            out += &style.paragraph("     ! ", Paint::Warn, &format!("disputed: {}", plain_long(disputed, 300)));
        }
    }
    if !findings.accounts.is_empty() {
        out += &format!(
            "\n {}\n",
            style.paint(Paint::Strong, "Where efficiency went (factors; their product is the efficiency)")
        );
    }
    for account in &findings.accounts {
        out += &style.paragraph("   ", Paint::Plain, &line(account));
    }
    out
}

fn line(account: &Account) -> String {
    let bars: Vec<String> = account.bars.iter().map(|bar| format!("{} {:.3}", bar.part.name(), bar.ln.exp())).collect();
    let closes = if account.closes { "" } else { "  DOES NOT ADD UP" };
    format!(
        "{} on {} against {}: {} = {:.3}, by the MATs {:.3} ± {:.3}{closes}",
        plain(&account.label),
        count(account.cores, "core", "cores"),
        account.base_cores,
        bars.join(" × "),
        account.sum.exp(),
        account.ln_efficiency.exp(),
        account.error * account.ln_efficiency.exp(),
    )
}
