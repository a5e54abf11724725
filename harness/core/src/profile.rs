//! [`Profile`]: where the target's CPU time and waiting went, by function. Taken in a trial of its own at the MAT, since looking
//! so closely costs the target something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::counters::Missing;
use crate::plan::CellId;
use crate::units::Nanos;

/// The profile of one trial. Stored beside the trials, one file each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Format version, [`crate::SCHEMA`].
    pub schema: u32,
    /// The cell.
    pub cell: CellId,
    /// The repetition.
    pub rep: u32,
    /// The trial in which it was taken.
    pub trial: u32,
    /// Server cores.
    pub cores: usize,
    /// What was sampled: `cycles`, or `cpu-clock` without a PMU.
    pub event: String,
    /// Samples per second of CPU time asked for.
    pub frequency_hz: u64,
    /// Samples taken.
    pub samples: u64,
    /// Samples the kernel had no room for.
    pub lost: u64,
    /// CPU time of the target's threads while sampled, nanoseconds.
    pub cpu_ns: Nanos,
    /// Requests completed correctly while sampled.
    pub requests: u64,
    /// Requests completed correctly while waits, system calls and wake-ups were traced: after the sampling, because
    /// tracing costs more and would be seen in the samples.
    #[serde(default)]
    pub traced_requests: u64,
    /// Every function that occurs.
    pub functions: Vec<Function>,
    /// Every stack that occurs with the number of samples in it.
    pub stacks: Vec<Stack>,
    /// System calls of the target's threads by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<BTreeMap<String, u64>>,
    /// Waits for user-space locks (futexes), by who waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub futex_waits: Option<Waits>,
    /// Waits for the kernel's own locks, by who waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_lock_waits: Option<Waits>,
    /// From being woken to running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakeups: Option<Wakeups>,
    /// What could not be taken.
    pub missing: Vec<Missing>,
}

/// A function, or an address nobody has a name for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Function {
    /// Its name, demangled.
    pub name: String,
    /// Where its code is: `kernel`, or the file's name.
    pub module: String,
    /// `file:line` where it begins or, of an inlined or sampled place, the line; where debug information exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Function {
    /// Whether it is the kernel's.
    pub fn is_kernel(&self) -> bool {
        self.module == "kernel"
    }
}

/// One stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Indexes into [`Profile::functions`], outermost caller first.
    pub frames: Vec<u32>,
    /// Samples in it.
    pub count: u64,
}

/// Waits of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// How many.
    pub count: u64,
    /// How long in all, nanoseconds.
    pub total_ns: Nanos,
    /// By the stack that waited, longest first.
    pub sites: Vec<WaitSite>,
}

/// A place that waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitSite {
    /// Indexes into [`Profile::functions`], outermost caller first.
    pub frames: Vec<u32>,
    /// How often.
    pub count: u64,
    /// How long in all, nanoseconds.
    pub total_ns: Nanos,
}

/// From being woken to running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wakeups {
    /// How many were seen.
    pub count: u64,
    /// Median, nanoseconds.
    pub p50_ns: Nanos,
    /// 99th percentile, nanoseconds.
    pub p99_ns: Nanos,
}
