//! `plaintext`: the smallest useful exchange, 13 bytes of text.
//!
//! Almost all of its cost is the path of a request through kernel, event loop and parser, so it shows
//! how a server accepts, wakes, schedules and batches.
//!
//! # What this does not show
//! Nothing that depends on work in the handler: with a request this small the socket calls are the
//! workload. A server that wins here may lose as soon as requests take 100 µs and queue behind each other
//! (see `work`). With 32 connections on one machine it is also a comparison of kernels as much as servers.

use crate::needs::{Needs, Suggests};
use crate::registry::WorkloadKind;
use crate::request::Recipe;
use crate::response::Content;

/// The body that counts as right.
pub const GREETING: &[u8] = b"Hello, World!";

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "plaintext",
    summary: "GET /plaintext, answered by exactly `Hello, World!`: the cost of a request with nothing in it",
    not_shown: "Says nothing about requests that take CPU time: here the socket calls are the work.",
    exposes: &["shared-epoll", "work-stealing", "staged", "tokio"],
    needs: Needs::Greeting,
    suggests: Suggests::NOTHING,
    settings: &[],
    build: |_| Some(greeting().into()),
};

/// The request for it.
pub(crate) fn greeting() -> Recipe {
    Recipe::get("/plaintext", Content::Exactly(GREETING.to_vec()))
}
