//! Latency against offered load for one cell: p50 and p99 of every trial, the SLO's limit, what theory says, the MAT.

use std::io;

use super::axis::{Axis, Unit};
use super::canvas::{Canvas, Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::text::{small_share, time};
use corecurve_analysis::findings::{CellFinding, LoadPoint};
use corecurve_core::{Purpose, Quantile, Rate};

/// SLOs whose words have room beside each other.
const FEW: usize = 3;

/// Draws one cell. `None` when it has no open-loop trial.
///
/// # Errors
/// See [`draw`].
pub fn latency(cell: &CellFinding, series: usize, frame: Frame) -> io::Result<Option<Drawing>> {
    let points: Vec<&LoadPoint> = cell.load_curve.iter().filter(|p| is_open_loop(p)).collect();
    if points.is_empty() {
        return Ok(None);
    }
    let limits: Vec<f64> = cell.mats.iter().filter_map(|mat| Some(mat.limit_ns?.0 as f64)).collect();
    let finite = |q: Quantile| q.finite().map(|ns| ns.0 as f64);
    let seen: Vec<f64> = points.iter().flat_map(|p| [p.p50, p.p99]).filter_map(finite).chain(limits.clone()).collect();
    // Room above the highest value, so that what was never answered has a place of its own.
    let highest = seen.iter().copied().fold(0.0, f64::max);
    let y = Axis::log("", Unit::Time, seen.into_iter().chain([highest * 1.8]), 6);
    let furthest = points.iter().map(|p| p.offered_per_s).fold(0.0, f64::max);
    let x = Axis::from_zero("offered", Unit::Rate, furthest, 4);
    draw(frame, &x, &y, |canvas| {
        // The lines of a ladder lie too close for a word each: only its ends are named.
        let many = cell.mats.len() > FEW;
        let ends = [limits.iter().copied().fold(f64::MAX, f64::min), limits.iter().copied().fold(0.0, f64::max)];
        for (limit, mat) in limits.iter().zip(&cell.mats) {
            let word = if many && !ends.contains(limit) { String::new() } else { mat.slo.to_string() };
            canvas.level(*limit, Ink::Limit, Dash::Dashed, &word)?;
        }
        for mat in cell.mats.iter().filter(|mat| mat.valid) {
            let Some(per_s) = mat.mat_per_s else { continue };
            canvas.post(per_s, Ink::Text, Dash::Solid, if many { "" } else { "MAT" })?;
        }
        oracle(canvas, cell)?;
        percentile(canvas, &points, series, Dash::Dotted, |point| point.p50)?;
        percentile(canvas, &points, series, Dash::Solid, |point| point.p99)?;
        trials(canvas, &points, series)
    })
    .map(Some)
}

fn oracle(canvas: &mut Canvas<'_, '_>, cell: &CellFinding) -> io::Result<()> {
    let Some(oracle) = &cell.oracle else { return Ok(()) };
    let (right, top) = (canvas.x.range.1, 10f64.powf(canvas.y.range.1));
    let inside = oracle.p99_ns.iter().filter(|[rate, ns]| *rate <= right && *ns <= top);
    let line: Vec<(f64, f64)> = inside.map(|[rate, ns]| (*rate, *ns)).collect();
    canvas.line(&line, Ink::Oracle, Dash::Dashed, 1.5)
}

/// Where a percentile stands; what was never answered stands at the top.
fn height(canvas: &Canvas<'_, '_>, quantile: Quantile) -> Option<f64> {
    match quantile {
        Quantile::At(ns) => Some(ns.0 as f64),
        Quantile::Beyond => Some(10f64.powf(canvas.y.range.1)),
        Quantile::Unstated => None,
    }
}

/// One percentile as a line through the medians of neighbouring valid trials.
fn percentile(
    canvas: &mut Canvas<'_, '_>,
    points: &[&LoadPoint],
    series: usize,
    dash: Dash,
    quantile: fn(&LoadPoint) -> Quantile,
) -> io::Result<()> {
    let valid = points.iter().filter(|p| p.valid);
    let placed: Vec<(f64, f64)> = valid.filter_map(|p| Some((p.offered_per_s, height(canvas, quantile(p))?))).collect();
    canvas.line(&smoothed(&placed), Ink::Series(series), dash, 1.5)
}

/// The 99th percentile of every trial as a marker; hollow when the trial was struck out.
fn trials(canvas: &mut Canvas<'_, '_>, points: &[&LoadPoint], series: usize) -> io::Result<()> {
    for point in points {
        let Some(y) = height(canvas, point.p99) else { continue };
        canvas.marker((point.offered_per_s, y), series, point.valid)?;
        canvas.spot((point.offered_per_s, y), series, said(point));
    }
    Ok(())
}

/// The median of each run of trials whose rates lie within 2 % of each other.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let n = rest.iter().take_while(|p| p.0 <= first.0 * 1.02).count().max(1);
        let (near, far) = rest.split_at(n);
        let mut heights: Vec<f64> = near.iter().map(|p| p.1).collect();
        heights.sort_by(f64::total_cmp);
        out.push((near.iter().map(|p| p.0).sum::<f64>() / n as f64, heights[n / 2]));
        rest = far;
    }
    out
}

fn said(point: &LoadPoint) -> String {
    let mut text = format!(
        "trial #{}.{} at {}\np50 {}   p99 {}\np99.9 {}   not ok {}",
        point.rep,
        point.trial,
        Rate(point.offered_per_s),
        time(point.p50),
        time(point.p99),
        time(point.p999),
        small_share(point.bad_share),
    );
    if let Some(ns) = point.oracle_p99_ns.filter(|ns| ns.is_finite()) {
        text += &format!("\ntheory: p99 {}", corecurve_core::Nanos(ns.round() as u64));
    }
    if !point.valid {
        text += "\nstruck out";
    }
    text
}

/// Closed-loop trials have no offered rate of their own: what came about is no point of this curve.
fn is_open_loop(point: &LoadPoint) -> bool {
    !matches!(point.purpose, Purpose::Probe | Purpose::NoLoad | Purpose::Perturb | Purpose::Profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_trials_become_one_point_of_the_line() {
        let line = smoothed(&[(100.0, 3.0), (100.5, 9.0), (99.0, 1.0), (200.0, 5.0)]);
        assert_eq!(line.len(), 2);
        assert_eq!((line[0].1, line[1]), (3.0, (200.0, 5.0)));
        assert!(smoothed(&[]).is_empty());
    }
}
