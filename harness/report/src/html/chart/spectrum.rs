//! The percentile spectrum: how long the slow ones take, by the number of nines, at the MAT.

use std::io;

use super::axis::{Axis, Unit, nines};
use super::canvas::{Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::groups::{Legend, Row};
use crate::text::{count, time};
use corecurve_core::{Quantile, Quantiles};

/// Draws the latency percentiles of the rows given, one line each.
///
/// # Errors
/// See [`draw`].
pub fn spectrum(rows: &[Row<'_>], legend: &Legend<'_>, frame: Frame) -> io::Result<Drawing> {
    let known: Vec<f64> = rows.iter().flat_map(|row| stated(&row.mat.latency_ns)).map(|(_, ns)| ns).collect();
    let limit = rows.iter().find_map(|row| Some(row.mat.limit_ns?.0 as f64));
    let top = if rows.iter().any(|row| row.mat.latency_ns.p999.finite().is_some()) { 0.999 } else { 0.99 };
    let x = Axis::percentiles(top);
    let y = Axis::log("", Unit::Time, known.into_iter().chain(limit), 7);
    draw(frame, &x, &y, |canvas| {
        if let (Some(limit), Some(row)) = (limit, rows.first()) {
            canvas.level(limit, Ink::Limit, Dash::Dashed, &row.mat.slo.to_string())?;
        }
        for row in rows {
            let series = legend.index(&row.cell.series);
            let points: Vec<(f64, f64)> =
                stated(&row.mat.latency_ns).into_iter().map(|(q, ns)| (nines(q), ns)).collect();
            canvas.line(&points, Ink::Series(series), Dash::Solid, 1.8)?;
            let said = said(row, legend.name(series));
            for point in points {
                canvas.marker(point, series, true)?;
                canvas.spot(point, series, said.clone());
            }
        }
        Ok(())
    })
}

/// The percentiles that have a finite value.
fn stated(latency: &Quantiles) -> Vec<(f64, f64)> {
    let all = [(0.5, latency.p50), (0.9, latency.p90), (0.99, latency.p99), (0.999, latency.p999)];
    all.into_iter().filter_map(|(q, value): (f64, Quantile)| Some((q, value.finite()?.0 as f64))).collect()
}

fn said(row: &Row<'_>, name: &str) -> String {
    let q = &row.mat.latency_ns;
    let cores = count(row.cell.cell.cores, "core", "cores");
    let values = [("p50", q.p50), ("p90", q.p90), ("p99", q.p99), ("p99.9", q.p999), ("max", q.max)];
    let lines: Vec<String> = values.iter().map(|(word, value)| format!("{word} {}", time(*value))).collect();
    format!("{name} · {cores}, at the MAT\n{}\nof {} operations", lines.join("\n"), q.count)
}
