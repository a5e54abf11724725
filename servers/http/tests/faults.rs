//! Every fault does what it says: counted, or as a ratio, never as an absolute speed.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Client, config, config_of, copied};
use corecurve_servers::{RunningServer, ServeConfig, registry};

fn faulty(mut config: ServeConfig, fault: &str) -> ServeConfig {
    config.settings.insert("fault".to_owned(), fault.to_owned());
    config
}

fn start(config: &ServeConfig) -> RunningServer {
    registry::start(config).unwrap()
}

/// Requests that so many clients, each with one in flight, get answered in that time.
fn answered(addr: SocketAddr, clients: usize, path: &str, time: Duration) -> u64 {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = Client::connect(addr);
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(client.get(path).status, 200);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
    count.into_inner()
}

/// How much more four connections get done than one.
fn gain(config: &ServeConfig, path: &str) -> f64 {
    let server = start(config);
    let addr = server.local_addr();
    let time = Duration::from_millis(400);
    let gain = answered(addr, 4, path, time) as f64 / answered(addr, 1, path, time) as f64;
    server.stop().unwrap();
    gain
}

#[test]
fn a_lock_makes_four_connections_share_what_one_gets() {
    let config = config_of("thread-per-connection", 2);
    let alone = gain(&faulty(config.clone(), "delay=5ms,sleep"), "/plaintext");
    let locked = gain(&faulty(config, "mutex=5ms,sleep"), "/plaintext");
    assert!(alone > 3.0, "{alone}");
    assert!((0.7..1.5).contains(&locked), "{locked}");
}

#[test]
fn so_many_requests_are_handled_at_once_and_no_more() {
    let path = "/work?dist=fixed&mean=5ms&how=sleep";
    let config = config_of("thread-per-connection", 1);
    for (places, expected) in [(1, 1.0), (2, 2.0), (4, 4.0)] {
        let gain = gain(&faulty(config.clone(), &format!("admit={places}")), path);
        assert!((expected * 0.7..expected * 1.4).contains(&gain), "{places} places: {gain}");
    }
}

#[test]
fn the_architecture_must_have_requests_that_can_wait() {
    for architecture in ["thread-per-core", "shared-epoll", "tokio"] {
        let problem = registry::check(&faulty(config(architecture), "admit=4")).unwrap_err();
        assert!(problem.seen.contains("admit=4") && problem.help.unwrap().contains("thread-per-connection"));
    }
    for fault in ["mutex", "false-sharing"] {
        let problem = registry::check(&faulty(copied(config("single-loop"), 2, true), fault)).unwrap_err();
        assert!(problem.seen.contains("process"), "{problem}");
    }
    for (fault, token) in [("quota=0.5", "control group"), ("mutx", "`mutex`"), ("delay=1us;delay=2us", "twice")] {
        let problem = registry::check(&faulty(config("single-loop"), fault)).unwrap_err().one_line();
        assert!(problem.contains(token) && problem.contains("fault"), "{fault}: {problem}");
    }
}

#[test]
fn a_delay_is_never_shorter_than_asked() {
    for fault in ["delay=3ms", "delay=3ms,sleep"] {
        let server = start(&faulty(config("thread-per-core"), fault));
        let mut client = Client::connect(server.local_addr());
        for _ in 0..5 {
            let sent = Instant::now();
            assert_eq!(client.get("/plaintext").text(), "Hello, World!");
            assert!(sent.elapsed() >= Duration::from_millis(3), "{fault}");
        }
        // Counts are told without it.
        let quickest = (0..20).map(|_| {
            let sent = Instant::now();
            client.get("/stats");
            sent.elapsed()
        });
        assert!(quickest.min().unwrap() < Duration::from_millis(3));
        server.stop().unwrap();
    }
}

/// Reads this process made, by the kernel's count.
fn reads() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok())
}

#[test]
fn system_calls_are_made_and_the_kernel_counts_them() {
    if reads().is_none() {
        common::say("not tried: this kernel does not count reads in /proc/self/io");
        return;
    }
    let server = start(&faulty(config("thread-per-core"), "syscalls=5k"));
    let mut client = Client::connect(server.local_addr());
    client.get("/plaintext");
    let before = reads().unwrap();
    for _ in 0..20 {
        client.get("/plaintext");
    }
    // Other tests of this process read, too, though not a hundred thousand times.
    let made = reads().unwrap() - before;
    assert!((100_000..120_000).contains(&made), "{made}");
    server.stop().unwrap();
}

#[test]
fn every_architecture_has_them_and_still_answers_rightly() {
    for architecture in registry::ARCHITECTURES {
        let config = faulty(config(architecture.name), "mutex=1us;delay=1us,syscalls=2;false-sharing=3");
        let Some(server) = common::start(&config) else { continue };
        let mut client = Client::connect(server.local_addr());
        assert_eq!(client.get("/plaintext").text(), "Hello, World!", "{}", architecture.name);
        assert_eq!(client.get("/bytes/5").body.len(), 5, "{}", architecture.name);
        assert_eq!(client.get("/no-such-file").status, 404, "{}", architecture.name);
        server.stop().unwrap();
    }
}
