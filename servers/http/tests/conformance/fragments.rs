//! However the network cuts a request, the answer is the same.

use std::time::Duration;

use crate::case::{Case, Stand, together};
use crate::common::Client;

/// What is sent, and the statuses of the answers.
type Exchange = (&'static str, &'static str, &'static [u16]);

const EXCHANGES: &[Exchange] = &[
    ("a GET", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("a GET behind a blank line", "\r\nGET /bytes/300 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", &[200]),
    ("a GET with a query", "GET /plaintext?a=b&c=%20 HTTP/1.1\r\nhost:a\r\nX: \t y \t \r\n\r\n", &[200]),
    ("a path that is not there", "GET /none HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", &[404]),
    ("a body with a length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", &[200]),
    (
        "a chunked body",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n3\r\n, w\r\n0\r\nT: v\r\n\r\n",
        &[200],
    ),
    (
        "a body that is waited for",
        "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok",
        &[100, 200],
    ),
    ("a body that nobody wants", "PUT /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &[405]),
    ("HTTP/1.0 with keep-alive", "GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200]),
    ("HTTP/1.0", "GET /plaintext HTTP/1.0\r\n\r\n", &[200]),
    ("the last request", "GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200]),
    (
        "two requests, the first chunked",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
         GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
    ),
    (
        "a GET and a smuggled body",
        "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        &[200, 400],
    ),
    (
        "a GET and a broken chunk",
        "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
        &[200, 400],
    ),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for exchange in EXCHANGES {
        let (what, stream, _) = exchange;
        cases.push(together(format!("cut in two at every byte: {what}"), move |stand| {
            let mut line = Line::new(stand, exchange);
            for cut in 1..stream.len() {
                line.ask(&[&stream[..cut], &stream[cut..]]);
            }
        }));
        cases.push(together(format!("byte by byte: {what}"), move |stand| {
            let bytes: Vec<&str> = (0..stream.len()).map(|i| &stream[i..=i]).collect();
            let mut line = Line::new(stand, exchange);
            line.ask(&bytes);
            line.ask(&bytes);
        }));
    }
    cases
}

/// Asks the same over and over, on one connection as long as the server keeps it.
struct Line<'a> {
    stand: &'a Stand,
    exchange: &'static Exchange,
    client: Client,
    /// The bodies when all is sent at once.
    bodies: Vec<Vec<u8>>,
}

impl<'a> Line<'a> {
    fn new(stand: &'a Stand, exchange: &'static Exchange) -> Line<'a> {
        let mut line = Line { stand, exchange, client: stand.connect(), bodies: Vec::new() };
        line.bodies = line.ask(&[exchange.1]);
        line
    }

    fn ask(&mut self, pieces: &[&str]) -> Vec<Vec<u8>> {
        let (_, _, statuses) = self.exchange;
        for (i, piece) in pieces.iter().enumerate() {
            self.client.send(piece);
            // The server is to read the first of two pieces before the second comes. Nothing depends on it.
            if i == 0 && pieces.len() == 2 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let mut bodies = Vec::new();
        let mut is_over = false;
        for status in *statuses {
            let reply = self.client.reply();
            assert_eq!(reply.status, *status, "{pieces:?}: {}", reply.text());
            is_over |= reply.closes();
            bodies.push(reply.body);
        }
        if is_over {
            self.client.assert_closed();
            self.client = self.stand.connect();
        }
        assert!(self.client.unread.is_empty(), "{pieces:?}: more than was asked for");
        assert!(self.bodies.is_empty() || bodies == self.bodies, "{pieces:?}: other bodies");
        bodies
    }
}
