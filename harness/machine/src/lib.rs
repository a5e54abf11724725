//! The machine under the harness: what it has, what we may use of it, who sits where, and whether its numbers can be trusted.
//!
//! Everything is read once into plain data ([`Topology`], [`Machine`], [`Environment`]) and every decision
//! ([`Machine::place`], [`doctor::examine`], [`draw::draw`]) is a pure function of that data, so that machines
//! nobody here owns (eight nodes, hybrid cores, memoryless nodes) are tested like the one under the desk.
//!
//! What the machine lacks is a value with a reason, never a zero and never a crash.

pub mod allowed;
pub mod clock;
pub mod counters;
pub mod doctor;
pub mod draw;
pub mod environment;
pub mod exclusive;
pub mod machine;
pub mod memory;
pub mod mempolicy;
pub mod network;
pub mod pin;
pub mod plan;
pub mod procfs;
pub mod profile;
pub mod realtime;
pub mod shield;
pub mod source;
pub mod topology;
mod wrap;

pub use doctor::{Finding, Level};
pub use environment::{Environment, Fact};
pub use exclusive::Exclusive;
pub use machine::Machine;
pub use memory::ExecPolicy;
pub use network::Link;
pub use pin::PinAudit;
pub use plan::PlacementRequest;
pub use profile::Profiling;
pub use shield::Shield;
pub use source::TopologySource;
pub use topology::{CpuKind, Node, Pu, Topology};
