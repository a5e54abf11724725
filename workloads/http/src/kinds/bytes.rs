//! `bytes`: an answer of any size, from memory.
//!
//! Moves the cost from "per request" to "per byte" as `size` grows: copies, socket buffers, partial writes.
//!
//! # What this does not show
//! Disks and page caches (see `static`), and networks: over loopback a byte is a copy, so the server looks
//! better at large sizes than it would behind a network card.

use crate::registry::{SettingKind, WorkloadKind};
use crate::request::{Method, Recipe};
use crate::response::Content;

/// The text that `/bytes/N` repeats, cut at N bytes. Every server that offers the endpoint must agree.
pub const PATTERN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "bytes",
    summary: "GET /bytes/N, answered by N bytes of a known pattern",
    not_shown: "Says nothing about disks, and over loopback a byte costs a copy instead of a network.",
    settings: &[SettingKind { key: "size", default: "1k", help: "bytes of the answer, 0 to 64M; 1k is 1000" }],
    build: |values| {
        let size = values.count("size", 0..=64_000_000)?;
        Some(Recipe {
            method: Method::Get,
            path: format!("/bytes/{size}"),
            body: Vec::new(),
            status: 200,
            content: Content::Repeats { pattern: PATTERN, len: size },
        })
    },
};
