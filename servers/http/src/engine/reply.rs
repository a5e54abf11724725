//! Writes one reply, so that no handler can get its framing wrong.

use super::outbox::{Outbox, Tail};
use super::status::{Refusal, Status};

/// The text of a Date field (RFC 9110 section 5.6.7): always 29 bytes.
pub type DateText = [u8; 29];

/// What the reply says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// HTTP/1.1 keeps it without a word.
    Implied,
    /// HTTP/1.0 asked, so the answer must say so.
    Spoken,
    /// It is closed after this reply.
    Close,
}

/// The reply to one request. Exactly one of the `send` methods is called; if none is, the client gets a 500.
#[derive(Debug)]
pub struct Reply<'a> {
    outbox: &'a mut Outbox,
    date: DateText,
    persistence: Persistence,
    wants_body: bool,
    is_sent: bool,
    is_urgent: bool,
}

impl<'a> Reply<'a> {
    pub(super) fn new(outbox: &'a mut Outbox, date: DateText, persistence: Persistence, wants_body: bool) -> Reply<'a> {
        Reply { outbox, date, persistence, wants_body, is_sent: false, is_urgent: false }
    }

    /// Whether this reply is of the plainest kind (HTTP/1.1, kept alive, not HEAD), for which
    /// [`Reply::send_prepared`] may be used.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.persistence == Persistence::Implied && self.wants_body
    }

    /// Appends a whole reply, head and body, made beforehand by [`prepare`]. Only when [`Reply::is_plain`].
    /// Cost: one copy.
    #[inline]
    pub fn send_prepared(&mut self, whole: &[u8]) {
        debug_assert!(self.is_plain() && !self.is_sent, "a prepared reply fits plain requests only");
        self.outbox.buffer().extend_from_slice(whole);
        self.is_sent = true;
    }

    /// Sends a reply with its body.
    pub fn send(&mut self, status: Status, content_type: &str, body: &[u8]) {
        self.send_with(status, content_type, &[], body);
    }

    /// Sends a reply with further fields.
    pub fn send_with(&mut self, status: Status, content_type: &str, fields: &[(&str, &str)], body: &[u8]) {
        self.head(status, content_type, fields, body.len() as u64);
        if self.wants_body && !status.is_bodiless() {
            self.outbox.buffer().extend_from_slice(body);
        }
    }

    /// Sends a head whose Content-Length is that of a body that is not sent: 304.
    pub fn send_head(&mut self, status: Status, content_type: &str, fields: &[(&str, &str)], length: u64) {
        self.head(status, content_type, fields, length);
        debug_assert!(status.is_bodiless(), "only 304 says a length and has no body");
    }

    /// Sends a reply whose body lies elsewhere.
    pub fn send_tail(&mut self, status: Status, content_type: &str, fields: &[(&str, &str)], length: u64, tail: Tail) {
        self.head(status, content_type, fields, length);
        if self.wants_body && length > 0 {
            self.outbox.set_tail(tail);
        }
    }

    /// Asks that this reply is on the wire before the next pipelined request is handled: for handlers that take long.
    pub fn urgent(&mut self) {
        self.is_urgent = true;
    }

    /// Closes the connection after this reply. Must come before it is sent.
    pub(super) fn close(&mut self) {
        debug_assert!(!self.is_sent, "the head says whether the connection closes");
        self.persistence = Persistence::Close;
    }

    fn head(&mut self, status: Status, content_type: &str, fields: &[(&str, &str)], length: u64) {
        debug_assert!(!self.is_sent, "one reply per request");
        self.is_sent = true;
        write_head(self.outbox.buffer(), &self.date, self.persistence, status, content_type, fields, length);
    }

    /// Ends the reply: whether the connection is closed after it, and whether it must leave at once.
    pub(super) fn finish(mut self) -> (bool, bool) {
        if !self.is_sent {
            self.close();
            self.send(Status::INTERNAL, TEXT, b"no handler answered\n");
        }
        (self.persistence == Persistence::Close, self.is_urgent)
    }
}

/// The content type of messages.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// A whole reply for plain requests, to be appended as it is; the Date in it is at [`DATE_OFFSET`].
pub fn prepare(status: Status, date: &DateText, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    write_head(&mut whole, date, Persistence::Implied, status, content_type, &[], body.len() as u64);
    whole.extend_from_slice(body);
    whole
}

/// Where the Date text stands in a reply with status 200 made by [`prepare`].
pub const DATE_OFFSET: usize = "HTTP/1.1 200 OK\r\nDate: ".len();

/// Appends a refusal: the connection is closed after it.
#[cold]
pub(super) fn write_refusal(outbox: &mut Outbox, date: &DateText, refusal: Refusal, wants_body: bool) {
    let buffer = outbox.buffer();
    let length = refusal.why.len() as u64 + 1;
    write_head(buffer, date, Persistence::Close, refusal.status, TEXT, &[], length);
    if wants_body {
        buffer.extend_from_slice(refusal.why.as_bytes());
        buffer.push(b'\n');
    }
}

fn write_head(
    out: &mut Vec<u8>,
    date: &DateText,
    persistence: Persistence,
    status: Status,
    content_type: &str,
    fields: &[(&str, &str)],
    length: u64,
) {
    out.extend_from_slice(status.line().as_bytes());
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\nServer: corecurve\r\n");
    if !content_type.is_empty() {
        write_field(out, "Content-Type", content_type);
    }
    for (name, value) in fields {
        write_field(out, name, value);
    }
    out.extend_from_slice(b"Content-Length: ");
    write_decimal(out, length);
    out.extend_from_slice(match persistence {
        Persistence::Implied => b"\r\n\r\n",
        Persistence::Spoken => b"\r\nConnection: keep-alive\r\n\r\n",
        Persistence::Close => b"\r\nConnection: close\r\n\r\n".as_slice(),
    });
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(!value.bytes().any(|b| b.is_ascii_control()), "field values are ours and clean");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal without going through a formatter.
fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &DateText = b"Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_prepared_reply_is_the_reply() {
        let whole = prepare(Status::OK, DATE, "text/plain", b"Hello, World!");
        assert_eq!(&whole[DATE_OFFSET..][..29], DATE);
        let mut outbox = Outbox::default();
        let mut reply = Reply::new(&mut outbox, *DATE, Persistence::Implied, true);
        reply.send(Status::OK, "text/plain", b"Hello, World!");
        assert_eq!(reply.finish(), (false, false));
        assert_eq!(outbox.buffer().as_slice(), whole);
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: corecurve\r\n\
             Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
        );
    }

    #[test]
    fn decimals() {
        for n in [0, 7, 10, 99, 100, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(&mut out, n);
            assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }

    #[test]
    fn silence_becomes_500() {
        let mut outbox = Outbox::default();
        let reply = Reply::new(&mut outbox, *DATE, Persistence::Implied, true);
        assert_eq!(reply.finish(), (true, false));
        assert!(outbox.buffer().starts_with(b"HTTP/1.1 500 "));
    }
}
