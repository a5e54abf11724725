//! MAT against the objective: what each target carries from the tightest limit to the loosest, and where they cross.

use std::io;

use super::axis::{Axis, Unit};
use super::canvas::{Canvas, Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::groups::Legend;
use crate::objectives::{limit_words, quantile};
use crate::text::{plain_long, rate, rate_interval};
use corecurve_analysis::findings::{ObjectiveLine, ObjectivePoint, Objectives, limit, limit_of};

/// Draws the lines of a chart over the logarithm of the limit, the MAT on a linear axis or a logarithmic one.
///
/// # Errors
/// See [`draw`].
pub fn objective(chart: &Objectives, legend: &Legend<'_>, frame: Frame, log: bool) -> io::Result<Drawing> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let reach = |point: &ObjectivePoint| point.ci95.map_or(point.mat_per_s, |ci| Some(ci[1]));
    let highest = points().filter_map(reach).fold(0.0, f64::max);
    let (what, unit) = match chart.is_relative() {
        true => (format!("limit on {}, times the no-load mean", quantile(chart)), Unit::Multiple),
        false => (format!("limit on {}", quantile(chart)), Unit::Time),
    };
    let limits: Vec<f64> = chart.slos.iter().map(limit_of).collect();
    let x = Axis::marked_log(&what, unit, &limits, (frame.width / 52) as usize);
    let y = match log {
        true => Axis::log("", Unit::Rate, points().filter_map(|point| point.mat_per_s).chain([highest]), 8),
        false => Axis::from_zero("", Unit::Rate, highest, 6),
    };
    draw(frame, &x, &y, |canvas| {
        for line in &chart.lines {
            canvas.line(&inside(canvas, &line.oracle), Ink::Oracle, Dash::Dashed, 1.5)?;
        }
        crossings(canvas, chart, legend)?;
        chart.lines.iter().try_for_each(|line| one(canvas, line, legend))
    })
}

fn inside(canvas: &Canvas<'_, '_>, line: &[[f64; 2]]) -> Vec<(f64, f64)> {
    let (bottom, top) = canvas.y.ends();
    line.iter().filter(|[_, y]| (bottom..=top).contains(y)).map(|[x, y]| (*x, *y)).collect()
}

/// For each crossing a dashed line where the ratio passes 1; a bar at the foot spans what is not known.
fn crossings(canvas: &mut Canvas<'_, '_>, chart: &Objectives, legend: &Legend<'_>) -> io::Result<()> {
    let all: Vec<_> = chart.pairs.iter().flat_map(|pair| pair.crossings.iter().map(move |one| (pair, one))).collect();
    let foot = canvas.y.ends().0;
    for (pair, crossing) in &all {
        let near = limit(&crossing.first, crossing.near);
        let word = if all.len() == 1 { format!("cross near {near}") } else { String::new() };
        canvas.post(crossing.near, Ink::Muted, Dash::Dashed, &word)?;
        canvas.line(
            &[(limit_of(&crossing.last), foot), (limit_of(&crossing.first), foot)],
            Ink::Muted,
            Dash::Solid,
            6.0,
        )?;
        let own = |line: &&ObjectiveLine| pair.rows.first().is_some_and(|row| row.a.cell == line.cell);
        let Some(line) = chart.lines.iter().find(own) else { continue };
        let Some(mat) = between(line, crossing.near) else { continue };
        let said = format!(
            "up to {}: {}\nfrom {} on: {}\nthey cross near {near}",
            limit_words(&crossing.last),
            plain_long(&crossing.below, 120),
            limit_words(&crossing.first),
            plain_long(&crossing.above, 120),
        );
        canvas.spot((crossing.near, mat), legend.index(&line.series), said);
    }
    Ok(())
}

/// What a target carries at a limit between two that were asked, by the logarithm of the limit.
fn between(line: &ObjectiveLine, at: f64) -> Option<f64> {
    let known: Vec<(f64, f64)> = placed(line);
    let pair = known.windows(2).find(|pair| pair[0].0 <= at && at <= pair[1].0)?;
    let share = (at / pair[0].0).ln() / (pair[1].0 / pair[0].0).ln();
    Some(pair[0].1 + share * (pair[1].1 - pair[0].1))
}

/// The numbers that may be used.
fn placed(line: &ObjectiveLine) -> Vec<(f64, f64)> {
    let valid = line.points.iter().filter(|point| point.valid);
    valid.filter_map(|point| Some((limit_of(&point.slo), point.mat_per_s?))).collect()
}

fn one(canvas: &mut Canvas<'_, '_>, line: &ObjectiveLine, legend: &Legend<'_>) -> io::Result<()> {
    let series = legend.index(&line.series);
    canvas.line(&placed(line), Ink::Series(series), Dash::Solid, 1.8)?;
    for point in &line.points {
        let Some(mat) = point.mat_per_s else { continue };
        let at = (limit_of(&point.slo), mat);
        if let (true, Some([lo, hi])) = (point.valid, point.ci95) {
            canvas.interval(at.0, (lo, hi), series)?;
        }
        canvas.marker(at, series, point.valid)?;
        canvas.spot(at, series, said(point, legend.name(series)));
    }
    Ok(())
}

fn said(point: &ObjectivePoint, name: &str) -> String {
    let time = match point.limit_ns.filter(|_| point.slo.is_relative()) {
        Some(limit) => format!(" ({limit})"),
        None => String::new(),
    };
    let head = format!("{name}\n{}{time}", point.slo);
    if point.at_least {
        return format!("{head}\nMAT at least {}: the generator gave out first", rate(point.mat_per_s));
    }
    if !point.valid {
        let kind = point.kind.map_or("no result", |kind| kind.name());
        return format!("{head}\nstruck out ({kind}): {}", rate(point.mat_per_s));
    }
    let theory = point.oracle_per_s.map_or(String::new(), |oracle| format!("\ntheory: {}", rate(Some(oracle))));
    format!("{head}\nMAT {}\n95 % CI {}{theory}", rate(point.mat_per_s), rate_interval(point.ci95))
}
