//! What needs a server of its own: time-outs, counts, limits of connections, and the end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use corecurve_core::{Nanos, ServerStats};
use corecurve_servers::{RunningServer, ServeConfig};

use crate::case::{Case, Stand, alone};
use crate::common::{Client, assert_free};

/// Long enough for a client of a busy machine to ask in time, and no longer than a server's end takes.
fn hurried(config: &mut ServeConfig) {
    set(config, "head-timeout", "200ms");
    set(config, "idle-timeout", "1s");
    config.limits.linger_timeout = Nanos::MILLI * 200;
}

fn usual(_: &mut ServeConfig) {}

fn set(config: &mut ServeConfig, key: &str, value: &str) {
    config.settings.insert(key.to_owned(), value.to_owned());
}

pub fn cases() -> Vec<Case> {
    vec![
        alone("slow: a client that says nothing is shown out", hurried, |stand, _server| {
            stand.connect().assert_closed();
        }),
        alone("slow: a client that says nothing more is shown out", hurried, |stand, _server| {
            let mut client = stand.connect();
            assert_eq!(client.get("/plaintext").status, 200);
            client.assert_closed();
        }),
        alone("slow: half a head is a time-out", hurried, |stand, _server| {
            times_out(stand, "GET /plaintext HTTP/1.1\r\nHost");
        }),
        alone("slow: part of a body is a time-out", hurried, |stand, _server| {
            times_out(stand, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell");
        }),
        alone("slow: part of a chunk is a time-out", hurried, |stand, _server| {
            times_out(stand, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell");
        }),
        alone("slow: half a head behind an answer is a time-out", hurried, |stand, _server| {
            let mut client = stand.connect();
            client.send("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /pl");
            assert_eq!(client.reply().status, 200);
            assert_eq!(client.reply().status, 408);
            client.assert_closed();
        }),
        alone("slow: a byte now and then does not keep a head alive", hurried, |stand, _server| {
            drip(stand, "GET /plaintext HTTP/1.1\r\nX: ");
        }),
        alone("slow: a byte now and then does not keep a body alive", hurried, |stand, _server| {
            drip(stand, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
        }),
        alone("slow: a client that sends on after a refusal is shown out", hurried, |stand, _server| {
            let mut client = stand.connect();
            client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
            let is_shown_out = (0..1_000).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                client.stream.write_all(b"a").is_err()
            });
            assert!(is_shown_out, "still read after 10 s");
        }),
        alone("slow: a client that reads nothing is shown out", hurried, |stand, server| {
            let mut client = stand.connect();
            client.send("GET /bytes/60000000 HTTP/1.1\r\nHost: a\r\n\r\n");
            eventually(|| {
                server.stats().totals.connections_accepted == 1 && server.stats().totals.connections_open == 0
            });
            assert!(client.rest().len() < 60_000_000);
        }),
        alone(
            "slow: those in time are served meanwhile",
            |config| set(config, "head-timeout", "200ms"),
            |stand, _server| {
                let mut slow: Vec<Client> = (0..20).map(|_| stand.connect()).collect();
                slow.iter_mut().for_each(|client| client.send("GET /plain"));
                let mut client = stand.connect();
                for _ in 0..50 {
                    assert_eq!(client.get("/plaintext").status, 200);
                    std::thread::sleep(Duration::from_millis(8));
                }
                slow.iter_mut().for_each(|client| assert_eq!(client.reply().status, 408));
            },
        ),
        alone("counts add up", usual, counts_add_up),
        alone("counts leave out what was refused", usual, |stand, server| {
            let mut client = stand.connect();
            client.send("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost : a\r\n\r\n");
            assert_eq!((client.reply().status, client.reply().status), (200, 400));
            client.assert_closed();
            assert_eq!(server.stats().totals.requests, 1);
        }),
        alone("counts hold every request of concurrent pipelines", usual, |stand, server| {
            let client = || {
                let mut client = stand.connect();
                for _ in 0..10 {
                    client.send("GET /bytes/9 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
                    (0..20).for_each(|_| assert_eq!(client.reply().body.len(), 9));
                }
            };
            std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(client))));
            assert_eq!(server.stats().totals.requests, 8 * 10 * 20);
        }),
        alone("work takes as long as planned, by the client's clock", usual, work_is_honest),
        alone("no more connections than allowed", |config| set(config, "max-connections", "300"), no_more_than_allowed),
        alone("two thousand connections without a byte", usual, |stand, server| {
            for _ in 0..2_000 {
                drop(stand.connect());
            }
            stand.assert_alive();
            eventually(|| server.stats().totals.connections_open == 0);
        }),
        alone("the end: a request in progress is finished", usual, graceful_end),
        alone("the end: although clients never stop", usual, end_under_load),
        alone("the end: with an answer that nobody reads", usual, |stand, server| {
            let mut client = stand.connect();
            client.send("GET /bytes/60000000 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(client.stream.peek(&mut [0]).unwrap() > 0);
            assert_eq!(server.stop().unwrap().totals.connections_open, 0);
            assert_free(stand.name, stand.addr);
        }),
    ]
}

fn times_out(stand: &Stand, sent: &str) {
    let mut client = stand.connect();
    client.send(sent);
    assert_eq!(client.reply().status, 408);
    client.assert_closed();
}

fn eventually(holds: impl Fn() -> bool) {
    let held = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        holds()
    });
    assert!(held, "not within 10 s");
}

fn drip(stand: &Stand, begun: &str) {
    let mut client = stand.connect();
    client.send(begun);
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let answered = (0..1_000).any(|_| client.stream.write_all(b"a").is_err() || client.stream.peek(&mut [0]).is_ok());
    assert!(answered, "still waited for after 20 s");
    client.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.reply().status, 408);
}

fn counts_add_up(stand: &Stand, server: RunningServer) {
    let mut clients: Vec<Client> = (0..30).map(|_| stand.connect()).collect();
    for client in &mut clients {
        for _ in 0..7 {
            client.get("/plaintext");
        }
    }
    let stats: ServerStats = serde_json::from_str(clients[0].get("/stats").text()).unwrap();
    assert_eq!(stats.architecture, stand.name);
    assert_eq!(stats.totals.requests, 211, "210 and this one");
    assert_eq!((stats.totals.connections_accepted, stats.totals.connections_open), (30, 30));
    assert_eq!(stats.workers.iter().map(|w| w.counts.requests).sum::<u64>(), 211);
    assert!(stats.workers.iter().all(|w| w.cpu.is_some()));
    assert_eq!(stats.workers.len(), stand.workers);
    if stand.name.starts_with("acceptor-handoff") {
        let share = 30 / stand.workers as u64;
        assert!(stats.workers.iter().all(|w| w.counts.connections_accepted == share), "{stats:?}");
    }
    drop(clients);
    eventually(|| server.stats().totals.connections_open == 0);
    assert!(server.stats().totals.busy_ns > 0);
}

fn work_is_honest(stand: &Stand, _server: RunningServer) {
    let mut client = stand.connect();
    let service = corecurve_core::Service { shape: corecurve_core::ServiceShape::Exp, mean: Nanos(100_000), seed: 5 };
    for id in 0..40u64 {
        let before = now_ns();
        let reply = client.get(&format!("/work?dist=exp&mean=100us&seed=5&id={id}"));
        let after = now_ns();
        assert_eq!(reply.body.len(), corecurve_servers::handler::WORK_BODY_BYTES);
        let said: BTreeMap<String, u64> = serde_json::from_str(reply.text()).unwrap();
        assert_eq!(said["id"], id);
        assert_eq!(said["planned_ns"], service.time(id).0);
        assert!(said["spun_ns"] >= said["planned_ns"], "{said:?}");
        assert_eq!(said["end_ns"] - said["start_ns"], said["spun_ns"]);
        assert!(before <= said["start_ns"] && said["end_ns"] <= after, "one clock for both");
    }
    let first = client.get("/work?mean=1us");
    let second = client.get("/work?mean=1us");
    let id = |text: &str| serde_json::from_str::<BTreeMap<String, u64>>(text).unwrap()["id"];
    assert_eq!((id(first.text()), id(second.text())), (0, 1), "the server counts its own");
}

fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn no_more_than_allowed(stand: &Stand, server: RunningServer) {
    let mut clients: Vec<Client> = (0..300).map(|_| stand.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/plaintext").status, 200);
    }
    stand.connect().assert_closed();
    assert_eq!(server.stats().connections_refused, 1);
    for client in clients.iter_mut().rev() {
        assert_eq!(client.get("/bytes/10").body.len(), 10, "idle ones still live");
    }
    clients.truncate(100);
    eventually(|| server.stats().totals.connections_open == 100);
    stand.assert_alive();
}

fn graceful_end(stand: &Stand, server: RunningServer) {
    let mut idle = stand.connect();
    idle.get("/plaintext");
    let mut busy = stand.connect();
    busy.get("/plaintext");
    busy.send("GET /work?dist=fixed&mean=150ms&id=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    while server.stats().totals.requests < 3 {
        std::thread::yield_now();
    }
    let stats = server.stop().unwrap();
    assert_eq!(busy.reply().status, 200);
    busy.assert_closed();
    idle.assert_closed();
    assert_eq!((stats.totals.requests, stats.totals.connections_open), (3, 0));
    assert_free(stand.name, stand.addr);
}

/// Also for a server with settings: what it is asked never ends, and it does.
pub fn end_under_load(stand: &Stand, server: RunningServer) {
    let hammer = || {
        let mut client = stand.connect();
        let mut answered = 0u64;
        // Ends with an error when the server closes.
        while client.stream.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").is_ok() {
            match client.stream.read(&mut [0; 4096]) {
                Ok(1..) => answered += 1,
                _ => break,
            }
        }
        answered
    };
    let (stats, answered) = std::thread::scope(|scope| {
        let hammers: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
        while server.stats().totals.requests < 500 {
            std::thread::yield_now();
        }
        let stats = server.stop().unwrap();
        (stats, hammers.into_iter().map(|hammer| hammer.join().unwrap()).sum::<u64>())
    });
    assert!(answered >= 490 && answered <= stats.totals.requests, "{answered} of {stats:?}");
    assert_eq!(stats.totals.connections_open, 0);
    assert!(stats.totals.busy_ns > 0);
    assert_free(stand.name, stand.addr);
}
