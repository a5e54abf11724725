//! `bimodal`: 995 requests of 10 µs for 5 of a millisecond.
//!
//! The shape that dataplane papers use to tell queues apart (Prekas et al., ZygOS, SOSP 2017; Kaffes et al., Shinjuku, NSDI
//! 2019). Where each worker has a queue of its own, a short request behind a long one waits a hundred times its own length
//! while other workers are idle; where any worker takes any request it does not. The mean is what `work` would be told, so
//! the two differ in shape alone; times are drawn as there, from the seed and the request's number.
//!
//! # What this does not show
//! Memory and blocking, as in `work`: long requests spin. With a limit far above a millisecond on the percentile all queues
//! look alike; set the SLO near ten times the mean to see them differ.

use corecurve_core::{Nanos, ServiceShape};

use crate::kinds::work;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "bimodal",
    summary: "GET /work: 99.5 % short CPU spins and 0.5 % that are a hundred times as long",
    not_shown: "Says nothing about memory or blocking calls, nor about limits far above the long requests.",
    exposes: &["single-loop", "thread-per-core", "tokio-per-core"],
    needs: Needs::Handlers,
    suggests: Suggests::NOTHING,
    settings: &[SettingKind {
        key: "mean",
        default: "15us",
        help: "mean service time, 1us to 10ms; short ones take two thirds of it",
    }],
    build: |values| {
        let mean = values.time("mean", Nanos::MICRO..=Nanos(10_000_000))?;
        Some(work::page(ServiceShape::Bimodal, mean, "{seed}", "spin").into())
    },
};
