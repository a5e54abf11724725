//! One repetition: a target started, a search asked for steps, trials run and saved, the target stopped.

use std::sync::Arc;

use corecurve_core::rng::mix;
use corecurve_core::{
    ArrivalKind, Cell, Endpoint, Event, Limit, Load, Mat, MatKind, MatRecord, Mode, Nanos, NetworkKind, Observer, Plan,
    Problem, Purpose, Quantiles, Reason, Rule, Running, SCHEMA, Search, Start, Step, Target, TrialRecord, TrialRequest,
    Turn, Wire,
};
use corecurve_machine::Link;

use crate::execute::Lab;
use crate::faults::Injected;
use crate::perturb::{self, Pair};
use crate::profile;
use crate::stop::StopFlag;
use crate::store::{Entry, Store};
use crate::trial::{TrialSetup, run_trial};

/// An operation without an answer for so long has failed.
const TIMEOUT: Nanos = Nanos(10_000_000_000);

/// How a repetition ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TurnEnd {
    /// All trials and answers are on disk.
    Done { trials: u32, mats: u32 },
    /// It could not be finished, after so many trials; the next repetition may.
    Failed { why: Problem, trials: u32 },
    /// The user asked to stop.
    Interrupted,
}

/// What a repetition is run with.
pub(crate) struct Drive<'a, W> {
    pub plan: &'a Plan,
    pub store: &'a mut Store,
    pub lab: &'a Lab<'a, W>,
    pub observer: &'a mut dyn Observer,
    pub stop: &'a StopFlag,
}

/// A repetition under way.
struct Course<'c> {
    cell: &'c Cell,
    turn: Turn,
    attempt: u32,
    trial: u32,
    restarts: u64,
    /// The highest rate of correct completions so far, per second.
    carried: f64,
    running: Option<Box<dyn Running>>,
    /// Faults beside the running target.
    injected: Option<Injected>,
    /// Where server and load live, if the cell's network is one of namespaces; the same for all its restarts.
    link: Option<Arc<Link>>,
}

impl Course<'_> {
    /// The link, made when it is first asked for.
    fn link(&mut self) -> Result<Option<&Link>, Problem> {
        let network = self.cell.network.unwrap_or_default();
        if network.kind == NetworkKind::Netns && self.link.is_none() {
            let placed = &self.cell.placed;
            self.link = Some(Arc::new(Link::make(&placed.server_cpus(), &placed.load_cpus(), network.cap)?));
        }
        Ok(self.link.as_deref())
    }
}

/// Why a repetition goes no further.
enum Halt {
    /// Nothing can be saved any more: the run ends.
    Run(Problem),
    /// This repetition cannot go on.
    Turn(Problem),
    /// The user asked to stop.
    Stop,
}

impl<W: Wire> Drive<'_, W> {
    /// Runs a repetition from its beginning. Whatever happens, the target is stopped at the end.
    ///
    /// # Errors
    /// When records cannot be saved.
    pub fn turn(&mut self, turn: Turn) -> Result<TurnEnd, Problem> {
        let plan = self.plan;
        let Some(cell) = plan.cells.get(turn.cell) else {
            return Err(Problem::new(format!("the plan has no cell {}", turn.cell)));
        };
        let attempt = self.store.attempt(turn);
        let mut course = Course {
            cell,
            turn,
            attempt,
            trial: 0,
            restarts: 0,
            carried: 0.0,
            running: None,
            injected: None,
            link: None,
        };
        let answered = self.answer(&mut course);
        let stopped = self.stop_target(&mut course);
        let trials = course.trial;
        match answered.and_then(|mats| stopped.map(|()| mats)) {
            Ok(mats) => Ok(TurnEnd::Done { trials, mats }),
            Err(Halt::Run(problem)) => Err(problem),
            Err(Halt::Stop) => Ok(TurnEnd::Interrupted),
            // What breaks while all is being stopped breaks because of that.
            Err(Halt::Turn(_)) if self.stop.now() => Ok(TurnEnd::Interrupted),
            Err(Halt::Turn(why)) => Ok(TurnEnd::Failed { why, trials }),
        }
    }

    /// Trials until there is an answer; how many answers were saved.
    fn answer(&mut self, course: &mut Course<'_>) -> Result<u32, Halt> {
        let cell = course.cell;
        let target = (self.lab.target)(cell).map_err(Halt::Turn)?;
        let workload = (self.lab.workload)(cell).map_err(Halt::Turn)?;
        let mut search: Box<dyn Search> = match cell.mode {
            Mode::Search => (self.lab.search)(cell, &self.plan.search),
            Mode::Fixed(_) | Mode::Closed => Box::new(Once::new(cell, self.plan.search.window_max)),
        };
        loop {
            match search.next() {
                Step::Converged(mats) => {
                    self.perturb(course, &mats, workload.as_ref())?;
                    self.profile(course, &mats, workload.as_ref())?;
                    return self.save_mats(course, mats);
                }
                Step::Doomed(reason) => return self.save_mats(course, doomed(cell, &reason)),
                Step::Try(request) => {
                    if self.stop.requested() {
                        return Err(Halt::Stop);
                    }
                    if request.fresh_target {
                        self.stop_target(course)?;
                    }
                    self.start_target(course, target.as_ref())?;
                    let record = self.trial(course, cell, request, workload.as_ref())?;
                    course.carried = course.carried.max(record.achieved_per_s);
                    search.observe(&record);
                }
            }
        }
    }

    /// Tries the answer with other load threads, in the first repetition of a cell on a real target.
    fn perturb(
        &mut self,
        course: &mut Course<'_>,
        mats: &[Mat],
        workload: &(dyn Fn(usize, u64) -> W + Send + Sync),
    ) -> Result<(), Halt> {
        let cell = course.cell;
        let sockets = course.running.as_ref().is_some_and(|running| matches!(running.endpoint(), Endpoint::Tcp(_)));
        if !self.plan.checks.perturb || course.turn.rep > 0 || cell.control || !sockets {
            return Ok(());
        }
        let Some(Pair { request, other }) = perturb::pair(cell, &self.plan.search, mats) else { return Ok(()) };
        if self.stop.requested() {
            return Err(Halt::Stop);
        }
        let usual = self.trial(course, cell, request.clone(), workload)?;
        if self.stop.requested() {
            return Err(Halt::Stop);
        }
        self.trial(course, &other.of(cell, usual.connections), request, workload)?;
        Ok(())
    }

    /// Tries the answer once more and looks where the target's time goes, in the first repetition of a cell. A profile that
    /// cannot be taken costs no answer.
    fn profile(
        &mut self,
        course: &mut Course<'_>,
        mats: &[Mat],
        workload: &(dyn Fn(usize, u64) -> W + Send + Sync),
    ) -> Result<(), Halt> {
        let cell = course.cell;
        let processes = course.running.as_ref().is_some_and(|running| !running.pids().is_empty());
        if !self.plan.checks.profile || course.turn.rep > 0 || cell.control || !processes {
            return Ok(());
        }
        let Some(request) = profile::request(cell, &self.plan.search, mats, course.carried) else { return Ok(()) };
        if self.stop.requested() {
            return Err(Halt::Stop);
        }
        match self.trial(course, cell, request, workload) {
            Err(Halt::Turn(why)) if !self.stop.now() => {
                self.store.log(&format!("{}: no profile: {why}", cell.id));
                let text = format!("`{}` could not be profiled: {}", cell.id, why.one_line());
                self.store.append(&Entry::Note { text: text.clone() }).map_err(Halt::Run)?;
                self.observer.on(&Event::Notice { text });
                // It may be the target that died of it.
                let _ = self.stop_target(course);
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    fn start_target(&mut self, course: &mut Course<'_>, target: &dyn Target) -> Result<(), Halt> {
        if course.running.is_some() {
            return Ok(());
        }
        let seed = [course.turn.cell as u64, u64::from(course.turn.rep), course.restarts];
        let start = Start {
            placed: course.cell.placed.clone(),
            seed: seed.into_iter().fold(self.plan.seed, mix),
            settings: course.cell.target_settings.clone(),
            scratch: self.store.scratch().map_err(Halt::Run)?,
        };
        if !target.is_virtual() {
            self.observer.progress(0.0, "starting the target");
        }
        let started = match course.link().map_err(Halt::Turn)? {
            Some(link) => link.server.within(|| target.start(&start)).and_then(|started| started),
            None => target.start(&start),
        };
        let running = course.running.insert(started.map_err(Halt::Turn)?);
        course.restarts += 1;
        let injected = Injected::start(&course.cell.faults, &start.placed, running.as_ref(), &start.scratch);
        course.injected = Some(injected.map_err(Halt::Turn)?);
        Ok(())
    }

    fn stop_target(&mut self, course: &mut Course<'_>) -> Result<(), Halt> {
        let Some(running) = course.running.take() else { return Ok(()) };
        let stats = running.stop().map_err(Halt::Turn);
        if let Some(injected) = course.injected.take() {
            injected.stop().map_err(Halt::Turn)?;
        }
        self.store.clear_scratch();
        for note in stats?.notes {
            self.store.log(&format!("{}: {note}", course.cell.id));
        }
        Ok(())
    }

    /// One trial of a cell, as planned or loaded otherwise; on disk when this returns.
    fn trial(
        &mut self,
        course: &mut Course<'_>,
        cell: &Cell,
        request: TrialRequest,
        workload: &(dyn Fn(usize, u64) -> W + Send + Sync),
    ) -> Result<TrialRecord, Halt> {
        let Some(running) = course.running.as_mut() else {
            return Err(Halt::Turn(Problem::new("the target is not running")));
        };
        let mut setup = setup(self.plan, cell, course.turn, course.attempt, course.trial, request, self.lab.strict);
        // A closed loop has no arrivals of its own to replay.
        let replayer = (self.lab.replay)(course.cell).filter(|_| matches!(setup.request.load, Load::Open(_)));
        setup.trace = replayer.is_some();
        setup.link = course.link.clone();
        setup.profile = setup.request.purpose == Purpose::Profile;
        let observer = &mut *self.observer;
        let mut progress = |share: f64, doing: &str| observer.progress(share, doing);
        let output = run_trial(&setup, running.as_mut(), workload, self.stop, &mut progress).map_err(Halt::Turn)?;
        let mut record = output.record;
        record.replay = replayer.and_then(|replay| replay(output.trace.as_deref().unwrap_or_default()));
        if self.stop.now() && record.invalid_reasons.iter().any(|reason| reason.rule == Rule::Interrupted) {
            return Err(Halt::Stop);
        }
        let antagonists = course.injected.as_mut().map_or(Ok(()), Injected::check);
        let death = running.check().and(antagonists).err();
        if let Some(problem) = &death {
            record.valid = false;
            if !record.invalid_reasons.iter().any(|reason| reason.rule == Rule::TargetAlive) {
                record.invalid_reasons.push(Reason::new(Rule::TargetAlive, problem.seen.clone()));
            }
        }
        if let Some(profile) = &output.profile {
            self.store.write_profile(profile).map_err(Halt::Run)?;
        }
        let histograms = output.histograms;
        self.store
            .write_hist(&setup.cell, setup.rep, setup.trial, |out| out.write_all(&histograms.to_hlog()))
            .and_then(|()| self.store.append(&Entry::Trial { trial: Box::new(record.clone()) }))
            .map_err(Halt::Run)?;
        course.trial += 1;
        self.observer.on(&Event::Trial(Box::new(record.clone())));
        match death {
            Some(problem) => Err(Halt::Turn(problem)),
            None => Ok(record),
        }
    }

    fn save_mats(&mut self, course: &Course<'_>, mats: Vec<Mat>) -> Result<u32, Halt> {
        let mut saved = 0;
        for mat in mats {
            let record = MatRecord { schema: SCHEMA, cell: course.cell.id.clone(), rep: course.turn.rep, mat };
            let entry = Entry::Mat { attempt: course.attempt, slo: saved, mat: Box::new(record.clone()) };
            self.store.append(&entry).map_err(Halt::Run)?;
            self.observer.on(&Event::Mat(Box::new(record)));
            saved += 1;
        }
        Ok(saved)
    }
}

/// A trial's setup. The seed of its arrivals depends on repetition and trial alone, so that every cell sees the same
/// arrivals (common random numbers) and a repetition that is begun again repeats itself.
fn setup(
    plan: &Plan,
    cell: &Cell,
    turn: Turn,
    attempt: u32,
    trial: u32,
    request: TrialRequest,
    strict: bool,
) -> TrialSetup {
    TrialSetup {
        cell: cell.id.clone(),
        rep: turn.rep,
        attempt,
        trial,
        target: cell.target.clone(),
        workload: cell.workload.clone(),
        placed: cell.placed.clone(),
        cores: cell.cores,
        arrival: cell.arrival,
        connections: cell.connections,
        requests_per_connection: cell.requests_per_connection,
        transport: cell.transport.unwrap_or_default(),
        link: None,
        counters: plan.counters.clone(),
        caveats: cell.caveats.clone(),
        faults: cell.faults.clone(),
        request,
        seed: mix(mix(plan.seed, u64::from(turn.rep)), u64::from(trial)),
        warmup: plan.search.warmup,
        warmup_max: plan.search.warmup_max,
        timeout: TIMEOUT,
        trace: false,
        profile: false,
        strict,
    }
}

/// The answers of a search that gave up: none, with the reason.
fn doomed(cell: &Cell, reason: &Reason) -> Vec<Mat> {
    let kind = if reason.rule == Rule::Stationary { MatKind::NonStationary } else { MatKind::NotConverged };
    let none = |slo: &corecurve_core::Slo| Mat {
        slo: *slo,
        limit_ns: slo.limit_ns(Nanos::ZERO),
        kind,
        mat_per_s: None,
        ci95: None,
        trials: 0,
        latency_ns: Quantiles::default(),
        utilisation: None,
        valid: false,
        invalid_reasons: vec![reason.clone()],
        caveats: Vec::new(),
    };
    cell.slos.iter().map(none).collect()
}

/// The one trial of a cell without a search.
struct Once {
    request: Option<TrialRequest>,
}

impl Once {
    fn new(cell: &Cell, window: Nanos) -> Once {
        let load = match (cell.mode, cell.arrival) {
            (Mode::Fixed(rate), _) => Load::Open(rate),
            (_, ArrivalKind::Closed(depth)) => Load::Closed(depth),
            _ => Load::Closed(1),
        };
        let limits = cell.slos.iter().filter_map(|slo| match slo.limit {
            Limit::Absolute(limit) => Some(limit),
            // Without a search there is no no-load trial to be a multiple of.
            Limit::TimesNoLoad(_) => None,
        });
        let mut limits: Vec<Nanos> = limits.collect();
        limits.sort_unstable();
        limits.dedup();
        let request = TrialRequest { purpose: Purpose::Fixed, load, window, limits, fresh_target: false };
        Once { request: Some(request) }
    }
}

impl Search for Once {
    fn next(&self) -> Step {
        self.request.as_ref().map_or_else(|| Step::Converged(Vec::new()), |request| Step::Try(request.clone()))
    }

    fn observe(&mut self, _: &TrialRecord) {
        self.request = None;
    }
}
