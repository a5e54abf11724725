//! Who listens on a TCP port: `/proc/thread-self/net/tcp{,6}` names the socket, `/proc/PID/fd` names its holder.
//!
//! With this the harness proves that the port it loads is the target's own, and names the stranger when it is not.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use corecurve_core::Pid;
use corecurve_core::problem::printable;
use serde::{Deserialize, Serialize};

use super::process;

/// One listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The socket's inode, which `/proc/PID/fd` shows as `socket:[inode]`.
    pub inode: u64,
}

/// The kernel's number for the listening state.
const LISTEN: &str = "0A";

/// Bytes of a table read at once: what the kernel prepares at once.
const PAGE: usize = 4 << 10;

/// Reads the listening sockets of `/proc/net/tcp` or `/proc/net/tcp6`, and nothing behind them. The kernel lists these first;
/// the connected ones that follow can be many thousands, and it searches its whole table of them to show them: 10 to 25 ms.
fn read_listening(table: impl BufRead) -> Vec<Listener> {
    let mut found = Vec::new();
    // The first line holds the headings.
    for line in table.lines().skip(1).map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.get(3).is_none_or(|state| *state != LISTEN) {
            break;
        }
        let read = || Some(Listener { address: address(words.get(1)?)?, inode: words.get(9)?.parse().ok()? });
        found.extend(read());
    }
    found
}

/// `0100007F:1F90` is 127.0.0.1:8080: each 32-bit word in the machine's byte order, the port in network order.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match host.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0u8; 16];
            for (i, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(i * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Every socket of this network namespace that listens.
///
/// # Errors
/// The reason when `/proc/net` cannot be read.
pub fn all_listeners() -> Result<Vec<Listener>, String> {
    let table = |path: &str| {
        let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
        Ok::<_, String>(read_listening(BufReader::with_capacity(PAGE, file)))
    };
    // Of this thread, not of its process: they can be in different namespaces.
    let mut found = table("/proc/thread-self/net/tcp")?;
    // A kernel without IPv6 has no such file.
    found.extend(table("/proc/thread-self/net/tcp6").unwrap_or_default());
    Ok(found)
}

/// Every socket of this network namespace that listens on `port`.
///
/// # Errors
/// The reason when `/proc/net` cannot be read.
pub fn listeners(port: u16) -> Result<Vec<Listener>, String> {
    let mut found = all_listeners()?;
    found.retain(|listener| listener.address.port() == port);
    Ok(found)
}

/// Inodes of the sockets that `pid` holds; empty when it is gone or not ours to look into.
pub fn sockets(pid: Pid) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok();
    let inode = |link: String| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    entries.flatten().filter_map(target).filter_map(inode).collect()
}

/// Who holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: Pid,
    /// Its command line.
    pub command: String,
    /// The sockets on the port that it holds.
    pub listeners: Vec<Listener>,
}

/// Every process that holds a socket listening on `port`. Cost: reads every descriptor of every process.
///
/// A holder that this user may not look into is missing, so compare with [`listeners`]: a listener in nobody's
/// hands belongs to a stranger.
///
/// # Errors
/// The reason when `/proc` cannot be read.
pub fn holders(port: u16) -> Result<Vec<Holder>, String> {
    let listeners = listeners(port)?;
    if listeners.is_empty() {
        return Ok(Vec::new());
    }
    let holder = |pid: Pid| {
        let sockets = sockets(pid);
        let held: Vec<Listener> = listeners.iter().filter(|l| sockets.contains(&l.inode)).copied().collect();
        let command = || process::command(pid).unwrap_or_else(|_| "(ended)".to_owned());
        (!held.is_empty()).then(|| Holder { pid, command: command(), listeners: held })
    };
    Ok(process::all()?.into_iter().filter_map(holder).collect())
}

/// What stands in the way of saying that `port` belongs to `pids` and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Every listener on the port is held by the given processes only.
    Own,
    /// Nobody listens.
    Nobody,
    /// Somebody else listens too, or instead; the text names pid and command where they can be seen.
    Stranger(String),
}

/// Whether every socket that listens on `port` is held by one of `pids` and by nobody else.
///
/// # Errors
/// The reason when `/proc` cannot be read.
pub fn ownership(port: u16, pids: &[Pid]) -> Result<Ownership, String> {
    let listeners = listeners(port)?;
    if listeners.is_empty() {
        return Ok(Ownership::Nobody);
    }
    let holders = holders(port)?;
    if let Some(stranger) = holders.iter().find(|holder| !pids.contains(&holder.pid)) {
        return Ok(Ownership::Stranger(format!("pid {} `{}`", stranger.pid, printable(&stranger.command))));
    }
    let held = |listener: &Listener| holders.iter().any(|holder| holder.listeners.contains(listener));
    match listeners.iter().find(|listener| !held(listener)) {
        Some(hidden) => Ok(Ownership::Stranger(format!("a process of another user, on {}", hidden.address))),
        None => Ok(Ownership::Own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn both_address_families_are_read() {
        let text = "  sl  local_address rem_address   st\n   \
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0\n   \
             1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 99 1 0\n   \
             2: zz:0050 x 0A\n   \
             3: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0\n";
        let found = read_listening(text.as_bytes());
        assert_eq!(
            found,
            [
                Listener { address: "127.0.0.1:8080".parse().unwrap(), inode: 12_345 },
                Listener { address: "[::1]:80".parse().unwrap(), inode: 99 },
            ]
        );
    }

    #[test]
    fn nothing_is_read_behind_the_listeners() {
        let listener = "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 5 1 0\n";
        let text = format!("headings\n{listener}{}", listener.replace(" 0A ", " 01 ").repeat(10_000));
        let mut table = BufReader::with_capacity(64, text.as_bytes());
        assert_eq!(read_listening(&mut table).len(), 1);
        assert!(table.get_ref().len() > text.len() - 300, "{} bytes are left", table.get_ref().len());
    }

    #[test]
    fn a_port_belongs_to_who_listens() {
        let me = std::process::id();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ownership(port, &[me]).unwrap(), Ownership::Own);
        match ownership(port, &[1]).unwrap() {
            Ownership::Stranger(who) => assert!(who.contains(&me.to_string()), "{who}"),
            other => panic!("{other:?}"),
        }
        drop(listener);
        assert_eq!(ownership(port, &[me]).unwrap(), Ownership::Nobody);
    }
}
