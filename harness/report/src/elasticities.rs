//! The words of an elasticity table, the same in every format.

use corecurve_analysis::findings::{Elasticity, Ratio, probe_sentence};

use crate::text::{plain, plain_long, rate};

/// The columns of the table.
pub(crate) const COLUMNS: [&str; 8] =
    ["probe", "of", "base MAT", "MAT", "MAT ratio", "95 % CI", "if it limits", "elasticity"];

/// The cells of a row that was measured, in the order of [`COLUMNS`].
pub(crate) fn cells(row: &Elasticity) -> [String; 8] {
    let dash = || "—".to_owned();
    let ratio = |ratio: Option<f64>| ratio.map_or_else(dash, |ratio| format!("{ratio:.3}×"));
    let [low, high] = row.mat_ratio.map_or([f64::NAN; 2], |ratio| ratio.ci95);
    [
        row.probe.name().to_owned(),
        row.resource.clone(),
        rate(row.base_mat),
        rate(row.changed_mat),
        ratio(row.mat_ratio.map(|ratio| ratio.value)),
        if row.mat_ratio.is_some() { format!("{low:.3} … {high:.3}") } else { dash() },
        ratio(row.predicted),
        elasticity(row),
    ]
}

/// `0.98 (0.93 … 1.03)`, with a star where it is beyond chance.
fn elasticity(row: &Elasticity) -> String {
    let star = if row.significant { " *" } else { "" };
    match row.elasticity {
        Some(Ratio { value, ci95: [low, high] }) => format!("{value:.2} ({low:.2} … {high:.2}){star}"),
        None => format!("—{star}"),
    }
}

/// What was changed, and at which objective.
pub(crate) fn change(row: &Elasticity) -> String {
    format!("{}; {}", plain_long(&row.change, 200), plain(&row.slo.to_string()))
}

/// The largest significant elasticity, in a sentence.
pub(crate) fn sentence(rows: &[Elasticity]) -> String {
    probe_sentence(rows).unwrap_or_default()
}

/// How to read the table.
pub(crate) const LEGEND: &str = "Elasticity is d ln MAT / d ln resource: 1 where the resource is all that limits, 0 where it limits nothing. \
     `if it limits` is the ratio of MATs to expect if the resource alone limits; * is beyond chance after Holm's correction over the table.";
