//! Trials in network namespaces: who received is measured, and a placement that is not as declared makes a trial invalid.

use std::sync::Arc;

use corecurve_core::{NetworkKind, NetworkRecord, Placed, Rule, Seat, TransportKind, TrialRecord};
use corecurve_machine::Link;

use super::support::{Here, Manner, Server, open, run, seats};

/// A trial whose server declares the first seat and whose load the second, over a link that steers to `to` instead: what
/// arrives for the server, what arrives for the load. `None` where there are no two CPUs or no privileges, which is told.
fn trial(to: fn(&[Seat]) -> [Seat; 2], connections: usize, requests: Option<u64>) -> Option<TrialRecord> {
    let seats = seats(2);
    if seats[0].cpu == seats[1].cpu {
        eprintln!("not run: one CPU cannot be told from another");
        return None;
    }
    let [server, load] = to(&seats).map(|seat| std::iter::once(seat.cpu).collect());
    let link = match Link::make(&server, &load, None) {
        Ok(link) => Arc::new(link),
        Err(problem) => {
            assert!(!rustix::process::geteuid().is_root(), "{problem}");
            eprintln!("not run: {problem}");
            return None;
        }
    };
    let server = link.server.within(|| Server::start(Manner::Right)).unwrap();
    let mut setup = open(TransportKind::Epoll, 2_000.0, 500);
    setup.placed = Placed { server: vec![seats[0]], load: vec![seats[1]], ..Placed::default() };
    (setup.connections, setup.requests_per_connection) = (Some(connections), requests);
    setup.link = Some(link);
    Some(run(&setup, &mut Here::at(server.address)).record)
}

fn shares(network: NetworkRecord) -> (f64, f64) {
    (network.server_received_share.unwrap(), network.load_received_share.unwrap())
}

fn misplaced(record: &TrialRecord) -> Option<&str> {
    let reason = record.invalid_reasons.iter().find(|reason| reason.rule == Rule::Receiving)?;
    Some(&reason.seen)
}

#[test]
fn each_side_receives_on_its_own_cores() {
    // Connections that are kept, and connections that are closed after each request and come from many addresses.
    for (connections, requests) in [(16, None), (16, Some(1))] {
        let Some(record) = trial(|seats| [seats[0], seats[1]], connections, requests) else { return };
        let network = record.network.unwrap();
        let (server, load) = shares(network);
        assert!(server >= 0.95 && load >= 0.95, "{requests:?}: server {server}, load {load}");
        assert_eq!((misplaced(&record), network.network.kind), (None, NetworkKind::Netns));
        assert!(record.counts.ok > 900, "{:?}", record.counts);
        assert!(!record.caveats.iter().any(|caveat| caveat.contains("loopback")), "{:?}", record.caveats);
    }
}

#[test]
fn sides_that_receive_for_each_other_are_found_out() {
    let Some(record) = trial(|seats| [seats[1], seats[0]], 16, None) else { return };
    let (server, load) = shares(record.network.unwrap());
    assert!(load < 0.05 && server < 0.95, "server {server}, load {load}");
    assert!(!record.valid && misplaced(&record).is_some(), "{:?}", record.invalid_reasons);
}

#[test]
fn a_side_that_receives_all_is_found_out() {
    let Some(record) = trial(|seats| [seats[0], seats[0]], 16, None) else { return };
    assert!(misplaced(&record).unwrap().contains("for the load"), "{:?}", record.invalid_reasons);
    // What strangers on this machine send can pass for the server's share, for a while.
    let mut tries = (0..5).map(|_| trial(|seats| [seats[1], seats[1]], 16, None).unwrap());
    assert!(tries.any(|record| misplaced(&record).is_some_and(|seen| seen.contains("for the server"))));
}
