//! The strictness of the engine as a table: bytes in, status out, connection closed.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::requests::{ALLOWED, BAD_CHUNKS, REFUSED, too_large};
use common::{app, exchange, take_reply};
use corecurve_servers::Limits;

fn assert_refused(what: &str, input: &[u8], status: u16) {
    let mut whole = exchange(&mut app(None), Limits::default(), [input]);
    let reply = take_reply(&mut whole.output, false).unwrap_or_else(|| panic!("{what}: no reply"));
    assert_eq!(reply.status, status, "{what}: {}", reply.text());
    assert!(reply.closes() && whole.is_closed, "{what}: stays open");
    assert!(reply.body.len() > 5, "{what}: no reason given");
    assert!(whole.output.is_empty(), "{what}: a second reply");
    // The same byte by byte, and with a valid request behind it that must not be answered.
    let smuggled = [input, b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let mut slow = exchange(&mut app(None), Limits::default(), smuggled.chunks(1));
    let again = take_reply(&mut slow.output, false).unwrap_or_else(|| panic!("{what}: no reply byte by byte"));
    assert_eq!((again.status, &again.body), (reply.status, &reply.body), "{what}: byte by byte");
    assert!(slow.output.is_empty(), "{what}: the request behind it was answered");
}

#[test]
fn malformed_requests_are_refused_and_the_connection_closed() {
    for (what, input, status) in REFUSED {
        assert_refused(what, input, *status);
    }
}

#[test]
fn malformed_chunks_are_refused_and_the_connection_closed() {
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
    for (what, chunks, status) in BAD_CHUNKS {
        assert_refused(what, &[head, chunks].concat(), *status);
        // A body that nobody wants is held to the same rules.
        let unwanted = b"PUT /plaintext HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
        assert_refused(what, &[unwanted, chunks].concat(), *status);
    }
}

#[test]
fn limits_refuse_what_is_too_large() {
    for (what, input, status) in too_large() {
        assert_refused(what, &input, status);
    }
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let input = b"HEAD / HTTP/1.1\r\n\r\n";
    let mut outcome = exchange(&mut app(None), Limits::default(), [input.as_slice()]);
    let reply = take_reply(&mut outcome.output, true).unwrap();
    assert_eq!((reply.status, outcome.output.len()), (400, 0));
}

#[test]
fn the_unusual_but_allowed_is_answered() {
    for (what, input, status) in ALLOWED {
        let mut outcome = exchange(&mut app(None), Limits::default(), [*input]);
        let reply = take_reply(&mut outcome.output, false).unwrap_or_else(|| panic!("{what}"));
        assert_eq!(reply.status, *status, "{what}: {}", reply.text());
        assert!(!outcome.is_closed && !reply.closes(), "{what}: closed");
    }
}
