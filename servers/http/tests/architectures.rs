//! What single architectures promise, over real sockets; what all of them promise is in `conformance.rs`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Client, config, start};
use corecurve_core::CpuId;
use corecurve_servers::{ARCHITECTURES, QueueDiscipline, registry};

/// One place in each queue and one thread in each stage: everything waits for everything else, and nothing for ever.
#[test]
fn full_queues_hold_nobody_up_for_ever() {
    let mut config = config("staged");
    for (key, value) in [("queue", "1"), ("input", "2"), ("handlers", "1"), ("output", "1")] {
        config.settings.insert(key.to_owned(), value.to_owned());
    }
    let server = registry::start(&config).unwrap();
    let addr = server.local_addr();
    let client = move || {
        let mut client = Client::connect(addr);
        for _ in 0..10 {
            // Replies are so large that the rest of the pipeline has to be resumed after each.
            client.send("GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
            for _ in 0..20 {
                assert_eq!(client.reply().body.len(), 100_000);
            }
        }
    };
    std::thread::scope(|scope| (0..12).for_each(|_| drop(scope.spawn(client))));
    assert_eq!(server.stop().unwrap().totals.requests, 12 * 10 * 20);
}

#[test]
fn groups_even_out_what_the_hash_gave_them() {
    let mut config = config("hybrid");
    config.seats.extend(config.seats.clone());
    config.settings.insert("groups".to_owned(), "2".to_owned());
    let server = registry::start(&config).unwrap();
    let clients: Vec<Client> = (0..60).map(|_| Client::connect(server.local_addr())).collect();
    let accepted = || server.stats().workers.iter().map(|w| w.counts.connections_accepted).collect::<Vec<u64>>();
    let all_in = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        accepted().iter().sum::<u64>() == clients.len() as u64
    });
    assert!(all_in, "{:?}", accepted());
    for group in accepted().chunks(3) {
        let (least, most) = (group.iter().min().unwrap(), group.iter().max().unwrap());
        assert!(*least > 0 && most - least <= 1, "{:?}", accepted());
    }
    config.settings.insert("groups".to_owned(), "7".to_owned());
    assert!(registry::start(&config).unwrap_err().one_line().contains("groups: 7 groups of 6 workers"));
    server.stop().unwrap();
}

#[test]
fn wrong_settings_are_named() {
    for (change, token) in [
        (("backlg", "1"), "`backlog`"),
        (("idle-timeout", "10"), "no unit"),
        (("idle-timeout", "0s"), "too short"),
        (("backlog", "0"), "out of range"),
        (("max-connections", "-1"), "-1"),
    ] {
        let mut config = config("thread-per-core");
        config.settings.insert(change.0.to_owned(), change.1.to_owned());
        let problem = registry::start(&config).unwrap_err().one_line();
        assert!(problem.contains(token) && problem.contains(change.0), "{problem}");
    }
    let mut config = config("acceptor-handoff");
    config.settings.insert("policy".to_owned(), "least-conections".to_owned());
    assert!(registry::start(&config).unwrap_err().one_line().contains("`least-connections`"));
    config.settings.clear();
    config.addr = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(registry::start(&config).unwrap_err().one_line().contains("--allow-remote"));
    config.addr = SocketAddr::from(([127, 0, 0, 1], 0));
    config.seats[1].cpu = CpuId(60_000);
    assert!(registry::start(&config).unwrap_err().one_line().contains("60000"));
    config.seats.clear();
    assert!(registry::start(&config).unwrap_err().one_line().contains("at least one CPU"));
}

#[test]
fn a_taken_port_is_refused_even_if_it_could_be_shared() {
    for architecture in ARCHITECTURES {
        let first = registry::start(&config("thread-per-core")).unwrap();
        let mut second = config(architecture.name);
        second.addr = first.local_addr();
        let problem = registry::start(&second).unwrap_err().one_line();
        assert!(problem.contains(&first.local_addr().to_string()), "{problem}");
        assert_eq!(Client::connect(first.local_addr()).get("/plaintext").status, 200);
    }
}

#[test]
fn least_connections_evens_out_what_clients_left() {
    let mut config = config("acceptor-handoff-least");
    config.seats.truncate(2);
    let server = registry::start(&config).unwrap();
    let connect = || {
        let mut client = Client::connect(server.local_addr());
        client.get("/plaintext");
        client
    };
    let mut clients: Vec<Client> = (0..20).map(|_| connect()).collect();
    // By turns: every second one is the first worker's. It loses all of its own.
    let mut keep = (0..20).map(|i| i % 2 == 1);
    clients.retain(|_| keep.next().unwrap());
    let is_left = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        server.stats().workers[0].counts.connections_open == 0
    });
    assert!(is_left);
    clients.extend((0..10).map(|_| connect()));
    let open: Vec<u64> = server.stats().workers.iter().map(|worker| worker.counts.connections_open).collect();
    assert_eq!(open, [10, 10]);
}

/// What the registry says about queues, put to the test: two of three workers are stuck in a request.
#[test]
fn a_shared_queue_has_no_one_wait_while_a_worker_is_free() {
    let shared = [QueueDiscipline::Shared, QueueDiscipline::OsScheduled];
    for architecture in ARCHITECTURES.iter().filter(|known| shared.contains(&known.queue_discipline)) {
        let name = architecture.name;
        let Some(server) = start(&config(name)) else { continue };
        let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(server.local_addr())).collect();
        for client in &mut clients {
            client.get("/plaintext");
        }
        let (stuck, free) = clients.split_at_mut(2);
        for client in &mut *stuck {
            client.send("GET /work?dist=fixed&mean=1s&id=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        while server.stats().totals.requests < 10 {
            std::thread::yield_now();
        }
        for client in &mut *free {
            assert_eq!(client.get("/plaintext").status, 200, "{name}");
        }
        for client in stuck {
            client.stream.set_nonblocking(true).unwrap();
            let nothing_yet = client.stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
            assert!(nothing_yet, "{name}: a request waited behind a long one although a worker was free");
        }
        server.stop().unwrap();
    }
}
