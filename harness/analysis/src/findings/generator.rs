//! Was it the target or the generator? Every answer held against the generator's own capacity, and against the same load
//! from other load threads.

use corecurve_core::{CapacityRecord, Cell, MatKind, MatRecord, Purpose, Rate, Reason, Rule, TrialRecord};
use serde::{Deserialize, Serialize};

use crate::stats::{Batch, clopper_pearson, design_effect, median};

/// An answer above this share of what its load cores can offer is as likely the generator's as the target's. The caveat of
/// `generator-busy` begins at 70 % and its refusal at 90 %, both of a single trial.
pub const NEAR: f64 = 0.8;
/// The share of their capacity that load cores should be used to.
const COMFORTABLE: f64 = 0.7;
/// Confidence of the two shares that are compared.
const CONFIDENCE: f64 = 0.95;

/// The answers, those near the generator's capacity made into what they are: lower bounds. A cell is judged as a whole, by
/// the median of its repetitions: striking out only the highest of them would leave a median that is too low.
pub(super) fn held_against_capacity(cells: &[Cell], mats: &[MatRecord], known: &[CapacityRecord]) -> Vec<MatRecord> {
    let held = |record: &MatRecord| {
        let cell = cells.iter().find(|cell| cell.id == record.cell)?;
        let capacity = known.iter().find(|capacity| capacity.valid && capacity.speaks_of(cell))?;
        let of_cell = mats.iter().filter(|other| other.cell == record.cell && other.mat.slo == record.mat.slo);
        let typical = median(&of_cell.filter_map(number).collect::<Vec<f64>>())?;
        limited(record, typical, capacity)
    };
    mats.iter().map(|record| held(record).unwrap_or_else(|| record.clone())).collect()
}

/// The rate of an answer that says something of the target.
fn number(record: &MatRecord) -> Option<f64> {
    let target_s = matches!(record.mat.kind, MatKind::Regular | MatKind::NotConverged | MatKind::ErrorLimited);
    record.mat.mat_per_s.filter(|_| target_s)
}

/// The record as a lower bound, if the cell's `typical` rate is near the capacity.
fn limited(record: &MatRecord, typical: f64, capacity: &CapacityRecord) -> Option<MatRecord> {
    let rate = number(record)?;
    let share = typical / (capacity.per_core_per_s * capacity.load_cores.max(1) as f64);
    if share <= NEAR {
        return None;
    }
    let mut record = record.clone();
    let at_least = record.mat.ci95.map_or(rate, |[low, _]| low);
    record.mat.kind = MatKind::GeneratorLimited;
    record.mat.mat_per_s = Some(at_least);
    record.mat.ci95 = None;
    record.mat.valid = false;
    record.mat.invalid_reasons.push(Reason::new(
        Rule::GeneratorBusy,
        format!(
            "{} is {:.0} % of what {} can offer ({} each; at most {:.0} % counts as the target's own): the MAT is at \
             least {}, and knowing more takes {} load cores",
            Rate(typical),
            share * 100.0,
            load_cores(capacity.load_cores),
            Rate(capacity.per_core_per_s),
            NEAR * 100.0,
            Rate(at_least),
            needed(typical, capacity)
        ),
    ));
    Some(record)
}

fn load_cores(n: usize) -> String {
    if n == 1 { "1 load core".to_owned() } else { format!("{n} load cores") }
}

/// Load cores that would offer a rate with room to spare: always more than there were.
fn needed(rate: f64, capacity: &CapacityRecord) -> usize {
    let cores = (rate / (COMFORTABLE * capacity.per_core_per_s)).ceil() as usize;
    cores.max(capacity.load_cores + 1)
}

/// The answer of a search tried twice: by its load threads, and otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perturbation {
    /// Offered rate of both, per second.
    pub rate_per_s: f64,
    /// As the search did it.
    pub usual: Side,
    /// Otherwise.
    pub other: Side,
    /// Whether the shares over the limit agree within their intervals; `None` when one of the trials may not be used.
    pub agrees: Option<bool>,
}

/// One of the two trials.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Load threads.
    pub load_threads: usize,
    /// Connections over all of them.
    pub connections: usize,
    /// Share of operations over the latency limit.
    pub over: f64,
    /// 95 % interval of it.
    pub ci95: [f64; 2],
}

/// The perturbation check of a cell, if it was made: the last two trials of that purpose in one repetition.
pub(super) fn perturbation(trials: &[TrialRecord]) -> Option<Perturbation> {
    let pair: Vec<&TrialRecord> = trials.iter().filter(|trial| trial.purpose == Purpose::Perturb).collect();
    let [.., usual, other] = pair.as_slice() else { return None };
    let usable = usual.valid && other.valid;
    let (a, b) = (side(usual)?, side(other)?);
    let apart = a.ci95[0] > b.ci95[1] || b.ci95[0] > a.ci95[1];
    Some(Perturbation { rate_per_s: usual.offered_per_s, usual: a, other: b, agrees: usable.then_some(!apart) })
}

fn side(trial: &TrialRecord) -> Option<Side> {
    let n = trial.counts.scheduled as f64;
    let over = trial.limits.first()?.over as f64;
    let batch = |interval: &corecurve_core::Interval| Batch {
        n: interval.scheduled as f64,
        over: interval.over.first().copied().unwrap_or(0) as f64,
    };
    let batches: Vec<Batch> = trial.intervals.iter().map(batch).collect();
    let deff = design_effect(&[batches]).map_or(1.0, |found| found.deff);
    let (low, high) = clopper_pearson(over / deff, n / deff, CONFIDENCE);
    (n > 0.0).then(|| Side {
        load_threads: trial.load_cores,
        connections: trial.connections,
        over: over / n,
        ci95: [low, high],
    })
}

impl Perturbation {
    /// What differed between the two trials.
    pub fn change(&self) -> String {
        let (usual, other) = (&self.usual, &self.other);
        match usual.load_threads == other.load_threads {
            true => format!("{} connections instead of {}", other.connections, usual.connections),
            false => format!("{} load threads instead of {}", other.load_threads, usual.load_threads),
        }
    }

    /// What must travel with the answer.
    pub(super) fn caveat(&self) -> Option<String> {
        let (usual, other) = (self.usual.over * 100.0, self.other.over * 100.0);
        match self.agrees {
            Some(true) => None,
            Some(false) => Some(format!(
                "perturbation: at {} {usual:.2} % of operations were over the limit, with {} {other:.2} %: the answer is \
                 partly the generator's",
                Rate(self.rate_per_s),
                self.change()
            )),
            None => Some(format!("perturbation: not known, a trial with {} was not valid", self.change())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::analyse;
    use crate::findings::testing::{answer, cell, run, trial};
    use corecurve_core::{Interval, LimitCount, Nanos, SCHEMA, Saturated, Seat, TransportKind};

    fn capacity(cell: &Cell, per_core_per_s: f64) -> CapacityRecord {
        CapacityRecord {
            schema: SCHEMA,
            cell: cell.id.clone(),
            null_server: "thread-per-core".to_owned(),
            workload: cell.workload.clone(),
            workload_settings: cell.workload_settings.clone(),
            transport: TransportKind::default(),
            requests_per_connection: None,
            load_cores: cell.placed.load.len(),
            server_cores: 1,
            depth: 32,
            rounds: 3,
            window_s: 0.5,
            g_max_per_s: 0.9 * per_core_per_s * cell.placed.load.len() as f64,
            range_per_s: [per_core_per_s; 2],
            per_core_per_s,
            load_busy: 0.9,
            server_busy: Some(1.0),
            saturated: Saturated::NullServer,
            valid: true,
            invalid_reasons: Vec::new(),
            caveats: Vec::new(),
        }
    }

    fn loaded(load_cores: u32) -> Cell {
        let mut one = cell("a", "nginx", 1, false);
        one.placed.load = (1..=load_cores).map(|cpu| Seat { cpu: corecurve_core::CpuId(cpu), node: None }).collect();
        one
    }

    #[test]
    fn an_answer_near_the_capacity_is_a_lower_bound_and_says_what_it_would_take() {
        let one = loaded(2);
        let mut data = run(
            vec![one.clone()],
            vec![answer(&one, 0, 850.0, 0.01), answer(&one, 1, 1000.0, 0.01), answer(&one, 2, 1100.0, 0.01)],
        );
        // 1000 of 2 × 600 is 83 %; the first repetition alone would pass at 71 %.
        data.capacities = vec![capacity(&one, 600.0)];
        let findings = analyse(&data);
        let mat = &findings.cells[0].mats[0];
        assert_eq!((mat.kind, mat.valid, mat.ci95), (Some(MatKind::GeneratorLimited), false, None));
        let low = 1000.0 / 0.0196f64.exp();
        assert!((mat.mat_per_s.unwrap() - low).abs() < 1e-6, "the low end of the median's interval: {mat:?}");
        let reason = &mat.reasons[0];
        assert!(
            reason.contains("83 % of what 2 load cores can offer") && reason.contains("takes 3 load cores"),
            "{reason}"
        );
        assert_eq!(findings.struck_out.len(), 3);
        assert_eq!(findings.capacities.len(), 1);
    }

    #[test]
    fn far_from_it_with_another_load_or_an_unknown_capacity_nothing_changes() {
        let one = loaded(2);
        let base = run(vec![one.clone()], vec![answer(&one, 0, 1000.0, 0.01)]);
        let untouched = analyse(&base);
        let mut other_load = capacity(&one, 600.0);
        other_load.load_cores = 1;
        let mut invalid = capacity(&one, 600.0);
        invalid.valid = false;
        for known in [capacity(&one, 630.0), other_load, invalid] {
            let mut data = base.clone();
            data.capacities = vec![known];
            assert_eq!(analyse(&data).cells, untouched.cells);
        }
    }

    #[test]
    fn the_load_cores_that_are_needed_are_more_than_there_were() {
        let one = loaded(1);
        for (rate, cores) in [(81.0, 2), (100.0, 2), (140.0, 2), (141.0, 3), (700.0, 10)] {
            assert_eq!(needed(rate, &capacity(&one, 100.0)), cores, "{rate}");
        }
    }

    fn perturbed(cell: &Cell, number: u32, load_cores: usize, over: u64) -> TrialRecord {
        let mut made = trial(cell, number, 1000.0);
        made.purpose = Purpose::Perturb;
        made.load_cores = load_cores;
        made.counts.scheduled = 20_000;
        made.limits = vec![LimitCount { limit_ns: Nanos(5_000_000), over }];
        made.intervals = vec![Interval { scheduled: 1_000, over: vec![over / 20], ..Interval::default() }; 20];
        made.valid = true;
        made
    }

    #[test]
    fn other_load_threads_that_see_something_else_are_a_caveat() {
        let one = loaded(3);
        let mut data = run(vec![one.clone()], vec![answer(&one, 0, 1000.0, 0.01)]);
        for (other, agrees, words) in
            [(240, Some(true), None), (900, Some(false), Some("with 2 load threads instead of 3 4.50 %"))]
        {
            data.trials = vec![perturbed(&one, 7, 3, 200), perturbed(&one, 8, 2, other)];
            let findings = analyse(&data);
            let cell = &findings.cells[0];
            assert_eq!(cell.perturbation.as_ref().unwrap().agrees, agrees);
            let caveat = cell.mats[0].caveats.iter().find(|caveat| caveat.starts_with("perturbation"));
            assert_eq!(caveat.is_some(), words.is_some(), "{caveat:?}");
            assert!(words.is_none_or(|words| caveat.unwrap().contains(words)), "{caveat:?}");
        }
        data.trials[1].valid = false;
        let findings = analyse(&data);
        assert_eq!(findings.cells[0].perturbation.as_ref().unwrap().agrees, None);
        assert!(findings.cells[0].mats[0].caveats.iter().any(|caveat| caveat.contains("was not valid")));
        data.trials.pop();
        assert_eq!(analyse(&data).cells[0].perturbation, None);
    }
}
