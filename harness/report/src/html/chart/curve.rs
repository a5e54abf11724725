//! MAT against cores: measured points with intervals, fitted curve, ideal line, node boundaries.

use std::io;

use super::axis::{Axis, Unit};
use super::canvas::{Canvas, Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::groups::{Group, Legend};
use crate::text::{count, rate, rate_interval, share};
use corecurve_analysis::findings::{Curve, CurvePoint};

/// Draws the curves of a group, on linear axes or on logarithmic ones.
///
/// # Errors
/// See [`draw`].
pub fn curve(group: &Group<'_>, legend: &Legend<'_>, frame: Frame, log: bool) -> io::Result<Drawing> {
    let points = || group.curves.iter().flat_map(|curve| &curve.points);
    let reach = |point: &CurvePoint| point.ci95.map_or(point.mat_per_s, |ci| Some(ci[1]));
    let highest = points().filter_map(reach).fold(0.0, f64::max);
    let cores: std::collections::BTreeSet<usize> = points().map(|point| point.cores).collect();
    let cores: Vec<usize> = cores.into_iter().collect();
    let marks = (frame.width / 40) as usize;
    let x = if log { Axis::cores_log(&cores, marks) } else { Axis::cores(&cores, marks) };
    let ideal = ideal(group);
    let ideal_top = ideal.map_or(0.0, |per_core| per_core * x.ends().1);
    let y = match log {
        true => Axis::log("", Unit::Rate, points().filter_map(|p| p.mat_per_s).chain([highest]), 8),
        false => Axis::from_zero("", Unit::Rate, highest.max(ideal_top.min(highest * 1.2)), 6),
    };
    draw(frame, &x, &y, |canvas| {
        for boundary in boundaries(group) {
            canvas.post(boundary as f64 - 0.5, Ink::Muted, Dash::Dashed, "next NUMA node")?;
        }
        if let Some(per_core) = ideal {
            ideal_line(canvas, per_core)?;
        }
        group.curves.iter().try_for_each(|curve| one(canvas, curve, legend))
    })
}

/// What one core of the best target carries: the slope of the ideal line.
fn ideal(group: &Group<'_>) -> Option<f64> {
    let first =
        |curve: &&Curve| curve.points.iter().find(|p| p.valid).and_then(|p| Some(p.mat_per_s? / p.cores as f64));
    group.curves.iter().filter_map(first).reduce(f64::max)
}

fn ideal_line(canvas: &mut Canvas<'_, '_>, per_core: f64) -> io::Result<()> {
    let ((left, right), (bottom, top)) = (canvas.x.ends(), canvas.y.ends());
    let (start, end) = ((bottom / per_core).max(left), (top / per_core).min(right));
    if start >= end {
        return Ok(());
    }
    canvas.line(&[(start, per_core * start), (end, per_core * end)], Ink::Muted, Dash::Dotted, 1.5)?;
    canvas.word((end * 0.85, per_core * end * 0.85), (-8, -10), "ideal", Ink::Muted, false)
}

fn boundaries(group: &Group<'_>) -> Vec<usize> {
    let all: std::collections::BTreeSet<usize> =
        group.curves.iter().flat_map(|curve| curve.node_boundaries.iter().copied()).collect();
    all.into_iter().collect()
}

fn one(canvas: &mut Canvas<'_, '_>, curve: &Curve, legend: &Legend<'_>) -> io::Result<()> {
    let series = legend.index(&curve.series);
    let measured: Vec<(f64, f64)> =
        curve.points.iter().filter(|p| p.valid).filter_map(|p| Some((p.cores as f64, p.mat_per_s?))).collect();
    match curve.fits.best() {
        Some(fit) => {
            let ((left, right), (bottom, top)) = (canvas.x.ends(), canvas.y.ends());
            let inside = |[x, y]: &&[f64; 2]| (left..=right).contains(x) && (bottom..=top).contains(y);
            let line: Vec<(f64, f64)> = fit.line.iter().filter(inside).map(|[x, y]| (*x, *y)).collect();
            canvas.line(&line, Ink::Series(series), Dash::Solid, 1.8)?;
        }
        None => canvas.line(&measured, Ink::Series(series), Dash::Dotted, 1.5)?,
    }
    for point in &curve.points {
        let Some(mat) = point.mat_per_s else { continue };
        let at = (point.cores as f64, mat);
        if let (true, Some([lo, hi])) = (point.valid, point.ci95) {
            canvas.interval(at.0, (lo, hi), series)?;
        }
        canvas.marker(at, series, point.valid)?;
        canvas.spot(at, series, said(point, legend.name(series)));
    }
    Ok(())
}

fn said(point: &CurvePoint, name: &str) -> String {
    let head = format!("{name}\n{}", count(point.cores, "core", "cores"));
    if point.at_least {
        return format!("{head}\nMAT at least {}: the generator gave out first", rate(point.mat_per_s));
    }
    if !point.valid {
        let kind = point.kind.map_or("no result", |kind| kind.name());
        return format!("{head}\nstruck out ({kind}): {}", rate(point.mat_per_s));
    }
    let efficiency = share(point.efficiency.map(|ratio| ratio.value));
    format!("{head}\nMAT {}\n95 % CI {}\nefficiency {efficiency}", rate(point.mat_per_s), rate_interval(point.ci95))
}
