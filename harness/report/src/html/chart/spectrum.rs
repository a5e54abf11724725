//! The percentile spectrum: how long the slow ones take, by the number of nines.

use std::io;

use super::axis::{Axis, Unit, nines};
use super::canvas::{Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::text::time;
use corecurve_core::{Quantile, Quantiles};

/// One line of a spectrum.
#[derive(Clone, Debug)]
pub struct Line {
    /// The series, for colour and marker.
    pub series: usize,
    /// Whose latency it is and at what load.
    pub about: String,
    /// The latency.
    pub latency: Quantiles,
}

/// Draws the latency percentiles, and the limit they are held against with its words.
///
/// # Errors
/// See [`draw`].
pub fn spectrum(lines: &[Line], limit: Option<(f64, &str)>, frame: Frame) -> io::Result<Drawing> {
    let known: Vec<f64> = lines.iter().flat_map(|line| stated(&line.latency)).map(|(_, ns)| ns).collect();
    let top = if lines.iter().any(|line| line.latency.p999.finite().is_some()) { 0.999 } else { 0.99 };
    let x = Axis::percentiles(top);
    let y = Axis::log("", Unit::Time, known.into_iter().chain(limit.map(|(ns, _)| ns)), 7);
    draw(frame, &x, &y, |canvas| {
        if let Some((ns, words)) = limit {
            canvas.level(ns, Ink::Limit, Dash::Dashed, words)?;
        }
        for line in lines {
            let points: Vec<(f64, f64)> = stated(&line.latency).into_iter().map(|(q, ns)| (nines(q), ns)).collect();
            canvas.line(&points, Ink::Series(line.series), Dash::Solid, 1.8)?;
            for point in points {
                canvas.marker(point, line.series, true)?;
                canvas.spot(point, line.series, said(line));
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

fn said(line: &Line) -> String {
    let q = &line.latency;
    let values = [("p50", q.p50), ("p90", q.p90), ("p99", q.p99), ("p99.9", q.p999), ("max", q.max)];
    let values: Vec<String> = values.iter().map(|(word, value)| format!("{word} {}", time(*value))).collect();
    format!("{}\n{}\nof {} operations", line.about, values.join("\n"), q.count)
}
