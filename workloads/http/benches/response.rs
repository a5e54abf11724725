//! What reading an answer costs: the memoised path, a head seen for the first time, and chunked bodies.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use corecurve_core::{Settings, Wire, Workload};
use corecurve_http::{HttpWorkload, Op, http_workload};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn workload(name: &str) -> HttpWorkload {
    http_workload(name, &Settings::new()).expect("a registered workload").make(0, 1)
}

fn plaintext_answer(second: u8) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Mon, 23 Nov 2026 07:00:{second:02} GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: 13\r\n\r\nHello, World!"
    )
    .into_bytes()
}

fn response(c: &mut Criterion) {
    let mut group = c.benchmark_group("response");
    group.throughput(Throughput::Elements(1));
    let plaintext = workload("plaintext");
    let answers = [plaintext_answer(1), plaintext_answer(2)];
    for (name, verify) in [("same head", false), ("same head, verified", true)] {
        group.bench_function(name, |b| {
            let mut decoder = Default::default();
            b.iter(|| plaintext.decode(&Op::default(), &mut decoder, black_box(&answers[0]), verify));
        });
    }
    group.bench_function("new head", |b| {
        let mut decoder = Default::default();
        let mut turn = 0;
        b.iter(|| {
            turn ^= 1;
            plaintext.decode(&Op::default(), &mut decoder, black_box(&answers[turn]), false)
        });
    });
    group.bench_function("chunked 13 bytes", |b| {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n";
        let mut decoder = Default::default();
        b.iter(|| plaintext.decode(&Op::default(), &mut decoder, black_box(answer), true));
    });
    group.finish();
}

fn request(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    for name in ["plaintext", "work", "web99-static", "support-like"] {
        let mut workload = workload(name);
        let mut rng = corecurve_core::rng::stream(1, 1);
        let mut id = 0;
        group.bench_function(name, |b| {
            let mut out = Vec::with_capacity(4096);
            b.iter(|| {
                out.clear();
                id += 1;
                let op = workload.next(black_box(id), &mut rng);
                workload.encode(&op, false, &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, response, request);
criterion_main!(benches);
