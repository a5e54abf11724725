//! Answers from servers that are right, odd, broken or hostile, and what each of them must count as.
//!
//! Every row is read whole, byte by byte and in random pieces: how the network cuts a stream must not matter.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use corecurve_core::ErrorClass::{Closed, Protocol, Status, WrongBody};
use corecurve_core::rng::stream;
use corecurve_core::{Decoded, ErrorClass, Outcome, Settings, Told, Wire, Workload};
use corecurve_http::{HttpWorkload, Op, http_workload};
use proptest::prelude::*;

/// What a row ends with. `Keep`: right, and the connection can be used again; `Once`: right, but it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Keep,
    Once,
    /// A class, and whether the connection can be used again.
    Fails(ErrorClass, bool),
}
use End::{Fails, Keep, Once};

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// GET /plaintext, which expects `Hello, World!`.
    Plain,
    /// A GET that expects 200 and anything.
    Any,
    /// A HEAD that expects 200.
    Head,
    /// A GET that expects this status.
    Expect(u16),
}
use Ask::{Any, Expect, Head, Plain};

fn ask(ask: Ask) -> HttpWorkload {
    let made = |name: &str, pairs: &[(&str, &str)]| {
        let settings: Settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        http_workload(name, &settings).unwrap().make(0, 1)
    };
    match ask {
        Plain => made("plaintext", &[]),
        Any => made("get", &[("path", "/")]),
        Head => made("get", &[("path", "/"), ("method", "HEAD")]),
        Expect(status) => made("get", &[("path", "/"), ("status", &status.to_string())]),
    }
}

/// Shows `pieces` one after the other, as a connection would, then closes it.
fn read(workload: &HttpWorkload, pieces: &[&[u8]]) -> End {
    let mut decoder = Default::default();
    let mut buffer = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        buffer.extend_from_slice(piece);
        match workload.decode(&Op::default(), &mut decoder, &buffer, true) {
            Decoded::Partial { consumed } => {
                assert!(consumed <= buffer.len());
                buffer.drain(..consumed);
            }
            Decoded::Done { consumed, outcome, keep_alive } => {
                assert!(consumed <= buffer.len());
                // Bytes after the answer are nobody's, in whichever piece they come.
                let excess = consumed < buffer.len() || pieces[i + 1..].iter().any(|piece| !piece.is_empty());
                return if excess { Fails(Protocol, false) } else { end(outcome, keep_alive) };
            }
        }
    }
    end(workload.closed(&Op::default(), &mut decoder), false)
}

fn end(outcome: Outcome, keep_alive: bool) -> End {
    match (outcome, keep_alive) {
        (Outcome::Ok, true) => Keep,
        (Outcome::Ok, false) => Once,
        (Outcome::Failed(class), keep) => Fails(class, keep),
    }
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";

#[rustfmt::skip]
const ROWS: &[(&str, Ask, &str, End)] = &[
    // Right answers.
    ("plain", Plain, HELLO, Keep),
    ("no reason phrase", Plain, "HTTP/1.1 200 \r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("no space after status", Plain, "HTTP/1.1 200\r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("field names in any case", Plain, "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: 13\r\n\r\nHello, World!", Keep),
    ("space around a value", Plain, "HTTP/1.1 200 OK\r\nContent-Length: \t 13 \t\r\n\r\nHello, World!", Keep),
    ("no space before a value", Plain, "HTTP/1.1 200 OK\r\nContent-Length:13\r\n\r\nHello, World!", Keep),
    ("obs-text in a value", Plain, "HTTP/1.1 200 OK\r\nX: caf\u{e9}\r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("leading zeros", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 0013\r\n\r\nHello, World!", Keep),
    ("close asked", Plain, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!", Once),
    ("close in a list", Plain, "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 13\r\n\r\nHello, World!", Once),
    ("close beats keep-alive", Plain, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!", Once),
    ("1.0 closes", Plain, "HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Once),
    ("1.0 keep-alive", Plain, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("until close", Plain, "HTTP/1.1 200 OK\r\n\r\nHello, World!", Once),
    ("until close in spite of keep-alive", Plain, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nHello, World!", Once),
    ("until close, 1.0", Plain, "HTTP/1.0 200 OK\r\n\r\nHello, World!", Once),
    ("empty body", Any, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Keep),
    ("empty until close", Any, "HTTP/1.1 200 OK\r\n\r\n", Once),
    // Chunked, right.
    ("chunked", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, World!\r\n0\r\n\r\n", Keep),
    ("chunked in capitals", Plain, "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\nD\r\nHello, World!\r\n0\r\n\r\n", Keep),
    ("chunk size with zeros", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000000d\r\nHello, World!\r\n000\r\n\r\n", Keep),
    ("chunk extension", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd;a=b;c=\"d\"\r\nHello, World!\r\n0;x\r\n\r\n", Keep),
    ("trailer", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", Keep),
    ("chunked and close", Plain, "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n", Once),
    ("chunked and empty", Any, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Keep),
    // No body by status or method.
    ("HEAD with a length", Head, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n", Keep),
    ("HEAD and chunked", Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Keep),
    ("HEAD without a length", Head, "HTTP/1.1 200 OK\r\n\r\n", Keep),
    ("HEAD with a body", Head, HELLO, Fails(Protocol, false)),
    ("204", Expect(204), "HTTP/1.1 204 No Content\r\n\r\n", Keep),
    ("204 with length 0", Expect(204), "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Keep),
    ("204 with a length", Expect(204), "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", Fails(Protocol, false)),
    ("204 with a body", Expect(204), "HTTP/1.1 204 No Content\r\n\r\nabc", Fails(Protocol, false)),
    ("204 chunked", Expect(204), "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("304 with a length", Expect(304), "HTTP/1.1 304 Not Modified\r\nContent-Length: 13\r\n\r\n", Keep),
    ("304 with a body", Expect(304), "HTTP/1.1 304 Not Modified\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    // Interim answers.
    ("100 first", Plain, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("103 twice", Plain, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Keep),
    ("nine interim answers", Plain, "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("101", Any, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Fails(Protocol, false)),
    ("100 with a length", Any, "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Fails(Protocol, false)),
    ("100 and nothing more", Any, "HTTP/1.1 100 Continue\r\n\r\n", Fails(Closed, false)),
    // Another status.
    ("404", Plain, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", Fails(Status, true)),
    ("503 and close", Plain, "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", Fails(Status, false)),
    ("redirect is not followed", Plain, "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Fails(Status, true)),
    ("201 with the right body", Plain, "HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Status, true)),
    ("204 for a body", Plain, "HTTP/1.1 204 No Content\r\n\r\n", Fails(Status, true)),
    ("304 unasked", Plain, "HTTP/1.1 304 Not Modified\r\n\r\n", Fails(Status, true)),
    ("500 until close", Plain, "HTTP/1.1 500 Oops\r\n\r\ntrace", Fails(Status, false)),
    // Wrong content.
    ("wrong word", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World?", Fails(WrongBody, true)),
    ("too short", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello", Fails(WrongBody, true)),
    ("too long", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, World!\n", Fails(WrongBody, true)),
    ("nothing", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Fails(WrongBody, true)),
    ("wrong in the second chunk", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, World?\r\n0\r\n\r\n", Fails(WrongBody, true)),
    ("wrong until close", Plain, "HTTP/1.1 200 OK\r\n\r\nHello", Fails(WrongBody, false)),
    // Cut off.
    ("closed at once", Plain, "", Fails(Closed, false)),
    ("closed in the status line", Plain, "HTTP/1.1 20", Fails(Closed, false)),
    ("closed in the head", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n", Fails(Closed, false)),
    ("closed before the body", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n", Fails(Closed, false)),
    ("closed in the body", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello", Fails(Closed, false)),
    ("closed in a chunk", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello", Fails(Closed, false)),
    ("closed before the last chunk", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n", Fails(Closed, false)),
    ("closed in the trailer", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nX: y\r\n", Fails(Closed, false)),
    // More than was asked for.
    ("a second answer", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Fails(Protocol, false)),
    ("a line end after the body", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!\r\n", Fails(Protocol, false)),
    ("excess after the last chunk", Any, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n", Fails(Protocol, false)),
    // Broken status lines.
    ("HTTP/0.9", Plain, "Hello, World!", Fails(Protocol, false)),
    ("HTTP/2 preface", Plain, "PRI * HTTP/2.0\r\n\r\n", Fails(Protocol, false)),
    ("HTTP/2.0", Plain, "HTTP/2.0 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("HTTP/1.2", Plain, "HTTP/1.2 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("HTTP/1.10", Plain, "HTTP/1.10 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("http in small letters", Plain, "http/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("ICY", Plain, "ICY 200 OK\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("TLS alert", Plain, "\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{46}", Fails(Protocol, false)),
    ("line end first", Plain, "\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("space first", Plain, " HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("two digits", Plain, "HTTP/1.1 20 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("four digits", Plain, "HTTP/1.1 2000 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("status 099", Plain, "HTTP/1.1 099 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("status 600", Plain, "HTTP/1.1 600 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("signed status", Plain, "HTTP/1.1 +20 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("two spaces", Plain, "HTTP/1.1  200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("control in the reason", Plain, "HTTP/1.1 200 O\u{7}K\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    // Broken fields.
    ("bare LF", Plain, "HTTP/1.1 200 OK\nContent-Length: 13\n\nHello, World!", Fails(Protocol, false)),
    ("bare LF at the end", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\nHello, World!", Fails(Protocol, false)),
    ("bare CR", Plain, "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("NUL in a value", Plain, "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("control in a value", Plain, "HTTP/1.1 200 OK\r\nX: a\u{7}b\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("folded line", Plain, "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("folded first line", Plain, "HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("space before the colon", Plain, "HTTP/1.1 200 OK\r\nContent-Length : 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("no colon", Plain, "HTTP/1.1 200 OK\r\nContent-Length 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("no name", Plain, "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("name with brackets", Plain, "HTTP/1.1 200 OK\r\nX[]: x\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    // Lengths that cannot be trusted.
    ("two lengths", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Length: 5\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("the same length twice", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("list of lengths", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13, 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("plus sign", Plain, "HTTP/1.1 200 OK\r\nContent-Length: +13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("minus sign", Plain, "HTTP/1.1 200 OK\r\nContent-Length: -0\r\n\r\n", Fails(Protocol, false)),
    ("hexadecimal", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 0xd\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("underscore", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 1_3\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("empty length", Plain, "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nHello, World!", Fails(Protocol, false)),
    ("fraction", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13.0\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("2^64", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("2^64 - 1, and closed", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nHello, World!", Fails(Closed, false)),
    ("length and chunked", Plain, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    // Codings.
    ("chunked in 1.0", Plain, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("gzip unasked", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("identity", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 13\r\n\r\nHello, World!", Fails(Protocol, false)),
    ("chunked twice", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("empty coding", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("misspelled coding", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Fails(Protocol, false)),
    // Chunks.
    ("size with 0x", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0xd\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("signed size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+d\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("size with underscore", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0_d\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("space before size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n d\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("space after size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd \r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("no size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("extension without size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("bare semicolon", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd;\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("control in an extension", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd;a\u{7}\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("LF after size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("no line end after data", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!0\r\n\r\n", Fails(Protocol, false)),
    ("LF after data", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\n0\r\n\r\n", Fails(Protocol, false)),
    ("longer than its size", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("size of 2^64", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nHello", Fails(Protocol, false)),
    ("size of 2^64 + 13", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000d\r\nHello, World!\r\n0\r\n\r\n", Fails(Protocol, false)),
    ("trailer without colon", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nX\r\n\r\n", Fails(Protocol, false)),
    ("folded trailer", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nX: a\r\n b\r\n\r\n", Fails(Protocol, false)),
    ("LF-only trailer", Plain, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nX: a\n\r\n", Fails(Protocol, false)),
];

fn bytes_of(text: &str) -> Vec<u8> {
    // One char, one byte: the rows hold bytes above 0x7f and none above 0xff.
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

#[test]
fn every_answer_counts_as_what_it_is() {
    assert!(ROWS.len() >= 75, "{} rows", ROWS.len());
    for (name, asked, text, expected) in ROWS {
        let bytes = bytes_of(text);
        assert_eq!(read(&ask(*asked), &[&bytes]), *expected, "{name}, whole");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&ask(*asked), &single), *expected, "{name}, byte by byte");
    }
}

#[test]
fn a_head_seen_before_means_the_same_the_second_time() {
    for (name, asked, text, expected) in ROWS {
        let (workload, bytes) = (ask(*asked), bytes_of(text));
        read(&workload, &[HELLO.as_bytes()]);
        for turn in 0..2 {
            assert_eq!(read(&workload, &[&bytes]), *expected, "{name}, turn {turn}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&workload, &single), *expected, "{name}, byte by byte after the memo is warm");
    }
}

#[test]
fn endless_answers_are_ended() {
    let plain = ask(Plain);
    let name = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(20_000));
    let fields = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 13\r\n\r\nHello, World!", "X: y\r\n".repeat(200));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = format!("{chunked}d;{}\r\n", "a".repeat(20_000));
    let extensions = format!("{chunked}{}", "1;aaaaaaaaaaaaaaa\r\nH\r\n".repeat(2_000));
    let trailer = format!("{chunked}0\r\n{}", "X: y\r\n".repeat(40_000));
    for (what, bytes) in [
        ("one long field", name),
        ("head without end", many),
        ("200 fields", fields),
        ("one long extension", extension),
        ("many extensions", extensions),
        ("trailer without end", trailer),
    ] {
        assert_eq!(read(&plain, &[bytes.as_bytes()]), Fails(Protocol, false), "{what}");
        let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(97).collect();
        assert_eq!(read(&plain, &pieces), Fails(Protocol, false), "{what}, in pieces");
    }
    let just = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 13\r\n\r\nHello, World!", "a".repeat(60_000));
    assert_eq!(read(&plain, &[just.as_bytes()]), Keep, "a head within the limit");
}

#[test]
fn unverified_answers_are_still_checked_for_length_and_status() {
    let plain = ask(Plain);
    for (text, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World?", Outcome::Ok),
        ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, World", Outcome::Failed(WrongBody)),
        ("HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\nHello, World!", Outcome::Failed(Status)),
    ] {
        match plain.decode(&Op::default(), &mut Default::default(), text.as_bytes(), false) {
            Decoded::Done { outcome, .. } => assert_eq!(outcome, expected, "{text}"),
            Decoded::Partial { .. } => panic!("{text}: not read to its end"),
        }
    }
}

#[test]
fn one_decoder_reads_answer_after_answer_and_keeps_them_apart() {
    let work = http_workload("work", &Settings::new()).unwrap().make(0, 1);
    let mut decoder = Default::default();
    for spun in [1_u64, 200_123, 7] {
        let body = format!("{{\"id\":{:>20},\"spun_ns\":{spun:>20},\"end_ns\":{:>20}}}\n", 5, spun + 9);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (first, second) = answer.as_bytes().split_at(60);
        assert_eq!(work.decode(&Op::default(), &mut decoder, first, false), Decoded::Partial { consumed: 60 });
        let done = Decoded::Done { consumed: second.len(), outcome: Outcome::Ok, keep_alive: true };
        assert_eq!(work.decode(&Op::default(), &mut decoder, second, false), done);
        assert_eq!(work.told(&decoder), Told { service_ns: spun, ended_ns: spun + 9 });
    }
    let bare = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let done = Decoded::Done { consumed: bare.len(), outcome: Outcome::Failed(WrongBody), keep_alive: true };
    assert_eq!(work.decode(&Op::default(), &mut decoder, bare, false), done);
    assert_eq!(work.told(&decoder), Told::default(), "the last answer's number must not be taken for this one's");
}

#[test]
fn what_each_workload_sends_is_one_well_formed_request() {
    for kind in corecurve_http::WORKLOADS {
        let settings =
            if kind.name == "get" { [("path".to_owned(), "/x?{id}".to_owned())].into() } else { Settings::new() };
        let mut workload = http_workload(kind.name, &settings).unwrap().at("127.0.0.1:8080").make(0, 42);
        let mut rng = stream(1, 1);
        let mut seen = 0;
        // Enough for every page of the common kinds; ids have digits that no path has.
        for (id, last) in (70_707..71_707).flat_map(|id| [(id, false), (id, true)]) {
            let op = workload.next(id, &mut rng);
            seen = seen.max(op.page);
            let mut out = b"before".to_vec();
            workload.encode(&op, last, &mut out);
            let mut bytes = out.strip_prefix(b"before").unwrap();
            if kind.name == "pipelined" {
                // Sixteen of the same but for the last one's wish to close, which `pipelined.rs` looks into.
                let ends = bytes.windows(4).enumerate().filter(|(_, four)| four == b"\r\n\r\n").map(|(at, _)| at + 4);
                let ends: Vec<usize> = ends.collect();
                assert_eq!((ends.len(), ends[15]), (16, bytes.len()));
                bytes = &bytes[ends[14]..];
            }
            let mut fields = [httparse::EMPTY_HEADER; 8];
            let mut request = httparse::Request::new(&mut fields);
            let head = request.parse(bytes).unwrap().unwrap();
            let value = |name: &str| {
                request
                    .headers
                    .iter()
                    .find(|field| field.name == name)
                    .map(|field| String::from_utf8_lossy(field.value))
            };
            assert_eq!(value("Host").unwrap(), "127.0.0.1:8080", "{}", kind.name);
            assert_eq!(value("Connection").is_some(), last, "{}", kind.name);
            let length: usize = value("Content-Length").map_or(0, |length| length.parse().unwrap());
            assert_eq!(bytes.len() - head, length, "{}", kind.name);
            let path = request.path.unwrap();
            let numbered = kind.name == "get" || path.starts_with("/work");
            assert_eq!(path.contains(&id.to_string()), numbered, "{}: {path}", kind.name);
        }
        let several = matches!(kind.name, "web99-static" | "elephant" | "elephant-bytes" | "support-like");
        assert!(!several || seen > 0, "{} asks the same again and again", kind.name);
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(row in 0..ROWS.len(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let (name, asked, text, expected) = ROWS[row];
        let bytes = bytes_of(text);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&ask(asked), &pieces), expected, "{} cut at {:?}", name, at);
    }

    #[test]
    fn bodies_of_any_length_and_chunking_are_read_back(
        len in 0_usize..5_000,
        chunk in 1_usize..700,
        piece in 1_usize..900,
        flip in any::<Option<prop::sample::Index>>(),
    ) {
        let settings = [("size".to_owned(), len.to_string())].into();
        let workload = http_workload("bytes", &settings).unwrap().make(0, 1);
        let mut body: Vec<u8> = corecurve_http::kinds::bytes::PATTERN.iter().copied().cycle().take(len).collect();
        let flipped = flip.filter(|_| len > 0).map(|flip| body[flip.index(len)] ^= 0x20).is_some();
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for data in body.chunks(chunk) {
            bytes.extend(format!("{:x}\r\n", data.len()).into_bytes());
            bytes.extend_from_slice(data);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        let expected = if flipped { Fails(WrongBody, true) } else { Keep };
        prop_assert_eq!(read(&workload, &pieces), expected);
    }

    #[test]
    fn damaged_answers_never_panic_and_cuts_still_do_not_matter(
        row in 0..ROWS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        piece in 1_usize..40,
    ) {
        let (_, asked, text, _) = ROWS[row];
        let mut bytes = bytes_of(text);
        if bytes.is_empty() {
            return Ok(());
        }
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        prop_assert_eq!(read(&ask(asked), &[&bytes]), read(&ask(asked), &pieces));
    }
}
