//! [`Event`]: what a run tells while it goes on. `--json` prints these, one object per line.

use serde::{Deserialize, Serialize};

use crate::capacity::CapacityRecord;
use crate::plan::CellId;
use crate::record::TrialRecord;
use crate::search::MatRecord;
use crate::units::Nanos;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run directory is open.
    Run {
        /// Format version.
        schema: u32,
        /// The directory.
        dir: String,
        /// Repetitions to do.
        turns: usize,
        /// Of those, finished by an earlier call.
        finished: usize,
        /// Master seed.
        seed: u64,
        /// Expected duration.
        expected_ns: Nanos,
    },
    /// A repetition begins.
    Turn {
        /// The cell.
        cell: CellId,
        /// The repetition, from 0.
        rep: u32,
        /// Its place in the order, from 1.
        position: usize,
        /// Repetitions in all.
        of: usize,
    },
    /// A trial is on disk.
    Trial(Box<TrialRecord>),
    /// The generator's capacity for one workload was measured, and is on disk.
    Capacity(Box<CapacityRecord>),
    /// A search ended at one SLO.
    Mat(Box<MatRecord>),
    /// A repetition could not be finished; the run goes on.
    Failed {
        /// The cell.
        cell: CellId,
        /// The repetition.
        rep: u32,
        /// Why.
        why: String,
    },
    /// Something the user should know now.
    Notice {
        /// What.
        text: String,
    },
}

/// Someone who wants to know. Called between trials, never in a measured window.
pub trait Observer {
    /// Takes one event.
    fn on(&mut self, event: &Event);
    /// How far the current trial is, 0 to 1, about four times a second, from a thread that does not measure.
    fn progress(&mut self, trial_share: f64, doing: &str) {
        let _ = (trial_share, doing);
    }
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _: &Event) {}
}
