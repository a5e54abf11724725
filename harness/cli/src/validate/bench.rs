//! One real server under one trial: what the checks on real sockets share.

use std::path::PathBuf;

use corecurve_core::{
    ArrivalKind, CellId, Collectors, Load, Nanos, Placed, PlacementKind, Problem, Purpose, Running, Settings, Start,
    TransportKind, TrialRequest,
};
use corecurve_engine::StopFlag;
use corecurve_engine::trial::{TrialOutput, TrialSetup, run_trial};
use corecurve_http::HttpFactory;
use corecurve_machine::{Machine, PlacementRequest, TopologySource};

use crate::catalog::Catalog;
use crate::shield;
use crate::transport;

/// The architecture most checks use: one core, one queue, nothing to hand over.
const TARGET: &str = "thread-per-core";

/// Which server, and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub target: &'a str,
    /// Server cores. With more than the machine can spare, the load shares them.
    pub cores: usize,
    /// `None` for as many as the machine can spare.
    pub load_cores: Option<usize>,
    pub workload: &'a str,
    pub settings: &'a [(&'a str, &'a str)],
    pub connections: Option<usize>,
    pub requests_per_connection: Option<u64>,
}

impl<'a> Subject<'a> {
    /// The usual server on one core, loaded from one other.
    pub fn usual(workload: &'a str, settings: &'a [(&'a str, &'a str)]) -> Subject<'a> {
        Subject {
            target: TARGET,
            cores: 1,
            load_cores: Some(1),
            workload,
            settings,
            connections: None,
            requests_per_connection: None,
        }
    }
}

/// A started server with its seats.
pub struct Bench {
    target: String,
    cores: usize,
    connections: Option<usize>,
    requests_per_connection: Option<u64>,
    running: Box<dyn Running>,
    placed: Placed,
    workload: String,
    factory: HttpFactory,
    counters: Collectors,
    trials: u32,
    scratch: PathBuf,
}

impl Bench {
    /// Starts the usual server on one core with the load on another, or on the same where there is only one.
    pub fn start(workload: &str, settings: &[(&str, &str)]) -> Result<Bench, Problem> {
        Bench::of(&Subject::usual(workload, settings))
    }

    /// Starts a server; the load is on other cores, or on the server's where there are none.
    pub fn of(subject: &Subject<'_>) -> Result<Bench, Problem> {
        crate::turn::take()?;
        let machine = Machine::discover(&TopologySource::Live)?;
        let request = PlacementRequest {
            kind: PlacementKind::Compact,
            server_cores: subject.cores,
            load_cores: subject.load_cores,
            server_cpus: None,
            load_cpus: None,
            allow_shared: true,
        };
        let mut placed = machine.place(&request)?;
        shield::apply(shield::Asked::Auto, &machine, &mut placed)?;
        let settings: Settings =
            subject.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let catalog = Catalog::new()?;
        let factory = catalog.workload(subject.workload, &settings)?;
        let scratch = std::env::temp_dir().join(format!("corecurve-validate-{}", std::process::id()));
        std::fs::create_dir_all(&scratch)
            .map_err(|error| Problem::new(format!("cannot make a scratch directory: {error}")))?;
        let start = Start { placed: placed.clone(), seed: 1, settings: Settings::new(), scratch: scratch.clone() };
        let running = catalog.target(subject.target, &Settings::new(), &[])?.start(&start)?;
        Ok(Bench {
            target: subject.target.to_owned(),
            cores: subject.cores,
            connections: subject.connections,
            requests_per_connection: subject.requests_per_connection,
            running,
            placed,
            workload: subject.workload.to_owned(),
            factory,
            counters: Collectors::default(),
            trials: 0,
            scratch,
        })
    }

    /// The server's own process.
    pub fn pid(&self) -> Option<u32> {
        self.running.pids().first().copied()
    }

    /// From now on load threads wait in the kernel and never spin, as they do where they share cores.
    pub fn wait_in_the_kernel(&mut self) {
        self.placed.shared = true;
    }

    /// From now on these are counted beside each trial.
    pub fn count(&mut self, counters: Collectors) {
        self.counters = counters;
    }

    /// One trial over epoll, with the stamps of every operation.
    pub fn trial(
        &mut self,
        arrival: ArrivalKind,
        load: Load,
        window: Nanos,
        limits: &[Nanos],
    ) -> Result<TrialOutput, Problem> {
        let setup = self.setup(arrival, load, window, limits);
        self.run(&TrialSetup { trace: true, ..setup })
    }

    /// One trial as a run would make it: over the transport that is chosen here, and nothing kept of single operations.
    pub fn load(
        &mut self,
        arrival: ArrivalKind,
        load: Load,
        window: Nanos,
        limits: &[Nanos],
    ) -> Result<TrialOutput, Problem> {
        let setup = self.setup(arrival, load, window, limits);
        let transport = transport::decide(None, corecurve_engine::io_uring_refusal)?.transport;
        self.run(&TrialSetup { transport, ..setup })
    }

    /// A short one of many that are compared with each other.
    pub fn brief(
        &mut self,
        arrival: ArrivalKind,
        load: Load,
        warmup: Nanos,
        window: Nanos,
    ) -> Result<TrialOutput, Problem> {
        let setup = self.setup(arrival, load, window, &[]);
        self.run(&TrialSetup { warmup: Some(warmup), ..setup })
    }

    fn setup(&mut self, arrival: ArrivalKind, load: Load, window: Nanos, limits: &[Nanos]) -> TrialSetup {
        let trial = self.trials;
        self.trials += 1;
        TrialSetup {
            cell: CellId("00-validate".to_owned()),
            rep: 0,
            attempt: 0,
            trial,
            target: self.target.clone(),
            workload: self.workload.clone(),
            placed: self.placed.clone(),
            cores: self.cores,
            arrival,
            connections: self.connections,
            requests_per_connection: self.requests_per_connection,
            transport: TransportKind::default(),
            link: None,
            counters: self.counters.clone(),
            caveats: Vec::new(),
            faults: Vec::new(),
            request: TrialRequest {
                purpose: Purpose::Fixed,
                load,
                window,
                limits: limits.to_vec(),
                fresh_target: false,
            },
            seed: corecurve_core::rng::mix(7, u64::from(trial)),
            warmup: Some(Nanos::MILLI * 500),
            warmup_max: Nanos::SECOND,
            timeout: Nanos::SECOND * 30,
            trace: false,
            profile: false,
            strict: false,
        }
    }

    fn run(&mut self, setup: &TrialSetup) -> Result<TrialOutput, Problem> {
        let make = |worker, seed| self.factory.make(worker, seed);
        run_trial(setup, self.running.as_mut(), &make, &StopFlag::with_signals(), &mut |_, _| {})
    }

    /// Stops the server.
    pub fn stop(self) -> Result<(), Problem> {
        let stopped = self.running.stop();
        // The scratch directory holds nothing but logs of a server that is gone; leaving it would be untidy, not wrong.
        let _ = std::fs::remove_dir_all(&self.scratch);
        stopped.map(drop)
    }
}
