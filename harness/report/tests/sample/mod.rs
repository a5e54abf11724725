//! Made-up runs for the tests and for looking at: plausible shapes, invented numbers.
#![allow(dead_code, reason = "each user takes what it needs")]
#![allow(clippy::unwrap_used, reason = "made for tests, where a panic is how one fails")]

mod curves;
mod ladder;

use corecurve_analysis::compare::{RatioRow, RatioSide, RunComparison, Verdict};
use corecurve_analysis::findings::*;
use corecurve_analysis::models::*;
use corecurve_core::*;
use serde_json::json;

use curves::curves;

/// What a made-up target can do.
#[derive(Clone, Copy)]
pub struct Shape {
    name: &'static str,
    /// Service rate of one core, per second.
    gamma: f64,
    sigma: f64,
    kappa: f64,
    /// Every repetition is struck out.
    broken: bool,
    shared: bool,
}

const SLO: &str = "p99<5ms";

impl Shape {
    fn capacity(&self, cores: usize) -> f64 {
        let n = cores as f64;
        self.gamma * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }
}

/// Three architectures from 1 to 32 cores on two nodes, with fits, an A/A control and a few struck-out numbers.
pub fn sweep() -> Findings {
    let shape = |name, gamma, sigma, kappa| Shape { name, gamma, sigma, kappa, broken: false, shared: false };
    let shapes = [
        shape("thread-per-core", 182e3, 0.004, 2.1e-5),
        shape("work-stealing", 166e3, 0.024, 8.8e-5),
        shape("shared-accept", 174e3, 0.121, 9.0e-4),
    ];
    let mut cells = Vec::new();
    for cores in [1, 2, 4, 8, 16, 32] {
        for shape in shapes {
            let broken = shape.name == "shared-accept" && cores == 32;
            cells.push(cell(cells.len(), Shape { broken, ..shape }, cores, false));
        }
    }
    cells.push(cell(cells.len(), shapes[0], 4, true));
    let mut findings = run("web-scaling", cells);
    findings.headline = "At 32 cores and p99<5ms, thread-per-core carries 4.95 M/s (95 % CI 4.90 … 5.01 M/s), 1.79× \
         the load of work-stealing; shared-accept has no valid number there."
        .into();
    findings.noise_floor = Some(NoiseFloor {
        pairs: vec![NoisePair {
            cell: findings.cells[6].cell.id.clone(),
            control: findings.cells[18].cell.id.clone(),
            slo: SLO.parse().unwrap(),
            ratio: Ratio { value: 1.004, ci95: [0.991, 1.012] },
        }],
        floor: 0.012,
    });
    findings.caveats = vec![
        "virtual machine (kvm): a neighbour may take CPU time; steal is checked in every window".into(),
        "no hardware counters here: perf_event_paranoid = 4".into(),
    ];
    findings.comparisons = comparisons(&findings);
    findings
}

/// As [`sweep`], with a ladder of limits on 16 cores.
pub fn ladder() -> Findings {
    let mut findings = sweep();
    findings.objectives = ladder::objectives(&findings.cells[12..15]);
    findings
}

/// What a two-core machine can show: one core each, sharing cores, one generator-limited, and a simulated sweep.
pub fn demo() -> Findings {
    let real = |name, gamma| Shape { name, gamma, sigma: 0.0, kappa: 0.0, broken: false, shared: true };
    let mut cells = Vec::new();
    let shapes = [
        real("thread-per-core", 131e3),
        real("work-stealing", 88e3),
        real("thread-per-connection", 61e3),
        real("nginx", 104e3),
    ];
    for shape in shapes {
        cells.push(cell(cells.len(), shape, 1, false));
    }
    cells.push(cell(cells.len(), Shape { broken: true, ..real("shared-accept", 97e3) }, 1, false));
    let sim = Shape { name: "sim:usl", gamma: 5_000.0, sigma: 0.03, kappa: 6e-4, broken: false, shared: false };
    for cores in [1, 2, 4, 8, 16, 32, 64] {
        cells.push(cell(cells.len(), sim, cores, false));
    }
    let mut findings = run("demo", cells);
    findings.headline =
        "On 1 core at p99<5ms, thread-per-core carries 130 k/s (95 % CI 129 … 131 k/s), 1.26× [1.24, 1.28] \
         the load of nginx. Server and load shared cores."
            .into();
    findings.caveats = vec![
        "shared-cores: this machine has 2 cores, so server and load ran side by side on the same ones".into(),
        "sim:usl is computed in virtual time; it shows what a curve looks like and says nothing about this machine"
            .into(),
    ];
    findings.comparisons = comparisons(&findings);
    findings
}

/// One fixed rate on one core, as `run` leaves it: no search, no MAT.
pub fn fixed() -> Findings {
    let mut findings = demo();
    findings.cells.truncate(1);
    let cell = &mut findings.cells[0];
    cell.mats.clear();
    cell.trials = vec![cell.trials.swap_remove(6)];
    cell.trials[0].purpose = Purpose::Fixed;
    cell.load_curve = cell.trials.iter().map(load_point).collect();
    (cell.no_load, cell.cell.mode) = (None, Mode::Fixed(Rate(130e3)));
    findings.plan.cells.truncate(1);
    findings.plan.order.truncate(1);
    (findings.curves, findings.comparisons, findings.struck_out) = Default::default();
    findings.headline = "At 130 k/s, thread-per-core on 1 core answers with p99 = 13.1 ms.".into();
    findings
}

/// As [`demo`], with names, caveats and reasons that try to be something else.
pub fn hostile() -> Findings {
    let mut findings = demo();
    for (i, cell) in findings.cells.iter_mut().enumerate() {
        let name = HOSTILE[i % HOSTILE.len()].to_owned();
        let name = if i >= 5 { HOSTILE[5].to_owned() } else { name };
        cell.cell.target = name.clone();
        cell.series.target = name.clone();
        cell.label = name.clone();
        cell.cell.id = CellId(name.clone());
        cell.caveats.push(name.clone());
        for trial in &mut cell.trials {
            trial.target = name.clone();
            trial.invalid_reasons = vec![Reason::new(Rule::Content, name.clone())];
        }
        for mat in &mut cell.mats {
            mat.caveats.push(name.clone());
            if !mat.valid {
                mat.reasons = vec![name.clone()];
            }
        }
    }
    for curve in &mut findings.curves {
        curve.label = HOSTILE[5].to_owned();
        curve.series.target = HOSTILE[5].to_owned();
    }
    findings.objectives = ladder::objectives(&findings.cells[0..3]);
    findings.headline = HOSTILE.join(" ");
    findings.caveats = HOSTILE.map(str::to_owned).to_vec();
    findings.notes = findings.caveats.clone();
    findings.run.command = findings.caveats.clone();
    findings.run.dir = HOSTILE[0].into();
    findings.run.slug = HOSTILE[1].into();
    findings.machine.cpu = Some(HOSTILE[1].into());
    findings.machine_record = json!({ HOSTILE[0]: HOSTILE });
    findings
}

/// Names that try to be something else: a script, the end of one, an attribute, a URL, a formula, a terminal command.
pub const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "</script><!--<img src=x onerror=alert(2)>",
    "\" onmouseover=\"alert(3)\" x=\"",
    "a\u{202e}drowssap\u{2066}b\u{2028}c",
    "\u{1b}]0;owned\u{7}\u{1b}[31mred",
    "sim:=cmd|' /C calc'!A0",
    "javascript:alert(4)//'><svg onload=alert(5)>",
    "{{7*7}} ${alert(6)} </style><script>alert(7)</script>",
];

/// Two runs of which one target got worse, one has no number and one did not change.
pub fn comparison() -> RunComparison {
    let findings = sweep();
    let row = |label: &str, a: f64, ratio: Option<(f64, f64, f64)>, verdict, why: &str| RatioRow {
        cores: 16,
        workload: "plaintext".into(),
        placement: "compact".into(),
        slo: SLO.parse().unwrap(),
        a: side(label, Some(a)),
        b: side(label, ratio.map(|r| r.0 * a)),
        ratio: ratio.map(|(value, lo, hi)| Ratio { value, ci95: [lo, hi] }),
        p_value: ratio.map(|_| 0.01),
        p_holm: ratio.map(|_| 0.03),
        noise_floor: Some(0.012),
        verdict,
        why: why.into(),
    };
    RunComparison {
        schema: SCHEMA,
        headline: "1 of 4 is worse: work-stealing on 16 cores carries 9.0 % less.".into(),
        a: "main".into(),
        b: findings.run.dir,
        rows: vec![
            row("thread-per-core", 2.31e6, Some((1.056, 1.041, 1.072)), Verdict::Better, "beyond the noise floor"),
            row("shared-accept", 0.98e6, Some((0.994, 0.976, 1.011)), Verdict::NoDifference, "1 is inside"),
            row("work-stealing", 1.77e6, Some((0.91, 0.888, 0.931)), Verdict::Worse, "beyond the noise floor"),
            row("nginx", 1.2e6, None, Verdict::Incomparable, "head has no valid number: errors 0.4 % (limit 0.1 %)"),
        ],
        only_a: vec!["hyper on 16 cores at p99<5ms".into()],
        only_b: Vec::new(),
        noise_floor: Some(0.012),
        method: "ratio of medians; permutation test of the log ratio, Holm over 4 rows; bootstrap interval".into(),
        notes: vec!["the kernels differ: 6.1.0 and 6.18.0".into()],
    }
}

fn run(slug: &str, cells: Vec<CellFinding>) -> Findings {
    let order = cells.iter().enumerate().map(|(cell, _)| Turn { cell, rep: 0 }).collect();
    let plan = Plan {
        schema: SCHEMA,
        seed: 42,
        cells: cells.iter().map(|c| c.cell.clone()).collect(),
        order,
        search: SearchSettings {
            width: 0.02,
            budget: Nanos(60_000_000_000),
            window_min: Nanos(1_000_000_000),
            window_max: Nanos(10_000_000_000),
            warmup: None,
            warmup_max: Nanos(5_000_000_000),
            reps: 3,
            rate_cap: None,
            confirmations: 3,
        },
        expected: Nanos(5_400_000_000_000),
        counters: Default::default(),
        checks: Default::default(),
        probes: Vec::new(),
    };
    let curves = curves(&cells);
    let struck_out = struck_out(&cells);
    let planned = cells.len() * 3;
    Findings {
        schema: SCHEMA,
        headline: String::new(),
        run: RunIdentity {
            dir: format!("results/2026-11-23T0112-{slug}"),
            slug: slug.into(),
            command: ["corecurve", "sweep", "-t", "thread-per-core,nginx", "--slo", "p99<5ms", "--seed", "42"]
                .map(str::to_owned)
                .to_vec(),
            seed: 42,
            started: Some("2026-11-23T01:12:04Z".into()),
            version: "0.1.0".into(),
        },
        machine: MachineSummary {
            cpu: Some("AMD EPYC 7763 64-Core Processor".into()),
            cores: Some(64),
            hardware_threads: Some(64),
            numa_nodes: Some(2),
            kernel: Some("6.18.0".into()),
            governor: None,
            hypervisor: Some("kvm".into()),
        },
        machine_record: json!({"kernel": {"release": "6.18.0", "mitigations": ["retbleed"]}, "tsc": "invariant"}),
        plan,
        progress: Progress { finished: planned, planned },
        cells,
        curves,
        noise_floor: None,
        comparisons: Vec::new(),
        objectives: Vec::new(),
        elasticities: Vec::new(),
        capacities: Vec::new(),
        profiles: Vec::new(),
        losses: Vec::new(),
        shares: Vec::new(),
        accounts: Vec::new(),
        verdicts: Vec::new(),
        caveats: Vec::new(),
        struck_out,
        notes: Vec::new(),
    }
}

fn series(shape: Shape, cores: usize, control: bool, index: usize) -> Cell {
    let seats = |from: usize, n: usize| {
        (from..from + n)
            .map(|cpu| Seat { cpu: CpuId(cpu as u32), node: Some(NodeId((cpu / 16) as u32)) })
            .collect::<Vec<_>>()
    };
    Cell {
        id: CellId(format!("{index:02}-{}-plaintext-compact-{cores}", shape.name.replace(':', "-"))),
        target: shape.name.into(),
        target_settings: Settings::new(),
        workload: if shape.name.starts_with("sim") { "requests" } else { "plaintext" }.into(),
        workload_settings: Settings::new(),
        cores,
        placed: Placed {
            kind: PlacementKind::Compact,
            server: seats(0, cores),
            load: seats(if shape.shared { 0 } else { 64 }, 2),
            housekeeping: CpuSet::default(),
            shared: shape.shared,
            clear: CpuSet::default(),
            load_first: false,
        },
        slos: vec![SLO.parse().unwrap()],
        arrival: ArrivalKind::Poisson,
        connections: Some(256),
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

fn cell(index: usize, shape: Shape, cores: usize, control: bool) -> CellFinding {
    let cell = series(shape, cores, control, index);
    let capacity = shape.capacity(cores) * if control { 1.004 } else { 1.0 };
    // The p99 of an M/M/1 queue in pieces of 1/64 of the capacity, kept away from the limit so that curves bend in view.
    let servers = capacity / (shape.gamma / 40.0).max(1.0);
    let mat = capacity - 100f64.ln() / 5e-3 * servers.sqrt().min(capacity / 2_000.0);
    let mut trials = Vec::new();
    for (i, share) in [0.02, 0.35, 0.6, 0.8, 0.9, 0.96, 1.04, 0.985, 1.015, 0.995, 1.005, 1.0].into_iter().enumerate() {
        let mut made = trial(&cell, shape, capacity, mat, mat * share, i as u32);
        if i == 0 {
            made.purpose = Purpose::NoLoad;
        }
        if i >= 10 {
            made.purpose = Purpose::Confirm;
        }
        if shape.broken && i > 4 || i == 7 && index % 3 == 1 {
            let seen = "generator sent 97.1 % of its schedule (needs 99 %): add --load-cores or lower --connections";
            made.valid = false;
            made.invalid_reasons = vec![Reason::new(Rule::ScheduleAdherence, seen)];
        }
        trials.push(made);
    }
    let caveats = if shape.shared { vec!["shared-cores: server and load on CPUs 0-1".to_owned()] } else { Vec::new() };
    let found = mat_finding(&cell, shape, cores, mat, &trials);
    let oracle = shape.name.starts_with("sim").then(|| OracleLine {
        queue: "M/M/c, one shared queue".into(),
        capacity_per_s: capacity,
        p99_ns: (1..60)
            .map(|i| {
                let rate = capacity * f64::from(i) / 60.0;
                [rate, p99(capacity, mat, rate).unwrap_or(f64::MAX)]
            })
            .collect(),
    });
    let mut load_curve: Vec<LoadPoint> = trials.iter().map(load_point).collect();
    load_curve.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    CellFinding {
        series: SeriesKey::of(&cell),
        label: shape.name.into(),
        cell,
        finished_reps: 3,
        planned_reps: 3,
        perturbation: None,
        mats: vec![found],
        load_curve,
        no_load: Some(NoLoad { mean_ns: 61e3, p50: Quantile::At(Nanos(58_000)), p99: Quantile::At(Nanos(140_000)) }),
        oracle,
        trials,
        caveats,
    }
}

/// 5 ms at the MAT, +∞ over the capacity, falling to a floor below.
fn p99(capacity: f64, mat: f64, rate: f64) -> Option<f64> {
    (rate < capacity).then(|| 180e3 + 4.82e6 * (capacity - mat) / (capacity - rate))
}

fn trial(cell: &Cell, shape: Shape, capacity: f64, mat: f64, rate: f64, trial: u32) -> TrialRecord {
    let scheduled = (rate * 5.0) as u64;
    let at = |factor: f64| match p99(capacity, mat, rate) {
        Some(ns) => Quantile::At(Nanos((40e3 + (ns - 40e3) * factor) as u64)),
        None => Quantile::Beyond,
    };
    let tail = (shape.name.len() % 5) as f64;
    let unanswered = if rate > capacity { scheduled / 50 } else { 0 };
    let mut counts = Counts { scheduled, sent: scheduled, ok: scheduled - unanswered, unanswered, ..Counts::default() };
    if trial == 6 && scheduled > 10_000 {
        counts.ok -= 37;
        counts.fail(ErrorClass::Reset, 37);
    }
    let latency = Quantiles {
        p50: at(0.12 - tail / 60.0),
        p90: at(0.5 - tail / 20.0),
        p99: at(1.0),
        p999: at(1.4 + tail / 3.0),
        max: at(2.1 + tail),
        mean: Some(300e3),
        count: scheduled,
    };
    let small = |ns: u64| Quantile::At(Nanos(ns));
    TrialRecord {
        schema: SCHEMA,
        cell: cell.id.clone(),
        rep: 0,
        attempt: 0,
        trial,
        purpose: Purpose::Search,
        target: shape.name.into(),
        workload: cell.workload.clone(),
        placement: "compact".into(),
        cores: cell.cores,
        load_cores: 2,
        arrival: ArrivalKind::Poisson,
        connections: 256,
        transport: None,
        network: None,
        seed: 7_000 + u64::from(trial),
        schedule_sha256: "ab".repeat(32),
        offered_per_s: rate,
        sent_per_s: rate * 0.9998,
        achieved_per_s: rate.min(capacity) * 0.9995,
        counts,
        window_s: 5.0,
        warmup_s: 1.2,
        latency_ns: latency,
        service_ns: Quantiles { p50: small(41_000), p99: small(160_000), count: scheduled, ..Quantiles::default() },
        send_lag_ns: Quantiles { p50: small(900), p99: small(21_000), count: scheduled, ..Quantiles::default() },
        limits: Vec::new(),
        intervals: Vec::new(),
        utilisation: Some((rate / capacity).min(1.0)),
        generator_busy: Some(0.44),
        load_cpu_s: None,
        adherence: None,
        replay: None,
        counters: None,
        shares: None,
        valid: true,
        invalid_reasons: Vec::new(),
        caveats: Vec::new(),
    }
}

fn load_point(trial: &TrialRecord) -> LoadPoint {
    let q = trial.latency_ns;
    LoadPoint {
        offered_per_s: trial.offered_per_s,
        sent_per_s: trial.sent_per_s,
        achieved_per_s: trial.achieved_per_s,
        p50: q.p50,
        p90: q.p90,
        p99: q.p99,
        p999: q.p999,
        bad_share: trial.counts.bad() as f64 / trial.counts.scheduled.max(1) as f64,
        utilisation: trial.utilisation,
        purpose: trial.purpose,
        rep: trial.rep,
        trial: trial.trial,
        valid: trial.valid,
        oracle_p99_ns: None,
    }
}

fn mat_finding(cell: &Cell, shape: Shape, cores: usize, mat: f64, trials: &[TrialRecord]) -> MatFinding {
    let ratio = |value: f64| Ratio { value, ci95: [value * 0.988, value * 1.011] };
    let speedup = shape.capacity(cores) / shape.capacity(1);
    let reasons =
        vec!["all 3 repetitions are invalid: the generator sent 97.1 % of its schedule (needs 99 %)".to_owned()];
    let latency_ns = trials.last().unwrap().latency_ns;
    let reps = [0.995, 1.0, 1.008].iter().enumerate().map(|(rep, factor)| MatRecord {
        schema: SCHEMA,
        cell: cell.id.clone(),
        rep: rep as u32,
        mat: Mat {
            slo: SLO.parse().unwrap(),
            limit_ns: Nanos(5_000_000),
            kind: if shape.broken { MatKind::NotConverged } else { MatKind::Regular },
            mat_per_s: Some(mat * factor),
            ci95: Some([mat * factor * 0.99, mat * factor * 1.01]),
            trials: 12,
            latency_ns,
            utilisation: Some(0.97),
            valid: !shape.broken,
            invalid_reasons: Vec::new(),
            caveats: Vec::new(),
        },
    });
    MatFinding {
        slo: SLO.parse().unwrap(),
        limit_ns: Some(Nanos(5_000_000)),
        kind: Some(if shape.broken { MatKind::NotConverged } else { MatKind::Regular }),
        mat_per_s: Some(mat),
        ci95: Some([mat * 0.989, mat * 1.012]),
        ci_method: "bootstrap of the median of 3 repetitions".into(),
        used_reps: if shape.broken { 0 } else { 3 },
        reps: reps.collect(),
        speedup: (!shape.broken).then(|| ratio(speedup)),
        efficiency: (!shape.broken).then(|| ratio(speedup / cores as f64)),
        base_cores: Some(1),
        latency_ns,
        utilisation: Some(0.97),
        valid: !shape.broken,
        reasons: if shape.broken { reasons } else { Vec::new() },
        caveats: Vec::new(),
    }
}

fn struck_out(cells: &[CellFinding]) -> Vec<StruckOut> {
    let mut all = Vec::new();
    for cell in cells {
        for trial in cell.trials.iter().filter(|trial| !trial.valid) {
            all.push(StruckOut {
                cell: cell.cell.id.clone(),
                rep: trial.rep,
                trial: Some(trial.trial),
                slo: None,
                what: format!("trial at {}", Rate(trial.offered_per_s)),
                reasons: trial.invalid_reasons.iter().map(Reason::to_string).collect(),
            });
        }
        for mat in cell.mats.iter().filter(|mat| !mat.valid) {
            all.push(StruckOut {
                cell: cell.cell.id.clone(),
                rep: 0,
                trial: None,
                slo: Some(mat.slo),
                what: format!("MAT {}", Rate(mat.mat_per_s.unwrap())),
                reasons: mat.reasons.clone(),
            });
        }
    }
    all
}

fn side(label: &str, mat_per_s: Option<f64>) -> RatioSide {
    RatioSide {
        cell: CellId(label.into()),
        label: label.into(),
        mat_per_s,
        ci95: mat_per_s.map(|m| [m * 0.99, m * 1.01]),
        reps: 3,
    }
}

fn comparisons(findings: &Findings) -> Vec<RatioRow> {
    let top = findings.cells.iter().filter(|c| !c.label.starts_with("sim")).map(|c| c.cell.cores).max().unwrap();
    let at: Vec<&CellFinding> = findings
        .cells
        .iter()
        .filter(|c| c.cell.cores == top && !c.cell.control && !c.label.starts_with("sim"))
        .collect();
    let a = at[0];
    at[1..]
        .iter()
        .map(|b| {
            let usable = b.mats[0].valid;
            let value = b.mats[0].mat_per_s.unwrap() / a.mats[0].mat_per_s.unwrap();
            RatioRow {
                cores: top,
                workload: a.cell.workload.clone(),
                placement: "compact".into(),
                slo: a.mats[0].slo,
                a: side(&a.label, a.mats[0].mat_per_s),
                b: side(&b.label, usable.then_some(b.mats[0].mat_per_s).flatten()),
                ratio: usable.then_some(Ratio { value, ci95: [value * 0.98, value * 1.02] }),
                p_value: usable.then_some(0.004),
                p_holm: usable.then_some(0.008),
                noise_floor: findings.noise_floor.as_ref().map(|n| n.floor),
                verdict: if usable { Verdict::Worse } else { Verdict::Incomparable },
                why: if usable { "beyond the noise floor" } else { "no valid number on one side" }.into(),
            }
        })
        .collect()
}
