//! One line of the journal, and what a record must satisfy to be believed.

use corecurve_core::record::{Interval, Quantiles};
use corecurve_core::{CapacityRecord, CellId, MatRecord, Nanos, Problem, Quantile, SCHEMA, Shares, TrialRecord};
use serde::{Deserialize, Serialize};

/// More workers than any record may speak of, and more of anything than one may have counted: sums of these do not overflow.
const MOST_WORKERS: usize = 1 << 14;
const MOST_COUNTED: u64 = 1 << 48;

/// A record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// A trial.
    Trial {
        /// What it found.
        trial: Box<TrialRecord>,
    },
    /// The answer of a search at one SLO.
    Mat {
        /// The attempt it belongs to.
        attempt: u32,
        /// Its place among the cell's SLOs.
        slo: u32,
        /// The answer.
        mat: Box<MatRecord>,
    },
    /// What the generator itself can do.
    Capacity {
        /// What was found.
        capacity: Box<CapacityRecord>,
    },
    /// A repetition is finished.
    TurnDone {
        /// The cell.
        cell: CellId,
        /// The repetition.
        rep: u32,
        /// The attempt that finished it.
        attempt: u32,
        /// Trials of that attempt: a turn that lost one to a damaged disk is not finished.
        trials: u32,
        /// Answers of that attempt.
        mats: u32,
    },
    /// A repetition could not be finished.
    TurnFailed {
        /// The cell.
        cell: CellId,
        /// The repetition.
        rep: u32,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        why: String,
    },
    /// Something a reader of the run should know.
    Note {
        /// What.
        text: String,
    },
}

impl Entry {
    /// What makes it unfit to be written or believed.
    pub(super) fn flaw(&self) -> Option<String> {
        match self {
            Entry::Trial { trial } => trial_flaw(trial),
            Entry::Mat { mat, .. } => {
                let numbers = [mat.mat.mat_per_s, mat.mat.utilisation];
                let ends = mat.mat.ci95.iter().flatten().copied();
                schema_flaw(mat.schema)
                    .or_else(|| cell_flaw(&mat.cell))
                    .or_else(|| numbers_flaw("the MAT", numbers.into_iter().flatten().chain(ends)))
                    .or_else(|| quantiles_flaw("latency_ns", &mat.mat.latency_ns))
            }
            Entry::Capacity { capacity } => capacity_flaw(capacity),
            Entry::TurnDone { cell, .. } | Entry::TurnFailed { cell, .. } => cell_flaw(cell),
            Entry::Note { .. } => None,
        }
    }
}

fn schema_flaw(schema: u32) -> Option<String> {
    (schema != SCHEMA).then(|| format!("schema {schema}, not {SCHEMA}"))
}

fn cell_flaw(cell: &CellId) -> Option<String> {
    check_cell_id(cell).err().map(|problem| problem.seen)
}

/// A cell's name is part of file names, so it may hold nothing that leads elsewhere.
///
/// # Errors
/// When it is empty, longer than 200 bytes, starts with a dot or holds anything but `A-Z a-z 0-9 . _ - + =`.
pub(super) fn check_cell_id(cell: &CellId) -> Result<(), Problem> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+=".contains(&byte);
    let name = &cell.0;
    if !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && !name.contains("..") && name.bytes().all(safe)
    {
        return Ok(());
    }
    let shown = corecurve_core::problem::printable(name);
    Err(Problem::new(format!("`{shown}` cannot be a cell's name"))
        .help("a cell's name is part of file names: letters, digits and `._-+=`, at most 200"))
}

/// Every number finite and not negative.
fn numbers_flaw(what: &str, numbers: impl IntoIterator<Item = f64>) -> Option<String> {
    let bad = numbers.into_iter().find(|n| !n.is_finite() || *n < 0.0)?;
    Some(format!("{what} holds {bad}"))
}

fn capacity_flaw(capacity: &CapacityRecord) -> Option<String> {
    let rates = [capacity.g_max_per_s, capacity.per_core_per_s, capacity.window_s, capacity.load_busy];
    let numbers = rates.into_iter().chain(capacity.range_per_s).chain(capacity.server_busy);
    schema_flaw(capacity.schema)
        .or_else(|| cell_flaw(&capacity.cell))
        .or_else(|| numbers_flaw("a capacity", numbers))
        .or_else(|| {
            let nothing = capacity.valid && (capacity.per_core_per_s <= 0.0 || capacity.load_cores == 0);
            nothing.then(|| "a valid capacity of nothing".to_owned())
        })
}

/// More workers than any server has, or counts whose sum would not fit.
fn shares_flaw(shares: &Shares) -> Option<String> {
    let Shares::Told(told) = shares else { return None };
    let counts = told.workers.iter().flat_map(|w| [w.connections_open, w.connections_accepted, w.requests]);
    let numbers = told.workers.iter().map(|worker| worker.busy).chain([told.span_s]);
    let many = told.workers.len() > MOST_WORKERS || counts.max().is_some_and(|count| count > MOST_COUNTED);
    many.then(|| "counts per worker that no server has".to_owned()).or_else(|| numbers_flaw("the shares", numbers))
}

fn trial_flaw(trial: &TrialRecord) -> Option<String> {
    let rates = [trial.offered_per_s, trial.sent_per_s, trial.achieved_per_s, trial.window_s, trial.warmup_s];
    let shares = [trial.utilisation, trial.generator_busy, trial.load_cpu_s];
    let names = [&trial.target, &trial.workload, &trial.placement];
    let quantiles =
        [("latency_ns", &trial.latency_ns), ("service_ns", &trial.service_ns), ("send_lag_ns", &trial.send_lag_ns)];
    schema_flaw(trial.schema)
        .or_else(|| cell_flaw(&trial.cell))
        .or_else(|| names.iter().any(|name| name.len() > 4_096).then(|| "a name is longer than 4096 bytes".to_owned()))
        .or_else(|| numbers_flaw("a rate or time", rates))
        .or_else(|| numbers_flaw("a share", shares.into_iter().flatten()))
        .or_else(|| {
            let late =
                trial.adherence.is_some_and(|kept| kept.on_time > kept.free || kept.free > trial.counts.scheduled);
            late.then(|| "more on time than due".to_owned())
        })
        .or_else(|| trial.shares.as_ref().and_then(shares_flaw))
        .or_else(|| (!balanced(trial)).then(|| "the books do not balance".to_owned()))
        .or_else(|| quantiles.into_iter().find_map(|(name, quantiles)| quantiles_flaw(name, quantiles)))
        .or_else(|| {
            trial
                .limits
                .iter()
                .any(|l| l.over > trial.counts.scheduled)
                .then(|| "more over a limit than due".to_owned())
        })
        .or_else(|| trial.intervals.iter().find_map(|interval| interval_flaw(interval, trial.limits.len())))
}

/// The books balance and no sum overflows: a hostile file may hold any number.
fn balanced(trial: &TrialRecord) -> bool {
    let counts = &trial.counts;
    let sum = |numbers: &[u64]| numbers.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
    let errors: Vec<u64> = counts.errors.values().copied().collect();
    let Some(failed) = sum(&errors) else { return false };
    sum(&[counts.sent, counts.never_sent]) == Some(counts.scheduled)
        && sum(&[counts.ok, failed, counts.unanswered]) == Some(counts.sent)
}

fn interval_flaw(interval: &Interval, limits: usize) -> Option<String> {
    let numbers = [Some(interval.start_s), Some(interval.length_s), interval.mean_ns];
    let wrong = interval.ok > interval.scheduled || interval.over.iter().any(|over| *over > interval.scheduled);
    numbers_flaw("an interval", numbers.into_iter().flatten())
        .or_else(|| {
            (interval.over.len() != limits).then(|| "an interval counts other limits than the trial".to_owned())
        })
        .or_else(|| wrong.then(|| "an interval counts more than were due in it".to_owned()))
}

/// Percentiles rise, with +∞ above every time.
fn quantiles_flaw(name: &str, quantiles: &Quantiles) -> Option<String> {
    let stated = [quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p999, quantiles.max];
    let heights: Vec<Nanos> = stated
        .into_iter()
        .filter_map(|quantile| match quantile {
            Quantile::At(value) => Some(value),
            Quantile::Beyond => Some(Nanos::MAX),
            Quantile::Unstated => None,
        })
        .collect();
    numbers_flaw(name, quantiles.mean)
        .or_else(|| (!heights.is_sorted()).then(|| format!("the percentiles of {name} do not rise")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use corecurve_core::record::LimitCount;
    use corecurve_core::{
        ArrivalKind, Counts, CpuId, Dealing, ErrorClass, Purpose, Reason, Rule, Shares, WorkerShare, WorkerShares,
    };

    /// A trial with something in every field, different for every number.
    pub fn trial(cell: &str, rep: u32, attempt: u32, number: u32) -> TrialRecord {
        let mut counts =
            Counts { scheduled: 1_000, sent: 990, never_sent: 10, ok: 980, unanswered: 3, ..Counts::default() };
        counts.fail(ErrorClass::Reset, 7);
        let at = |ns: u64| Quantile::At(Nanos(ns + u64::from(number)));
        let quantiles = Quantiles {
            p50: at(61_000),
            p90: at(120_000),
            p99: at(1_240_000),
            p999: Quantile::Unstated,
            max: Quantile::Beyond,
            mean: Some(70_123.456_789_012_3 + f64::from(number)),
            count: 1_000,
        };
        let interval = Interval {
            start_s: 0.1 + 0.2,
            length_s: 1.0,
            scheduled: 500,
            ok: 490,
            over: vec![5],
            mean_ns: Some(1.0 / 3.0),
            p99_ns: Some(Nanos(5)),
            in_flight: 2,
        };
        let worker = WorkerShare { cpu: Some(CpuId(3)), requests: 7, busy: 2.0 / 3.0, ..WorkerShare::default() };
        let shares = Shares::Told(WorkerShares { dealing: Dealing::Race, span_s: 2.0 / 3.0, workers: vec![worker] });
        TrialRecord {
            schema: SCHEMA,
            cell: CellId(cell.to_owned()),
            rep,
            attempt,
            trial: number,
            purpose: Purpose::Search,
            target: "nginx".to_owned(),
            workload: "plaintext".to_owned(),
            placement: "compact".to_owned(),
            cores: 2,
            load_cores: 1,
            arrival: ArrivalKind::Burst(8),
            connections: 64,
            transport: None,
            network: None,
            seed: u64::MAX - u64::from(number),
            schedule_sha256: "ab".repeat(32),
            offered_per_s: 1e5 / 3.0,
            sent_per_s: 33_000.1,
            achieved_per_s: 32_999.9,
            counts,
            window_s: 2.0,
            warmup_s: 0.3,
            latency_ns: quantiles,
            service_ns: quantiles,
            send_lag_ns: Quantiles::default(),
            limits: vec![LimitCount { limit_ns: Nanos(5_000_000), over: 20 }],
            intervals: vec![interval.clone(), interval],
            utilisation: Some(0.1 * 7.0),
            generator_busy: None,
            load_cpu_s: None,
            adherence: None,
            replay: None,
            counters: None,
            shares: Some(shares),
            valid: false,
            invalid_reasons: vec![Reason::new(Rule::Steal, "1.7 % \u{1b}[31m </script> \" \\ ∞")],
            caveats: vec!["shared cores".to_owned()],
        }
    }

    #[test]
    fn a_sound_trial_has_no_flaw_and_reads_back_bit_for_bit() {
        let entry = Entry::Trial { trial: Box::new(trial("00-a", 0, 0, 3)) };
        assert_eq!(entry.flaw(), None);
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    fn told(trial: &mut TrialRecord) -> &mut WorkerShares {
        let Some(Shares::Told(told)) = &mut trial.shares else { panic!("the sample tells") };
        told
    }

    #[test]
    fn every_flaw_is_seen() {
        type Spoil = fn(&mut TrialRecord);
        let cases: [(&str, Spoil); 14] = [
            ("schema", |t| t.schema = 2),
            ("cell", |t| t.cell = CellId("../x".into())),
            ("inf", |t| t.offered_per_s = f64::INFINITY),
            ("NaN", |t| t.utilisation = Some(f64::NAN)),
            ("-1", |t| t.window_s = -1.0),
            ("balance", |t| t.counts.ok += 1),
            ("balance", |t| {
                t.counts.sent = u64::MAX;
                t.counts.never_sent = 1_001;
            }),
            ("rise", |t| t.latency_ns.p50 = Quantile::Beyond),
            ("over a limit", |t| t.limits[0].over = 1_001),
            ("interval", |t| t.intervals[1].over.clear()),
            ("interval", |t| t.intervals[0].ok = 501),
            ("no server has", |t| told(t).workers[0].requests = u64::MAX),
            ("NaN", |t| told(t).workers[0].busy = f64::NAN),
            ("longer", |t| t.target = "x".repeat(1 << 20)),
        ];
        for (token, spoil) in cases {
            let mut spoilt = trial("00-a", 0, 0, 0);
            spoil(&mut spoilt);
            let flaw = Entry::Trial { trial: Box::new(spoilt) }.flaw();
            assert!(flaw.as_ref().is_some_and(|flaw| flaw.contains(token)), "{token}: {flaw:?}");
        }
    }

    #[test]
    fn cell_names_lead_nowhere() {
        for name in ["", "a/b", "..", "a..b", ".hidden", "a\0b", "a b", "ä", "a\n", &"x".repeat(201)] {
            assert!(check_cell_id(&CellId(name.to_owned())).is_err(), "{name:?}");
        }
        for name in ["03-nginx-plaintext-compact-4", "a.b_c=1"] {
            assert!(check_cell_id(&CellId(name.to_owned())).is_ok(), "{name}");
        }
    }
}
