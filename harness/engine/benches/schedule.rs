//! What an intended time costs: to make, to take, to look at. And a whole trial in virtual time, per operation.

use std::hint::black_box;

use corecurve_core::{
    ArrivalKind, CellId, Collectors, Load, Nanos, Placed, Purpose, Rate, TransportKind, TrialRequest, VirtualServer,
};
use corecurve_engine::recorder::Window;
use corecurve_engine::schedule::{Ahead, Phase, Schedule, inspect};
use corecurve_engine::{TrialScratch, TrialSetup, virtual_record};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const OPERATIONS: u64 = 100_000;
const WINDOW: Nanos = Nanos(1_000_000_000);

fn schedules(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule");
    group.throughput(Throughput::Elements(OPERATIONS));
    for kind in [ArrivalKind::Poisson, ArrivalKind::Uniform, ArrivalKind::Burst(8)] {
        let schedule = Schedule { kind, rate: Rate(OPERATIONS as f64), seed: 1, workers: 1 };
        group.bench_function(format!("make/{kind}"), |b| {
            b.iter(|| schedule.arrivals(0, Phase::Window).take(OPERATIONS as usize).fold(0, |a, b| a ^ b));
        });
        let ready = Ahead::new(schedule.arrivals(0, Phase::Window), WINDOW.0, OPERATIONS as f64);
        group.bench_function(format!("take/{kind}"), |b| {
            b.iter_batched_ref(
                || ready.clone(),
                |ahead| {
                    while let Some(due) = ahead.peek() {
                        black_box(due);
                        ahead.pop();
                    }
                },
                criterion::BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("inspect/{kind}"), |b| {
            b.iter(|| inspect(&schedule, &Window::new(WINDOW), Nanos::MAX));
        });
    }
    group.finish();
}

/// Answers after a fixed time, for next to nothing.
struct Fixed;

impl VirtualServer for Fixed {
    fn complete(&mut self, arrival: Nanos, _: u64) -> Option<Nanos> {
        Some(arrival + Nanos(100_000))
    }
    fn begin_trial(&mut self, _: u64) {}
    fn utilisation(&self, _: Nanos) -> f64 {
        0.5
    }
}

fn virtual_time(c: &mut Criterion) {
    let setup = TrialSetup {
        cell: CellId("bench".into()),
        rep: 0,
        attempt: 0,
        trial: 0,
        target: "sim".into(),
        workload: "none".into(),
        placed: Placed::default(),
        cores: 1,
        arrival: ArrivalKind::Poisson,
        connections: None,
        requests_per_connection: None,
        transport: TransportKind::default(),
        link: None,
        counters: Collectors::default(),
        caveats: Vec::new(),
        faults: Vec::new(),
        request: TrialRequest {
            purpose: Purpose::Search,
            load: Load::Open(Rate(OPERATIONS as f64)),
            window: WINDOW,
            limits: vec![Nanos(1_000_000)],
            fresh_target: false,
        },
        seed: 1,
        warmup: Some(Nanos::ZERO),
        warmup_max: Nanos::SECOND,
        timeout: Nanos(10_000_000_000),
        trace: false,
        profile: false,
        strict: false,
    };
    let mut scratch = TrialScratch::new();
    let mut group = c.benchmark_group("virtual trial");
    group.throughput(Throughput::Elements(OPERATIONS));
    group.bench_function("open loop", |b| b.iter(|| virtual_record(&setup, &mut Fixed, &mut scratch)));
    group.finish();
}

criterion_group!(benches, schedules, virtual_time);
criterion_main!(benches);
