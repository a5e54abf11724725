//! The words of corecurve and the traits between its crates.
//!
//! Pure data: no threads, no files, no clock, no command line. Everything here can be built in a test.
#![forbid(unsafe_code)]

pub mod arrival;
pub mod capacity;
pub mod collectors;
pub mod counters;
pub mod counts;
pub mod cpu;
pub mod event;
pub mod fault;
pub mod ladder;
pub mod network;
pub mod placement;
pub mod plan;
pub mod probe;
pub mod problem;
pub mod profile;
pub mod queue;
pub mod record;
pub mod rng;
pub mod search;
pub mod server_stats;
pub mod service;
pub mod shares;
pub mod slo;
pub mod spec;
pub mod target;
pub mod transport;
pub mod units;
pub mod validity;
pub mod wire;

pub use arrival::ArrivalKind;
pub use capacity::{CapacityRecord, Saturated};
pub use collectors::{CollectorKind, Collectors};
pub use counters::{
    AcceptQueue, CollectorCost, Counters, CpuCounts, CpuSplit, Hardware, LinkBytes, Missing, Quota, Side, ThreadCounts,
    Unread,
};
pub use counts::{Counts, ErrorClass};
pub use cpu::{CpuId, CpuSet, NodeId};
pub use event::{Event, Observer, Silent};
pub use fault::Fault;
pub use ladder::Ladder;
pub use network::{BitRate, Network, NetworkKind, NetworkRecord};
pub use placement::{Placed, PlacementKind, Seat};
pub use plan::{Cell, CellId, Checks, Mode, Plan, SearchSettings, Settings, Turn};
pub use probe::{PROBES, ProbeAmount, ProbeKind, ProbeRow, ProbeStep};
pub use problem::{Problem, Problems};
pub use profile::{Function, Profile, Stack, WaitSite, Waits, Wakeups};
pub use queue::QueueLaw;
pub use record::{Adherence, Interval, LimitCount, Purpose, Quantile, Quantiles, Replay, SCHEMA, TrialRecord};
pub use rng::Rng;
pub use search::{Load, Mat, MatKind, MatRecord, Search, Step, TrialRequest};
pub use server_stats::{Dealing, ServerStats};
pub use service::{Service, ServiceShape};
pub use shares::{Shares, WorkerShare, WorkerShares};
pub use slo::{Limit, Slo};
pub use spec::Spec;
pub use target::{CountsPerWorker, Endpoint, Pid, Running, Start, Target, TargetStats, VirtualServer};
pub use transport::TransportKind;
pub use units::{Nanos, Rate};
pub use validity::{Reason, Rule};
pub use wire::{Decoded, Outcome, Told, Wire, Workload};
