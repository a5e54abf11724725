//! MAT by target, for one core count: a bar, its interval and its figure on a row of their own.

use std::io;

use super::axis::{Axis, Unit};
use super::canvas::{Drawing, Frame, draw};
use super::ink::Ink;
use crate::groups::{Group, Legend, Row};
use crate::text::{count, rate, rate_interval, short};
use corecurve_core::MatKind;

/// Height of a row, CSS pixels.
const ROW: u32 = 46;

/// Draws the rows given.
///
/// # Errors
/// See [`draw`].
pub fn bars(group: &Group<'_>, legend: &Legend<'_>, frame: Frame) -> io::Result<Drawing> {
    let rows = group.by_series();
    let several_cores = group.cores().len() > 1;
    let reach = |row: &Row<'_>| row.mat.ci95.map_or(row.mat.mat_per_s, |ci| Some(ci[1]));
    let highest = rows.iter().filter_map(reach).fold(0.0, f64::max);
    let room = if frame.width > 600 { 1.14 } else { 1.36 };
    let x = Axis::from_zero("", Unit::Rate, highest * room, if frame.width > 600 { 8 } else { 4 });
    let y = Axis::rows(rows.len());
    let frame = Frame { height: ROW * rows.len() as u32 + 44, bottom: 26, ..frame };
    draw(frame, &x, &y, |canvas| {
        for (i, row) in rows.iter().enumerate() {
            let series = legend.index(&row.cell.series);
            let mut name = short(legend.name(series), (frame.width / 8) as usize);
            if several_cores {
                name += &format!(" · {}", count(row.cell.cell.cores, "core", "cores"));
            }
            if row.cell.cell.control {
                name += " · A/A control";
            }
            let (middle, value) = (i as f64 + 0.66, row.mat.mat_per_s.unwrap_or(0.0));
            canvas.word((0.0, i as f64 + 0.24), (6, 0), &name, Ink::Text, true)?;
            let interval = if row.mat.valid { row.mat.ci95 } else { None };
            canvas.bar(value, middle, interval, series, row.mat.valid)?;
            let end = interval.map_or(value, |ci| ci[1]);
            let (figure, ink) = figure(row);
            canvas.word((end, middle), (8, 0), &figure, ink, true)?;
            canvas.spot((value, middle), series, said(row, &name));
        }
        Ok(())
    })
}

fn figure(row: &Row<'_>) -> (String, Ink) {
    match (row.mat.valid, row.mat.kind) {
        (true, _) => (rate(row.mat.mat_per_s), Ink::Text),
        (false, Some(MatKind::GeneratorLimited)) => (format!("≥ {}", rate(row.mat.mat_per_s)), Ink::Muted),
        (false, Some(_)) => ("invalid".into(), Ink::Limit),
        (false, None) => ("no result yet".into(), Ink::Muted),
    }
}

fn said(row: &Row<'_>, name: &str) -> String {
    let shared = if row.cell.series.shared_cores { "\nshared-cores" } else { "" };
    if row.mat.valid {
        let (mat, ci) = (rate(row.mat.mat_per_s), rate_interval(row.mat.ci95));
        return format!("{name}\nMAT {mat}\n95 % CI {ci}{shared}");
    }
    let reason = row.mat.reasons.first().map(|reason| crate::text::plain_long(reason, 300));
    format!("{name}\nstruck out: {}{shared}", reason.unwrap_or_else(|| "no result".into()))
}
