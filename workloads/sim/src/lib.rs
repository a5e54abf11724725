//! Queues in virtual time, used as targets: `sim:mm1`, `sim:mmc`, …
//!
//! A simulated target answers through the same traits as a real one, but its clock is the arrivals' own, so a
//! trial takes no wall time and repeats bit for bit. Most of these queues have a known closed form
//! ([`SimTarget::law`]), which is how the MAT search, the sweep and the report are proved right; the others
//! misbehave in a known way (hysteresis, a slow restart, a full queue), which is how the search's caution is proved.
//!
//! A new simulation is one file plus one line in [`SIMS`].
#![forbid(unsafe_code)]

mod bounded;
mod hysteresis;
mod known;
mod linked;
mod partitioned;
mod registry;
mod restart;
mod service;
mod settings;
mod station;
mod target;

pub use known::{KNOWN, Known};
pub use registry::{SIMS, SimKind, sim_target};
pub use settings::{Setting, Values};
pub use target::SimTarget;
