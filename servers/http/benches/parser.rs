//! The parser on its own, and the whole way from request bytes to reply bytes.
#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::hint::black_box;
use std::sync::Arc;

use corecurve_servers::Limits;
use corecurve_servers::engine::scan::Scan;
use corecurve_servers::engine::{Connection, Front, Head};
use corecurve_servers::handler::{App, Site};
use corecurve_servers::runtime::Stats;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// What load generators send.
const SMALL: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
/// What browsers send.
const LARGE: &[u8] = b"GET /plaintext?utm_source=newsletter&id=12345 HTTP/1.1\r\nHost: www.example.org\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\nUpgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n\r\n";

fn parse(input: &[u8], limits: &Limits) -> usize {
    let mut scan = Scan::default();
    match scan.head_len(input, limits) {
        Ok(Some(len)) => Head::parse(&input[..len], scan.line_len(), limits).map_or(0, |head| head.path.len()),
        _ => 0,
    }
}

fn heads(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("parse head");
    for (name, input) in [("small", SMALL), ("browser", LARGE)] {
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |b| b.iter(|| parse(black_box(input), &limits)));
    }
    group.finish();
}

fn requests(c: &mut Criterion) {
    let mut app = App::new(Arc::new(Site::new(Stats::new("bench", [None]), None)), 0);
    let mut connection = Connection::new(Limits::default());
    let mut group = c.benchmark_group("request to reply");
    let pipeline = SMALL.repeat(16);
    for (name, input, replies) in [("one", SMALL, 1), ("pipeline of 16", &pipeline, 16)] {
        group.throughput(Throughput::Elements(replies));
        group.bench_function(name, |b| {
            b.iter(|| {
                connection.receive(black_box(input), &mut app);
                let Front::Bytes { bytes, .. } = connection.outbox().front() else { return };
                let n = black_box(bytes).len();
                connection.sent(n);
            });
        });
    }
    group.finish();
}

fn bodies(c: &mut Criterion) {
    let mut app = App::new(Arc::new(Site::new(Stats::new("bench", [None]), None)), 0);
    let mut connection = Connection::new(Limits::default());
    let mut input = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        input.extend_from_slice(b"100\r\n");
        input.extend_from_slice(&[b'x'; 256]);
        input.extend_from_slice(b"\r\n");
    }
    input.extend_from_slice(b"0\r\n\r\n");
    let mut group = c.benchmark_group("chunked body");
    group.throughput(Throughput::Bytes(input.len() as u64));
    group.bench_function("16 KiB in 64 chunks", |b| {
        b.iter(|| {
            connection.receive(black_box(&input), &mut app);
            let Front::Bytes { bytes, .. } = connection.outbox().front() else { return };
            let n = black_box(bytes).len();
            connection.sent(n);
        });
    });
    group.finish();
}

criterion_group!(benches, heads, requests, bodies);
criterion_main!(benches);
