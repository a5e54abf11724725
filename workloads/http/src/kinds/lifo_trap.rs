//! `lifo-trap`: connections are opened while nothing happens, and then there is load.
//!
//! Where workers wait for connections at one shared listener, the kernel wakes the one that went to sleep last. While there is
//! no load, that is the same one again and again: it collects the connections, and keeps them. When load comes, it comes
//! to that worker. Reports from production name shares like 349, 17, 4, 0, 0, 0, 0, 0.
//!
//! Every trial of this harness opens all its connections before anything is due, a few dozen at a time, and the load begins
//! with the first arrival; this workload only sees to it that there are 64 of them and that none is ever opened again, so that
//! what was dealt at the start is what is measured. Compare the rate it reaches with that of a listener per worker.
//!
//! # What this does not show
//! A slow trickle of connections over minutes, which is worse: here they come quickly, so a worker that is busy accepting
//! leaves some to the others. Nothing on one core, where there is nobody to share with. Servers that accept in a thread of their
//! own or have a listener per worker are not touched by it.

use crate::kinds::plaintext;
use crate::needs::{Connections, Needs, Suggests};
use crate::registry::WorkloadKind;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "lifo-trap",
    summary: "GET /plaintext on 64 connections that were opened while the server was idle and are never opened again",
    not_shown: "Says nothing on one core, nor about connections that trickle in over minutes, which is worse.",
    exposes: &["shared-accept"],
    needs: Needs::Greeting,
    suggests: Suggests::connections(Connections::InAll(64)),
    settings: &[],
    build: |_| Some(plaintext::greeting().into()),
};
