//! The words of corecurve and the traits between its crates.
//!
//! Pure data: no threads, no files, no clock, no command line. Everything here can be built in a test.
#![forbid(unsafe_code)]

pub mod cpu;
pub mod placement;
pub mod problem;
pub mod rng;
pub mod service;
pub mod units;

pub use cpu::{CpuId, CpuSet, NodeId};
pub use placement::{Placed, PlacementKind, Seat};
pub use problem::{Problem, Problems};
pub use rng::Rng;
pub use service::{Service, ServiceShape};
pub use units::{Nanos, Rate};
