//! `static`: a file under the server's root.
//!
//! What web servers were first built for: open, stat, send. The file stays in the page cache, so this is the
//! cost of the file path through the server, not of the disk.
//!
//! # What this does not show
//! A real site: one file is asked for again and again, so every cache on the way is hot. The content is
//! not known to the harness and only the status is checked, and the length against what the server itself announced.

use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::response::Content;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "static",
    summary: "GET a file under the server's root",
    not_shown: "Says nothing about disks or about many files: one file is asked for and every cache is hot.",
    exposes: &[],
    needs: Needs::Files,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind { key: "path", default: "/index.html", help: "path of the file, from the root" }],
    build: |values| {
        let path = values.path("path")?;
        Some(Recipe::get(path, Content::Any).into())
    },
};
