//! TCP sockets by port through the kernel's `sock_diag`: what `/proc/net/tcp` shows, without its walk through tables of
//! connections that nobody asked for, and with the limit of an accept queue, which that file has not.
//!
//! One fixed request and one fixed answer of the kernel's interface (`linux/inet_diag.h`), so no crate for it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};

/// Kernel numbers: `SOCK_DIAG_BY_FAMILY`, `NLMSG_ERROR`, `NLMSG_DONE`, `NLM_F_REQUEST | NLM_F_DUMP`, `IPPROTO_TCP`.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST_DUMP: u16 = 0x301;
const TCP: u8 = 6;
/// Address families.
const FAMILIES: [u8; 2] = [libc::AF_INET as u8, libc::AF_INET6 as u8];
/// Bytes of a message's header, of the request and of the part of an answer that is always there.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;
/// What the kernel fills at once.
const BUFFER: usize = 32 << 10;
/// Longest time for an answer; the kernel prepares it within the call.
const PATIENCE: Duration = Duration::from_secs(1);

/// States of sockets, as bits of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum States {
    /// `TCP_LISTEN`.
    Listening = 1 << 10,
    /// `TCP_ESTABLISHED` and `TCP_CLOSE_WAIT`: bytes can be waiting to be read.
    Readable = 1 << 1 | 1 << 8,
}

/// One socket's queues. Of a listener: connections that wait to be accepted, and how many may. Of a connection: bytes received and
/// not read, and bytes sent and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// `idiag_rqueue`.
    pub receive: u32,
    /// `idiag_wqueue`.
    pub send: u32,
}

/// A socket that asks about the network namespace it was made in, from whichever one it is used.
#[derive(Debug)]
pub struct Diag {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// Families in which somebody listened when last asked: a connection has that of its listener.
    families: Vec<u8>,
}

impl Diag {
    /// Opens one in the namespace of this thread. Needs no privilege.
    ///
    /// # Errors
    /// The reason when the kernel has none.
    pub fn open() -> Result<Diag, String> {
        let refused = |error: rustix::io::Errno| format!("the kernel's sock_diag cannot be asked: {error}");
        let family = AddressFamily::NETLINK;
        let kind = SocketType::DGRAM;
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG));
        let socket = socket.map_err(refused)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE)).map_err(refused)?;
        Ok(Diag { socket, buffer: vec![0; BUFFER], families: FAMILIES.into() })
    }

    /// Every listener on `port`. Cost: 10 to 20 µs.
    ///
    /// # Errors
    /// The reason when the kernel does not answer.
    pub fn listeners(&mut self, port: u16) -> Result<Vec<Queues>, String> {
        let mut all = Vec::new();
        self.families.clear();
        for family in FAMILIES {
            let found = self.sockets(family, States::Listening, port)?;
            self.families.extend((!found.is_empty()).then_some(family));
            all.extend(found);
        }
        Ok(all)
    }

    /// Every open connection whose own port is `port`, of those families in which somebody listened when last asked.
    /// Cost: about two microseconds for each, and a walk through the kernel's table, a millisecond or so.
    ///
    /// # Errors
    /// The reason when the kernel does not answer.
    pub fn connections(&mut self, port: u16) -> Result<Vec<Queues>, String> {
        let families = self.families.clone();
        let each = families.into_iter().map(|family| self.sockets(family, States::Readable, port));
        Ok(each.collect::<Result<Vec<_>, String>>()?.concat())
    }

    fn sockets(&mut self, family: u8, states: States, port: u16) -> Result<Vec<Queues>, String> {
        let failed = |error: io::Error| format!("sock_diag: {error}");
        let mut found = Vec::new();
        let sent = rustix::net::send(&self.socket, &request(family, states, port), SendFlags::empty());
        sent.map_err(|error| failed(error.into()))?;
        while !self.answer(port, &mut found).map_err(failed)? {}
        Ok(found)
    }

    /// Takes one load of messages; whether it was the last.
    fn answer(&mut self, port: u16, found: &mut Vec<Queues>) -> io::Result<bool> {
        let (length, _) = rustix::net::recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::empty())?;
        read(self.buffer.get(..length).unwrap_or_default(), port, found)
    }
}

/// `nlmsghdr` and `inet_diag_req_v2`: by family, states and own port.
fn request(family: u8, states: States, port: u16) -> [u8; HEADER + REQUEST] {
    let mut bytes = [0; HEADER + REQUEST];
    bytes[0..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    bytes[16] = family;
    bytes[17] = TCP;
    bytes[20..24].copy_from_slice(&(states as u32).to_ne_bytes());
    bytes[24..26].copy_from_slice(&port.to_be_bytes());
    bytes
}

/// Takes the messages of one load; whether the last was among them.
fn read(mut bytes: &[u8], port: u16, found: &mut Vec<Queues>) -> io::Result<bool> {
    while let Some((length, kind)) = header(bytes) {
        let Some(message) = bytes.get(HEADER..length) else { return Err(torn()) };
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let number = word(message, 0).unwrap_or(0) as i32;
                return Err(io::Error::from_raw_os_error(number.wrapping_neg()));
            }
            BY_FAMILY => found.extend(socket(message, port)),
            _ => {}
        }
        // Messages begin at multiples of four.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // Nothing but whole messages is ever sent.
    if bytes.is_empty() { Ok(false) } else { Err(torn()) }
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is cut short")
}

/// Length and kind of the first message.
fn header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = word(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    (length >= HEADER).then_some((length, kind))
}

/// `inet_diag_msg`: four bytes, 48 of addresses that begin with the own port, the timer's word, then the queues.
fn socket(message: &[u8], port: u16) -> Option<Queues> {
    message.get(..ANSWER)?;
    let own = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let queues = Queues { receive: word(message, 56)?, send: word(message, 60)? };
    (own == port).then_some(queues)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn messages_are_taken_whole_and_torn_ones_refused() {
        let mut body = [0u8; ANSWER];
        body[4..6].copy_from_slice(&80u16.to_be_bytes());
        body[56..60].copy_from_slice(&7u32.to_ne_bytes());
        body[60..64].copy_from_slice(&9u32.to_ne_bytes());
        let mut bytes = message(BY_FAMILY, &body);
        let mut found = Vec::new();
        assert!(!read(&bytes, 80, &mut found).unwrap(), "more is to come");
        assert_eq!(found, [Queues { receive: 7, send: 9 }]);
        found.clear();
        assert!(!read(&bytes, 81, &mut found).unwrap());
        assert_eq!(found, [], "of another port");
        bytes.extend(message(DONE, &[0; 4]));
        assert!(read(&bytes, 80, &mut found).unwrap());
        for cut in 1..HEADER + ANSWER {
            assert!(read(&bytes[..cut], 80, &mut found).is_err(), "{cut}");
        }
        let refusal = read(&message(ERROR, &(-2i32).to_ne_bytes()), 80, &mut found).unwrap_err();
        assert_eq!(refusal.raw_os_error(), Some(2));
        assert!(read(&[], 80, &mut found).is_ok_and(|done| !done));
    }

    #[test]
    fn queues_of_live_sockets_are_seen() {
        let mut diag = Diag::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let waiting = |diag: &mut Diag| diag.listeners(port).unwrap();
        assert_eq!(waiting(&mut diag).len(), 1);
        assert_eq!(waiting(&mut diag)[0].receive, 0);
        assert!(waiting(&mut diag)[0].send > 0, "a limit");
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(waiting(&mut diag)[0].receive, 1, "not accepted yet");
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(waiting(&mut diag)[0].receive, 0);
        client.write_all(b"hello").unwrap();
        assert_eq!(diag.connections(port).unwrap(), [Queues { receive: 5, send: 0 }]);
        server.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(diag.connections(port).unwrap()[0].receive, 0);
        drop((server, client, listener));
        assert_eq!(waiting(&mut diag), []);
    }
}
