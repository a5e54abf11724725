//! G_max: what the load generator itself can do with a workload, measured against a server that has nothing to do.
//!
//! A closed loop over real sockets, so that the generator does for each operation what it does in a trial: encode, send,
//! receive, decode, record. What it lacks is the wait for the instant an operation is due, which costs two readings of
//! the clock. The null server is a real one in a process of its own, on the cores of the server under test.

use corecurve_core::rng::mix;
use corecurve_core::{
    CapacityRecord, Cell, Collectors, Load, Nanos, Problem, Purpose, Running, SCHEMA, Saturated, Start, TrialRecord,
    TrialRequest, Wire,
};

use crate::execute::NullServer;
use crate::stop::StopFlag;
use crate::trial::{TrialSetup, run_trial};

/// Operations in flight for each load core: enough that neither side waits for the other, few enough for any server.
const DEPTH: u32 = 32;
/// Time for both sides to warm up before each window.
const WARMUP: Nanos = Nanos(200_000_000);
/// An operation without an answer for so long has failed.
const TIMEOUT: Nanos = Nanos(10_000_000_000);
/// Busy share of the load cores below which, with an idle null server, nothing was learnt of either: 32 operations in flight
/// keep one of them busy unless others take its core.
const LEAST_BUSY: f64 = 0.5;
/// Label of capacity measurements among the seeds of a run.
const STREAM: u64 = u64::from_le_bytes(*b"capacity");

/// How long a capacity measurement measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Windows.
    pub rounds: u32,
    /// Length of each.
    pub window: Nanos,
}

impl Effort {
    /// Once per run and workload: the median of three windows.
    pub const OF_A_RUN: Effort = Effort { rounds: 3, window: Nanos(500_000_000) };
    /// When it is what was asked for: the median of five windows.
    pub const OF_A_TEST: Effort = Effort { rounds: 5, window: Nanos(1_000_000_000) };

    /// Time it takes, the start of the null server included.
    pub fn expected(self) -> Nanos {
        (self.window + WARMUP) * u64::from(self.rounds) + Nanos(700_000_000)
    }
}

/// Which capacity is wanted.
#[derive(Clone, Copy, Debug)]
pub struct CapacityAsk<'a> {
    /// Its workload, transport and load cores are used; the null server sits on its server cores.
    pub cell: &'a Cell,
    /// How long.
    pub effort: Effort,
    /// Seed of the workload.
    pub seed: u64,
}

impl CapacityAsk<'_> {
    /// Starts the null server, measures and stops it.
    ///
    /// # Errors
    /// When it cannot be started or stopped, or no trial could be run at all. One that answers wrongly gives a record
    /// that is not valid.
    pub fn measure<W: Wire>(
        &self,
        server: &NullServer<W>,
        start: &Start,
        stop: &StopFlag,
        progress: &mut dyn FnMut(f64, &str),
    ) -> Result<CapacityRecord, Problem> {
        let mut running = server.target.start(start)?;
        let measured = self.trials(running.as_mut(), server.workload.as_ref(), stop, progress);
        let stopped = running.stop();
        let trials = measured?;
        stopped?;
        Ok(summary(self, &server.name, &trials))
    }

    fn trials<W: Wire>(
        &self,
        running: &mut dyn Running,
        workload: &(dyn Fn(usize, u64) -> W + Send + Sync),
        stop: &StopFlag,
        progress: &mut dyn FnMut(f64, &str),
    ) -> Result<Vec<TrialRecord>, Problem> {
        let rounds = self.effort.rounds;
        let mut trials = Vec::new();
        for round in 0..rounds {
            let mut within = |share: f64, _: &str| {
                progress((f64::from(round) + share) / f64::from(rounds), "measuring the generator itself");
            };
            trials.push(run_trial(&self.setup(round), running, workload, stop, &mut within)?.record);
            if stop.requested() {
                break;
            }
        }
        Ok(trials)
    }

    fn depth(&self) -> u32 {
        DEPTH * self.cell.placed.load.len().max(1) as u32
    }

    fn setup(&self, round: u32) -> TrialSetup {
        let cell = self.cell;
        TrialSetup {
            cell: cell.id.clone(),
            rep: 0,
            attempt: 0,
            trial: round,
            target: "null server".to_owned(),
            workload: cell.workload.clone(),
            placed: cell.placed.clone(),
            cores: cell.cores,
            arrival: cell.arrival,
            connections: None,
            requests_per_connection: cell.requests_per_connection,
            transport: cell.transport.unwrap_or_default(),
            link: None,
            counters: Collectors::default(),
            caveats: cell.caveats.clone(),
            faults: cell.faults.clone(),
            request: TrialRequest {
                purpose: Purpose::Probe,
                load: Load::Closed(self.depth()),
                window: self.effort.window,
                limits: Vec::new(),
                fresh_target: false,
            },
            seed: mix(mix(self.seed, STREAM), u64::from(round)),
            warmup: Some(WARMUP),
            warmup_max: WARMUP,
            timeout: TIMEOUT,
            trace: false,
            profile: false,
            strict: false,
        }
    }
}

/// The window with the median rate among the valid ones, with the spread over all of them.
fn summary(ask: &CapacityAsk<'_>, null_server: &str, trials: &[TrialRecord]) -> CapacityRecord {
    let cell = ask.cell;
    let mut counted: Vec<&TrialRecord> = trials
        .iter()
        .filter(|trial| trial.valid && answered(trial) && trial.load_cpu_s.is_some_and(|s| s > 0.0))
        .collect();
    counted.sort_by(|a, b| a.achieved_per_s.total_cmp(&b.achieved_per_s));
    let median = counted.get(counted.len().saturating_sub(1) / 2);
    let ends = [counted.first(), counted.last()].map(|trial| trial.map_or(0.0, |trial| trial.achieved_per_s));
    let load_cores = cell.placed.load.len().max(1);
    let cpu_s = median.and_then(|trial| trial.load_cpu_s).unwrap_or(0.0);
    let load_busy = median.map_or(0.0, |trial| (cpu_s / trial.window_s / load_cores as f64).clamp(0.0, 1.0));
    let server_busy = median.and_then(|trial| trial.utilisation);
    let mut invalid_reasons = Vec::new();
    if median.is_none() {
        let reasons = trials.iter().flat_map(|trial| &trial.invalid_reasons).map(ToString::to_string);
        invalid_reasons.extend(reasons);
        if trials.iter().any(|trial| !answered(trial)) {
            invalid_reasons
                .push(format!("the null server, `{null_server}`, does not answer `{}` rightly", cell.workload));
        }
        invalid_reasons.dedup();
        if invalid_reasons.is_empty() {
            invalid_reasons.push("no window was measured to its end".to_owned());
        }
    }
    let saturated = Saturated::of(load_busy, server_busy);
    if median.is_some() && saturated == Saturated::Neither && load_busy < LEAST_BUSY {
        invalid_reasons.push(format!(
            "the load cores were busy {:.0} % and the null server was not saturated either: something else used their cores",
            load_busy * 100.0
        ));
    }
    CapacityRecord {
        schema: SCHEMA,
        cell: cell.id.clone(),
        null_server: null_server.to_owned(),
        workload: cell.workload.clone(),
        workload_settings: cell.workload_settings.clone(),
        transport: cell.transport.unwrap_or_default(),
        requests_per_connection: cell.requests_per_connection,
        load_cores: cell.placed.load.len(),
        server_cores: cell.placed.server.len(),
        depth: ask.depth(),
        rounds: counted.len() as u32,
        window_s: ask.effort.window.as_secs_f64(),
        g_max_per_s: median.map_or(0.0, |trial| trial.achieved_per_s),
        range_per_s: ends,
        per_core_per_s: median.map_or(0.0, |trial| trial.counts.ok as f64 / cpu_s),
        load_busy,
        server_busy,
        saturated,
        valid: invalid_reasons.is_empty(),
        invalid_reasons,
        caveats: median.map_or_else(Vec::new, |trial| trial.caveats.clone()),
    }
}

/// Whether the null server gave right answers: a wrong one may cost anything.
fn answered(trial: &TrialRecord) -> bool {
    trial.counts.ok > 0 && trial.counts.bad() * 100 <= trial.counts.scheduled
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use corecurve_core::{ArrivalKind, CellId, Counts, CpuId, Mode, Placed, Seat, Settings};

    /// A cell with so many load cores from CPU 1 on.
    pub(crate) fn cell(load: u32) -> Cell {
        let seat = |cpu| Seat { cpu: CpuId(cpu), node: None };
        Cell {
            id: CellId("00-a".to_owned()),
            target: "a".to_owned(),
            target_settings: Settings::new(),
            workload: "plaintext".to_owned(),
            workload_settings: Settings::new(),
            cores: 1,
            placed: Placed { server: vec![seat(0)], load: (1..=load).map(seat).collect(), ..Placed::default() },
            slos: Vec::new(),
            arrival: ArrivalKind::Poisson,
            connections: None,
            requests_per_connection: None,
            transport: None,
            network: None,
            caveats: Vec::new(),
            faults: Vec::new(),
            probe: None,
            mode: Mode::Search,
            control: false,
        }
    }

    /// A window of half a second in which so many operations completed.
    fn window(ok: u64, load_cpu_s: f64, utilisation: f64) -> TrialRecord {
        let mut trial = crate::store::a_trial("00-a", 0, 0, 0);
        trial.valid = true;
        trial.invalid_reasons.clear();
        trial.window_s = 0.5;
        trial.achieved_per_s = ok as f64 / 0.5;
        trial.counts = Counts { scheduled: ok, sent: ok, ok, ..Counts::default() };
        (trial.load_cpu_s, trial.utilisation) = (Some(load_cpu_s), Some(utilisation));
        trial
    }

    fn summed(trials: &[TrialRecord]) -> CapacityRecord {
        let cell = cell(2);
        summary(&CapacityAsk { cell: &cell, effort: Effort::OF_A_RUN, seed: 1 }, "null", trials)
    }

    #[test]
    fn the_median_window_counts_and_a_load_core_is_judged_by_its_cpu_time() {
        let seen = summed(&[window(60_000, 0.6, 1.0), window(40_000, 0.9, 1.0), window(50_000, 0.5, 0.99)]);
        assert_eq!((seen.g_max_per_s, seen.range_per_s, seen.rounds), (100_000.0, [80_000.0, 120_000.0], 3));
        // 50,000 operations in half a CPU second, on two cores that were half idle.
        assert_eq!((seen.per_core_per_s, seen.load_busy, seen.g_max_per_core()), (100_000.0, 0.5, 50_000.0));
        assert_eq!((seen.saturated, seen.valid), (Saturated::NullServer, true));
        let busy = summed(&[window(50_000, 1.0, 0.5)]);
        assert_eq!(
            (busy.saturated, busy.per_core_per_s, busy.g_max_per_core()),
            (Saturated::Generator, 50_000.0, 50_000.0)
        );
    }

    #[test]
    fn wrong_answers_and_invalid_windows_are_no_capacity() {
        let mut wrong = window(50_000, 1.0, 0.5);
        (wrong.counts.ok, wrong.counts.unanswered) = (40_000, 10_000);
        let seen = summed(&[wrong]);
        assert!(!seen.valid && seen.invalid_reasons[0].contains("does not answer `plaintext` rightly"), "{seen:?}");
        let mut stolen = window(50_000, 1.0, 0.5);
        stolen.valid = false;
        let seen = summed(&[stolen, window(40_000, 1.0, 0.5)]);
        assert_eq!((seen.valid, seen.rounds, seen.g_max_per_s), (true, 1, 80_000.0));
        assert!(!summed(&[]).valid);
        let crowded = summed(&[window(1_000, 0.1, 0.1)]);
        assert!(!crowded.valid && crowded.invalid_reasons[0].contains("busy 10 %"), "{crowded:?}");
    }
}
