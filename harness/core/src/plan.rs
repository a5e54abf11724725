//! [`Plan`]: everything decided before the first thread starts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::arrival::ArrivalKind;
use crate::collectors::Collectors;
use crate::fault::Fault;
use crate::network::Network;
use crate::placement::Placed;
use crate::probe::{ProbeKind, ProbeStep};
use crate::slo::Slo;
use crate::transport::TransportKind;
use crate::units::{Nanos, Rate};

/// Settings by key, as given with `--set`.
pub type Settings = BTreeMap<String, String>;

/// A cell's name within its run: short, unique, safe as a file name, e.g. `03-nginx-plaintext-compact-4`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub String);

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a run will do, in the order it will do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Format version.
    pub schema: u32,
    /// Master seed; every other seed and the order are functions of it.
    pub seed: u64,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Repetitions in the order they will run: shuffled within blocks that hold every cell once.
    pub order: Vec<Turn>,
    /// How each search is run.
    pub search: SearchSettings,
    /// What is counted beside each trial (all, in plans of before there was a choice).
    #[serde(default)]
    pub counters: Collectors,
    /// Expected duration of the whole run; zero in virtual time.
    pub expected: Nanos,
    /// What is asked of the generator itself (nothing, in plans of before that was done).
    #[serde(default, skip_serializing_if = "Checks::is_empty")]
    pub checks: Checks,
    /// The probes of a bottleneck that were asked for, those that cannot be done here included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeStep>,
}

/// What a run asks of the generator itself, so that its answers are known to be the target's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Indexes into [`Plan::cells`]: for each of these the generator's capacity is measured before the first
    /// repetition. One stands for all cells with its workload, transport and load CPUs.
    pub capacity: Vec<usize>,
    /// Whether the first repetition of each search tries its answer with other load threads.
    pub perturb: bool,
    /// Whether the first repetition of each search tries its answer once more and profiles the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub profile: bool,
}

impl Checks {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.capacity.is_empty() && !self.perturb && !self.profile
    }
}

/// One repetition of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Index into [`Plan::cells`].
    pub cell: usize,
    /// Repetition, from 0.
    pub rep: u32,
}

/// Target × workload × placement × cores. All SLOs of a cell are answered from the same trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Name within the run.
    pub id: CellId,
    /// Target name as the user gave it.
    pub target: String,
    /// The target's settings (`--set target.KEY=…`).
    pub target_settings: Settings,
    /// Workload name.
    pub workload: String,
    /// The workload's settings (`--set workload.KEY=…`).
    pub workload_settings: Settings,
    /// Server cores asked for.
    pub cores: usize,
    /// Who sits where.
    pub placed: Placed,
    /// The objectives.
    pub slos: Vec<Slo>,
    /// The arrival process.
    pub arrival: ArrivalKind,
    /// Connections over all load cores; `None` lets the engine choose by Little's law.
    pub connections: Option<usize>,
    /// Requests after which a connection is closed and reopened; `None` keeps it.
    pub requests_per_connection: Option<u64>,
    /// What load goes through; `None` where there are no sockets (and in plans of before there was a choice: epoll).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportKind>,
    /// What lies between load and server; `None` where there are no sockets (and in plans of before there was a choice: loopback).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// What is known before anything is measured and must travel with every number of the cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
    /// What was made bad on purpose. Those of our own servers are in `target_settings` as well, which is how servers learn of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// The probe of a bottleneck this cell is a step of; `None` for a cell of its own, and for the base of probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeKind>,
    /// A MAT search or a single rate.
    pub mode: Mode,
    /// The same target twice in one run: this is the second one, and their ratio is the noise floor.
    pub control: bool,
}

/// What is done in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Find the MAT.
    Search,
    /// One trial at this offered rate.
    Fixed(Rate),
    /// One closed-loop trial (`--arrival closed:DEPTH`).
    Closed,
}

/// How a search is run. Every default is printed in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSettings {
    /// Relative width of the 95 % interval at which the search is content, e.g. 0.02.
    pub width: f64,
    /// Time one search may take, windows and warm-ups together.
    pub budget: Nanos,
    /// Shortest window of a search trial.
    pub window_min: Nanos,
    /// Longest window of a search trial.
    pub window_max: Nanos,
    /// Warm-up; `None` detects its end.
    pub warmup: Option<Nanos>,
    /// Longest warm-up waited for when it is detected.
    pub warmup_max: Nanos,
    /// Repetitions per cell, each on a restarted target.
    pub reps: u32,
    /// Offered rates above this are never tried: the generator's own ceiling, when known.
    pub rate_cap: Option<Rate>,
    /// Trials after the answer is found, on a restarted target.
    pub confirmations: u32,
}

impl SearchSettings {
    /// Window of each of the two trials that compare load threads at the answer.
    pub fn perturb_window(&self) -> Nanos {
        (self.window_max / 2).max(self.window_min)
    }
}
