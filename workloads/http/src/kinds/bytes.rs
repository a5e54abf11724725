//! `bytes`: an answer of any size, from memory.
//!
//! Third-party servers have no such endpoint; they find a file of the same name and content below their static root.
//!
//! Moves the cost from "per request" to "per byte" as `size` grows: copies, socket buffers, partial writes.
//!
//! # What this does not show
//! Disks and page caches (see `static`), and networks: over loopback a byte is a copy, so the server looks
//! better at large sizes than it would behind a network card.

use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::site::SiteFile;

/// The text that `/bytes/N` repeats, cut at N bytes. Every server that offers the endpoint must agree.
pub const PATTERN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "bytes",
    summary: "GET /bytes/N, answered by N bytes of a known pattern, from memory where the server can",
    not_shown: "Says nothing about disks, and over loopback a byte costs a copy instead of a network.",
    exposes: &[],
    needs: Needs::Files,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind { key: "size", default: "1k", help: "bytes of the answer, 0 to 64M; 1k is 1000" }],
    build: |values| {
        let size = values.count("size", 0..=64_000_000)?;
        Some(mix(size))
    },
};

/// A request for so many bytes, and the file that it is for servers without the endpoint.
pub(crate) fn mix(size: u64) -> Mix {
    Mix::from(page(size)).with_files(vec![file(size)])
}

/// The request for so many bytes.
pub(crate) fn page(size: u64) -> Recipe {
    Recipe::get(format!("/bytes/{size}"), file(size).content())
}

/// The file of so many bytes.
pub(crate) fn file(size: u64) -> SiteFile {
    SiteFile { path: format!("bytes/{size}"), line: *PATTERN, len: size }
}
