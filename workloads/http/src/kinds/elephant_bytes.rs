//! `elephant-bytes`: one connection in a hundred carries half of all bytes.
//!
//! Flows on real links are mice and elephants. Each connection carries one request; 99 % ask for `mouse` bytes and 1 % for
//! 99 times as much, which makes both halves equal. Whoever deals connections out by counting them gives each worker the
//! same number and not the same work. Which operation is an elephant is a function of the seed and its number.
//!
//! # What this does not show
//! Elephants that stay: long-lived connections of which a few are always busy (see `elephant`). Here the weight is in bytes, not in
//! requests, and a worker that was dealt an elephant is rid of it when it has been sent.

use crate::kinds::bytes;
use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

/// Elephants among a hundred connections.
const ELEPHANTS: f64 = 1.0;
/// How many times a mouse an elephant is: as many as there are mice for each.
const RATIO: u64 = 99;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "elephant-bytes",
    summary: "GET /bytes/N on a connection of its own: 99 % are small, and 1 % carry half of the bytes",
    not_shown: "Says nothing about long-lived connections of which a few are always busy: each carries one request.",
    exposes: &["acceptor-handoff"],
    needs: Needs::Files,
    suggests: Suggests::requests_per_connection(1),
    settings: &[SettingKind {
        key: "mouse",
        default: "2k",
        help: "bytes of a small answer, 1 to 100k; a large one has 99 times as many",
    }],
    build: |values| {
        let mouse = values.count("mouse", 1..=100_000)?;
        let elephant = RATIO * mouse;
        let pages = [(100.0 - ELEPHANTS, bytes::page(mouse)), (ELEPHANTS, bytes::page(elephant))];
        Some(Mix::weighted(pages).with_files(vec![bytes::file(mouse), bytes::file(elephant)]))
    },
};
