//! Each worker's share: a bar for its connections, a marker for its requests, and the band that chance keeps them in.

use std::io;

use super::axis::Axis;
use super::canvas::{Drawing, Frame, draw};
use super::ink::{Dash, Ink};
use crate::text::share;
use corecurve_analysis::findings::{JudgedShares, shares_of};

/// Draws the shares of a trial's workers; `None` where none are known, or there is one worker.
///
/// # Errors
/// See [`draw`].
pub fn shares(judged: &JudgedShares, series: usize, frame: Frame) -> io::Result<Option<Drawing>> {
    let workers = judged.workers.len();
    let (connections, requests) = shares_of(judged);
    if workers < 2 || (connections.is_empty() && requests.is_empty()) {
        return Ok(None);
    }
    let chance = judged.chance;
    let highest = connections.iter().chain(&requests).copied().chain(chance.map(|[_, high]| high)).fold(0.0, f64::max);
    let (x, y) = (Axis::workers(workers, 12), Axis::shares(highest, 5));
    let room = f64::from(frame.width.saturating_sub(frame.left + 22)) / workers as f64;
    let thick = (room * 0.55).clamp(1.0, 22.0);
    let picture = draw(frame, &x, &y, |canvas| {
        if let Some([low, high]) = chance {
            canvas.band(low, high)?;
        }
        for (worker, value) in connections.iter().enumerate() {
            let at = worker as f64;
            canvas.line(&[(at, 0.0), (at, *value)], Ink::Series(series), Dash::Solid, thick)?;
        }
        for (worker, value) in requests.iter().enumerate() {
            canvas.marker((worker as f64, *value), series, false)?;
        }
        if let Some([low, high]) = chance {
            canvas.level(high, Ink::Oracle, Dash::Dashed, "chance, 95 of 100")?;
            canvas.level(low, Ink::Oracle, Dash::Dashed, "")?;
        }
        for (worker, row) in judged.workers.iter().enumerate() {
            let (of_connections, of_requests) = (connections.get(worker).copied(), requests.get(worker).copied());
            let cpu = row.cpu.map_or_else(String::new, |cpu| format!(" on CPU {cpu}"));
            let said = format!(
                "worker {worker}{cpu}\nconnections {}\nrequests {}\nbusy {}",
                share(of_connections),
                share(of_requests),
                share(Some(row.busy))
            );
            canvas.spot((worker as f64, of_connections.or(of_requests).unwrap_or(0.0)), series, said);
        }
        Ok(())
    })?;
    Ok(Some(picture))
}
