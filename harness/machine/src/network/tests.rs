use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::*;
use crate::procfs::tcp;

/// A link, or the loud reason why there is none here: then it must be a matter of privileges.
fn link(cap: Option<BitRate>) -> Option<Link> {
    let cpus = affinity().unwrap();
    match Link::make(&cpus, &cpus, cap) {
        Ok(link) => Some(link),
        Err(problem) => {
            assert!(!rustix::process::geteuid().is_root(), "root is refused a link: {problem}");
            assert!(problem.help.unwrap().contains("root"));
            None
        }
    }
}

/// A connection from the load's side to a listener on the server's side; what it read, and whom the listener saw.
fn talk(link: &Link, source: Option<Ipv4Addr>) -> (Vec<u8>, SocketAddr) {
    let listener = link.server.within(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let client = link.load.within(|| {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
        if let Some(source) = source {
            rustix::net::bind(&socket, &SocketAddr::from((source, 0))).unwrap();
        }
        rustix::net::connect(&socket, &address).unwrap();
        TcpStream::from(socket)
    });
    let (mut accepted, peer) = listener.accept().unwrap();
    accepted.write_all(b"hello").unwrap();
    drop(accepted);
    let mut read = Vec::new();
    client.unwrap().read_to_end(&mut read).unwrap();
    (read, peer)
}

#[test]
fn the_means_are_there_where_a_link_can_be_made() {
    assert_eq!(means().is_ok(), refusal(None).is_none(), "{:?} {:?}", means(), refusal(None));
}

#[test]
fn load_reaches_the_servers_loopback_through_the_link() {
    let Some(link) = link(None) else { return };
    let before = link.arrived().unwrap();
    let (read, peer) = talk(&link, None);
    assert_eq!((read.as_slice(), peer.ip().to_string().as_str()), (&b"hello"[..], LOAD_ADDRESS));
    let after = link.arrived().unwrap();
    // At least a handshake, the bytes and the closing.
    let grew =
        |before: net::Traffic, after: net::Traffic| after.packets >= before.packets + 3 && after.bytes > before.bytes;
    assert!(grew(before.server, after.server) && grew(before.load, after.load), "{before:?} {after:?}");
    // Source addresses of a load generator that needs more ports than one has.
    for source in [Ipv4Addr::new(127, 16, 1, 1), Ipv4Addr::new(127, 99, 7, 250), Ipv4Addr::new(127, 215, 250, 250)] {
        let (read, peer) = talk(&link, Some(source));
        assert_eq!((read.as_slice(), peer.ip()), (&b"hello"[..], source.into()));
    }
}

#[test]
fn what_listens_inside_is_seen_from_inside_only() {
    let Some(link) = link(None) else { return };
    let listener = link.server.within(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let inode = tcp::sockets(std::process::id());
    let seen = |found: Vec<tcp::Listener>| found.iter().any(|l| l.address == address && inode.contains(&l.inode));
    assert!(seen(link.server.within(tcp::all_listeners).unwrap().unwrap()));
    assert!(!seen(link.load.within(tcp::all_listeners).unwrap().unwrap()));
    assert!(!seen(tcp::all_listeners().unwrap()));
}

#[test]
fn a_namespace_has_the_machines_settings() {
    let Some(link) = link(None) else { return };
    let ours = end::settings();
    assert!(ours.len() >= 5, "{ours:?}");
    for side in [&link.server, &link.load] {
        assert_eq!(side.within(end::settings).unwrap(), ours);
    }
}

#[test]
fn a_cap_is_in_force() {
    let Some(link) = link(Some(BitRate(8_000_000))) else { return };
    let listener = link.server.within(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = link.load.within(|| TcpStream::connect(address).unwrap()).unwrap();
    let mut accepted = listener.accept().unwrap().0;
    // A megabyte at a megabyte per second, less the burst and what the buffers take.
    let reader = std::thread::spawn(move || std::io::copy(&mut accepted, &mut std::io::sink()).unwrap());
    let begun = std::time::Instant::now();
    client.write_all(&vec![1; 1_000_000]).unwrap();
    drop(client);
    assert_eq!(reader.join().unwrap(), 1_000_000);
    assert!(begun.elapsed().as_millis() > 600, "{:?}", begun.elapsed());
}

#[test]
fn the_machine_keeps_nothing_of_a_link() {
    let namespaces = || std::fs::read_dir("/run/netns").map_or(0, Iterator::count);
    let devices =
        || std::fs::read_to_string("/proc/net/dev").unwrap().lines().filter(|line| line.contains("cc-")).count();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().matches("- sysfs ").count();
    let before = (namespaces(), devices(), mounts());
    let Some(link) = link(None) else { return };
    assert_eq!((namespaces(), devices(), mounts()), before, "while it is there");
    drop(link);
    assert_eq!((namespaces(), devices(), mounts()), before, "afterwards");
}
