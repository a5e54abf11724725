//! Runs made up for tests.

use corecurve_core::{
    ArrivalKind, Cell, CellId, CpuId, Interval, LimitCount, Mat, MatKind, MatRecord, Mode, Nanos, NodeId, Placed, Plan,
    Purpose, Quantile, Quantiles, Reason, Rule, SCHEMA, SearchSettings, Seat, Settings, Slo, TrialRecord, Turn,
};
use serde_json::Value;

use super::RunData;

/// The objective of every made-up run.
pub(crate) fn slo() -> Slo {
    "p99<5ms".parse().unwrap()
}

/// A cell that searches, workers on nodes of eight cores.
pub(crate) fn cell(id: &str, target: &str, cores: usize, control: bool) -> Cell {
    let seat = |i: usize| Seat { cpu: CpuId(i as u32), node: Some(NodeId((i / 8) as u32)) };
    Cell {
        id: CellId(id.to_owned()),
        target: target.to_owned(),
        target_settings: Settings::new(),
        workload: "plaintext".to_owned(),
        workload_settings: Settings::new(),
        cores,
        placed: Placed { server: (0..cores).map(seat).collect(), ..Placed::default() },
        slos: vec![slo()],
        arrival: ArrivalKind::Poisson,
        connections: None,
        requests_per_connection: None,
        transport: None,
        network: None,
        caveats: Vec::new(),
        faults: Vec::new(),
        probe: None,
        mode: Mode::Search,
        control,
    }
}

/// A search's answer with a symmetric interval of relative standard error `error`.
pub(crate) fn answer(cell: &Cell, rep: u32, mat: f64, error: f64) -> MatRecord {
    let half = (1.96 * error).exp();
    MatRecord {
        schema: SCHEMA,
        cell: cell.id.clone(),
        rep,
        mat: Mat {
            slo: cell.slos[0],
            limit_ns: Nanos(5_000_000),
            kind: MatKind::Regular,
            mat_per_s: Some(mat),
            ci95: Some([mat / half, mat * half]),
            trials: 9,
            latency_ns: Quantiles { p99: Quantile::At(Nanos(4_800_000)), ..Quantiles::default() },
            utilisation: Some(0.93),
            valid: true,
            invalid_reasons: Vec::new(),
            caveats: Vec::new(),
        },
    }
}

/// The same answer, not valid.
pub(crate) fn invalid(mut record: MatRecord) -> MatRecord {
    record.mat.valid = false;
    record.mat.invalid_reasons = vec![Reason::new(Rule::GeneratorBusy, "busy 93 % of the time, 70 % allowed")];
    record
}

/// A trial of a cell.
pub(crate) fn trial(cell: &Cell, trial: u32, offered_per_s: f64) -> TrialRecord {
    TrialRecord {
        schema: SCHEMA,
        cell: cell.id.clone(),
        rep: 0,
        attempt: 0,
        trial,
        purpose: Purpose::Search,
        target: cell.target.clone(),
        workload: cell.workload.clone(),
        placement: cell.placed.kind.to_string(),
        cores: cell.cores,
        load_cores: 1,
        arrival: cell.arrival,
        connections: 64,
        transport: None,
        network: None,
        seed: 1,
        schedule_sha256: "00".to_owned(),
        offered_per_s,
        sent_per_s: offered_per_s,
        achieved_per_s: offered_per_s,
        counts: Default::default(),
        window_s: 1.0,
        warmup_s: 0.5,
        latency_ns: Quantiles { mean: Some(250_000.0), ..Quantiles::default() },
        service_ns: Quantiles::default(),
        send_lag_ns: Quantiles::default(),
        limits: vec![LimitCount { limit_ns: Nanos(5_000_000), over: 3 }],
        intervals: vec![Interval::default()],
        utilisation: None,
        generator_busy: None,
        load_cpu_s: None,
        adherence: None,
        replay: None,
        counters: None,
        shares: None,
        valid: true,
        invalid_reasons: Vec::new(),
        caveats: vec!["no PMU".to_owned()],
    }
}

/// A finished run of these cells and answers.
pub(crate) fn run(cells: Vec<Cell>, mats: Vec<MatRecord>) -> RunData {
    let reps = mats.iter().map(|record| record.rep + 1).max().unwrap_or(1);
    let turn = |rep: u32| (0..cells.len()).map(move |cell| Turn { cell, rep });
    let order: Vec<Turn> = (0..reps).flat_map(turn).collect();
    let search = SearchSettings {
        width: 0.02,
        budget: Nanos::SECOND,
        window_min: Nanos::SECOND,
        window_max: Nanos::SECOND,
        warmup: None,
        warmup_max: Nanos::SECOND,
        reps,
        rate_cap: None,
        confirmations: 1,
    };
    let plan = Plan {
        schema: SCHEMA,
        seed: 7,
        cells,
        order: order.clone(),
        search,
        expected: Nanos::ZERO,
        counters: Default::default(),
        checks: Default::default(),
        probes: Vec::new(),
    };
    RunData {
        dir: "results/made-up".to_owned(),
        slug: "made-up".to_owned(),
        command: vec!["corecurve".to_owned(), "sweep".to_owned()],
        started: None,
        version: "0.0.0".to_owned(),
        machine: Value::Null,
        plan,
        trials: Vec::new(),
        capacities: Vec::new(),
        profiles: Vec::new(),
        mats,
        finished: order,
        notes: Vec::new(),
    }
}
