//! How connections live and end: persistence, half-close, resets, and clients that only come and go.

use std::io::Read;
use std::net::Shutdown;
use std::time::Duration;

use crate::case::{Case, Stand, together};

pub fn cases() -> Vec<Case> {
    let mut cases = kept_and_closed();
    cases.extend(half_closed());
    cases.extend(rude());
    cases
}

fn kept_and_closed() -> Vec<Case> {
    vec![
        together("a connection carries many requests", |stand| {
            let mut client = stand.connect();
            for i in 0..50 {
                let reply = client.get("/plaintext");
                assert_eq!((reply.status, reply.text()), (200, "Hello, World!"), "{i}");
                assert!(reply.field("date").is_some_and(|date| date.ends_with(" GMT")));
            }
        }),
        together("HEAD has the length of the GET and no body", |stand| {
            let mut client = stand.connect();
            client.send("HEAD /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = client.reply_to(true);
            assert_eq!((reply.status, reply.field("content-length")), (200, Some("100000")));
            assert_eq!(client.get("/plaintext").status, 200);
        }),
        together("a method that is not allowed is told what is", |stand| {
            let mut client = stand.connect();
            client.send("DELETE /plaintext HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = client.reply();
            assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD")));
            assert_eq!(client.get("/nothing/here").status, 404);
        }),
        together("`Connection: close` is honoured after the answer", |stand| {
            let mut client = stand.connect();
            client.send("GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let reply = client.reply();
            assert!(reply.closes() && reply.body.len() == 1_000_000);
            client.assert_closed();
        }),
        together("`Connection: close` among other options", |stand| {
            let mut client = stand.connect();
            client.send("GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: TE , Close\r\nTE: trailers\r\n\r\n");
            assert!(client.reply().closes());
            client.assert_closed();
        }),
        together("HTTP/1.0 closes", |stand| {
            let mut client = stand.connect();
            client.send("GET /plaintext HTTP/1.0\r\n\r\n");
            assert!(client.reply().closes());
            client.assert_closed();
        }),
        together("HTTP/1.0 stays when it is asked to", |stand| {
            let mut client = stand.connect();
            for _ in 0..3 {
                client.send("GET /plaintext HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
                assert_eq!(client.reply().field("connection"), Some("keep-alive"));
            }
        }),
        together("a request id and a planned time come back", |stand| {
            let mut client = stand.connect();
            let first = client.get("/work?mean=1us&id=12345&seed=3").body;
            let second = client.get("/work?mean=1us&id=12345&seed=3").body;
            let planned = |body: &[u8]| {
                let told: std::collections::BTreeMap<String, u64> = serde_json::from_slice(body).unwrap();
                (told["id"], told["planned_ns"])
            };
            assert_eq!((planned(&first), planned(&first).0), (planned(&second), 12_345));
        }),
    ]
}

fn half_closed() -> Vec<Case> {
    let answered_after_half_close = |stand: &Stand, sent: &str, lengths: &[usize]| {
        let mut client = stand.connect();
        client.send(sent);
        client.stream.shutdown(Shutdown::Write).unwrap();
        for length in lengths {
            let reply = client.reply();
            assert_eq!((reply.status, reply.body.len()), (200, *length));
        }
        client.assert_closed();
    };
    let case = move |name: &str, sent: &'static str, lengths: &'static [usize]| {
        together(format!("half-closed: {name}"), move |stand| answered_after_half_close(stand, sent, lengths))
    };
    vec![
        case("after a request", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", &[13]),
        case("before a long answer is sent", "GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n", &[10_000_000]),
        case(
            "after a pipeline",
            "GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n",
            &[1_000_000, 13],
        ),
        case(
            "in the middle of the next head",
            "GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /pl",
            &[1_000_000, 13],
        ),
        case(
            "in the middle of a body",
            "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            &[13],
        ),
        case("before any request", "", &[]),
        together("half-closed: by a client that waited for an answer first", move |stand| {
            let mut client = stand.connect();
            assert_eq!(client.get("/plaintext").status, 200);
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.assert_closed();
        }),
    ]
}

fn rude() -> Vec<Case> {
    vec![
        together("clients that only come and go", |stand| {
            for _ in 0..200 {
                drop(stand.connect());
            }
            stand.assert_alive();
        }),
        together("clients that reset before they ask", |stand| {
            (0..50).for_each(|_| reset(stand, "", false));
            stand.assert_alive();
        }),
        together("clients that reset in the middle of a head", |stand| {
            (0..50).for_each(|_| reset(stand, "GET /plaintext HTTP/1.1\r\nHo", false));
            stand.assert_alive();
        }),
        together("clients that reset after a request", |stand| {
            (0..50).for_each(|_| reset(stand, "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", false));
            stand.assert_alive();
        }),
        together("clients that reset after a pipeline of requests that take time", |stand| {
            let pipeline = "GET /work?dist=fixed&mean=100us&id=1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10);
            (0..10).for_each(|_| reset(stand, &pipeline, true));
            stand.assert_alive();
        }),
        together("clients that reset in the middle of an answer", |stand| {
            (0..20).for_each(|_| reset(stand, "GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n", true));
            stand.assert_alive();
        }),
        together("clients that close with answers unread", |stand| {
            for _ in 0..20 {
                let mut client = stand.connect();
                client.send("GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
            }
            stand.assert_alive();
        }),
        together("clients that read slowly get it all", |stand| {
            let mut client = stand.connect();
            client.send("GET /bytes/3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let mut all = Vec::new();
            let mut buffer = vec![0; 100_000];
            loop {
                let n = client.stream.read(&mut buffer).unwrap();
                if n == 0 {
                    break;
                }
                all.extend_from_slice(&buffer[..n]);
                std::thread::sleep(Duration::from_micros(300));
            }
            client.unread = all;
            assert_eq!(client.reply().body.len(), 3_000_000);
            assert!(client.unread.is_empty());
        }),
        together("concurrent clients get their own answers", |stand| {
            let client = |number: usize| {
                let mut client = stand.connect();
                for i in 0..100 {
                    let body = format!("client {number} request {i}");
                    let length = body.len();
                    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
                    assert_eq!(client.reply().text(), body);
                }
            };
            std::thread::scope(|scope| (0..8).for_each(|number| drop(scope.spawn(move || client(number)))));
        }),
        together("urgent data does not disturb", |stand| {
            let mut client = stand.connect();
            socket2::SockRef::from(&client.stream).send_out_of_band(b"!").unwrap();
            assert_eq!(client.get("/plaintext").status, 200);
        }),
    ]
}

/// Sends and closes with a reset, at once or when the first bytes of an answer are there.
fn reset(stand: &Stand, sent: &str, answered: bool) {
    let mut client = stand.connect();
    client.send(sent);
    if answered {
        assert!(client.stream.peek(&mut [0]).unwrap() > 0);
    }
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
}
