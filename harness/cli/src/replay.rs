//! Trials replayed: what a perfect observer would have seen, from the same arrivals and the services the answers told.

use corecurve_analysis::oracle;
use corecurve_core::{Cell, Nanos, Replay};
use corecurve_engine::execute::Replayer;
use corecurve_engine::trial::TraceRow;

/// The workload whose answers carry their service times.
const TELLING: &str = "work";

/// How a cell's trials are replayed: only where one core serves one queue, and the answers tell their service times.
pub fn replayer(cell: &Cell) -> Option<Replayer> {
    let one_queue = cell.cores == 1 && cell.workload == TELLING && cell.requests_per_connection.is_none();
    // Thread-per-connection shares its core between requests instead of queueing them.
    (one_queue && cell.target != "thread-per-connection").then_some(replay as Replayer)
}

/// Replays a trial. `None` when no operation was answered.
fn replay(rows: &[TraceRow]) -> Option<Replay> {
    let told: Vec<&TraceRow> = rows.iter().filter(|row| row.done_ns != u64::MAX && row.payload > 0).collect();
    let errors = errors(rows);
    let at = |q: f64| errors.get(((errors.len() as f64 * q) as usize).min(errors.len().saturating_sub(1))).copied();
    let sum: f64 = told.iter().map(|row| row.payload as f64).sum();
    Some(Replay {
        count: errors.len() as u64,
        service_mean_ns: sum / told.len().max(1) as f64,
        error_p50_ns: at(0.5)?,
        error_p99_ns: at(0.99)?,
    })
}

/// Measured minus predicted latency of every answered operation, ascending, nanoseconds.
pub fn errors(rows: &[TraceRow]) -> Vec<i64> {
    let done: Vec<&TraceRow> = rows.iter().filter(|row| row.done_ns != u64::MAX).collect();
    let arrivals: Vec<Nanos> = done.iter().map(|row| Nanos(row.intended_ns)).collect();
    let services: Vec<Nanos> = done.iter().map(|row| Nanos(row.payload)).collect();
    let predicted = oracle::replay(&arrivals, &services, 1);
    let measured = done.iter().map(|row| row.done_ns - row.intended_ns);
    let mut errors: Vec<i64> = measured.zip(predicted).map(|(seen, told)| seen as i64 - told.0 as i64).collect();
    errors.sort_unstable();
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_seen_perfectly_has_no_error() {
        // Two operations 100 ns apart, each served for 300 ns: the second waits for 200 ns.
        let row = |id, intended_ns, done_ns| TraceRow { id, intended_ns, sent_ns: intended_ns, done_ns, payload: 300 };
        let rows = [row(0, 1_000, 1_300), row(1, 1_100, 1_600), row(2, 5_000, 5_350)];
        assert_eq!(errors(&rows), [0, 0, 50]);
        let replayed = replay(&rows).unwrap();
        assert_eq!((replayed.count, replayed.service_mean_ns, replayed.error_p50_ns), (3, 300.0, 0));
        assert_eq!(replay(&[]), None);
    }
}
