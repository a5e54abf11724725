//! Each worker's share of connections and requests against what chance gives.
//!
//! Where a hash deals connections out, uneven shares are to be expected, and few connections make them very uneven: that
//! bounds what any server of that kind can carry, and says nothing against this one. Shares that chance does not give are
//! another matter: something steers.

use std::collections::BTreeMap;

use corecurve_core::{CellId, Dealing, Purpose, Shares, Slo, TrialRecord, WorkerShare, WorkerShares};
use serde::{Deserialize, Serialize};

use super::types::{CellFinding, MatFinding};
use crate::stats::Envelope;

/// What the shares of one trial say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareVerdict {
    /// Connections are dealt evenly by design, and were.
    Even,
    /// Chance deals like this: luck of the hash.
    Inside,
    /// Chance does not deal like this: something steers connections.
    Outside,
    /// Connections are dealt as chance does, requests are not: some connections carry far more than others, or a worker is so late
    /// with its answers that its connections are seldom free.
    UnevenRequests,
    /// There is nothing to judge, or nothing is known.
    NotJudged,
}

impl ShareVerdict {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            ShareVerdict::Even => "even",
            ShareVerdict::Inside => "inside",
            ShareVerdict::Outside => "outside",
            ShareVerdict::UnevenRequests => "uneven-requests",
            ShareVerdict::NotJudged => "not-judged",
        }
    }
}

/// The shares of a cell's workers at one objective, or at its given rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareFinding {
    /// The cell.
    pub cell: CellId,
    /// The objective at whose MAT they were seen; `None` of a cell that was no search.
    pub slo: Option<Slo>,
    /// Repetition of the trial they are from.
    pub rep: u32,
    /// The trial: the valid one that was offered most, but no more than the MAT.
    pub trial: u32,
    /// What it says.
    #[serde(flatten)]
    pub judged: JudgedShares,
    /// Of the cell's valid trials that can be judged, how many are outside. Each deals anew; chance alone puts one in twenty there.
    pub outside: [u32; 2],
}

/// The shares of one trial, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedShares {
    /// The verdict.
    pub verdict: ShareVerdict,
    /// How connections get their worker, where it is known.
    pub dealing: Option<Dealing>,
    /// Connections that were dealt: those that were open, or if more, those accepted during the trial.
    pub dealt: u64,
    /// Largest and smallest share of connections and requests; `None` where none is known.
    pub connections: Option<Spread>,
    /// Of requests.
    pub requests: Option<Spread>,
    /// What chance keeps every worker's share between, in 95 of 100 dealings of so many connections.
    pub chance: Option<[f64; 2]>,
    /// Each worker's row.
    pub workers: Vec<WorkerShare>,
    /// All this in a sentence or two.
    pub words: String,
}

/// The ends of a set of shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest, 0 to 1.
    pub smallest: f64,
    /// The largest, 0 to 1.
    pub largest: f64,
}

impl Spread {
    fn of(counts: &[u64]) -> Option<Spread> {
        let all = counts.iter().sum::<u64>() as f64;
        let (low, high) = (counts.iter().min()?, counts.iter().max()?);
        (all > 0.0).then(|| Spread { smallest: *low as f64 / all, largest: *high as f64 / all })
    }

    fn is_within(self, envelope: &Envelope) -> bool {
        envelope.holds(self.smallest) && envelope.holds(self.largest)
    }
}

/// Connections dealt to each worker: those it had open, or those it accepted during the trial if all together these are more.
fn dealt(workers: &[WorkerShare]) -> Vec<u64> {
    let open: Vec<u64> = workers.iter().map(|worker| worker.connections_open).collect();
    let accepted: Vec<u64> = workers.iter().map(|worker| worker.connections_accepted).collect();
    if accepted.iter().sum::<u64>() > open.iter().sum() { accepted } else { open }
}

/// Each worker's share of connections and of requests, 0 to 1; empty where there were none.
pub fn shares_of(judged: &JudgedShares) -> (Vec<f64>, Vec<f64>) {
    let share = |counts: Vec<u64>| -> Vec<f64> {
        let all = counts.iter().sum::<u64>() as f64;
        if all > 0.0 { counts.into_iter().map(|count| count as f64 / all).collect() } else { Vec::new() }
    };
    (share(dealt(&judged.workers)), share(judged.workers.iter().map(|worker| worker.requests).collect()))
}

/// Judges the shares of a trial; `None` if its record has none.
pub fn judge(trial: &TrialRecord) -> Option<JudgedShares> {
    judge_with(trial, &mut BTreeMap::new())
}

type Envelopes = BTreeMap<(usize, u64), Option<Envelope>>;

fn judge_with(trial: &TrialRecord, known: &mut Envelopes) -> Option<JudgedShares> {
    match trial.shares.as_ref()? {
        Shares::Unknown { unknown } => Some(JudgedShares {
            verdict: ShareVerdict::NotJudged,
            dealing: None,
            dealt: 0,
            connections: None,
            requests: None,
            chance: None,
            workers: Vec::new(),
            words: format!("shares of workers are not known: {unknown}"),
        }),
        Shares::Told(told) => Some(told_shares(told, known)),
    }
}

fn told_shares(told: &WorkerShares, known: &mut Envelopes) -> JudgedShares {
    let counts = dealt(&told.workers);
    let requests: Vec<u64> = told.workers.iter().map(|worker| worker.requests).collect();
    let (workers, all) = (counts.len(), counts.iter().sum());
    let judged = told.dealing != Dealing::AnyWorker && workers > 1;
    let envelope =
        if judged { *known.entry((workers, all)).or_insert_with(|| Envelope::of(workers, all)) } else { None };
    let mut found = JudgedShares {
        verdict: ShareVerdict::NotJudged,
        dealing: Some(told.dealing),
        dealt: all,
        connections: Spread::of(&counts),
        requests: Spread::of(&requests),
        chance: envelope.map(|envelope| [envelope.smallest, envelope.largest]),
        workers: told.workers.clone(),
        words: String::new(),
    };
    if let Some(envelope) = &envelope {
        let within = |spread: Option<Spread>| spread.is_none_or(|spread| spread.is_within(envelope));
        found.verdict = match (within(found.connections), within(found.requests)) {
            (false, _) => ShareVerdict::Outside,
            (true, false) => ShareVerdict::UnevenRequests,
            (true, true) if told.dealing == Dealing::HandOff => ShareVerdict::Even,
            (true, true) => ShareVerdict::Inside,
        };
    }
    found.words = found.in_words();
    found
}

impl JudgedShares {
    fn in_words(&self) -> String {
        let workers = self.workers.len();
        if workers <= 1 {
            return "one worker has all connections and requests".to_owned();
        }
        let of = |spread: Option<Spread>, what: &str| {
            spread.map_or_else(|| format!("no {what}"), |spread| format!("{} of {what}", percent(spread.largest)))
        };
        let largest = format!(
            "the largest of {workers} workers has {} and {}",
            of(self.connections, &format!("{} connections", self.dealt)),
            of(self.requests, "requests")
        );
        match self.chance {
            Some([low, high]) => format!(
                "{largest}; chance keeps every share between {} and {} in 95 of 100: {}",
                percent(low),
                percent(high),
                self.meaning()
            ),
            None => format!("{largest}; {}", self.meaning()),
        }
    }

    /// What the verdict means here, in words.
    pub fn meaning(&self) -> &'static str {
        match (self.verdict, self.dealing) {
            (ShareVerdict::Even, _) => "even, by hand-off",
            (ShareVerdict::Inside, Some(Dealing::Hash)) => {
                "inside, as a hash deals; more connections are dealt more evenly"
            }
            (ShareVerdict::Inside, _) => "inside what chance gives",
            (ShareVerdict::Outside, Some(Dealing::Race)) => {
                "outside, connections are steered: some workers win the race for them"
            }
            (ShareVerdict::Outside, Some(Dealing::ReceivingCpu)) => {
                "outside, connections are steered by the CPUs that receive"
            }
            (ShareVerdict::Outside, _) => "outside, connections are steered",
            (ShareVerdict::UnevenRequests, _) => {
                "connections inside, requests outside: some connections carry far more than others, or a worker answers late"
            }
            (ShareVerdict::NotJudged, Some(Dealing::AnyWorker)) => {
                "not judged: connections have no worker of their own"
            }
            (ShareVerdict::NotJudged, Some(_)) if self.workers.len() <= 1 => "one worker, nothing to share",
            (ShareVerdict::NotJudged, Some(_)) => "not judged: no connection was seen",
            (ShareVerdict::NotJudged, None) => "not known",
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The shares at every MAT and given rate of a run, in the plan's order. Those that chance does not give become a caveat of the
/// number they were seen at.
pub(super) fn shares(cells: &mut [CellFinding]) -> Vec<ShareFinding> {
    let mut known = Envelopes::new();
    let mut found = Vec::new();
    for cell in cells {
        let valid: Vec<&TrialRecord> = cell.trials.iter().filter(|trial| trial.valid).collect();
        let outside = tally(&valid, &mut known);
        let mut at = |slo: Option<Slo>, trial: Option<&TrialRecord>| {
            let trial = trial?;
            let judged = judge_with(trial, &mut known)?;
            let (cell, rep, trial) = (cell.cell.id.clone(), trial.rep, trial.trial);
            Some(ShareFinding { cell, slo, rep, trial, judged, outside })
        };
        let seen: Vec<Option<ShareFinding>> = match cell.mats.as_slice() {
            [] => vec![at(None, valid.last().copied())],
            mats => mats.iter().map(|mat| at(Some(mat.slo), nearest(&cell.trials, mat))).collect(),
        };
        match cell.mats.is_empty() {
            true => cell.caveats.extend(seen.iter().flatten().filter_map(ShareFinding::caveat)),
            false => cell.mats.iter_mut().zip(&seen).for_each(|(mat, seen)| {
                mat.caveats.extend(seen.as_ref().and_then(ShareFinding::caveat));
            }),
        }
        found.extend(seen.into_iter().flatten());
    }
    found
}

/// The valid trial with the highest offered rate not above a usable MAT.
pub fn nearest<'a>(trials: &'a [TrialRecord], mat: &MatFinding) -> Option<&'a TrialRecord> {
    let rate = mat.mat_per_s.filter(|_| mat.valid)?;
    // A profiled trial is slower by what looking costs.
    let usable = trials.iter().filter(|trial| trial.valid && trial.purpose != Purpose::Profile);
    let below = usable.filter(|trial| trial.offered_per_s <= rate * 1.0001);
    below.max_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s))
}

/// How many of these trials are outside, and how many can be judged.
fn tally(trials: &[&TrialRecord], known: &mut Envelopes) -> [u32; 2] {
    let verdicts = trials.iter().filter_map(|trial| Some(judge_with(trial, known)?.verdict));
    verdicts
        .filter(|verdict| *verdict != ShareVerdict::NotJudged)
        .fold([0, 0], |[outside, all], verdict| [outside + u32::from(verdict == ShareVerdict::Outside), all + 1])
}

impl ShareFinding {
    /// What must travel with the number.
    fn caveat(&self) -> Option<String> {
        let [outside, all] = self.outside;
        (self.judged.verdict == ShareVerdict::Outside)
            .then(|| format!("worker-shares: {} (so in {outside} of {all} trials)", self.judged.words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::analyse;
    use crate::findings::testing::{answer, cell, run, trial};

    fn told(dealing: Dealing, rows: &[(u64, u64, u64)]) -> Shares {
        let row = |(worker, &(connections_open, connections_accepted, requests))| WorkerShare {
            worker,
            connections_open,
            connections_accepted,
            requests,
            ..WorkerShare::default()
        };
        let workers = rows.iter().enumerate().map(row).collect();
        Shares::Told(WorkerShares { dealing, span_s: 1.0, workers })
    }

    fn judged(shares: Shares) -> JudgedShares {
        let mut record = trial(&cell("a", "x", 2, false), 0, 1.0);
        record.shares = Some(shares);
        judge(&record).unwrap()
    }

    #[test]
    fn verdicts_follow_connections_then_requests_then_design() {
        let even = [(32, 0, 500), (32, 0, 500)];
        let all_on_one = [(0, 0, 0), (64, 0, 1_000)];
        for (dealing, rows, verdict, words) in [
            (Dealing::Hash, even, ShareVerdict::Inside, "as a hash deals"),
            (Dealing::Race, even, ShareVerdict::Inside, "what chance gives"),
            (Dealing::HandOff, even, ShareVerdict::Even, "even, by hand-off"),
            (Dealing::Race, all_on_one, ShareVerdict::Outside, "win the race"),
            (Dealing::ReceivingCpu, all_on_one, ShareVerdict::Outside, "CPUs that receive"),
            (Dealing::HandOff, all_on_one, ShareVerdict::Outside, "are steered"),
            (Dealing::AnyWorker, all_on_one, ShareVerdict::NotJudged, "no worker of their own"),
            (Dealing::Hash, [(32, 0, 900), (32, 0, 100)], ShareVerdict::UnevenRequests, "carry far more"),
            // Reconnecting: 9 000 of 10 000 is no luck, though those open at the start were even.
            (Dealing::Hash, [(4, 1_000, 500), (4, 9_000, 500)], ShareVerdict::Outside, "of 10000 connections"),
            (Dealing::Hash, [(0, 0, 0), (0, 0, 0)], ShareVerdict::NotJudged, "no connection was seen"),
            // Of two connections chance puts both on one worker every other time.
            (Dealing::Hash, [(2, 0, 10), (0, 0, 0)], ShareVerdict::Inside, "between 0 % and 100 %"),
        ] {
            let found = judged(told(dealing, &rows));
            assert_eq!(found.verdict, verdict, "{dealing:?} {rows:?}");
            assert!(found.words.contains(words), "{words}: {}", found.words);
        }
    }

    #[test]
    fn figures_are_shares_and_the_envelope_that_of_the_connections() {
        let found = judged(told(Dealing::Race, &[(16, 0, 300), (48, 3, 700)]));
        assert_eq!(found.connections, Some(Spread { smallest: 0.25, largest: 0.75 }));
        assert_eq!(found.requests, Some(Spread { smallest: 0.3, largest: 0.7 }));
        // P(|Bin(64, ½) − 32| ≥ 9) is 3.3 %, ≥ 10 is 1.7 %: each bound lets 2.5 % through.
        assert_eq!(found.chance, Some([23.0 / 64.0, 41.0 / 64.0]));
        assert!(
            found.words.starts_with("the largest of 2 workers has 75 % of 64 connections and 70 % of requests; chance")
        );
    }

    #[test]
    fn one_worker_and_silence_are_not_judged() {
        let alone = judged(told(Dealing::Race, &[(9, 0, 9)]));
        assert_eq!((alone.verdict, alone.chance), (ShareVerdict::NotJudged, None));
        let silent = judged(Shares::unknown("the target does not tell counts per worker"));
        assert_eq!((silent.verdict, silent.connections), (ShareVerdict::NotJudged, None));
        assert!(silent.words.contains("does not tell"));
        assert_eq!(judge(&trial(&cell("a", "x", 2, false), 0, 1.0)), None);
    }

    #[test]
    fn shares_outside_travel_with_the_mat_they_were_seen_at() {
        let one = cell("a", "x", 2, false);
        let mut data = run(vec![one.clone()], vec![answer(&one, 0, 1_000.0, 0.01)]);
        let shares = [[(64, 0, 9), (0, 0, 0)], [(30, 0, 9), (34, 0, 9)], [(60, 0, 9), (4, 0, 0)]];
        for (number, (rate, rows)) in [500.0, 2_000.0, 990.0].into_iter().zip(shares).enumerate() {
            let mut record = trial(&one, number as u32, rate);
            record.shares = Some(told(Dealing::Race, &rows));
            data.trials.push(record);
        }
        let findings = analyse(&data);
        let [found] = findings.shares.as_slice() else { panic!("{:?}", findings.shares) };
        assert_eq!((found.trial, found.judged.verdict, found.outside), (2, ShareVerdict::Outside, [2, 3]));
        let caveat = findings.cells[0].mats[0].caveats.iter().find(|caveat| caveat.starts_with("worker-shares"));
        assert!(caveat.unwrap().ends_with("(so in 2 of 3 trials)"), "{caveat:?}");
        data.trials[2].shares = Some(told(Dealing::Race, &[(30, 0, 9), (34, 0, 9)]));
        let findings = analyse(&data);
        assert_eq!(findings.shares[0].judged.verdict, ShareVerdict::Inside);
        assert!(findings.cells[0].mats[0].caveats.iter().all(|caveat| !caveat.starts_with("worker-shares")));
    }
}
