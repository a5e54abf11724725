//! Several requests in flight on one connection: all answered, in order, and never more than the client reads.

use corecurve_servers::handler::pattern_byte;

use crate::case::{Case, together};

const GET: &str = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [2, 16, 100, 10_000].into_iter().map(of_depth).collect();
    cases.push(together("a pipeline of different sizes", |stand| {
        let mut client = stand.connect();
        client.send((0..100).map(|i| format!("GET /bytes/{i} HTTP/1.1\r\nHost: a\r\n\r\n")).collect::<String>());
        for i in 0..100u64 {
            let expected: Vec<u8> = (0..i).map(pattern_byte).collect();
            assert_eq!(client.reply().body, expected, "reply {i}");
        }
        assert!(client.unread.is_empty());
    }));
    cases.push(together("a pipeline of different methods and bodies", |stand| {
        let mut client = stand.connect();
        let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let head = "HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
        let refused = "DELETE /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send([GET, post, head, chunked, refused, GET].concat().repeat(10));
        for _ in 0..10 {
            assert_eq!(client.reply().text(), "Hello, World!");
            assert_eq!(client.reply().text(), "hello");
            assert_eq!(client.reply_to(true).field("content-length"), Some("13"));
            assert_eq!(client.reply().text(), "abc");
            assert_eq!(client.reply().status, 405);
            assert_eq!(client.reply().text(), "Hello, World!");
        }
        assert!(client.unread.is_empty());
    }));
    cases.push(together("a pipeline in pieces that fit no request", |stand| {
        let mut client = stand.connect();
        let pipeline = GET.repeat(50);
        for piece in pipeline.as_bytes().chunks(7) {
            client.send(piece);
        }
        (0..50).for_each(|_| assert_eq!(client.reply().text(), "Hello, World!"));
    }));
    cases.push(together("a pipeline behind a request that takes long", |stand| {
        let mut client = stand.connect();
        client.send(format!("GET /work?dist=fixed&mean=5ms&id=77 HTTP/1.1\r\nHost: a\r\n\r\n{}", GET.repeat(20)));
        assert!(client.reply().text().contains("77"));
        (0..20).for_each(|_| assert_eq!(client.reply().text(), "Hello, World!"));
    }));
    cases.push(together("nothing behind a `Connection: close` is answered", |stand| {
        let mut client = stand.connect();
        let close = "GET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.send([GET, close, GET, GET].concat());
        assert!(!client.reply().closes());
        assert!(client.reply().closes());
        client.assert_closed();
    }));
    cases.push(together("what is before a malformed request is answered, what is behind it is not", |stand| {
        let mut client = stand.connect();
        client.send([GET, GET, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", GET].concat());
        (0..2).for_each(|_| assert_eq!(client.reply().status, 200));
        let reply = client.reply();
        assert!(reply.status == 400 && reply.closes(), "{reply:?}");
        client.assert_closed();
    }));
    cases.push(together("an incomplete request behind a pipeline is waited for", |stand| {
        let mut client = stand.connect();
        client.send(format!("{}{}", GET.repeat(3), &GET[..20]));
        (0..3).for_each(|_| assert_eq!(client.reply().status, 200));
        client.send(&GET[20..]);
        assert_eq!(client.reply().text(), "Hello, World!");
    }));
    cases.push(together("replies that nobody reads hold the pipeline up, and then let go", |stand| {
        let mut client = stand.connect();
        // More replies than any socket buffer holds, and no reading until all are asked for.
        let n = 16u64 << 20;
        client.send(format!("GET /bytes/{n} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(2));
        client.send("GET /bytes/30 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000));
        stand.assert_alive();
        for _ in 0..2 {
            let body = client.reply().body;
            let is_right = body.iter().enumerate().all(|(i, &b)| b == pattern_byte(i as u64));
            assert!(body.len() as u64 == n && is_right, "a long body arrives whole");
        }
        for i in 0..20_000 {
            assert_eq!(client.reply().body.len(), 30, "reply {i}");
        }
    }));
    cases
}

fn of_depth(depth: usize) -> Case {
    together(format!("a pipeline of {depth}"), move |stand| {
        let mut client = stand.connect();
        for _ in 0..2 {
            client.send(GET.repeat(depth));
            for i in 0..depth {
                assert_eq!(client.reply().text(), "Hello, World!", "reply {i}");
            }
            assert!(client.unread.is_empty());
        }
    })
}
