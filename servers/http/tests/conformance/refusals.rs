//! What must be refused and what must not: malformed, smuggled and oversized requests.

use std::io::Write;

use crate::case::{Case, Stand, together};
use crate::common::requests::{ALLOWED, BAD_CHUNKS, REFUSED, too_large};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, input, status) in REFUSED {
        cases.push(together(format!("refused: {what}"), move |stand| assert_refused(stand, input, *status)));
    }
    for (asked, wanted) in [("POST /echo", "wanted"), ("PUT /plaintext", "unwanted")] {
        for (what, chunks, status) in BAD_CHUNKS {
            let head = format!("{asked} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            let input = [head.as_bytes(), chunks].concat();
            let name = format!("refused in a chunked body that is {wanted}: {what}");
            cases.push(together(name, move |stand| assert_refused(stand, &input, *status)));
        }
    }
    for (what, input, status) in too_large() {
        cases.push(together(format!("too large: {what}"), move |stand| assert_refused(stand, &input, status)));
    }
    for (what, input, status) in ALLOWED {
        cases.push(together(format!("allowed: {what}"), move |stand| {
            let mut client = stand.connect();
            client.send(input);
            let reply = client.reply();
            assert!(reply.status == *status && !reply.closes(), "{reply:?}");
            assert_eq!(client.get("/plaintext").status, 200, "the connection goes on");
        }));
    }
    for (what, head, status) in [
        ("a body over the limit", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n".to_owned(), 413),
        ("an endless target", format!("GET /{} HTTP/1.1\r\n", "a".repeat(10_000)), 414),
        ("an endless field", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "a".repeat(20_000)), 431),
        (
            "a smuggled body",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            400,
        ),
    ] {
        cases.push(together(format!("the refusal arrives while the client still sends: {what}"), move |stand| {
            let mut client = stand.connect();
            client.send(&head);
            let flood = "x".repeat(300_000);
            (0..4).for_each(|_| client.send(&flood));
            let reply = client.reply();
            assert!(reply.status == status && reply.closes(), "{reply:?}");
            client.assert_closed();
        }));
    }
    cases.push(together("refused: a HEAD without Host, without a body in the answer", |stand| {
        let mut client = stand.connect();
        client.send("HEAD / HTTP/1.1\r\n\r\n");
        assert_eq!(client.reply_to(true).status, 400);
        client.assert_closed();
    }));
    cases
}

/// Longer inputs are not sent in single bytes.
const SLOWLY: usize = 1_000;

/// That the input is refused, with a reason, and that nothing behind it is answered, however it arrives.
fn assert_refused(stand: &Stand, input: &[u8], status: u16) {
    let mut client = stand.connect();
    client.send(input);
    let reply = client.reply();
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(reply.closes() && reply.body.len() > 5, "{reply:?}");
    client.assert_closed();
    if input.len() > SLOWLY {
        return;
    }
    let mut client = stand.connect();
    for byte in input.iter().chain(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n") {
        // Once refused, the rest may find nobody who reads it.
        if client.stream.write_all(&[*byte]).is_err() {
            break;
        }
    }
    let again = client.reply();
    assert_eq!((again.status, again.body), (status, reply.body), "byte by byte");
    client.assert_closed();
}
