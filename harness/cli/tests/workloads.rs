//! Workloads meet servers: every workload gets a right answer from every architecture, through both our parsers.
//!
//! The two crates know nothing of each other, so this is where their idea of an endpoint is held together.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use corecurve_core::rng::stream;
use corecurve_core::{CpuId, Decoded, ErrorClass, Nanos, Outcome, Service, ServiceShape, Settings, Wire, Workload};
use corecurve_http::{HttpWorkload, http_workload};
use corecurve_servers::{ARCHITECTURES, ServeConfig, registry};

fn workload(name: &str, pairs: &[(&str, &str)], seed: u64) -> HttpWorkload {
    let settings: Settings = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    http_workload(name, &settings).unwrap().make(0, seed)
}

/// Asks `count` operations on one connection, the last with `Connection: close`; outcomes and payloads.
fn ask(address: SocketAddr, workload: &mut HttpWorkload, count: u64) -> Vec<(Outcome, u64)> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut rng = stream(1, 2);
    let mut decoder = Default::default();
    let mut answers = Vec::new();
    for id in 0..count {
        let (op, last) = (workload.next(id, &mut rng), id + 1 == count);
        let mut request = Vec::new();
        workload.encode(&op, last, &mut request);
        connection.write_all(&request).unwrap();
        let mut input = Vec::new();
        let outcome = loop {
            let mut piece = [0; 4096];
            let length = connection.read(&mut piece).unwrap();
            if length == 0 {
                break workload.closed(&op, &mut decoder);
            }
            input.extend_from_slice(&piece[..length]);
            match workload.decode(&op, &mut decoder, &input, true) {
                Decoded::Partial { consumed } => drop(input.drain(..consumed)),
                Decoded::Done { outcome, keep_alive, .. } => {
                    assert_eq!(keep_alive, !last, "operation {id} of {count}");
                    break outcome;
                }
            }
        };
        answers.push((outcome, workload.told(&decoder).service_ns));
    }
    let end = connection.read(&mut [0; 1]).unwrap();
    assert_eq!(end, 0, "the server keeps a connection that it was asked to close");
    answers
}

#[test]
fn every_workload_is_answered_by_every_architecture() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("index.html"), "<title>here</title>").unwrap();
    let workloads: [(&str, &[(&str, &str)]); 11] = [
        ("plaintext", &[]),
        ("echo", &[]),
        ("echo", &[("size", "0")]),
        ("echo", &[("size", "100k")]),
        ("bytes", &[("size", "0")]),
        ("bytes", &[]),
        ("bytes", &[("size", "1M")]),
        ("work", &[("mean", "5us"), ("dist", "lognormal")]),
        ("static", &[]),
        ("get", &[("path", "/index.html?{id}"), ("body", "here")]),
        ("get", &[("path", "/bytes/9"), ("method", "HEAD")]),
    ];
    for architecture in ARCHITECTURES {
        let mut config = ServeConfig::new(architecture.name, [CpuId(0)]);
        config.root = Some(root.path().to_owned());
        if architecture.name == "reuseport-cpu" {
            // On loopback it is refused for good reason, which is not what is asked here.
            config.settings.insert("path".to_owned(), "ignore".to_owned());
        }
        let server = match registry::start(&config) {
            // Not every kernel offers one; that the refusal says so is the server's own test.
            Err(problem) if problem.seen.starts_with("io_uring cannot be used") => continue,
            Err(problem) if !cfg!(feature = "tokio") && problem.seen == "this build has no tokio" => continue,
            started => started.unwrap(),
        };
        for (name, pairs) in workloads {
            let answers = ask(server.local_addr(), &mut workload(name, pairs, 1), 4);
            let right = answers.iter().all(|(outcome, _)| *outcome == Outcome::Ok);
            assert!(right, "{}: {name} {pairs:?}: {answers:?}", architecture.name);
        }
        server.stop().unwrap();
    }
}

#[test]
fn wrong_answers_are_told_from_right_ones() {
    let server = registry::start(&ServeConfig::new("thread-per-core", [CpuId(0)])).unwrap();
    for (pairs, class) in [
        (&[("path", "/nowhere")][..], ErrorClass::Status),
        (&[("path", "/plaintext"), ("status", "404")], ErrorClass::Status),
        (&[("path", "/plaintext"), ("body", "Goodbye")], ErrorClass::WrongBody),
    ] {
        let answers = ask(server.local_addr(), &mut workload("get", pairs, 1), 3);
        assert!(answers.iter().all(|(outcome, _)| *outcome == Outcome::Failed(class)), "{pairs:?}: {answers:?}");
    }
    server.stop().unwrap();
}

#[test]
fn the_service_time_that_comes_back_is_the_one_that_was_planned() {
    let server = registry::start(&ServeConfig::new("thread-per-core", [CpuId(0)])).unwrap();
    let pairs = [("dist", "exp"), ("mean", "50us")];
    let answers = ask(server.local_addr(), &mut workload("work", &pairs, 77), 50);
    let service = Service { shape: ServiceShape::Exp, mean: Nanos(50_000), seed: 77 };
    for (id, (outcome, spun_ns)) in answers.into_iter().enumerate() {
        let planned = service.time(id as u64);
        assert_eq!(outcome, Outcome::Ok);
        assert!(spun_ns >= planned.0, "operation {id} spun {spun_ns} ns of {planned}");
    }
    server.stop().unwrap();
}

#[test]
fn both_sides_agree_on_the_bytes_of_a_body() {
    let pattern = corecurve_http::kinds::bytes::PATTERN;
    for index in 0..300_u64 {
        assert_eq!(corecurve_servers::handler::pattern_byte(index), pattern[index as usize % pattern.len()]);
    }
}
