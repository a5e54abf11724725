//! [`execute`]: a plan, from where it was left to its end.

use corecurve_core::{
    CapacityRecord, Cell, Event, Observer, Plan, Problem, Replay, SCHEMA, Search, SearchSettings, Settings, Start,
    Target, Wire,
};
use corecurve_machine::procfs::limits;

use crate::capacity::{CapacityAsk, Effort};
use crate::drive::{Drive, TurnEnd};
use crate::stop::StopFlag;
use crate::store::{Entry, Store};
use crate::trial::{MAX_CONNECTIONS, TraceRow};

/// Makes the workload of each load worker, from its number and its seed.
pub type WorkloadFactory<W> = Box<dyn Fn(usize, u64) -> W + Send + Sync>;

/// Finds the target of a cell.
pub type FindTarget<'a> = &'a dyn Fn(&Cell) -> Result<Box<dyn Target>, Problem>;
/// Finds the workload of a cell.
pub type FindWorkload<'a, W> = &'a dyn Fn(&Cell) -> Result<WorkloadFactory<W>, Problem>;
/// Begins the search of a cell.
pub type BeginSearch<'a> = &'a dyn Fn(&Cell, &SearchSettings) -> Box<dyn Search>;

/// Finds the server that stands for none in a cell.
pub type FindNullServer<'a, W> = &'a dyn Fn(&Cell) -> Result<NullServer<W>, Problem>;

/// A server that has nothing to do, and the workload that asks nothing else of it.
pub struct NullServer<W> {
    /// Its name, for the record.
    pub name: String,
    /// How it is started.
    pub target: Box<dyn Target>,
    /// The workload of each load worker.
    pub workload: WorkloadFactory<W>,
}

impl<W> std::fmt::Debug for NullServer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NullServer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a plan's names stand for. The engine knows no target, workload or search by name.
pub struct Lab<'a, W> {
    /// The target of a cell.
    pub target: FindTarget<'a>,
    /// The workload of a cell, for each load worker.
    pub workload: FindWorkload<'a, W>,
    /// The search of a cell.
    pub search: BeginSearch<'a>,
    /// The null server of a cell, if the plan asks for the generator's capacity.
    pub null_server: FindNullServer<'a, W>,
    /// How the trials of a cell are replayed; `None` for cells that cannot be.
    pub replay: &'a dyn Fn(&Cell) -> Option<Replayer>,
    /// Treat caveats as invalid.
    pub strict: bool,
}

/// Replays a trial from the stamps of its operations.
pub type Replayer = fn(&[TraceRow]) -> Option<Replay>;

impl<W> std::fmt::Debug for Lab<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("strict", &self.strict).finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every repetition was gone through.
    Finished {
        /// Repetitions finished, earlier calls included.
        done: usize,
        /// Repetitions that could not be finished.
        failed: usize,
    },
    /// The user asked to stop. What is finished is saved.
    Interrupted,
}

/// File descriptors beside those of connections: standard streams, journal, guardians, epoll sets, `/proc` files.
const OTHER_FILES: u64 = 64;

/// Goes through the plan's repetitions in their order, those in the store as finished left out, and saves every trial
/// before the next begins. A repetition that fails is noted and the next one begun; `resume` tries it again.
///
/// # Errors
/// When no target could be started at all, when records cannot be saved, or when the limits of this process do not
/// allow the run; what was saved before is safe.
pub fn execute<W: Wire>(
    plan: &Plan,
    store: &mut Store,
    lab: &Lab<'_, W>,
    observer: &mut dyn Observer,
    stop: &StopFlag,
) -> Result<Outcome, Problem> {
    expect_enough_files(plan)?;
    observer.on(&Event::Run {
        schema: SCHEMA,
        dir: store.dir().display().to_string(),
        turns: plan.order.len(),
        finished: store.done().len(),
        seed: plan.seed,
        expected_ns: plan.expected,
    });
    if !measure_capacities(plan, store, lab, observer, stop)? {
        store.log("interrupted");
        return Ok(Outcome::Interrupted);
    }
    let (mut failed, mut trials, mut first_failure) = (0, 0u64, None);
    for (at, turn) in plan.order.iter().copied().enumerate() {
        if store.is_done(turn) {
            continue;
        }
        if stop.requested() {
            store.log("interrupted");
            return Ok(Outcome::Interrupted);
        }
        let Some(cell) = plan.cells.get(turn.cell) else {
            return Err(Problem::new(format!("the plan has no cell {}", turn.cell)));
        };
        let attempt = store.attempt(turn);
        store.log(&format!("{} repetition {} begins, attempt {attempt}", cell.id, turn.rep));
        observer.on(&Event::Turn { cell: cell.id.clone(), rep: turn.rep, position: at + 1, of: plan.order.len() });
        let ended = Drive { plan, store, lab, observer, stop }.turn(turn)?;
        match ended {
            TurnEnd::Done { trials: spent, mats } => {
                store.finish(&cell.id, turn, attempt, spent, mats)?;
                trials += u64::from(spent);
            }
            TurnEnd::Failed { why, trials: spent } => {
                store.fail(&cell.id, turn, attempt, &why.one_line())?;
                store.log(&format!("{} repetition {} failed: {why}", cell.id, turn.rep));
                observer.on(&Event::Failed { cell: cell.id.clone(), rep: turn.rep, why: why.to_string() });
                failed += 1;
                trials += u64::from(spent);
                first_failure = first_failure.or(Some(why));
            }
            TurnEnd::Interrupted => {
                store.log("interrupted");
                return Ok(Outcome::Interrupted);
            }
        }
    }
    store.log("finished");
    match first_failure {
        Some(problem) if trials == 0 && store.done().is_empty() => Err(problem),
        _ => Ok(Outcome::Finished { done: store.done().len(), failed }),
    }
}

/// Measures the capacities the plan asks for and the store does not have; whether the run goes on. One that cannot be
/// measured is noted: answers then stand without it.
fn measure_capacities<W: Wire>(
    plan: &Plan,
    store: &mut Store,
    lab: &Lab<'_, W>,
    observer: &mut dyn Observer,
    stop: &StopFlag,
) -> Result<bool, Problem> {
    for cell in plan.checks.capacity.iter().filter_map(|index| plan.cells.get(*index)) {
        if store.knows_capacity(&cell.id) {
            continue;
        }
        if stop.requested() {
            return Ok(false);
        }
        let measured = capacity_of(plan, cell, store, lab, observer, stop);
        store.clear_scratch();
        match measured {
            // What was interrupted is measured again.
            _ if stop.requested() => return Ok(false),
            Ok(capacity) => {
                store.keep_capacity(&capacity)?;
                observer.on(&Event::Capacity(Box::new(capacity)));
            }
            Err(why) => {
                let text = format!("the generator's capacity for {} is not known: {}", cell.workload, why.one_line());
                store.append(&Entry::Note { text: text.clone() })?;
                observer.on(&Event::Notice { text });
            }
        }
    }
    Ok(true)
}

fn capacity_of<W: Wire>(
    plan: &Plan,
    cell: &Cell,
    store: &Store,
    lab: &Lab<'_, W>,
    observer: &mut dyn Observer,
    stop: &StopFlag,
) -> Result<CapacityRecord, Problem> {
    let server = (lab.null_server)(cell)?;
    let start =
        Start { placed: cell.placed.clone(), seed: plan.seed, settings: Settings::new(), scratch: store.scratch()? };
    let mut progress = |share: f64, doing: &str| observer.progress(share, doing);
    let ask = CapacityAsk { cell, effort: Effort::OF_A_RUN, seed: plan.seed };
    ask.measure(&server, &start, stop, &mut progress)
}

/// Raises the limit on open files and checks that the plan fits in it, rather than failing in the middle.
fn expect_enough_files(plan: &Plan) -> Result<(), Problem> {
    let allowed = limits::raise_open_files().unwrap_or_else(|_| limits::open_files()).soft;
    let most = plan.cells.iter().map(|cell| cell.connections.unwrap_or(MAX_CONNECTIONS)).max().unwrap_or(0);
    let needed = most as u64 + OTHER_FILES;
    match allowed {
        Some(allowed) if allowed < needed => Err(Problem::new(format!(
            "the run needs {needed} open files; {allowed} are allowed"
        ))
        .help("raise the limit (`ulimit -n`, or nofile in /etc/security/limits.conf), or give fewer --connections")),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
