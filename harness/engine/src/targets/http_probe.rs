//! One request, to see whether a server is there and right. Not a load generator.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Most bytes of a reply that are read.
const REPLY_LIMIT: u64 = 1 << 20;

/// The reply to `GET path`: its status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status code.
    pub status: u16,
    /// Everything after the header; not decoded.
    pub body: Vec<u8>,
}

/// Asks for `path` on a connection of its own. No step takes longer than `patience`.
///
/// # Errors
/// What happened instead of a reply.
pub(super) fn get(address: SocketAddr, path: &str, patience: Duration) -> Result<Reply, String> {
    let said = |e: io::Error| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it accepts connections but does not answer".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens".to_owned(),
        _ => e.to_string(),
    };
    let mut stream = TcpStream::connect_timeout(&address, patience).map_err(said)?;
    stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience))).map_err(said)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut bytes = Vec::new();
    stream.take(REPLY_LIMIT).read_to_end(&mut bytes).map_err(said)?;
    parse(&bytes).ok_or_else(|| "what it answers is not HTTP/1.x".to_owned())
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(1..)?.strip_prefix(' ')?.get(..3)?;
    Some(Reply { status: status.parse().ok()?, body: bytes[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_from_other_bytes() {
        let reply = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hi"[..]));
        assert_eq!(parse(b"HTTP/1.0 404\r\n\r\n").unwrap().status, 404);
        for bytes in
            [&b""[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"]
        {
            assert_eq!(parse(bytes), None);
        }
    }
}
