//! Runs searches on simulated targets with the engine's own trial: the code that measures real servers, without the wait.

use std::path::PathBuf;

use corecurve_core::rng::mix;
use corecurve_core::{
    ArrivalKind, CellId, Collectors, CpuId, Mat, Nanos, Placed, Problem, Running, Search, SearchSettings, Seat,
    Settings, Start, Step, Target, TransportKind, TrialRecord, TrialRequest,
};
use corecurve_engine::trial::{TrialScratch, TrialSetup, virtual_record};
use corecurve_sim::{SimTarget, sim_target};

/// A search that has not ended after so many trials never will.
const MOST_TRIALS: u32 = 200;

/// Search settings for virtual time: the interval ends a search, not the clock.
pub fn settings() -> SearchSettings {
    SearchSettings {
        width: 0.039,
        budget: Nanos::SECOND * 4_000,
        window_min: Nanos::MILLI * 500,
        window_max: Nanos::SECOND * 200,
        warmup: None,
        warmup_max: Nanos::SECOND * 20,
        reps: 1,
        rate_cap: None,
        confirmations: 1,
    }
}

/// A simulated target under test.
pub struct Lab {
    target: SimTarget,
    start: Start,
    running: Box<dyn Running>,
    cores: usize,
    seed: u64,
    trials: u32,
    scratch: TrialScratch,
}

impl Lab {
    /// Starts a simulation.
    pub fn new(sim: &str, settings: &Settings, cores: usize, seed: u64) -> Result<Lab, Problem> {
        let server = (0..cores).map(|cpu| Seat { cpu: CpuId(cpu as u32), node: None }).collect();
        let load = vec![Seat { cpu: CpuId(cores as u32), node: None }];
        let placed = Placed { server, load, ..Placed::default() };
        let start = Start { placed, seed, settings: Settings::new(), scratch: PathBuf::new() };
        let target = sim_target(sim, settings)?;
        let running = target.start(&start)?;
        Ok(Lab { target, start, running, cores, seed, trials: 0, scratch: TrialScratch::default() })
    }

    /// Lets a search run to its end.
    pub fn search(&mut self, search: &mut dyn Search) -> Result<Vec<Mat>, Problem> {
        loop {
            match search.next() {
                Step::Try(request) if self.trials < MOST_TRIALS => search.observe(&self.trial(&request)?),
                Step::Try(_) => return Err(Problem::new(format!("a search did not end in {MOST_TRIALS} trials"))),
                Step::Converged(mats) => return Ok(mats),
                Step::Doomed(reason) => return Err(Problem::new(format!("a search was given up: {reason}"))),
            }
        }
    }

    /// One trial.
    pub fn trial(&mut self, request: &TrialRequest) -> Result<TrialRecord, Problem> {
        if request.fresh_target {
            self.start.seed = mix(self.start.seed, 1);
            self.running = self.target.start(&self.start)?;
        }
        let setup = TrialSetup {
            cell: CellId("00-validate".to_owned()),
            rep: 0,
            attempt: 0,
            trial: self.trials,
            target: self.target.name().to_owned(),
            workload: "none".to_owned(),
            placed: self.start.placed.clone(),
            cores: self.cores,
            arrival: ArrivalKind::Poisson,
            connections: None,
            requests_per_connection: None,
            transport: TransportKind::default(),
            link: None,
            counters: Collectors::default(),
            caveats: Vec::new(),
            faults: Vec::new(),
            request: request.clone(),
            seed: mix(self.seed, 1_000 + u64::from(self.trials)),
            warmup: None,
            warmup_max: settings().warmup_max,
            timeout: Nanos::SECOND * 3_600,
            trace: false,
            profile: false,
            strict: false,
        };
        self.trials += 1;
        let server = self.running.virtual_server().ok_or_else(|| Problem::new("a simulation without a queue"))?;
        Ok(virtual_record(&setup, server, &mut self.scratch))
    }
}
