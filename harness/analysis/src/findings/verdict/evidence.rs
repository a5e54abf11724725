//! [`Evidence`]: what the rules look at, gathered once from a cell's trials, its profile and its neighbours.

use corecurve_core::{
    CapacityRecord, Counters, LinkBytes, MatKind, Nanos, Purpose, Quantile, QueueLaw, Reason, Shares, Slo, TrialRecord,
    WorkerShares,
};

use super::thresholds::BEYOND;
use crate::findings::profiles::ProfileFinding;
use crate::findings::shares::{ShareVerdict, judge};
use crate::findings::types::{CellFinding, MatFinding};
use crate::findings::usage::Usage;
use crate::oracle;

/// One trial and how it used the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<'a> {
    pub trial: &'a TrialRecord,
    pub usage: Option<Usage>,
}

impl<'a> Point<'a> {
    fn of(cell: &CellFinding, trial: &'a TrialRecord) -> Point<'a> {
        Point { trial, usage: Usage::of(trial, cell.cell.cores) }
    }

    pub fn counters(&self) -> Option<&'a Counters> {
        self.trial.counters.as_ref()
    }

    /// Busy share of the busiest server core, with everything on it.
    pub fn busiest(&self) -> Option<f64> {
        self.usage.map(|usage| usage.full)
    }

    pub fn per_request(&self, of: impl Fn(&Counters) -> Option<u64>) -> Option<f64> {
        Some(of(self.counters()?)? as f64 / (self.trial.counts.ok.max(1) as f64))
    }

    pub fn network(&self, name: &str) -> Option<i64> {
        self.counters().map(|counters| counters.network.get(name).copied().unwrap_or(0))
    }

    /// What the target's workers told.
    pub fn workers(&self) -> Option<&'a WorkerShares> {
        match self.trial.shares.as_ref()? {
            Shares::Told(told) => Some(told),
            Shares::Unknown { .. } => None,
        }
    }

    pub fn link(&self) -> Option<LinkBytes> {
        self.counters()?.link
    }
}

/// A cell with fewer cores of the same series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    pub at: Point<'a>,
    pub profile: Option<&'a ProfileFinding>,
}

/// Everything a verdict rests on.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub cell: &'a CellFinding,
    pub mat: Option<&'a MatFinding>,
    /// The latency limit, where it is known.
    pub limit: Option<Nanos>,
    /// The trial nearest below the MAT; without one the fastest there was.
    pub at: Point<'a>,
    /// The slowest trial clearly above the MAT.
    pub beyond: Option<Point<'a>>,
    /// The trial with the highest achieved rate of all, closed loops included.
    pub fastest: Point<'a>,
    /// Mean time from sending to completion without load, nanoseconds.
    pub no_load_ns: Option<f64>,
    pub base: Option<Base<'a>>,
    /// The MAT as a share of what the generator can offer.
    pub of_capacity: Option<f64>,
    pub profile: Option<&'a ProfileFinding>,
    /// Trials at or above the answer, and those of them that were struck out, by reason.
    pub asked: usize,
    pub struck: Vec<&'a Reason>,
    /// MAT and utilisation that theory gives for the queue's discipline.
    pub theory: Option<Theory>,
}

/// What theory says.
#[derive(Clone, Debug)]
pub(super) struct Theory {
    pub queue: String,
    pub utilisation: f64,
}

/// Where a cell stands among the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub cells: &'a [CellFinding],
    pub profiles: &'a [ProfileFinding],
    pub capacities: &'a [CapacityRecord],
    pub law: Option<&'a QueueLaw>,
}

impl<'a> Evidence<'a> {
    /// The evidence for one objective of a cell; `None` without a single trial on a real target.
    pub fn gather(cell: &'a CellFinding, slo: Option<Slo>, around: &Surroundings<'a>) -> Option<Evidence<'a>> {
        let mat = slo.and_then(|slo| cell.mats.iter().find(|mat| mat.slo == slo));
        let asked = |trial: &&TrialRecord| {
            !matches!(trial.purpose, Purpose::NoLoad | Purpose::Perturb | Purpose::Profile | Purpose::Probe)
        };
        let found = mat.and_then(|mat| mat.mat_per_s);
        let at = match found.and_then(|rate| below(cell.trials.iter().filter(asked), rate)) {
            Some(trial) => trial,
            None => fastest(cell.trials.iter().filter(asked))?,
        };
        let rate = found.unwrap_or(at.offered_per_s);
        let above = cell.trials.iter().filter(asked).filter(|trial| trial.offered_per_s >= rate * BEYOND);
        let beyond = above.min_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
        let near: Vec<&TrialRecord> =
            cell.trials.iter().filter(asked).filter(|trial| trial.offered_per_s >= rate * 0.9).collect();
        let base = base(cell, slo, around);
        let profile = profile_of(cell, around.profiles);
        let fast =
            fastest(cell.trials.iter().filter(|trial| !matches!(trial.purpose, Purpose::Profile | Purpose::NoLoad)))?;
        Some(Evidence {
            cell,
            mat,
            limit: mat.and_then(|mat| mat.limit_ns),
            at: Point::of(cell, at),
            beyond: beyond.map(|trial| Point::of(cell, trial)),
            fastest: Point::of(cell, fast),
            no_load_ns: no_load(cell),
            base,
            of_capacity: of_capacity(cell, rate, around.capacities),
            profile,
            asked: near.len(),
            struck: near.iter().flat_map(|trial| &trial.invalid_reasons).collect(),
            theory: around.law.and_then(|law| theory(cell, law, slo?)),
        })
    }

    /// The busiest server core where load was at its highest: beyond the MAT if that was tried, else at it.
    pub fn busiest_when_pushed(&self) -> Option<f64> {
        let points = [Some(self.at), self.beyond, Some(self.fastest)];
        points.into_iter().flatten().filter_map(|point| point.busiest()).reduce(f64::max)
    }

    /// How the search ended.
    pub fn mat_kind(&self) -> Option<MatKind> {
        self.mat.and_then(|mat| mat.kind)
    }

    /// Whether the kernel dropped connections for a full accept queue.
    pub fn overflowed(&self) -> bool {
        let points = [Some(self.at), self.beyond, Some(self.fastest)];
        points.into_iter().flatten().any(|point| point.network("TcpExt.ListenOverflows").is_some_and(|n| n > 0))
    }

    /// Requests served at once where the rate was highest, by Little's law with the time one takes alone.
    pub fn at_once(&self) -> Option<f64> {
        Some(self.fastest.trial.achieved_per_s * self.no_load_ns? / 1e9)
    }

    /// Whether each worker's share of the load is chance.
    pub fn shares(&self) -> Option<ShareVerdict> {
        judge(self.at.trial).map(|judged| judged.verdict)
    }

    /// CPU time of a request over that of the base, user code and all; with their relative error.
    pub fn growth(&self, part: impl Fn(&Usage) -> Option<f64>) -> Option<f64> {
        let was = part(&self.base?.at.usage?)?;
        let is = part(&self.at.usage?)?;
        (was > 0.0).then(|| is / was)
    }
}

/// The usable trial nearest below a rate. Also of a search that did not converge: what stops a server can be seen before its
/// MAT is known to the last per cent.
fn below<'a>(trials: impl Iterator<Item = &'a TrialRecord>, rate: f64) -> Option<&'a TrialRecord> {
    let usable = trials.filter(|trial| trial.valid && trial.offered_per_s <= rate * 1.0001);
    usable.max_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s))
}

fn fastest<'a>(trials: impl Iterator<Item = &'a TrialRecord>) -> Option<&'a TrialRecord> {
    trials.max_by(|a, b| a.achieved_per_s.total_cmp(&b.achieved_per_s))
}

/// Mean service time of the no-load trials: what a request takes alone, from being sent to its answer.
fn no_load(cell: &CellFinding) -> Option<f64> {
    let quiet = cell.trials.iter().filter(|trial| trial.purpose == Purpose::NoLoad && trial.valid);
    let of = |trial: &TrialRecord| match (trial.service_ns.mean, trial.service_ns.p50) {
        (Some(mean), _) => Some(mean),
        (None, Quantile::At(p50)) => Some(p50.0 as f64),
        _ => None,
    };
    quiet.filter_map(of).reduce(f64::min)
}

fn profile_of<'a>(cell: &CellFinding, profiles: &'a [ProfileFinding]) -> Option<&'a ProfileFinding> {
    profiles.iter().rfind(|profile| profile.cell == cell.cell.id)
}

/// The cell with the fewest cores of the same series, if this is not it.
fn base<'a>(cell: &CellFinding, slo: Option<Slo>, around: &Surroundings<'a>) -> Option<Base<'a>> {
    let fewer = around.cells.iter().filter(|other| {
        other.series.scales_with(&cell.series) && !other.cell.control && other.cell.cores < cell.cell.cores
    });
    let base = fewer.min_by_key(|other| other.cell.cores)?;
    let mat = base.mats.iter().find(|mat| Some(mat.slo) == slo)?;
    let own = || base.trials.iter().filter(|trial| matches!(trial.purpose, Purpose::Search | Purpose::Confirm));
    let at = match mat.mat_per_s.and_then(|rate| below(own(), rate)) {
        Some(trial) => trial,
        None => fastest(own())?,
    };
    let at = Point::of(base, at);
    Some(Base { at, profile: profile_of(base, around.profiles) })
}

fn of_capacity(cell: &CellFinding, rate: f64, capacities: &[CapacityRecord]) -> Option<f64> {
    let capacity = capacities.iter().find(|capacity| capacity.valid && capacity.speaks_of(&cell.cell))?;
    Some(rate / (capacity.per_core_per_s * capacity.load_cores.max(1) as f64))
}

fn theory(cell: &CellFinding, law: &QueueLaw, slo: Slo) -> Option<Theory> {
    let mat = oracle::mat_at(law, &slo)?;
    Some(Theory {
        queue: cell.oracle.as_ref().map_or_else(|| "its queue".to_owned(), |line| line.queue.clone()),
        utilisation: mat / law.capacity_per_s(),
    })
}
