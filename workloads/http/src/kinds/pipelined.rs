//! `pipelined`: several requests in flight on one connection.
//!
//! **One operation is a batch**: `depth` requests for `/plaintext` in one write, on a connection with nothing else in flight. It is
//! due as any operation is, its latency ends with the *last* of its answers, and it fails if one of them is wrong or missing. So
//! rates and the MAT count batches; a server answers `depth` times as many requests. Arrivals stay an open loop: batches
//! are due when the schedule says, however slow the one before was.
//!
//! The other way would be to put single requests behind one another on a connection that is still busy. Then a request's depth
//! would depend on how far the server is behind: no request is pipelined while it keeps up, and what is measured is a queue
//! of the client's making. As a batch the depth is the same at every rate, and known.
//!
//! It takes the socket calls and wake-ups out of `plaintext`, all but one in `depth`, so what is left is parsing, answering, and
//! whether a server writes its answers together. Published tables of requests per second are often made at depth 16.
//!
//! # What this does not show
//! Clients that people use: browsers do not pipeline. Latencies of single requests: the first answer of a batch may have come long
//! before the last. Balance: a batch stays with the worker that reads it, so it is one large request as far as queues go.

use crate::kinds::plaintext;
use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "pipelined",
    summary: "GET /plaintext, `depth` times in one write; the batch is the operation and ends with its last answer",
    not_shown: "Says nothing about single requests: rates count batches, and a batch's latency is that of its last answer.",
    exposes: &[],
    needs: Needs::Greeting,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind { key: "depth", default: "16", help: "requests in each batch, 1 to 256" }],
    build: |values| {
        let depth = values.count("depth", 1..=256)?;
        Some(Mix::from(plaintext::greeting()).at_depth(depth as u32))
    },
};
