//! On whose cores packets were received in the window.
//!
//! The load generator knows of its own connections on which CPU the last packet of each was received (`SO_INCOMING_CPU`);
//! packets of one connection are all steered alike. What arrived for the server is known by number alone, and so is what the
//! server's CPUs received. Less the answers that strayed there, the second over the first is the server's share. The share of
//! the load generator is needed for it: with as many requests as answers, ends that receive for each other would have the same
//! counts as ends that receive for themselves.

use corecurve_core::{Counters, Network, NetworkKind, NetworkRecord, Side};

/// Packets that may be between a counter of the link and one of a CPU when these are read.
const ON_THE_WAY: u64 = 16;

/// What was counted in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Packets {
    /// Arrived at the server's end of the link.
    to_server: u64,
    /// Arrived at the load's.
    to_load: u64,
    /// Received by the server's CPUs, whatever for.
    on_server_cpus: u64,
}

impl Packets {
    /// `None` where something is not known. There is nothing to know without a link.
    fn of(counters: &Counters) -> Option<Packets> {
        let link = counters.link?;
        let server = counters.cpus.iter().filter(|cpu| cpu.side != Side::Load).map(|cpu| cpu.packets);
        let on_server_cpus = server.reduce(|sum, packets| Some(sum? + packets?))??;
        Some(Packets { to_server: link.packets_to_server, to_load: link.packets_to_load, on_server_cpus })
    }
}

/// Puts together what was counted and what the load generator saw of its connections: those whose answers were received on
/// its own CPUs, and all of them.
pub(crate) fn record(network: Network, counters: Option<&Counters>, (own, all): (usize, usize)) -> NetworkRecord {
    let packets = counters.and_then(Packets::of);
    let load = (all > 0).then(|| own as f64 / all as f64);
    let server = packets.zip(load).and_then(|(packets, load)| server_share(packets, load));
    NetworkRecord { network, server_received_share: server, load_received_share: load }
}

fn server_share(packets: Packets, load_share: f64) -> Option<f64> {
    let strayed = packets.to_load as f64 * (1.0 - load_share);
    let received = (packets.on_server_cpus + ON_THE_WAY) as f64 - strayed;
    (packets.to_server > 0).then(|| (received / packets.to_server as f64).clamp(0.0, 1.0))
}

/// What must be said of every number that was measured over loopback.
pub(crate) fn loopback_caveat(record: &NetworkRecord) -> Option<String> {
    let share = record.load_received_share.filter(|_| record.network.kind == NetworkKind::Loopback)?;
    Some(format!(
        "loopback: a packet is received by the CPU that sends it; {:.0} % of the load's connections were received on load cores, \
         so each side did part of the other's work (`--network netns` keeps them apart)",
        share * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use corecurve_core::{CpuCounts, CpuId, LinkBytes};

    use super::*;

    const NETNS: Network = Network { kind: NetworkKind::Netns, cap: None };

    /// Counters of a server on CPU 0 and a load on CPU 1.
    fn counted(to_server: u64, to_load: u64, on_server_cpus: u64) -> Counters {
        let cpu =
            |cpu, side, packets| CpuCounts { cpu: CpuId(cpu), side, packets: Some(packets), ..CpuCounts::default() };
        let link = LinkBytes { packets_to_server: to_server, packets_to_load: to_load, ..LinkBytes::default() };
        let cpus = vec![cpu(0, Side::Server, on_server_cpus), cpu(1, Side::Load, 77_777)];
        Counters { link: Some(link), cpus, ..Counters::default() }
    }

    fn shares(server: u64, load: u64, on_server_cpus: u64, own: usize) -> (f64, f64) {
        let record = record(NETNS, Some(&counted(server, load, on_server_cpus)), (own, 100));
        (record.server_received_share.unwrap(), record.load_received_share.unwrap())
    }

    #[test]
    fn each_side_on_its_own_cores_is_all() {
        assert_eq!(shares(10_000, 10_000, 10_000, 100), (1.0, 1.0));
        // Other packets of the machine make it no more than all.
        assert_eq!(shares(10_000, 10_000, 12_000, 100), (1.0, 1.0));
        assert_eq!(shares(10, 10, 0, 100), (1.0, 1.0), "ten packets can all be on the way");
    }

    #[test]
    fn sides_that_receive_for_each_other_are_not_taken_for_sides_that_receive_for_themselves() {
        let (server, load) = shares(10_000, 10_000, 10_000, 0);
        assert!(server < 0.01 && load == 0.0, "{server} {load}");
    }

    #[test]
    fn a_side_that_receives_all_is_seen() {
        let (server, load) = shares(10_000, 12_000, 22_000, 0);
        assert!(server == 1.0 && load == 0.0, "all on the server's: {server} {load}");
        let (server, load) = shares(10_000, 12_000, 0, 100);
        assert!(server < 0.01 && load == 1.0, "all on the load's: {server} {load}");
        let (server, load) = shares(10_000, 10_000, 9_000, 90);
        assert!((server - 0.8).abs() < 0.01 && load == 0.9, "a fifth of one and a tenth of the other: {server} {load}");
    }

    #[test]
    fn what_cannot_be_known_is_not_made_up() {
        let none = record(NETNS, Some(&counted(9, 9, 9)), (0, 0));
        assert_eq!((none.server_received_share, none.load_received_share), (None, None));
        assert_eq!(record(NETNS, None, (1, 1)).server_received_share, None);
        assert_eq!(record(NETNS, Some(&Counters::default()), (1, 1)).server_received_share, None);
        assert_eq!(record(NETNS, Some(&counted(0, 0, 0)), (1, 1)).server_received_share, None);
        let mut unread = counted(9, 9, 9);
        unread.cpus[0].packets = None;
        assert_eq!(record(NETNS, Some(&unread), (1, 1)).server_received_share, None);
    }

    #[test]
    fn loopback_says_its_share_and_netns_has_nothing_to_say() {
        let caveat = loopback_caveat(&record(Network::default(), None, (1, 40))).unwrap();
        assert!(caveat.contains(" 2 % of") || caveat.contains(" 3 % of"), "{caveat}");
        assert_eq!(loopback_caveat(&record(NETNS, None, (1, 40))), None);
        assert_eq!(loopback_caveat(&record(Network::default(), None, (0, 0))), None);
    }
}
