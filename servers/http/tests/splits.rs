//! However the network cuts the stream, the server says the same.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{app, exchange};
use corecurve_servers::Limits;
use proptest::prelude::*;

/// Requests that together visit every state of the engine.
const PARTS: &[&str] = &[
    "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /bytes/300 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    "GET /bytes/20000 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n3\r\n, w\r\n0\r\nT: v\r\n\r\n",
    "PUT /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "GET /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "GET http://b:1/plaintext?q HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /work?mean=1us&id=7&seed=3 HTTP/1.1\r\nHo st: a\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\nX\r\n\r\n",
    "PUT /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    "GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /plaintext HTTP/1.1\r\nHost: a\r\n",
];

/// Small limits, so that a few requests reach the back-pressure cap.
fn limits() -> Limits {
    Limits { unsent_bytes: 400, ..Limits::default() }
}

fn answer(stream: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let mut app = app(None);
    let mut at = 0;
    let mut pieces = Vec::new();
    for &cut in cuts {
        pieces.push(&stream[at..cut]);
        at = cut;
    }
    pieces.push(&stream[at..]);
    let outcome = exchange(&mut app, limits(), pieces);
    // The Date may tick between two exchanges.
    let text = String::from_utf8(outcome.output).unwrap();
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    (lines.join("\r\n").into_bytes(), outcome.is_closed)
}

#[test]
fn every_split_point_gives_the_same_answer() {
    let stream = PARTS[..11].concat().into_bytes();
    let whole = answer(&stream, &[]);
    assert_eq!(whole.0.windows(9).filter(|w| w == b"HTTP/1.1 ").count(), 12, "11 answers and one 100");
    for cut in 0..=stream.len() {
        assert_eq!(answer(&stream, &[cut]), whole, "cut {cut}");
    }
    let bytes: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(answer(&stream, &bytes), whole, "byte by byte");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_requests_any_splits(
        parts in prop::collection::vec(0..PARTS.len(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let stream: Vec<u8> = parts.iter().flat_map(|&part| PARTS[part].bytes()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(answer(&stream, &cuts), answer(&stream, &[]));
    }

    #[test]
    fn any_bytes_any_splits(
        stream in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), any::<u8>()], 1..400),
        prefix in 0..PARTS.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream = [PARTS[prefix].as_bytes(), &stream].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(answer(&stream, &cuts), answer(&stream, &[]));
    }
}
