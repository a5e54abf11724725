//! [`Counter`]: asks a built-in server for its counts per worker, and keeps its own asking out of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use corecurve_core::{CountsPerWorker, Nanos, ServerStats};

use super::http_probe;

/// Where built-in servers tell their counts.
const PATH: &str = "/stats";

/// What is asked, and what has been asked already.
#[derive(Debug)]
pub(super) struct Counter {
    address: SocketAddr,
    /// Requests made so far, each on a connection of its own, by process and row of the worker that got it.
    own: BTreeMap<(usize, usize), u64>,
}

impl Counter {
    /// For the server at `address`. Asks nothing yet.
    pub(super) fn new(address: SocketAddr) -> Counter {
        Counter { address, own: BTreeMap::new() }
    }

    /// One question; which process answered, and its counts less all questions so far.
    fn ask(&mut self, patience: Duration) -> Result<(usize, ServerStats), String> {
        // Half of it to connect and half to wait for the answer.
        let reply = http_probe::get(self.address, PATH, patience / 2)?;
        let told = serde_json::from_slice::<ServerStats>(&reply.body).ok().filter(|_| reply.status == 200);
        let mut stats = told.ok_or_else(|| format!("what it answers to {PATH} are no counts"))?;
        let part = stats.part.map_or(0, |part| part.number);
        if let Some(row) = stats.told_by {
            *self.own.entry((part, row)).or_default() += 1;
            // The connection of this question is open still; those of earlier ones are closed.
            if let Some(teller) = stats.workers.iter_mut().find(|worker| worker.worker == row) {
                teller.counts.connections_open = teller.counts.connections_open.saturating_sub(1);
            }
        }
        for worker in &mut stats.workers {
            let own = self.own.get(&(part, worker.worker)).copied().unwrap_or(0);
            worker.counts.connections_accepted = worker.counts.connections_accepted.saturating_sub(own);
            worker.counts.requests = worker.counts.requests.saturating_sub(own);
        }
        Ok((part, stats))
    }
}

impl CountsPerWorker for Counter {
    /// Of several processes, which one answers is chance: they are asked until each has answered.
    fn read(&mut self, patience: Nanos) -> Result<ServerStats, String> {
        let deadline = Instant::now() + patience.into();
        let mut parts: BTreeMap<usize, ServerStats> = BTreeMap::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = format!("{} of its processes told their counts in time", parts.len());
            if left.is_zero() {
                return Err(told);
            }
            let (part, stats) = self.ask(left)?;
            let of = stats.part.map_or(1, |part| part.of);
            // The first answer: a connection of this may be closed by the server only after the next question.
            parts.entry(part).or_insert(stats);
            if parts.len() >= of {
                return Ok(ServerStats::sum(parts.values()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use corecurve_core::server_stats::{Part, WorkerCounts, WorkerRow};

    /// Answers one connection after another.
    fn server(answers: Vec<String>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n{answer}").unwrap();
            }
        });
        address
    }

    fn told(part: Option<usize>, told_by: usize, rows: &[(u64, u64, u64)]) -> String {
        let row = |(worker, &(connections_accepted, connections_open, requests))| WorkerRow {
            worker,
            cpu: None,
            counts: WorkerCounts { connections_accepted, connections_open, requests, busy_ns: 0 },
        };
        let stats = ServerStats {
            part: part.map(|number| Part { number, of: 2 }),
            told_by: Some(told_by),
            workers: rows.iter().enumerate().map(row).collect(),
            ..ServerStats::default()
        };
        serde_json::to_string(&stats).unwrap()
    }

    fn rows(stats: &ServerStats) -> Vec<(u64, u64, u64)> {
        let counts = stats.workers.iter().map(|worker| worker.counts);
        counts.map(|c| (c.connections_accepted, c.connections_open, c.requests)).collect()
    }

    #[test]
    fn what_was_asked_is_in_no_count() {
        // Two others have a connection each and have asked nothing, whatever is asked here meanwhile.
        let answers = vec![
            told(None, 0, &[(2, 2, 1), (1, 1, 0)]),
            told(None, 0, &[(3, 2, 2), (1, 1, 0)]),
            told(None, 1, &[(3, 1, 2), (2, 2, 1)]),
        ];
        let mut counter = Counter::new(server(answers));
        for _ in 0..3 {
            assert_eq!(rows(&counter.read(Nanos::SECOND).unwrap()), [(1, 1, 0), (1, 1, 0)]);
        }
    }

    #[test]
    fn every_process_is_asked() {
        let answers = vec![
            told(Some(1), 0, &[(8, 8, 71)]),
            told(Some(1), 0, &[(9, 8, 72)]),
            told(Some(0), 0, &[(4, 4, 31)]),
            told(Some(1), 0, &[(10, 8, 73)]),
        ];
        let mut counter = Counter::new(server(answers));
        assert_eq!(rows(&counter.read(Nanos::SECOND).unwrap()), [(3, 3, 30), (7, 7, 70)]);
        let missing = counter.read(Nanos(100_000_000)).unwrap_err();
        assert!(missing.contains("listens") || missing.contains("in time"), "{missing}");
    }

    #[test]
    fn something_else_that_answers_is_no_server_that_tells() {
        let mut counter = Counter::new(server(vec!["Hello, World!".to_owned()]));
        assert!(counter.read(Nanos::SECOND).unwrap_err().contains("no counts"));
    }
}
