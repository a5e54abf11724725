//! Every architecture as several copies: threads of one process, or processes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::{Client, assert_free, be_a_copy, config, copied, start};
use corecurve_core::ServerStats;
use corecurve_servers::{ARCHITECTURES, ServeConfig, registry};

/// What a copy is when this test program is started once more. Does nothing otherwise.
#[test]
fn copy_process() {
    be_a_copy();
}

fn with(architecture: &str, settings: &[(&str, &str)]) -> ServeConfig {
    let mut config = copied(config(architecture), 1, false);
    config.settings.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    config
}

/// Serves, counts, finishes what is in progress and leaves the port.
fn check(name: &str, config: &ServeConfig, workers: usize) {
    let Some(server) = start(config) else { return };
    let addr = server.local_addr();
    let mut clients: Vec<Client> = (0..24).map(|_| Client::connect(addr)).collect();
    for client in &mut clients {
        for _ in 0..5 {
            assert_eq!(client.get("/plaintext").text(), "Hello, World!", "{name}");
        }
    }
    let stats = server.stats();
    assert_eq!((stats.workers.len(), stats.totals.requests), (workers, 120), "{name}: {stats:?}");
    assert_eq!((stats.totals.connections_accepted, stats.totals.connections_open), (24, 24), "{name}");
    assert!(stats.workers.iter().enumerate().all(|(i, row)| row.worker == i && row.cpu.is_some()), "{name}: {stats:?}");
    clients[0].send("GET /work?dist=fixed&mean=50ms&id=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    while server.stats().totals.requests < 121 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let stats = server.stop().unwrap();
    assert_eq!(clients[0].reply().status, 200, "{name}: a request in progress is finished");
    assert_eq!((stats.totals.requests, stats.totals.connections_open), (121, 0), "{name}: {stats:?}");
    assert_free(name, addr);
}

#[test]
fn copies_serve_as_one_server() {
    for architecture in ARCHITECTURES {
        let workers = if architecture.has_one_worker { 2 } else { 3 };
        check(architecture.name, &with(architecture.name, &[("copies", "2")]), workers);
    }
}

#[test]
fn processes_serve_as_one_server() {
    for architecture in ARCHITECTURES {
        let workers = if architecture.has_one_worker { 2 } else { 3 };
        check(architecture.name, &with(architecture.name, &[("copies", "2"), ("procs", "true")]), workers);
    }
    check("a process per worker", &with("single-loop", &[("procs", "true")]), 3);
}

#[test]
fn each_copy_gets_connections() {
    for procs in ["false", "true"] {
        let server = start(&with("shared-epoll", &[("copies", "3"), ("procs", procs)])).unwrap();
        // The hash of 60 connections leaves one of three copies without any once in ten thousand million times.
        let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(server.local_addr())).collect();
        for client in &mut clients {
            client.get("/plaintext");
        }
        let stats = server.stats();
        assert!(stats.workers.iter().all(|row| row.counts.connections_accepted > 0), "procs={procs}: {stats:?}");
        // What a client is told is what the process it asks knows, and says so.
        let told: ServerStats = serde_json::from_str(clients[0].get("/stats").text()).unwrap();
        assert_eq!(told.part.map(|part| part.of), (procs == "true").then_some(3));
        assert_eq!(told.workers.len(), if procs == "true" { 1 } else { 3 });
        assert!(told.told_by.is_some_and(|row| told.workers[row].counts.requests > 0), "{told:?}");
    }
}

#[test]
fn a_copy_that_dies_is_missed() {
    let server = start(&with("thread-per-core", &[("procs", "true")])).unwrap();
    let victim = copies_of(server.local_addr().port()).remove(0);
    let pid = rustix::process::Pid::from_raw(victim.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let problem = server.stop().unwrap_err().one_line();
    assert!(problem.contains(&victim), "{problem}");
}

/// What a copy allocates before its workers start is near them only if it begins on their CPUs (and nodes).
#[test]
fn a_copy_begins_on_its_seats() {
    let config = with("shared-epoll", &[("procs", "true")]);
    let server = start(&config).unwrap();
    let mut seen: Vec<String> = copies_of(server.local_addr().port()).iter().map(|pid| allowed(pid)).collect();
    let mut seats: Vec<String> = config.seats.iter().map(|seat| seat.cpu.to_string()).collect();
    seen.sort();
    seats.sort();
    assert_eq!(seen, seats);
    server.stop().unwrap();
}

/// The CPUs that a process's first thread may use, as the kernel writes them.
fn allowed(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned()
}

/// The copies that serve on a port. Other tests of this program have copies, too: a listening socket tells them apart.
fn copies_of(port: u16) -> Vec<String> {
    let ours = std::process::id().to_string();
    let is_copy = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        parent == Some(ours.as_str()) && String::from_utf8_lossy(&command).contains("copy_process")
    };
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    processes.filter(is_copy).filter(|pid| listens(pid, port)).collect()
}

/// Whether a process holds a socket that listens on a port of 127.0.0.1.
fn listens(pid: &str, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!("0100007F:{port:04X}");
    let listening = table.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let inodes: Vec<String> = listening
        .filter(|fields| fields.get(1) == Some(&local.as_str()) && fields.get(3) == Some(&"0A"))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
}

#[test]
fn what_copies_cannot_be_is_refused() {
    let refusal = |architecture: &str, settings: &[(&str, &str)]| {
        let config = with(architecture, settings);
        registry::start(&config).unwrap_err().one_line()
    };
    assert!(refusal("single-loop", &[("copies", "9")]).contains("9 copies on 3 cores"));
    assert!(refusal("single-loop", &[("copies", "per-socket")]).contains("per-node"));
    assert!(refusal("single-loop", &[("procs", "maybe")]).contains("procs"));
    // What a copy refuses comes back as its own.
    let mut config = with("single-loop", &[("procs", "true")]);
    config.root = Some("/no/such/root".into());
    assert!(registry::start(&config).unwrap_err().one_line().contains("/no/such/root"));
    config.root = None;
    config.seats[1].cpu = corecurve_core::CpuId(60_000);
    assert!(registry::start(&config).unwrap_err().one_line().contains("60000"));
    config.launcher = None;
    assert!(registry::start(&config).unwrap_err().one_line().contains("cannot start its own copies"));
    let mut config = with("reuseport-cpu", &[("copies", "2")]);
    config.settings.insert("steer".to_owned(), "bpf".to_owned());
    assert!(registry::start(&config).unwrap_err().one_line().contains("steer=incoming-cpu"));
}
