//! [`Findings`]: everything a report may show, as plain data.

use corecurve_core::fault::FaultPlace;
use corecurve_core::{
    ArrivalKind, CapacityRecord, Cell, CellId, Fault, MatKind, MatRecord, Nanos, Network, Plan, ProbeKind, Purpose,
    Quantile, Quantiles, Settings, Slo, TransportKind, TrialRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Account;
use super::elasticities::Elasticity;
use super::generator::Perturbation;
use super::loss::ScalingLoss;
use super::objectives::Objectives;
use super::profiles::ProfileFinding;
use super::shares::ShareFinding;
use super::verdict::Verdict;
use crate::compare::RatioRow;
use crate::models::FitReport;

/// What a run found out. Recomputed from records by [`analyse`](super::analyse()); never edited, never measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Version of this format, [`corecurve_core::SCHEMA`].
    pub schema: u32,
    /// The answer in one or two sentences, with interval and the caveats that bear on it.
    pub headline: String,
    /// Which run this is.
    pub run: RunIdentity,
    /// The machine in a line's worth of fields.
    pub machine: MachineSummary,
    /// `machine.json` as recorded.
    pub machine_record: Value,
    /// What was planned.
    pub plan: Plan,
    /// How much of the plan is done.
    pub progress: Progress,
    /// One entry per planned cell, in the plan's order.
    pub cells: Vec<CellFinding>,
    /// MAT against cores: one curve per series and SLO with at least one cell.
    pub curves: Vec<Curve>,
    /// The A/A control: how far two measurements of the same thing differ on this machine.
    pub noise_floor: Option<NoiseFloor>,
    /// Ratios between series at the same cores, workload, placement and SLO, relative to the first target.
    pub comparisons: Vec<RatioRow>,
    /// MAT against the objective, where a question was asked at several limits.
    #[serde(default)]
    pub objectives: Vec<Objectives>,
    /// What came of each probe of a bottleneck, where `corecurve probe` asked.
    #[serde(default)]
    pub elasticities: Vec<Elasticity>,
    /// What the generator itself can do, where that was measured.
    #[serde(default)]
    pub capacities: Vec<CapacityRecord>,
    /// Each worker's share of connections and requests at every MAT and given rate, against what chance gives.
    #[serde(default)]
    pub shares: Vec<ShareFinding>,
    /// Where efficiency went between the fewest cores and more, for every curve.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// What stops each cell.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// Where CPU time and waiting goes, of every cell that was profiled.
    #[serde(default)]
    pub profiles: Vec<ProfileFinding>,
    /// What costs more per request on more cores, by function.
    #[serde(default)]
    pub losses: Vec<ScalingLoss>,
    /// What is true of the whole run and must travel with its numbers.
    pub caveats: Vec<String>,
    /// Every number that was struck out, and why.
    pub struck_out: Vec<StruckOut>,
    /// What the store or the engine noticed.
    pub notes: Vec<String>,
}

/// Which run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The run directory, as it should be shown.
    pub dir: String,
    /// The run's short name.
    pub slug: String,
    /// The command line that repeats it, one element per argument.
    pub command: Vec<String>,
    /// Master seed.
    pub seed: u64,
    /// When it started, RFC 3339.
    pub started: Option<String>,
    /// Version of corecurve that measured.
    pub version: String,
}

/// The machine in headline fields, where `machine.json` states them. `None` means not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSummary {
    /// Processor model.
    pub cpu: Option<String>,
    /// Physical cores that placements could use.
    pub cores: Option<u64>,
    /// Hardware threads that placements could use.
    pub hardware_threads: Option<u64>,
    /// NUMA nodes.
    pub numa_nodes: Option<u64>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Frequency governor, or why there is none.
    pub governor: Option<String>,
    /// The hypervisor, if it is a virtual machine.
    pub hypervisor: Option<String>,
}

/// How much of the plan is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Repetitions finished.
    pub finished: usize,
    /// Repetitions planned.
    pub planned: usize,
}

impl Progress {
    /// Whether every planned repetition is finished.
    pub fn is_complete(self) -> bool {
        self.finished >= self.planned
    }
}

/// What one cell found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellFinding {
    /// The cell as planned.
    pub cell: Cell,
    /// What is varied over cores in this cell; cells with equal series make one curve.
    pub series: SeriesKey,
    /// The series in words, as short as this run allows: `nginx`, `thread-per-core work.mean=100us`.
    pub label: String,
    /// Repetitions finished.
    pub finished_reps: u32,
    /// Repetitions planned.
    pub planned_reps: u32,
    /// The MAT at each SLO, in the order of the cell's SLOs. Empty when the cell is no search.
    pub mats: Vec<MatFinding>,
    /// Every trial as a point of latency against offered load, by offered rate.
    pub load_curve: Vec<LoadPoint>,
    /// Latency without load, from the no-load trials, pooled over repetitions.
    pub no_load: Option<NoLoad>,
    /// The answer tried again with other load threads, where that was done.
    #[serde(default)]
    pub perturbation: Option<Perturbation>,
    /// What queueing theory predicts, when the target says what kind of queue it is.
    pub oracle: Option<OracleLine>,
    /// Every trial, in the order of repetition, attempt and trial.
    pub trials: Vec<TrialRecord>,
    /// What must travel with every number of this cell (shared cores, no counters, …).
    pub caveats: Vec<String>,
}

/// Everything of a cell except its core count: cells that differ only in cores belong to one curve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Target name.
    pub target: String,
    /// The target's settings.
    pub target_settings: Settings,
    /// Workload name.
    pub workload: String,
    /// The workload's settings.
    pub workload_settings: Settings,
    /// Placement name.
    pub placement: String,
    /// Arrival process, as written.
    pub arrival: String,
    /// Connections; `None` when chosen by the engine.
    pub connections: Option<usize>,
    /// Requests per connection; `None` when connections are kept.
    pub requests_per_connection: Option<u64>,
    /// What load went through; `None` where there are no sockets, or nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportKind>,
    /// What lay between load and server; `None` where there are no sockets, or nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// What was made bad on purpose, apart from what the target's settings say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// The probe of a bottleneck it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeKind>,
    /// Whether server and load share cores.
    pub shared_cores: bool,
}

impl SeriesKey {
    /// The series a cell belongs to.
    pub fn of(cell: &Cell) -> SeriesKey {
        SeriesKey {
            target: cell.target.clone(),
            target_settings: cell.target_settings.clone(),
            workload: cell.workload.clone(),
            workload_settings: cell.workload_settings.clone(),
            placement: cell.placed.kind.name().to_owned(),
            arrival: ArrivalKind::to_string(&cell.arrival),
            connections: cell.connections,
            requests_per_connection: cell.requests_per_connection,
            transport: cell.transport,
            network: cell.network,
            faults: cell.faults.iter().filter(|fault| fault.place() != FaultPlace::Handler).cloned().collect(),
            probe: cell.probe,
            shared_cores: cell.placed.shared,
        }
    }

    /// Whether both are the same target under the same question on different numbers of cores, so that cost and efficiency of one
    /// may be held against the other's. On a small machine the larger of the two may share the load's cores, which it then says.
    pub fn scales_with(&self, other: &SeriesKey) -> bool {
        SeriesKey { shared_cores: other.shared_cores, ..self.clone() } == *other
    }

    /// Whether it was computed in virtual time and not measured.
    pub fn is_simulated(&self) -> bool {
        self.target.starts_with("sim:")
    }

    /// Whether the same question is asked of both, so that their numbers may stand side by side: everything but the
    /// target and its settings is equal, and both were measured or both simulated.
    pub fn asks_the_same_as(&self, other: &SeriesKey) -> bool {
        let question =
            |key: &SeriesKey| SeriesKey { target: String::new(), target_settings: Settings::new(), ..key.clone() };
        self.is_simulated() == other.is_simulated() && question(self) == question(other)
    }
}

/// The MAT of one cell at one SLO, over its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatFinding {
    /// The objective.
    pub slo: Slo,
    /// Its latency limit in time: the median over repetitions, where a multiple of the no-load mean was asked for.
    pub limit_ns: Option<Nanos>,
    /// How the searches ended; when repetitions disagree, the kind of most of them, and a caveat says so.
    pub kind: Option<MatKind>,
    /// Median over the usable repetitions, per second. Of an unusable cell it is the median of whatever
    /// numbers there are, to be shown struck out; see [`MatFinding::valid`].
    pub mat_per_s: Option<f64>,
    /// 95 % interval of that median.
    pub ci95: Option<[f64; 2]>,
    /// How the interval was made, in words.
    pub ci_method: String,
    /// Repetitions the number rests on.
    pub used_reps: u32,
    /// Every repetition's own answer, usable or not, by repetition.
    pub reps: Vec<MatRecord>,
    /// MAT over the MAT at [`MatFinding::base_cores`] of the same series; `None` when either is unusable.
    pub speedup: Option<Ratio>,
    /// `speedup × base cores ÷ cores`: 1 is ideal.
    pub efficiency: Option<Ratio>,
    /// The core count speed-up is relative to: the smallest usable one of the series, normally 1.
    pub base_cores: Option<usize>,
    /// Latency at the tried rate nearest below the MAT, from the repetition nearest to the median.
    pub latency_ns: Quantiles,
    /// Utilisation of the server cores there, 0 to 1.
    pub utilisation: Option<f64>,
    /// Whether the number may be used. No ratio or fit is formed from one that is not.
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// What must travel with it.
    pub caveats: Vec<String>,
}

/// A ratio of two medians with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// 95 % interval.
    pub ci95: [f64; 2],
}

/// One trial as a point of latency against offered load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// Offered rate, per second.
    pub offered_per_s: f64,
    /// Sent rate, per second.
    pub sent_per_s: f64,
    /// Achieved rate, per second.
    pub achieved_per_s: f64,
    /// Median latency.
    pub p50: Quantile,
    /// 90th percentile.
    pub p90: Quantile,
    /// 99th percentile.
    pub p99: Quantile,
    /// 99.9th percentile.
    pub p999: Quantile,
    /// Share of operations that did not complete correctly, 0 to 1.
    pub bad_share: f64,
    /// Utilisation of the server cores, 0 to 1.
    pub utilisation: Option<f64>,
    /// Why the trial was run.
    pub purpose: Purpose,
    /// Repetition.
    pub rep: u32,
    /// Trial within the repetition.
    pub trial: u32,
    /// Whether the trial may be used.
    pub valid: bool,
    /// 99th percentile predicted at this rate, nanoseconds, when the discipline is known and the queue is stable.
    pub oracle_p99_ns: Option<f64>,
}

/// Latency without load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoLoad {
    /// Mean over repetitions of the mean latency, nanoseconds.
    pub mean_ns: f64,
    /// Median latency of the first usable no-load trial.
    pub p50: Quantile,
    /// 99th percentile of the first usable no-load trial.
    pub p99: Quantile,
}

/// What queueing theory predicts for a cell: 99th percentile against offered rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OracleLine {
    /// The queue, e.g. `M/M/4, one shared queue`.
    pub queue: String,
    /// Capacity, per second.
    pub capacity_per_s: f64,
    /// `[offered per second, p99 in nanoseconds]`, ascending.
    pub p99_ns: Vec<[f64; 2]>,
}

/// MAT against cores for one series at one SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The series.
    pub series: SeriesKey,
    /// The series in words.
    pub label: String,
    /// The objective.
    pub slo: Slo,
    /// By cores, ascending. Control cells are left out.
    pub points: Vec<CurvePoint>,
    /// Core counts from which on a further NUMA node serves: draw a boundary just below each.
    pub node_boundaries: Vec<usize>,
    /// Models of the curve, or why there is none.
    pub fits: FitReport,
}

/// One point of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Server cores.
    pub cores: usize,
    /// The cell.
    pub cell: CellId,
    /// MAT, per second.
    pub mat_per_s: Option<f64>,
    /// 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// How the search ended.
    pub kind: Option<MatKind>,
    /// Whether the point may be used in ratios and fits.
    pub valid: bool,
    /// The generator gave out first: the MAT is at least this. Never used in a fit.
    pub at_least: bool,
    /// `speedup × base ÷ cores`.
    pub efficiency: Option<Ratio>,
}

/// How far two measurements of the same thing differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// One per control cell and SLO with usable numbers on both sides.
    pub pairs: Vec<NoisePair>,
    /// The floor: a difference smaller than this is not claimed. The largest distance from 1 that any pair's
    /// interval reaches, as a share: 0.03 means that ratios from 1/1.03 to 1.03 are noise.
    pub floor: f64,
}

/// One A/A pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoisePair {
    /// The cell.
    pub cell: CellId,
    /// Its control: the same again.
    pub control: CellId,
    /// The objective.
    pub slo: Slo,
    /// Control over cell.
    pub ratio: Ratio,
}

/// A number that was struck out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StruckOut {
    /// The cell.
    pub cell: CellId,
    /// The repetition.
    pub rep: u32,
    /// The trial, when a trial was struck out; `None` when a MAT was.
    pub trial: Option<u32>,
    /// The objective, when a MAT was struck out.
    pub slo: Option<Slo>,
    /// The number in words: `trial at 18.2 k/s`, `MAT 20.1 k/s`.
    pub what: String,
    /// Why, one line each.
    pub reasons: Vec<String>,
}
