//! `blocker`: one request in ten thousand blocks its worker for 50 ms.
//!
//! A handler that waits for a lock, a slow disk or a forgotten synchronous call. The thread that runs it is gone for 50 ms
//! with everything that is queued behind it: all its connections where connections stay with a worker, and, with a listener
//! per worker, those not yet accepted as well. Where any worker may take any event the others carry on. Which operation blocks is
//! a function of the seed and its number.
//!
//! `how=sleep` leaves the core to others, which a thread per connection can use and an event loop cannot; `how=spin` keeps it.
//!
//! # What this does not show
//! Its own blocked requests at the 99th percentile: they are 0.01 %, so an SLO there judges only the ones that suffer. Servers
//! that hand blocking work to a pool would do better, and none here does: all call the handler where the request was read.

use corecurve_core::Nanos;
use corecurve_core::units::exact_time;

use crate::kinds::{plaintext, work};
use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "blocker",
    summary: "GET /plaintext, but one request in ten thousand blocks the thread that answers it for 50 ms",
    not_shown: "Says nothing about servers that hand blocking work to a pool: here none does.",
    exposes: &["single-loop", "thread-per-core", "tokio-per-core"],
    needs: Needs::Handlers,
    suggests: Suggests::NOTHING,
    settings: &[
        SettingKind { key: "block", default: "50ms", help: "how long it blocks, 1ms to 1s" },
        SettingKind { key: "one-in", default: "10k", help: "one request in so many blocks, 10 to 1M" },
        SettingKind { key: "how", default: "sleep", help: "`sleep` leaves the core to others, `spin` keeps it" },
    ],
    build: |values| {
        let block = values.time("block", Nanos::MILLI..=Nanos::SECOND);
        let one_in = values.count("one-in", 10..=1_000_000);
        let how = work::way(values);
        let path = format!("/work?dist=fixed&mean={}&how={}&id={{id}}", exact_time(block?), how?);
        let blocked = Recipe::get(path, work::TELLING);
        Some(Mix::weighted([(one_in? as f64 - 1.0, plaintext::greeting()), (1.0, blocked)]))
    },
};
