//! `large`: a file of 100 kB or more.
//!
//! The cost is per byte: `sendfile` or read and write, partial writes when the socket's buffer is full, and the wake-up that
//! continues them. It shows whether a server that is busy with one slow reader still answers the others. No built-in
//! architecture is made to fail here: it levels them, because copying does not care who wakes whom.
//!
//! # What this does not show
//! Networks: over loopback a byte is a copy in memory, segments are up to 64 KiB and nothing is lost. Disks: the file is in the
//! page cache. Large replies from memory are the workload `bytes`.

use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::site::SiteFile;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "large",
    summary: "GET a file of 100 kB or more below the server's root, checked to the byte",
    not_shown: "Says nothing about disks, and over loopback a byte costs a copy instead of a network.",
    exposes: &[],
    needs: Needs::Files,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind { key: "size", default: "100k", help: "bytes of the file, 10k to 64M; 1k is 1000" }],
    build: |values| {
        let size = values.count("size", 10_000..=64_000_000)?;
        let file = SiteFile::named(format!("large/{size}.bin"), size);
        let page = Recipe::get(format!("/{}", file.path), file.content());
        Some(Mix::from(page).with_files(vec![file]))
    },
};
