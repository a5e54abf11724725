//! `keepalive`: small requests on connections that stay.
//!
//! The other end from `tcp`: no connection is ever opened in the window, so what is left is waking, reading, answering and
//! writing. The number of connections per core is what to vary (`--connections`; 4, 64 and 256 per core tell most):
//!
//! * With few, listeners chosen by hash get uneven shares. With 64 connections on 8 listeners the fullest has half as many
//!   again as the average, and that looks like contention in a scalability fit.
//! * With many, an event loop answers several connections per wake-up, and ways of I/O that batch begin to pay.
//! * With requests this small, anything that all workers write to (one epoll, one task queue, a queue between stages) shows.
//!
//! # What this does not show
//! Work in the handler and large replies. The client takes its connections in turn, so all are equally busy, which real
//! clients' are not (see `elephant`). Replies of one size from memory are in every cache there is.

use crate::kinds::bytes;
use crate::needs::{Connections, Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "keepalive",
    summary: "GET /bytes/N, small, on connections that stay: 64 for each server core unless --connections says otherwise",
    not_shown: "Says nothing about opening connections or work in the handler, and all connections are equally busy.",
    exposes: &[
        "thread-per-core",
        "tokio-per-core",
        "reuseport-cpu",
        "hybrid",
        "io-uring",
        "shared-epoll",
        "work-stealing",
        "staged",
        "tokio",
        "thread-per-connection",
    ],
    needs: Needs::Files,
    suggests: Suggests::connections(Connections::PerServerCore(64)),
    settings: &[SettingKind { key: "size", default: "64", help: "bytes of the answer, 0 to 1k; 1k is 1000" }],
    build: |values| Some(bytes::mix(values.count("size", 0..=1_000)?)),
};
