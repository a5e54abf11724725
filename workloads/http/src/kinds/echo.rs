//! `echo`: a body goes there and must come back unchanged.
//!
//! The only workload that makes the server read a request body, so it shows buffering on the way in and
//! would catch a server that mixes up two connections' bytes.
//!
//! # What this does not show
//! Uploads to storage or to a slow consumer: the body is answered from memory at once. The same body is
//! sent every time, so a server that kept the last one would not be caught by content, only by length.

use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::{Method, Recipe};
use crate::response::Content;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "echo",
    summary: "POST /echo with a body of `size` bytes, answered by the same bytes",
    not_shown: "Says nothing about uploads that leave memory, and every body is the same.",
    exposes: &[],
    needs: Needs::Handlers,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind { key: "size", default: "1k", help: "bytes of the body, 0 to 1M; 1k is 1000" }],
    build: |values| {
        let size = values.count("size", 0..=1_000_000)?;
        // Printable and without a short period, so that a shifted body is not the same body.
        let body: Vec<u8> = (0..size).map(|i| b'!' + (i * i % 89) as u8).collect();
        let content = Content::Exactly(body.clone());
        Some(Recipe { method: Method::Post, body, ..Recipe::get("/echo", content) }.into())
    },
};
