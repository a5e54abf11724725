//! [`Dialer`]: opens connections, from as many source addresses as it takes.
//!
//! A source address has about 28 000 ports for one destination, and a closed connection holds its port for a minute: 470
//! connections a second, too few for a trial that closes them. On loopback every address of 127/8 is ours, so such a trial
//! takes the next one for each connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use corecurve_core::ErrorClass;
use socket2::{Domain, Protocol, Socket, Type};

use super::classify;

/// Source addresses one worker goes through: enough for 4000 × 470 connections a second.
const SOURCES: u32 = 4_000;
/// More connections than this from one worker take more than one source address, whether they are closed or not.
pub(crate) const PORTS_OF_ONE_SOURCE: usize = 20_000;

/// Whether calls on a socket may wait. Those of epoll must not; io_uring waits in the kernel for what may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    Yes,
    No,
}

/// Opens connections to one address.
#[derive(Debug)]
pub(crate) struct Dialer {
    address: SocketAddr,
    /// Number of the next source address; `None` lets the kernel choose.
    source: Option<u32>,
    worker: u32,
}

impl Dialer {
    /// `stripe`: take a new source address for each connection, if the target is on IPv4 loopback.
    pub(crate) fn new(address: SocketAddr, worker: usize, stripe: bool) -> Dialer {
        let loopback = matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback());
        Dialer { address, source: (stripe && loopback).then_some(0), worker: worker as u32 }
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A socket that is ready to connect. Cost: three or four system calls.
    ///
    /// # Errors
    /// The class of what went wrong.
    pub(crate) fn socket(&mut self, blocking: Blocking) -> Result<Socket, ErrorClass> {
        let class = |error: std::io::Error| classify(&error);
        let kind = match blocking {
            Blocking::Yes => Type::STREAM.cloexec(),
            Blocking::No => Type::STREAM.cloexec().nonblocking(),
        };
        let socket = Socket::new(Domain::for_address(self.address), kind, Some(Protocol::TCP)).map_err(class)?;
        socket.set_tcp_nodelay(true).map_err(class)?;
        // Requests are to leave when they are due. A host's own choice may pace them (BBR does), unseen by any send lag,
        // and on loopback half of its work is charged to the target's CPU. Reno is in every kernel and costs least. A
        // host that does not allow it to us keeps its own.
        let _ = socket.set_tcp_congestion(b"reno");
        if let Some(source) = self.next_source() {
            socket.bind(&SocketAddr::new(source.into(), 0).into()).map_err(class)?;
        }
        Ok(socket)
    }

    /// Starts to connect, without waiting; whether the connection is established already, as loopback often is at once.
    /// Cost: one system call.
    ///
    /// # Errors
    /// The class of what went wrong at once.
    pub(crate) fn connect(&self, socket: &Socket) -> Result<bool, ErrorClass> {
        match socket.connect(&self.address.into()) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
            Err(error) => Err(classify(&error)),
        }
    }

    fn next_source(&mut self) -> Option<Ipv4Addr> {
        let n = self.source.as_mut()?;
        let source = source_address(self.worker, *n);
        *n = (*n + 1) % SOURCES;
        Some(source)
    }
}

/// The `n`-th source address of a worker, away from 127.0.0.1 and from the ends of a byte.
fn source_address(worker: u32, n: u32) -> Ipv4Addr {
    Ipv4Addr::new(127, 16 + (worker % 200) as u8, (n / 250 % 250) as u8 + 1, (n % 250) as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    #[test]
    fn source_addresses_are_all_different_and_on_loopback() {
        let all: BTreeSet<Ipv4Addr> =
            (0..3).flat_map(|worker| (0..SOURCES).map(move |n| source_address(worker, n))).collect();
        assert_eq!(all.len(), 3 * SOURCES as usize);
        assert!(all.iter().all(Ipv4Addr::is_loopback));
    }

    #[test]
    fn striped_connections_come_from_different_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = |stripe| {
            let mut dialer = Dialer::new(address, 0, stripe);
            let sockets: Vec<Socket> = (0..3).map(|_| dialer.socket(Blocking::No).unwrap()).collect();
            sockets.iter().for_each(|socket| assert!(dialer.connect(socket).is_ok()));
            let peers: BTreeSet<IpAddr> = sockets.iter().map(|_| listener.accept().unwrap().1.ip()).collect();
            peers.len()
        };
        assert_eq!((seen(true), seen(false)), (3, 1));
    }

    #[test]
    fn requests_are_not_paced() {
        let mut dialer = Dialer::new(SocketAddr::from(([127, 0, 0, 1], 1)), 0, false);
        let chosen = dialer.socket(Blocking::No).unwrap().tcp_congestion().unwrap();
        assert!(chosen.starts_with(b"reno"), "{}", String::from_utf8_lossy(&chosen));
    }

    #[test]
    fn nobody_there_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut dialer = Dialer::new(address, 0, false);
        let socket = dialer.socket(Blocking::No).unwrap();
        match dialer.connect(&socket) {
            Err(class) => assert_eq!(class, ErrorClass::Refused),
            Ok(_) => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                let error = socket.take_error().unwrap().unwrap();
                assert_eq!(classify(&error), ErrorClass::Refused);
            }
        }
    }
}
