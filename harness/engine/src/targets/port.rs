//! Ports: a free one for the target, and proof that it is the target that listens on it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use corecurve_core::{Pid, Problem};
use corecurve_machine::procfs::limits;
use corecurve_machine::procfs::tcp::{self, Ownership};

/// Lowest port handed out.
const LOWEST: u16 = 10_240;
/// Tries before a port of the kernel's choice is taken.
const TRIES: u64 = 64;

/// A port of 127.0.0.1 on which nobody listens and that no connection holds.
///
/// Chosen below the ports of outgoing connections, so that no client takes it between this look and the target's start.
///
/// # Errors
/// When not even the kernel has one.
pub(super) fn free() -> Result<u16, Problem> {
    let below = limits::ephemeral_ports().map_or(32_768, |range| *range.start());
    let start = corecurve_core::rng::splitmix(u64::from(std::process::id()) ^ corecurve_machine::clock::now().0);
    if below > LOWEST + 1_000 {
        let width = u64::from(below - LOWEST);
        let mut candidates = (0..TRIES).map(|n| LOWEST + (corecurve_core::rng::mix(start, n) % width) as u16);
        if let Some(port) = candidates.find(|port| is_free(*port)) {
            return Ok(port);
        }
    }
    let chosen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    chosen.map(|address| address.port()).map_err(|e| {
        Problem::new(format!("no free port on 127.0.0.1: {e}"))
            .help("close some connections, or widen net.ipv4.ip_local_port_range")
    })
}

/// Whether `port` can be had on every address, without the sharing that would hide a stale listener.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && tcp::listeners(port).is_ok_and(|listeners| listeners.is_empty())
}

/// Checks that nobody listens on a port the target insists on.
///
/// # Errors
/// Names the process that does.
pub(super) fn expect_free(port: u16) -> Result<(), Problem> {
    match tcp::listeners(port) {
        Ok(listeners) if listeners.is_empty() => Ok(()),
        _ => Err(Problem::new(format!("port {port} is taken by {}", holder(port)))
            .help("stop that process, or give the target another port")),
    }
}

fn holder(port: u16) -> String {
    let holders = tcp::holders(port).unwrap_or_default();
    let shown =
        |holder: &tcp::Holder| format!("pid {} `{}`", holder.pid, corecurve_core::problem::printable(&holder.command));
    holders.first().map_or_else(|| "a process that this user may not look into".to_owned(), shown)
}

/// Checks that whoever listens at `address` is among `pids`, and nobody else.
///
/// # Errors
/// Names the stranger: its answers would be measured as the target's.
pub(super) fn expect_own(address: SocketAddr, pids: &[Pid]) -> Result<(), Problem> {
    let port = address.port();
    match tcp::ownership(port, pids) {
        Ok(Ownership::Own) => Ok(()),
        Ok(Ownership::Nobody) => Err(Problem::new(format!("{address} answered, but no process here listens on it"))
            .help("a target must listen in the network namespace it was started in")),
        Ok(Ownership::Stranger(stranger)) => {
            let stranger = corecurve_core::problem::printable(&stranger);
            Err(Problem::new(format!("port {port} is not the target's own: {stranger} listens on it"))
                .help("stop that process; its answers would be counted as the target's"))
        }
        Err(why) => Err(Problem::new(format!("nobody can say who listens on port {port}: {why}")).help("mount /proc")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_free_and_below_the_clients_ports() {
        let port = free().unwrap();
        assert!(port >= LOWEST && is_free(port));
        expect_free(port).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        let problem = expect_free(port).unwrap_err();
        assert!(problem.seen.contains(&format!("pid {}", std::process::id())), "{problem}");
        let address = listener.local_addr().unwrap();
        expect_own(address, &[std::process::id()]).unwrap();
        let problem = expect_own(address, &[1]).unwrap_err();
        assert!(problem.seen.contains(&format!("pid {}", std::process::id())), "{problem}");
    }
}
