//! One list that every architecture must pass, over real sockets.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use common::{Client, assert_free, config, start};
use corecurve_core::Nanos;
use corecurve_servers::handler::pattern_byte;
use corecurve_servers::runtime::ServerStats;
use corecurve_servers::{ARCHITECTURES, RunningServer, ServeConfig};

/// Runs `check` against every architecture and requires that the port is free afterwards.
fn for_each(change: impl Fn(&mut ServeConfig), check: impl Fn(&str, &RunningServer)) {
    for architecture in ARCHITECTURES {
        let mut config = config(architecture.name);
        change(&mut config);
        let Some(server) = start(&config) else { continue };
        let addr = server.local_addr();
        check(architecture.name, &server);
        server.stop().unwrap();
        assert_free(architecture.name, addr);
    }
}

#[test]
fn keep_alive_and_pipelines() {
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            for i in 0..50 {
                let reply = client.get("/plaintext");
                assert_eq!((reply.status, reply.text()), (200, "Hello, World!"), "{name} {i}");
                assert!(reply.field("date").is_some_and(|date| date.ends_with(" GMT")));
            }
            let pipeline: String = (0..100).map(|i| format!("GET /bytes/{i} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
            client.send(pipeline);
            for i in 0..100u64 {
                let reply = client.reply();
                let expected: Vec<u8> = (0..i).map(pattern_byte).collect();
                assert_eq!(reply.body, expected, "{name}: reply {i} of the pipeline");
            }
            assert!(client.unread.is_empty());
        },
    );
}

#[test]
fn a_request_arrives_in_any_two_pieces_and_byte_by_byte() {
    let stream = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
                   GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            for cut in 1..stream.len() {
                client.send(&stream[..cut]);
                std::thread::sleep(Duration::from_micros(300));
                client.send(&stream[cut..]);
                assert_eq!(client.reply().text(), "hello", "{name}: cut {cut}");
                assert_eq!(client.reply().text(), "Hello, World!", "{name}: cut {cut}");
            }
            for byte in stream {
                client.send([*byte]);
            }
            assert_eq!(client.reply().text(), "hello", "{name}: byte by byte");
            assert_eq!(client.reply().text(), "Hello, World!", "{name}: byte by byte");
        },
    );
}

#[test]
fn methods_versions_and_persistence() {
    for_each(
        |_| {},
        |name, server| {
            let addr = server.local_addr();
            let mut client = Client::connect(addr);
            client.send("HEAD /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = client.reply_to(true);
            assert_eq!((reply.status, reply.field("content-length")), (200, Some("100000")), "{name}");
            client.send("DELETE /plaintext HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = client.reply();
            assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD")), "{name}");
            assert_eq!(client.get("/nothing/here").status, 404, "{name}");

            client.send("GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert!(client.reply().closes(), "{name}");
            client.assert_closed();

            let mut client = Client::connect(addr);
            client.send("GET /plaintext HTTP/1.0\r\n\r\n");
            assert!(client.reply().closes(), "{name}");
            client.assert_closed();

            let mut client = Client::connect(addr);
            for _ in 0..3 {
                client.send("GET /plaintext HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
                assert_eq!(client.reply().field("connection"), Some("keep-alive"), "{name}");
            }
        },
    );
}

#[test]
fn bodies_and_expectations() {
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            let body: Vec<u8> = (0..1_000_000).map(pattern_byte).collect();
            client.send(format!("PATCH /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
            client.send(&body);
            assert!(client.reply().body == body, "{name}: a long body comes back");

            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(9973) {
                client.send(format!("{:X};ignored=\"yes\"\r\n", chunk.len()));
                client.send(chunk);
                client.send("\r\n");
            }
            client.send("0\r\nTrailer: ignored\r\n\r\n");
            assert!(client.reply().body == body, "{name}: a chunked body comes back");

            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
            assert_eq!(client.reply().status, 100, "{name}");
            client.send("ok");
            assert_eq!(client.reply().text(), "ok", "{name}");

            // No body to come: nothing to continue.
            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
            assert_eq!(client.reply().status, 200, "{name}");
            // Nobody wants the body: the answer is final.
            client.send("PUT /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
            let reply = client.reply();
            assert!(reply.status == 405 && reply.closes(), "{name}: {reply:?}");
            client.assert_closed();

            let mut client = Client::connect(server.local_addr());
            client.send("PUT /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
            assert_eq!(client.reply().text(), "ok", "{name}: HTTP/1.0 knows no 100");
        },
    );
}

#[test]
fn refusals_reach_clients_that_are_still_sending() {
    for_each(
        |_| {},
        |name, server| {
            let flood = "x".repeat(300_000);
            for (head, status) in [
                ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n".to_owned(), 413),
                (format!("GET /{} HTTP/1.1\r\n", "a".repeat(10_000)), 414),
                (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "a".repeat(20_000)), 431),
                (
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                        .to_owned(),
                    400,
                ),
            ] {
                let mut client = Client::connect(server.local_addr());
                client.send(&head);
                for _ in 0..4 {
                    client.send(&flood);
                }
                let reply = client.reply();
                assert!(reply.status == status && reply.closes(), "{name} {status}: {reply:?}");
                client.assert_closed();
            }
        },
    );
}

#[test]
fn slow_clients_are_shown_out() {
    let hurry = |config: &mut ServeConfig| {
        config.settings.insert("head-timeout".to_owned(), "200ms".to_owned());
        config.settings.insert("idle-timeout".to_owned(), "300ms".to_owned());
    };
    for_each(hurry, |name, server| {
        let addr = server.local_addr();
        let mut idle = Client::connect(addr);
        assert_eq!(idle.get("/plaintext").status, 200, "{name}");
        let mut silent = Client::connect(addr);
        let mut half = Client::connect(addr);
        half.send("GET /plaintext HTTP/1.1\r\nHost");
        let mut body = Client::connect(addr);
        body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell");
        // A byte now and then does not help.
        let mut dripping = Client::connect(addr);
        let begun = Instant::now();
        dripping.send("GET /plaintext HTTP/1.1\r\nX: ");
        let mut drip_failed = false;
        while begun.elapsed() < Duration::from_millis(2_500) && !drip_failed {
            drip_failed = dripping.stream.write_all(b"a").is_err() || dripping.stream.peek(&mut [0]).is_err();
            dripping.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            if dripping.stream.peek(&mut [0]).is_ok() {
                break;
            }
        }
        dripping.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(dripping.reply().status, 408, "{name}: dripping");
        assert_eq!(half.reply().status, 408, "{name}: half a head");
        assert_eq!(body.reply().status, 408, "{name}: part of a body");
        idle.assert_closed();
        silent.assert_closed();
    });
}

#[test]
fn back_pressure_holds_and_lets_go() {
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            // More replies than any socket buffer holds, and no reading until all are asked for.
            let n = 64u64 << 20;
            client.send(format!("GET /bytes/{n} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(2));
            client.send("GET /bytes/30 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000));
            let mut other = Client::connect(server.local_addr());
            assert_eq!(other.get("/plaintext").status, 200, "{name}: others are served meanwhile");
            for _ in 0..2 {
                let body = client.reply().body;
                let is_right = body.iter().enumerate().all(|(i, &b)| b == pattern_byte(i as u64));
                assert!(body.len() as u64 == n && is_right, "{name}: a long body arrives whole");
            }
            for i in 0..20_000 {
                assert_eq!(client.reply().body.len(), 30, "{name}: reply {i}");
            }
        },
    );
}

#[test]
fn half_closed_clients_get_their_answers() {
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            client.send(
                "GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /pl",
            );
            client.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.reply().body.len(), 1_000_000, "{name}");
            assert_eq!(client.reply().text(), "Hello, World!", "{name}");
            client.assert_closed();
            // A client that only comes and goes.
            for _ in 0..200 {
                drop(Client::connect(server.local_addr()));
            }
            assert_eq!(Client::connect(server.local_addr()).get("/plaintext").status, 200, "{name}");
        },
    );
}

#[test]
fn counts_add_up() {
    for_each(
        |_| {},
        |name, server| {
            let mut clients: Vec<Client> = (0..30).map(|_| Client::connect(server.local_addr())).collect();
            for client in &mut clients {
                for _ in 0..7 {
                    client.get("/plaintext");
                }
            }
            let stats: ServerStats = serde_json::from_str(clients[0].get("/stats").text()).unwrap();
            assert_eq!(stats.architecture, name);
            assert_eq!(stats.totals.requests, 211, "{name}: 210 and this one");
            assert_eq!((stats.totals.connections_accepted, stats.totals.connections_open), (30, 30), "{name}");
            assert_eq!(stats.workers.iter().map(|w| w.counts.requests).sum::<u64>(), 211, "{name}");
            assert!(stats.workers.iter().all(|w| w.cpu.is_some()), "{name}");
            assert_eq!(stats.workers.len(), if name == "single-loop" { 1 } else { 3 }, "{name}");
            if name.starts_with("acceptor-handoff") {
                assert!(stats.workers.iter().all(|w| w.counts.connections_accepted == 10), "{name}: {stats:?}");
            }
            drop(clients);
            let gone = (0..400).any(|_| {
                std::thread::sleep(Duration::from_millis(5));
                server.stats().totals.connections_open == 0
            });
            assert!(gone, "{name}: closed connections are noticed");
            assert!(server.stats().totals.busy_ns > 0, "{name}");
        },
    );
}

#[test]
fn work_takes_exactly_as_long_as_planned() {
    for_each(
        |_| {},
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            let service =
                corecurve_core::Service { shape: corecurve_core::ServiceShape::Exp, mean: Nanos(100_000), seed: 5 };
            for id in 0..40u64 {
                let before = now_ns();
                let reply = client.get(&format!("/work?dist=exp&mean=100us&seed=5&id={id}"));
                let after = now_ns();
                assert_eq!(reply.body.len(), corecurve_servers::handler::WORK_BODY_BYTES, "{name}");
                let said: BTreeMap<String, u64> = serde_json::from_str(reply.text()).unwrap();
                assert_eq!(said["id"], id, "{name}");
                assert_eq!(said["planned_ns"], service.time(id).0, "{name}");
                assert!(said["spun_ns"] >= said["planned_ns"], "{name}: {said:?}");
                assert_eq!(said["end_ns"] - said["start_ns"], said["spun_ns"], "{name}");
                assert!(before <= said["start_ns"] && said["end_ns"] <= after, "{name}: one clock for both");
            }
            let first = client.get("/work?mean=1us");
            let second = client.get("/work?mean=1us");
            let id = |text: &str| serde_json::from_str::<BTreeMap<String, u64>>(text).unwrap()["id"];
            assert_eq!((id(first.text()), id(second.text())), (0, 1), "{name}: the server counts its own");
        },
    );
}

fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[test]
fn files_are_served_and_nothing_else_is() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "SECRET").unwrap();
    let root = tempfile::tempdir().unwrap();
    let big: Vec<u8> = (0..3_000_000).map(pattern_byte).collect();
    std::fs::create_dir_all(root.path().join("sub dir")).unwrap();
    std::fs::write(root.path().join("sub dir/page.html"), "<p>hi").unwrap();
    std::fs::write(root.path().join("big"), &big).unwrap();
    std::fs::write(root.path().join("empty"), "").unwrap();
    symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
    symlink("big", root.path().join("inner-link")).unwrap();
    symlink(outside.path(), root.path().join("linked-dir")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for_each(
        |config| config.root = Some(root.path().to_owned()),
        |name, server| {
            let mut client = Client::connect(server.local_addr());
            let page = client.get("/sub%20dir/page.html");
            assert_eq!((page.status, page.text()), (200, "<p>hi"), "{name}");
            assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"), "{name}");
            assert!(client.get("/big").body == big, "{name}: a large file arrives whole");
            assert_eq!(client.get("/empty").body.len(), 0, "{name}");
            let etag = page.field("etag").unwrap();
            client.send(format!("GET /sub%20dir/page.html HTTP/1.1\r\nHost: a\r\nIf-None-Match: {etag}\r\n\r\n"));
            let fresh = client.reply();
            assert_eq!((fresh.status, fresh.field("content-length")), (304, Some("5")), "{name}");
            let modified = page.field("last-modified").unwrap();
            client
                .send(format!("GET /sub%20dir/page.html HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: {modified}\r\n\r\n"));
            assert_eq!(client.reply().status, 304, "{name}");
            client.send("HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.reply_to(true).field("content-length"), Some("3000000"), "{name}");
            for path in [
                "/link",
                "/inner-link",
                "/linked-dir/secret",
                "/fifo",
                "/sub%20dir",
                "/sub%20dir/",
                "/",
                "/%2fetc/passwd",
            ] {
                assert_eq!(client.get(path).status, 404, "{name}: {path}");
            }
        },
    );
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    let root = tempfile::tempdir().unwrap();
    for_each(
        |config| config.root = Some(root.path().to_owned()),
        |name, server| {
            let path = root.path().join("shrinks");
            let n = 256u64 << 20;
            std::fs::File::create(&path).unwrap().set_len(n).unwrap();
            let mut client = Client::connect(server.local_addr());
            client.send("GET /shrinks HTTP/1.1\r\nHost: a\r\n\r\n");
            // The reply is far longer than the socket buffers, so the server is in the middle of it now.
            assert!(client.stream.peek(&mut [0; 64]).unwrap() > 0);
            std::fs::File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
            assert!((client.rest().len() as u64) < n, "{name}");
            assert_eq!(Client::connect(server.local_addr()).get("/plaintext").status, 200, "{name}");
        },
    );
}

#[test]
fn many_connections_and_no_more_than_allowed() {
    let few = |config: &mut ServeConfig| {
        config.settings.insert("max-connections".to_owned(), "300".to_owned());
    };
    for_each(few, |name, server| {
        let mut clients: Vec<Client> = (0..300).map(|_| Client::connect(server.local_addr())).collect();
        for client in &mut clients {
            assert_eq!(client.get("/plaintext").status, 200, "{name}");
        }
        let mut refused = Client::connect(server.local_addr());
        refused.assert_closed();
        assert_eq!(server.stats().connections_refused, 1, "{name}");
        for client in clients.iter_mut().rev() {
            assert_eq!(client.get("/bytes/10").body.len(), 10, "{name}: idle ones still live");
        }
        clients.truncate(100);
        let again = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            server.stats().totals.connections_open == 100
        });
        assert!(again, "{name}");
        assert_eq!(Client::connect(server.local_addr()).get("/plaintext").status, 200, "{name}: room again");
    });
}

#[test]
fn concurrent_clients_get_their_own_replies() {
    for_each(
        |_| {},
        |name, server| {
            let addr = server.local_addr();
            let client = |number: usize| {
                let mut client = Client::connect(addr);
                for i in 0..200 {
                    let body = format!("client {number} request {i}");
                    let length = body.len();
                    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
                    assert_eq!(client.reply().text(), body, "{name}");
                }
            };
            std::thread::scope(|scope| {
                for number in 0..8 {
                    scope.spawn(move || client(number));
                }
            });
            assert_eq!(server.stats().totals.requests, 1_600, "{name}");
        },
    );
}

#[test]
fn stopping_is_graceful() {
    for architecture in ARCHITECTURES {
        let name = architecture.name;
        let Some(server) = start(&config(name)) else { continue };
        let addr = server.local_addr();
        let mut idle = Client::connect(addr);
        idle.get("/plaintext");
        let mut busy = Client::connect(addr);
        busy.get("/plaintext");
        busy.send("GET /work?dist=fixed&mean=150ms&id=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        while server.stats().totals.requests < 3 {
            std::thread::yield_now();
        }
        let stats = server.stop().unwrap();
        assert_eq!(busy.reply().status, 200, "{name}: a request in progress is finished");
        busy.assert_closed();
        idle.assert_closed();
        assert_eq!(stats.totals.requests, 3, "{name}");
        assert_eq!(stats.totals.connections_open, 0, "{name}");
        assert_free(name, addr);
    }
}

#[test]
fn a_server_stops_although_clients_never_do() {
    for architecture in ARCHITECTURES {
        let name = architecture.name;
        let mut config = config(name);
        if architecture.settings.iter().any(|setting| setting.name == "spin") {
            config.settings.insert("spin".to_owned(), "200us".to_owned());
        }
        let Some(server) = start(&config) else { continue };
        let addr = server.local_addr();
        let hammer = || {
            let mut client = Client::connect(addr);
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
        assert!(answered >= 490 && answered <= stats.totals.requests, "{name}: {answered} of {stats:?}");
        assert_eq!(stats.totals.connections_open, 0, "{name}");
        assert!(stats.totals.busy_ns > 0, "{name}");
        assert_free(name, addr);
    }
}
