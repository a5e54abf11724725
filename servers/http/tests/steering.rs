//! Whether connections go to the CPU they come in on, tried with clients that sit on it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::Client;
use corecurve_core::CpuId;
use corecurve_machine::pin::pin_current_thread;
use corecurve_servers::{ServeConfig, registry};

fn cpus() -> Vec<CpuId> {
    let mine = rustix::thread::sched_getaffinity(None).unwrap();
    (0..1024).filter(|&cpu| mine.is_set(cpu as usize)).map(CpuId).take(4).collect()
}

fn config(steer: &str, path: &str) -> ServeConfig {
    let mut config = ServeConfig::new("reuseport-cpu", cpus());
    for (key, value) in [("steer", steer), ("path", path)] {
        config.settings.insert(key.to_owned(), value.to_owned());
    }
    config
}

/// Whether packets of `lo` stay on the CPU of their sender, as they do unless somebody has set RPS.
fn sender_receives() -> bool {
    std::fs::read_to_string("/sys/class/net/lo/queues/rx-0/rps_cpus")
        .is_ok_and(|mask| mask.trim().chars().all(|c| matches!(c, '0' | ',')))
}

#[test]
fn connections_go_to_the_worker_on_the_cpu_that_received_them() {
    for steer in ["bpf", "incoming-cpu"] {
        let server = registry::start(&config(steer, "ignore")).unwrap();
        let addr = server.local_addr();
        let mut clients = Vec::new();
        for (worker, cpu) in cpus().into_iter().enumerate() {
            let connect = move || {
                pin_current_thread(cpu).unwrap();
                (0..20).map(|_| Client::connect(addr)).collect::<Vec<Client>>()
            };
            clients.extend(std::thread::spawn(connect).join().unwrap());
            for client in &mut clients {
                client.get("/plaintext");
            }
            let stats = server.stats();
            if sender_receives() {
                assert_eq!(stats.workers[worker].counts.connections_accepted, 20, "{steer}, CPU {cpu}: {stats:?}");
            }
            assert_eq!(stats.totals.connections_accepted, 20 * (worker as u64 + 1), "{steer}");
        }
        server.stop().unwrap();
    }
}

#[test]
fn plain_loopback_is_refused_or_owned_up_to() {
    let ignoring = registry::start(&config("bpf", "ignore")).unwrap();
    match registry::start(&config("bpf", "require")) {
        Ok(_) => assert!(!sender_receives(), "started although the sender's CPU receives"),
        Err(problem) => {
            let text = problem.one_line();
            assert!(text.contains("rps_cpus") && text.contains("path=ignore"), "{text}");
            assert_eq!(ignoring.notes(), [problem.seen], "what is ignored is told");
        }
    }
    ignoring.stop().unwrap();
    // One worker has nobody to share with, and is a group all the same.
    let mut alone = config("bpf", "ignore");
    alone.seats.truncate(1);
    let server = registry::start(&alone).unwrap();
    assert_eq!(Client::connect(server.local_addr()).get("/plaintext").status, 200);
    server.stop().unwrap();
}
