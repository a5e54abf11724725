//! HTTP workloads: what is asked of a web server, and the oracle that knows the right answer.
//!
//! Every workload is a row of [`WORKLOADS`]: a name, its settings and a function from settings to a
//! mix of requests ([`Mix`]: templates with expectations, and how to choose). All of them run as the same type, [`HttpWorkload`],
//! so that the load worker is compiled once and its hot loop has no virtual call.
//!
//! The response reader ([`response`]) is strict on purpose. A load generator that forgives a broken
//! answer counts it as a success, and then the fastest server is the one that answers wrongly.
//!
//! | step | where |
//! |---|---|
//! | settings → mix | [`kinds`], one file per workload |
//! | mix + seed → workload | [`HttpFactory::make`] |
//! | operation → bytes | [`HttpWorkload`] (`encode`): three copies, no formatting but the id |
//! | bytes → outcome | [`response`]: an exact `memcmp` with the last head, else httparse |
#![forbid(unsafe_code)]

pub mod kinds;
mod mix;
mod needs;
mod registry;
mod request;
pub mod response;
mod sessions;
mod site;
mod values;
mod workload;

pub use mix::{Mix, Picks, Preference};
pub use needs::{Connections, Needs, Suggests};
pub use registry::{HttpFactory, SettingKind, WORKLOADS, WorkloadKind, http_workload};
pub use request::{Method, Recipe};
pub use sessions::{Embed, MAX_EMBEDS, SessionPlan, Stop};
pub use site::{MODIFIED_S, MODIFIED_TEXT, SiteFile};
pub use values::Values;
pub use workload::{HttpWorkload, Op};
