//! Cost of one search step: reading twelve trials and deciding on the next.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../tests/support/mod.rs"]
mod support;

use corecurve_analysis::search::{Hints, MatSearch};
use corecurve_core::{ArrivalKind, Search};
use criterion::{Criterion, criterion_group, criterion_main};

fn step(c: &mut Criterion) {
    let slos = ["p99<10x".parse().unwrap(), "p99<5ms".parse().unwrap()];
    let hints = Hints::default();
    let new = || MatSearch::new(&slos, ArrivalKind::Poisson, support::settings(), hints);
    let mut bench = support::Bench::new("sim:mm1", &corecurve_core::Settings::new(), 1, 1);
    let (_, records) = bench.search(&mut new());
    let (last, before) = records.split_last().unwrap();
    let search = MatSearch::replay(&slos, ArrivalKind::Poisson, support::settings(), hints, before);
    c.bench_function("search step", |b| {
        b.iter_batched(
            || search.clone(),
            |mut search| {
                search.observe(last);
                search.next()
            },
            criterion::BatchSize::SmallInput,
        )
    });
}

criterion_group!(benches, step);
criterion_main!(benches);
