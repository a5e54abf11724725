//! `elephant`: a few connections carry most requests, as long as they live.
//!
//! Proxies, gateways and message buses keep connections for hours, and a few of them have most to say. Here one connection in `one-in` is
//! an elephant, at least one of each load core, and `share` per cent of the requests are theirs: with the defaults 5 % of the
//! connections carry 80 %, and an elephant is 76 times as busy as a mouse. Whoever deals connections out, by counting them
//! or by a hash, deals elephants out with the rest, and keeps to it: a worker that got more of them than others is the first that
//! is full. Whether a request is an elephant's is a function of the seed and its number.
//!
//! Arrivals stay an open loop, and **no request waits for a particular connection**: one that is due while all elephants wait
//! for answers goes by a mouse, and the other way round. An elephant carries one request at a time, so all of them together carry
//! at most their number divided by the time an answer takes; what is beyond that would be a queue of the client's own making,
//! charged to the server. So near saturation the shares even out. There are ten elephants for each server core for that
//! reason, and fewer connections or a slower request mean less of a weight.
//!
//! # What this does not show
//! How far a client gets with one connection, or with requests queued on it (see `pipelined`). Elephants by bytes (see
//! `elephant-bytes`). Elephants that change: here the same connections are it from the first request to the last. Nothing on one
//! core, where there is nobody to share with.

use crate::kinds::bytes;
use crate::mix::{Mix, Preference};
use crate::needs::{Connections, Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "elephant",
    summary: "GET /bytes/N on connections that stay: one in 20 carries its part of 80 % of the requests while it can",
    not_shown: "Says nothing on one core; near saturation elephants are busy and more of the requests go by the rest.",
    exposes: &["acceptor-handoff"],
    needs: Needs::Files,
    suggests: Suggests::connections(Connections::PerServerCore(200)),
    settings: &[
        SettingKind { key: "size", default: "64", help: "bytes of the answer, 0 to 1M; 1k is 1000" },
        SettingKind { key: "one-in", default: "20", help: "one connection in so many is an elephant, 2 to 10k" },
        SettingKind { key: "share", default: "80", help: "per cent of the requests that are for elephants, 1 to 99" },
    ],
    build: |values| {
        let size = values.count("size", 0..=1_000_000);
        let one_in = values.count("one-in", 2..=10_000);
        let share = values.count("share", 1..=99)? as f64;
        let (size, one_in) = (size?, one_in?);
        let mut mix = Mix::weighted([(100.0 - share, bytes::page(size)), (share, bytes::page(size))]);
        mix.preference = Some(Preference { page: 1, one_in: one_in as usize });
        Some(mix.with_files(vec![bytes::file(size)]))
    },
};

#[cfg(test)]
mod tests {
    use corecurve_core::rng::stream;
    use corecurve_core::{Settings, Wire, Workload};

    use crate::registry::http_workload;

    #[test]
    fn most_requests_prefer_a_few_connections() {
        let mut workload = http_workload("elephant", &Settings::new()).unwrap().make(0, 7);
        assert_eq!([1, 2, 7, 40, 200, 2_000].map(|all| workload.preferred(all)), [0, 1, 1, 2, 10, 100]);
        let mut rng = stream(1, 1);
        let mut asked = |id| {
            let op = workload.next(id, &mut rng);
            workload.prefers(&op)
        };
        let first: Vec<bool> = (0..100_000).map(&mut asked).collect();
        // Eighty per cent; the standard error is 126.
        assert!(first.iter().filter(|prefers| **prefers).count().abs_diff(80_000) < 600);
        assert!((0..100_000).map(asked).eq(first), "the same numbers, the same choice");
    }

    #[test]
    fn other_workloads_prefer_none() {
        let mut workload = http_workload("elephant-bytes", &Settings::new()).unwrap().make(0, 7);
        let op = workload.next(0, &mut stream(1, 1));
        assert_eq!((workload.preferred(100), workload.prefers(&op)), (0, false));
    }
}
