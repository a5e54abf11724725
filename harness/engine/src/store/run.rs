//! A run directory read back: plain values, checked, with everything that was not believed noted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use corecurve_core::{CapacityRecord, CellId, MatRecord, Plan, Problem, Profile, SCHEMA, TrialRecord, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::{Entry, check_cell_id};
use super::files::read_text;
use super::journal::{self, Contents, JOURNAL};

/// Largest `spec.toml`, `plan.json` or `machine.json` read.
const FILE_LIMIT: u64 = 256 << 20;

/// What a run directory holds.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// The directory.
    pub dir: PathBuf,
    /// The run's short name.
    pub slug: String,
    /// The command line that made it, one element per argument.
    pub command: Vec<String>,
    /// When it started, RFC 3339, UTC.
    pub started: Option<String>,
    /// Version of corecurve that began it.
    pub version: String,
    /// `machine.json`.
    pub machine: Value,
    /// `spec.toml`.
    pub spec_toml: String,
    /// `plan.json`.
    pub plan: Plan,
    /// Trials of finished repetitions and of those that failed for good, in the order they ended.
    pub trials: Vec<TrialRecord>,
    /// Trials of attempts that were interrupted: kept, and part of no finding.
    pub unused: Vec<TrialRecord>,
    /// What the generator itself can do, by workload, transport and load cores.
    pub capacities: Vec<CapacityRecord>,
    /// Where the target's time went, of those trials that were profiled.
    pub profiles: Vec<Profile>,
    /// The answers of finished repetitions.
    pub mats: Vec<MatRecord>,
    /// Finished repetitions, in the order they were finished.
    pub done: Vec<Turn>,
    /// Repetitions that could not be finished and were not finished later either.
    pub failed: Vec<Failure>,
    /// What a reader should know: notes of the run, damaged and partial records, repetitions that failed.
    pub notes: Vec<String>,
    /// For each repetition with records, the attempt that would come next.
    pub(super) next_attempts: BTreeMap<Key, u32>,
}

/// A repetition that could not be finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The repetition.
    pub turn: Turn,
    /// The attempt that failed last.
    pub attempt: u32,
    /// Why.
    pub why: String,
}

/// A repetition, as an index.
pub(super) type Key = (usize, u32);

/// What the store adds to `machine.json`, under `run`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    pub slug: String,
    pub command: Vec<String>,
    pub started: Option<String>,
    pub version: String,
}

/// Reads a run directory, finished or not, in use or not. Changes nothing.
///
/// # Errors
/// When it is no run directory, cannot be read, or was written by a newer version. Damaged records are no error:
/// they are skipped and noted.
pub fn read_run(dir: &Path) -> Result<StoredRun, Problem> {
    read(dir).map(|(run, _)| run)
}

/// [`read_run`], with the journal as it stands.
pub(super) fn read(dir: &Path) -> Result<(StoredRun, Contents), Problem> {
    let spec_toml = read_text(&dir.join("spec.toml"), FILE_LIMIT)?;
    let plan = read_plan(dir)?;
    let machine: Value = read_json(dir, "machine.json")?;
    let origin: Origin =
        machine.get("run").and_then(|run| serde_json::from_value(run.clone()).ok()).unwrap_or_default();
    let contents = journal::read(&dir.join(JOURNAL))?;
    let mut sorted = Sorted { notes: contents.notes.clone(), ..Sorted::default() };
    let cells: BTreeMap<&CellId, usize> = plan.cells.iter().enumerate().map(|(at, cell)| (&cell.id, at)).collect();
    for entry in &contents.entries {
        sorted.take(entry, &cells, &plan);
    }
    let mut run = StoredRun {
        dir: dir.to_owned(),
        slug: origin.slug,
        command: origin.command,
        started: origin.started,
        version: origin.version,
        machine,
        spec_toml,
        trials: Vec::new(),
        unused: Vec::new(),
        capacities: Vec::new(),
        profiles: Vec::new(),
        mats: Vec::new(),
        done: Vec::new(),
        failed: Vec::new(),
        notes: Vec::new(),
        next_attempts: BTreeMap::new(),
        plan,
    };
    sorted.settle(&mut run);
    run.profiles = super::profiles::read(dir, &run.trials, &mut run.notes);
    Ok((run, contents))
}

fn read_json<T: for<'a> Deserialize<'a>>(dir: &Path, name: &str) -> Result<T, Problem> {
    let text = read_text(&dir.join(name), FILE_LIMIT)?;
    serde_json::from_str(&text).map_err(|e| {
        let shown = corecurve_core::problem::printable(&e.to_string());
        Problem::new(format!("{name} of {} is damaged: {shown}", dir.display()))
            .help("without it the records mean nothing; restore it from a copy of the run")
    })
}

fn read_plan(dir: &Path) -> Result<Plan, Problem> {
    #[derive(Deserialize)]
    struct Version {
        schema: u64,
    }
    let version: Version = read_json(dir, "plan.json")?;
    if version.schema > u64::from(SCHEMA) {
        return Err(journal::newer(version.schema));
    }
    let plan: Plan = read_json(dir, "plan.json")?;
    check_plan(&plan).map_err(|problem| problem.at(format!("plan.json of {}", dir.display())))?;
    Ok(plan)
}

/// Names unique and safe, and an order that only names cells there are.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check_plan(plan: &Plan) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    for cell in &plan.cells {
        check_cell_id(&cell.id)?;
        if !names.insert(&cell.id) {
            return Err(Problem::new(format!("two cells are called `{}`", cell.id)));
        }
    }
    let mut turns = BTreeSet::new();
    for turn in &plan.order {
        if turn.cell >= plan.cells.len() || !turns.insert((turn.cell, turn.rep)) {
            return Err(Problem::new(format!(
                "the order names cell {} repetition {} wrongly or twice",
                turn.cell, turn.rep
            )));
        }
    }
    Ok(())
}

/// The records of one attempt.
#[derive(Default)]
struct Attempt {
    trials: BTreeMap<u32, (usize, TrialRecord)>,
    mats: BTreeMap<u32, (usize, MatRecord)>,
    done: Option<(usize, u32, u32)>,
    failed: Option<(usize, String)>,
}

/// The journal, sorted by repetition and attempt.
#[derive(Default)]
struct Sorted {
    attempts: BTreeMap<Key, BTreeMap<u32, Attempt>>,
    capacities: Vec<CapacityRecord>,
    notes: Vec<String>,
    position: usize,
}

impl Sorted {
    fn take(&mut self, entry: &Entry, cells: &BTreeMap<&CellId, usize>, plan: &Plan) {
        self.position += 1;
        let at = self.position;
        let (cell, rep, attempt) = match entry {
            Entry::Trial { trial } => (&trial.cell, trial.rep, trial.attempt),
            Entry::Mat { attempt, mat, .. } => (&mat.cell, mat.rep, *attempt),
            Entry::TurnDone { cell, rep, attempt, .. } | Entry::TurnFailed { cell, rep, attempt, .. } => {
                (cell, *rep, *attempt)
            }
            Entry::Capacity { capacity } => return self.take_capacity(capacity, cells),
            Entry::Note { text } => return self.notes.push(corecurve_core::problem::printable(text)),
        };
        let known = cells.get(cell).filter(|cell| plan.order.contains(&Turn { cell: **cell, rep }));
        let Some(key) = known.map(|cell| (*cell, rep)) else {
            return self.notes.push(format!("a record of `{cell}` repetition {rep} skipped: the plan has no such one"));
        };
        let slot = self.attempts.entry(key).or_default().entry(attempt).or_default();
        let doubled = match entry {
            Entry::Trial { trial } => !insert_new(&mut slot.trials, trial.trial, (at, (**trial).clone())),
            Entry::Mat { slo, mat, .. } => !insert_new(&mut slot.mats, *slo, (at, (**mat).clone())),
            Entry::TurnDone { trials, mats, .. } => !set_new(&mut slot.done, (at, *trials, *mats)),
            Entry::TurnFailed { why, .. } => !set_new(&mut slot.failed, (at, corecurve_core::problem::printable(why))),
            Entry::Capacity { .. } | Entry::Note { .. } => false,
        };
        if doubled {
            self.notes.push(format!(
                "a second record of `{cell}` repetition {rep} attempt {attempt} skipped: the first counts"
            ));
        }
    }

    /// One for each cell that stands for others; the first counts.
    fn take_capacity(&mut self, capacity: &CapacityRecord, cells: &BTreeMap<&CellId, usize>) {
        let doubled = self.capacities.iter().any(|known| known.cell == capacity.cell);
        match cells.contains_key(&capacity.cell) && !doubled {
            true => self.capacities.push(capacity.clone()),
            false => self.notes.push(format!("a capacity of `{}` skipped: a second one, or of no cell", capacity.cell)),
        }
    }

    fn settle(self, run: &mut StoredRun) {
        run.notes = self.notes;
        run.capacities = self.capacities;
        let (mut trials, mut unused, mut mats, mut done) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((cell, rep), attempts) in self.attempts {
            let turn = Turn { cell, rep };
            let id = &run.plan.cells[cell].id;
            let last = attempts.keys().next_back().copied().unwrap_or(0);
            run.next_attempts.insert((cell, rep), last.saturating_add(1));
            let finished = attempts.iter().rev().find_map(|(number, attempt)| {
                let (at, trials, mats) = attempt.done?;
                if attempt.trials.len() == trials as usize && attempt.mats.len() == mats as usize {
                    return Some((*number, at));
                }
                run.notes.push(format!("`{id}` repetition {rep} lost records to damage and counts as unfinished"));
                None
            });
            let kept = finished.map(|(number, at)| {
                done.push((at, turn));
                number
            });
            for (number, attempt) in attempts {
                let failed_last = kept.is_none() && number == last && attempt.failed.is_some();
                if let Some((_, why)) = attempt.failed.filter(|_| failed_last) {
                    run.notes.push(format!("`{id}` repetition {rep} failed: {why}"));
                    run.failed.push(Failure { turn, attempt: number, why });
                }
                let counts = kept == Some(number);
                let pile = if counts || failed_last { &mut trials } else { &mut unused };
                pile.extend(attempt.trials.into_values());
                if counts {
                    mats.extend(attempt.mats.into_values());
                }
            }
        }
        run.trials = in_order(trials);
        run.unused = in_order(unused);
        run.mats = in_order(mats);
        run.done = in_order(done);
    }
}

fn insert_new<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> bool {
    let fresh = !map.contains_key(&key);
    if fresh {
        map.insert(key, value);
    }
    fresh
}

fn set_new<T>(slot: &mut Option<T>, value: T) -> bool {
    let fresh = slot.is_none();
    if fresh {
        *slot = Some(value);
    }
    fresh
}

/// By place in the journal.
fn in_order<T>(mut records: Vec<(usize, T)>) -> Vec<T> {
    records.sort_by_key(|(at, _)| *at);
    records.into_iter().map(|(_, record)| record).collect()
}
