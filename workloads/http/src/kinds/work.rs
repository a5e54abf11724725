//! `work`: requests that keep a CPU busy for a known time, drawn from a seeded distribution.
//!
//! The service time of request `id` is a pure function of the seed and the id (`corecurve_core::Service`), and
//! the answer says how long the server really spun. So a trial can be replayed through a model queue request by
//! request, and the tool can state its own error.
//!
//! Each trial asks with its own seed unless `seed` is given, because trials that replay the same service
//! times are not independent samples.
//!
//! # What this does not show
//! Memory: the spin touches none, so caches, NUMA and memory bandwidth do not matter to it as they would to
//! real handlers. Blocking: unless told to sleep (`how=sleep`, which leaves the core to others and shows the queues of a
//! server alone), it never waits.

use corecurve_core::units::exact_time;
use corecurve_core::{Nanos, Problem, ServiceShape};

use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::Recipe;
use crate::response::Content;
use crate::values::Values;

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "work",
    summary: "GET /work, answered after a CPU spin of a seeded service time: the workload with a known right answer",
    not_shown: "Says nothing about memory or blocking calls: the spin touches no data and never waits.",
    exposes: &["single-loop", "thread-per-core", "tokio-per-core"],
    needs: Needs::Handlers,
    suggests: Suggests::NOTHING,
    settings: &[
        SettingKind { key: "dist", default: "exp", help: "shape of the service times: fixed, exp, bimodal, lognormal" },
        SettingKind { key: "mean", default: "200us", help: "mean service time, 1us to 1s" },
        SettingKind { key: "how", default: "spin", help: "`spin` keeps the core, `sleep` leaves it to others" },
        SettingKind { key: "seed", default: "", help: "seed of the service times; by default each trial's own" },
    ],
    build: |values| {
        let shape = values.parse::<ServiceShape>("dist");
        let mean = values.time("mean", Nanos::MICRO..=Nanos::SECOND);
        let seed = values.text("seed").map_or(Ok("{seed}".to_owned()), plain_number);
        let seed = values.keep("seed", seed);
        Some(page(shape?, mean?, &seed?, way(values)?).into())
    },
};

/// Every answer tells how long it took and when it was done.
pub(crate) const TELLING: Content = Content::Service([b"\"spun_ns\":", b"\"end_ns\":"]);

/// What a server may do while it serves.
const WAYS: [&str; 2] = ["spin", "sleep"];

/// The setting `how`, if it is one of the ways.
pub(crate) fn way<'a>(values: &mut Values<'a>) -> Option<&'a str> {
    let how = values.text("how").unwrap_or_default();
    let known = WAYS.contains(&how).then_some(how).ok_or_else(|| Problem::unknown("way", how, WAYS, ""));
    values.keep("how", known)
}

/// The request for a service time; a seed of `{seed}` is each trial's own.
pub(crate) fn page(shape: ServiceShape, mean: Nanos, seed: &str, how: &str) -> Recipe {
    let mean = exact_time(mean);
    Recipe::get(format!("/work?dist={shape}&mean={mean}&how={how}&seed={seed}&id={{id}}"), TELLING)
}

fn plain_number(text: &str) -> Result<String, Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u64>().ok().filter(|_| digits).map(|seed| seed.to_string()).ok_or_else(|| {
        Problem::new(format!("`{}` is not a seed", corecurve_core::problem::printable(text)))
            .help("write a whole number from 0 to 18446744073709551615")
    })
}
