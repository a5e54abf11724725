//! One real server on one core under one trial: what the checks on real sockets share.

use std::path::PathBuf;

use corecurve_core::{
    ArrivalKind, CellId, Load, Nanos, Placed, PlacementKind, Problem, Purpose, Running, Settings, Start, TransportKind,
    TrialRequest,
};
use corecurve_engine::StopFlag;
use corecurve_engine::trial::{TrialOutput, TrialSetup, run_trial};
use corecurve_http::HttpFactory;
use corecurve_machine::{Machine, PlacementRequest, TopologySource};

use crate::catalog::Catalog;
use crate::shield;

/// The architecture the checks use: one core, one queue, nothing to hand over.
const TARGET: &str = "thread-per-core";

/// A started server with its seats.
pub struct Bench {
    running: Box<dyn Running>,
    placed: Placed,
    workload: String,
    factory: HttpFactory,
    trials: u32,
    scratch: PathBuf,
}

impl Bench {
    /// Starts the server on one core with the load on another, or on the same where there is only one.
    pub fn start(workload: &str, settings: &[(&str, &str)]) -> Result<Bench, Problem> {
        let machine = Machine::discover(&TopologySource::Live)?;
        let request = PlacementRequest {
            kind: PlacementKind::Compact,
            server_cores: 1,
            load_cores: Some(1),
            server_cpus: None,
            load_cpus: None,
            allow_shared: true,
        };
        let mut placed = machine.place(&request)?;
        (placed.clear, _) = shield::decide(shield::Asked::Auto, &machine, &placed)?;
        let settings: Settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let catalog = Catalog::new()?;
        let factory = catalog.workload(workload, &settings)?;
        let scratch = std::env::temp_dir().join(format!("corecurve-validate-{}", std::process::id()));
        std::fs::create_dir_all(&scratch)
            .map_err(|error| Problem::new(format!("cannot make a scratch directory: {error}")))?;
        let start = Start { placed: placed.clone(), seed: 1, settings: Settings::new(), scratch: scratch.clone() };
        let running = catalog.target(TARGET, &Settings::new(), &[])?.start(&start)?;
        Ok(Bench { running, placed, workload: workload.to_owned(), factory, trials: 0, scratch })
    }

    /// The server's own process.
    pub fn pid(&self) -> Option<u32> {
        self.running.pids().first().copied()
    }

    /// One trial, with the stamps of every operation.
    pub fn trial(
        &mut self,
        arrival: ArrivalKind,
        load: Load,
        window: Nanos,
        limits: &[Nanos],
    ) -> Result<TrialOutput, Problem> {
        let setup = TrialSetup {
            cell: CellId("00-validate".to_owned()),
            rep: 0,
            attempt: 0,
            trial: self.trials,
            target: TARGET.to_owned(),
            workload: self.workload.clone(),
            placed: self.placed.clone(),
            cores: 1,
            arrival,
            connections: None,
            requests_per_connection: None,
            transport: TransportKind::default(),
            link: None,
            caveats: Vec::new(),
            request: TrialRequest {
                purpose: Purpose::Fixed,
                load,
                window,
                limits: limits.to_vec(),
                fresh_target: false,
            },
            seed: corecurve_core::rng::mix(7, u64::from(self.trials)),
            warmup: Some(Nanos::MILLI * 500),
            warmup_max: Nanos::SECOND,
            timeout: Nanos::SECOND * 30,
            trace: true,
            strict: false,
        };
        self.trials += 1;
        let make = |worker, seed| self.factory.make(worker, seed);
        run_trial(&setup, self.running.as_mut(), &make, &StopFlag::with_signals(), &mut |_, _| {})
    }

    /// Stops the server.
    pub fn stop(self) -> Result<(), Problem> {
        let stopped = self.running.stop();
        // The scratch directory holds nothing but logs of a server that is gone; leaving it would be untidy, not wrong.
        let _ = std::fs::remove_dir_all(&self.scratch);
        stopped.map(drop)
    }
}
