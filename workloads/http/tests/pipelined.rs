//! Operations of several requests: what is sent, and what the answers to all of them count as.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use corecurve_core::ErrorClass::{Closed, Protocol, Status, WrongBody};
use corecurve_core::rng::stream;
use corecurve_core::{Decoded, ErrorClass, Outcome, Settings, Wire, Workload};
use corecurve_http::{HttpWorkload, Op, http_workload};
use proptest::prelude::*;

const RIGHT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n";
const WRONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World?";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";
const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!";

fn pipelined(depth: u32) -> HttpWorkload {
    let settings: Settings = [("depth".to_owned(), depth.to_string())].into();
    http_workload("pipelined", &settings).unwrap().make(0, 1)
}

/// Shows the pieces as a connection would and closes it after them: the outcome, and whether the connection can be used again.
fn read(workload: &HttpWorkload, pieces: &[&[u8]]) -> (Result<(), ErrorClass>, bool) {
    let told = |outcome| match outcome {
        Outcome::Ok => Ok(()),
        Outcome::Failed(class) => Err(class),
    };
    let (mut decoder, mut held) = (Default::default(), Vec::new());
    for (i, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        match workload.decode(&Op::default(), &mut decoder, &held, true) {
            Decoded::Partial { consumed } => drop(held.drain(..consumed)),
            Decoded::Done { consumed, outcome, keep_alive } => {
                // As the engine has it: bytes behind a right answer are nobody's.
                let excess = consumed < held.len() || pieces[i + 1..].iter().any(|piece| !piece.is_empty());
                return match (told(outcome), excess) {
                    (Ok(()), true) => (Err(Protocol), false),
                    (told, excess) => (told, keep_alive && !excess),
                };
            }
        }
    }
    (told(workload.closed(&Op::default(), &mut decoder)), false)
}

/// What comes back for four requests, and what that is.
const ROWS: &[(&[&str], Result<(), ErrorClass>, bool)] = &[
    (&[RIGHT, RIGHT, RIGHT, RIGHT], Ok(()), true),
    (&[RIGHT, CHUNKED, RIGHT, CHUNKED], Ok(()), true),
    (&[RIGHT, RIGHT, RIGHT, LAST], Ok(()), false),
    (&[RIGHT, RIGHT, RIGHT, RIGHT, RIGHT], Err(Protocol), false),
    // One that is wrong makes all of it wrong, and the rest is read all the same.
    (&[RIGHT, WRONG, RIGHT, RIGHT], Err(WrongBody), true),
    (&[RIGHT, BUSY, WRONG, RIGHT], Err(Status), true),
    (&[RIGHT, RIGHT, RIGHT, WRONG], Err(WrongBody), true),
    // Some that are missing.
    (&[], Err(Closed), false),
    (&[RIGHT], Err(Closed), false),
    (&[RIGHT, RIGHT, RIGHT, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello"], Err(Closed), false),
    (&[RIGHT, LAST], Err(Closed), false),
    (&[BUSY, LAST], Err(Status), false),
    (&[RIGHT, "HTTP/1.1 200 OK\r\n\r\nHello, World!"], Err(Closed), false),
    // Only the last may end with the connection.
    (&[RIGHT, RIGHT, RIGHT, "HTTP/1.1 200 OK\r\n\r\nHello, World!"], Ok(()), false),
    (&[RIGHT, "nonsense\r\n\r\n", RIGHT, RIGHT], Err(Protocol), false),
];

#[test]
fn all_answers_must_come_and_be_right() {
    let workload = pipelined(4);
    for (answers, outcome, kept) in ROWS {
        let bytes = answers.concat().into_bytes();
        assert_eq!(read(&workload, &[&bytes]), (*outcome, *kept), "{answers:?}");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&workload, &single), (*outcome, *kept), "{answers:?} byte by byte");
    }
}

#[test]
fn a_connection_carries_one_batch_after_another() {
    let workload = pipelined(3);
    let mut decoder = Default::default();
    let bytes = RIGHT.repeat(3).into_bytes();
    for _ in 0..3 {
        let done = Decoded::Done { consumed: bytes.len(), outcome: Outcome::Ok, keep_alive: true };
        assert_eq!(workload.decode(&Op::default(), &mut decoder, &bytes, true), done);
    }
}

#[test]
fn a_batch_is_one_write_of_so_many_requests_of_which_the_last_may_close() {
    for depth in [1, 2, 16, 256] {
        let mut workload = pipelined(depth);
        for last in [false, true] {
            let mut out = Vec::new();
            let op = workload.next(7, &mut stream(1, 1));
            workload.encode(&op, last, &mut out);
            let text = String::from_utf8(out).unwrap();
            let requests: Vec<&str> = text.split_inclusive("\r\n\r\n").collect();
            assert_eq!(requests.len(), depth as usize);
            assert!(requests.iter().all(|request| request.starts_with("GET /plaintext HTTP/1.1\r\n")));
            let closing = requests.iter().filter(|request| request.contains("Connection: close")).count();
            assert_eq!((closing, requests.last().unwrap().contains("close")), (usize::from(last), last));
        }
    }
    let settings: Settings = [("depth".to_owned(), "257".to_owned())].into();
    assert!(http_workload("pipelined", &settings).unwrap_err().one_line().contains("from 1 to 256"));
}

proptest! {
    #[test]
    fn cuts_do_not_matter(row in 0..ROWS.len(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let (answers, outcome, kept) = ROWS[row];
        let bytes = answers.concat().into_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pipelined(4), &pieces), (outcome, kept), "{:?} cut at {:?}", answers, at);
    }
}
