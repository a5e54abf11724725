//! What booking one operation costs, and reading the percentiles of a trial.

use std::hint::black_box;

use corecurve_core::Nanos;
use corecurve_engine::recorder::{Keeps, Recorder};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const WINDOW: Nanos = Nanos(1_000_000_000);

/// Latencies spread over a thousandfold range, as those of a server are.
fn spread(i: u64) -> u64 {
    10_000 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
}

fn book(recorder: &mut Recorder, operations: u64) {
    for i in 0..operations {
        let due = i * (WINDOW.0 / operations);
        recorder.due(due);
        recorder.sent(due, due + 600, false);
        recorder.ok(due, due + 600, due + spread(i));
    }
}

fn recorder(c: &mut Criterion) {
    const OPERATIONS: u64 = 10_000;
    let limits = [Nanos(5_000_000), Nanos(1_000_000)];
    let mut group = c.benchmark_group("recorder");
    group.throughput(Throughput::Elements(OPERATIONS));
    let mut books = Recorder::new(WINDOW, &limits, Nanos(50_000));
    books.open(0);
    group.bench_function("due, sent, ok", |b| b.iter(|| book(black_box(&mut books), OPERATIONS)));
    group.finish();
    c.bench_function("recorder/percentiles", |b| b.iter(|| black_box(&books).latency(OPERATIONS)));
    c.bench_function("recorder/reset", |b| b.iter(|| books.reset(WINDOW, &limits, Nanos(50_000), Keeps::Intervals)));
}

criterion_group!(benches, recorder);
criterion_main!(benches);
