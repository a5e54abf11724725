//! Trials replayed: what a perfect observer would have seen, from the same arrivals and the services the answers told.

use corecurve_analysis::oracle;
use corecurve_core::{Cell, Nanos, Replay};
use corecurve_engine::execute::Replayer;
use corecurve_engine::trial::TraceRow;

/// The workloads all of whose answers carry their service times.
const TELLING: [&str; 2] = ["work", "bimodal"];

/// How a cell's trials are replayed: only where one core serves one queue, and the answers tell their service times.
pub fn replayer(cell: &Cell) -> Option<Replayer> {
    let one_queue =
        cell.cores == 1 && TELLING.contains(&cell.workload.as_str()) && cell.requests_per_connection.is_none();
    // Thread-per-connection shares its core between requests instead of queueing them.
    (one_queue && cell.target != "thread-per-connection").then_some(replay as Replayer)
}

/// Replays a trial. `None` when no operation was answered.
fn replay(rows: &[TraceRow]) -> Option<Replay> {
    let served = served(rows);
    let errors = errors(&served);
    let at = |q: f64| errors.get(((errors.len() as f64 * q) as usize).min(errors.len().saturating_sub(1))).copied();
    Some(Replay {
        count: errors.len() as u64,
        service_mean_ns: served.iter().map(|(_, service)| service.0 as f64).sum::<f64>() / served.len().max(1) as f64,
        error_p50_ns: at(0.5)?,
        error_p99_ns: at(0.99)?,
    })
}

/// Every answered operation in the order the server ended them, with the time that each kept it occupied.
///
/// A server spends more on a request than the service asked of it: it reads, parses, writes. Where a request lay ready when
/// the one before ended, that is seen: it was occupied from the end of the one to the end of the other. Where it
/// was idle before, it is taken to have spent on top of the service what it usually does between two.
pub fn served(rows: &[TraceRow]) -> Vec<(&TraceRow, Nanos)> {
    let mut order: Vec<&TraceRow> =
        rows.iter().filter(|row| row.done_ns != u64::MAX && row.told.ended_ns > 0).collect();
    order.sort_by_key(|row| row.told.ended_ns);
    let lay_ready = |pair: &[&TraceRow]| pair[1].sent_ns < pair[0].told.ended_ns;
    let between =
        |pair: &[&TraceRow]| (pair[1].told.ended_ns - pair[0].told.ended_ns).saturating_sub(pair[1].told.service_ns);
    let mut handling: Vec<u64> = order.windows(2).filter(|pair| lay_ready(pair)).map(between).collect();
    handling.sort_unstable();
    let usual = handling.get(handling.len() / 2).copied().unwrap_or(0);
    let first = order.first().map(|row| (*row, Nanos(row.told.service_ns + usual)));
    let others = order.windows(2).map(|pair| {
        let handled = if lay_ready(pair) { between(pair) } else { usual };
        (pair[1], Nanos(pair[1].told.service_ns + handled))
    });
    first.into_iter().chain(others).collect()
}

/// Measured minus predicted latency of every operation served, ascending, nanoseconds.
pub fn errors(served: &[(&TraceRow, Nanos)]) -> Vec<i64> {
    let arrivals: Vec<Nanos> = served.iter().map(|(row, _)| Nanos(row.intended_ns)).collect();
    let services: Vec<Nanos> = served.iter().map(|(_, service)| *service).collect();
    let predicted = oracle::replay(&arrivals, &services, 1);
    let measured = served.iter().map(|(row, _)| row.done_ns - row.intended_ns);
    let mut errors: Vec<i64> = measured.zip(predicted).map(|(seen, told)| seen as i64 - told.0 as i64).collect();
    errors.sort_unstable();
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::Told;

    fn row(id: u64, intended_ns: u64, service_ns: u64, ended_ns: u64, done_ns: u64) -> TraceRow {
        TraceRow { id, intended_ns, sent_ns: intended_ns, done_ns, told: Told { service_ns, ended_ns } }
    }

    #[test]
    fn a_queue_seen_perfectly_has_no_error() {
        // Two operations 100 ns apart, each served for 300 ns: the second waits for 200 ns. The answer of a third is late.
        let rows =
            [row(0, 1_000, 300, 1_300, 1_300), row(1, 1_100, 300, 1_600, 1_600), row(2, 5_000, 300, 5_300, 5_350)];
        assert_eq!(errors(&served(&rows)), [0, 0, 50]);
        let replayed = replay(&rows).unwrap();
        assert_eq!((replayed.count, replayed.service_mean_ns, replayed.error_p50_ns), (3, 300.0, 0));
        assert_eq!(replay(&[]), None);
    }

    #[test]
    fn what_a_server_does_besides_the_service_occupies_it_too() {
        // 20 ns of handling before each service; the second lay ready, the third came to an idle server.
        let rows =
            [row(0, 1_000, 300, 1_320, 1_320), row(1, 1_100, 200, 1_540, 1_540), row(2, 5_000, 100, 5_120, 5_120)];
        let services: Vec<u64> = served(&rows).iter().map(|(_, service)| service.0).collect();
        assert_eq!(services, [320, 220, 120]);
        assert_eq!(errors(&served(&rows)), [0, 0, 0]);
        // One that was never answered occupies nothing.
        let lost = TraceRow { done_ns: u64::MAX, told: Told::default(), ..rows[1] };
        assert_eq!(served(&[rows[0], lost]).len(), 1);
    }
}
