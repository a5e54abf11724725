//! [`Pmu`]: the processor's counters as they are asked for, whoever answers.

use std::fmt::Debug;

use corecurve_core::{CpuId, Hardware, Pid};

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Cycles,
    Instructions,
    BranchMisses,
    LlcMisses,
    L1dMisses,
    DtlbMisses,
    StalledFrontEnd,
    StalledBackEnd,
}

impl Event {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Event::Cycles => "cycles",
            Event::Instructions => "instructions",
            Event::BranchMisses => "branch misses",
            Event::LlcMisses => "last-level cache misses",
            Event::L1dMisses => "first-level cache misses",
            Event::DtlbMisses => "data TLB misses",
            Event::StalledFrontEnd => "cycles stalled at the front end",
            Event::StalledBackEnd => "cycles stalled at the back end",
        }
    }

    /// Where it is kept; the two kinds of stalled cycles are kept as one.
    pub fn of(self, hardware: &mut Hardware) -> &mut Option<f64> {
        match self {
            Event::Cycles => &mut hardware.cycles,
            Event::Instructions => &mut hardware.instructions,
            Event::BranchMisses => &mut hardware.branch_misses,
            Event::LlcMisses => &mut hardware.llc_misses,
            Event::L1dMisses => &mut hardware.l1d_misses,
            Event::DtlbMisses => &mut hardware.dtlb_misses,
            Event::StalledFrontEnd | Event::StalledBackEnd => &mut hardware.stalled_cycles,
        }
    }
}

/// On what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// While this thread runs, and those it starts.
    Thread(Pid),
    /// On this CPU, whoever runs.
    Cpu(CpuId),
}

/// What a counter tells since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// Events while it ran.
    pub count: u64,
    /// Time it was to count: of a thread, while it was on a CPU. Nanoseconds.
    pub enabled: u64,
    /// Time it did count: there are fewer counters than events that are asked for.
    pub running: u64,
}

impl Value {
    /// What was added since `earlier`.
    pub fn since(self, earlier: Value) -> Value {
        Value {
            count: self.count.saturating_sub(earlier.count),
            enabled: self.enabled.saturating_sub(earlier.enabled),
            running: self.running.saturating_sub(earlier.running),
        }
    }

    /// Share of its time that it counted, 0 to 1; all of none.
    pub fn share(self) -> f64 {
        if self.enabled == 0 { 1.0 } else { (self.running as f64 / self.enabled as f64).min(1.0) }
    }

    /// The count scaled to all of its time.
    pub fn scaled(self) -> f64 {
        if self.running == 0 { 0.0 } else { self.count as f64 * (self.enabled as f64 / self.running as f64).max(1.0) }
    }
}

/// Why a group cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The processor has none of these events, or none at all.
    Absent,
    /// Not with this process's rights.
    Forbidden,
    /// Something else.
    Other(String),
}

/// Events that are counted together or not at all.
pub(super) trait Group: Debug + Send {
    /// Those of the events asked for that the processor has, in that order.
    fn events(&self) -> &[Event];
    /// What each of them tells.
    ///
    /// # Errors
    /// Why it tells nothing: its thread is gone, or its place was taken.
    fn read(&mut self) -> Result<Vec<Value>, String>;
    /// Stops counting, so that others can.
    fn give_way(&mut self);
}

/// Who counts.
pub(super) trait Pmu: Debug + Send {
    /// Begins to count. `always`: rather not at all than for a part of the time.
    ///
    /// # Errors
    /// Why not.
    fn open(&self, scope: Scope, events: &[Event], always: bool) -> Result<Box<dyn Group>, Refusal>;
}
