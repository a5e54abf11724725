//! The head of a request: what the fields say about framing, persistence and the host.
//!
//! Everything here that two programs in a row could read differently is refused, because a difference is a
//! smuggled request: two lengths, a length beside a transfer coding, a folded line, a space before a colon.

use httparse::{EMPTY_HEADER, Header};

use super::limits::Limits;
use super::line::{self, Line};
use super::status::{Refusal, Status};

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// A request's head, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Head<'b> {
    /// The method, case-sensitive.
    pub method: &'b str,
    /// The path, still percent-encoded; `*` for `OPTIONS *`.
    pub path: &'b str,
    /// The query without its `?`; empty if there is none.
    pub query: &'b str,
    /// The minor version: 0, or 1 and up.
    pub minor: u8,
    /// The host and port, from the target if it names them, else from the Host field; empty in HTTP/1.0 without one.
    pub host: &'b str,
    /// Whether the connection may serve another request.
    pub keep_alive: bool,
    /// How the body ends.
    pub framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The If-None-Match field.
    pub if_none_match: Option<&'b [u8]>,
    /// The If-Modified-Since field.
    pub if_modified_since: Option<&'b [u8]>,
}

/// Most requests have fewer fields; the array for them is cheap to clear.
const FEW_FIELDS: usize = 16;

impl<'b> Head<'b> {
    /// Reads a complete head, blank line included, whose request line with CRLF is `line_len` bytes long.
    ///
    /// # Errors
    /// The status each fault has in RFC 9110 and 9112; see the table in `tests/bad_requests.rs`.
    #[inline]
    pub fn parse(head: &'b [u8], line_len: usize, limits: &Limits) -> Result<Head<'b>, Refusal> {
        let line = Line::parse(&head[..line_len - 2])?;
        let block = &head[line_len..];
        let mut few = [EMPTY_HEADER; FEW_FIELDS];
        match httparse::parse_headers(block, &mut few) {
            Ok(httparse::Status::Complete((_, fields))) if fields.len() <= limits.fields => Head::new(line, fields),
            Err(httparse::Error::TooManyHeaders) => Head::parse_many(line, block, limits),
            other => Err(refuse_fields(other)),
        }
    }

    #[cold]
    fn parse_many(line: Line<'b>, block: &'b [u8], limits: &Limits) -> Result<Head<'b>, Refusal> {
        let mut many = [EMPTY_HEADER; Limits::MAX_FIELDS];
        match httparse::parse_headers(block, &mut many) {
            Ok(httparse::Status::Complete((_, fields))) if fields.len() <= limits.fields => Head::new(line, fields),
            other => Err(refuse_fields(other)),
        }
    }

    fn new(line: Line<'b>, fields: &[Header<'b>]) -> Result<Head<'b>, Refusal> {
        let mut seen = Fields::default();
        for field in fields {
            seen.note(line.minor, field)?;
        }
        let framing = seen.framing()?;
        let host = match seen.host {
            Some(host) => host,
            None if line.minor == 0 => "",
            None => return Err(Refusal::bad("HTTP/1.1 without a Host field")),
        };
        let (path, query, host) = split_target(&line, host)?;
        let keep_alive = !seen.close && (line.minor > 0 || seen.keep_alive);
        Ok(Head {
            method: line.method,
            path,
            query,
            minor: line.minor,
            host,
            keep_alive,
            framing,
            expects_continue: seen.expects_continue && line.minor > 0,
            if_none_match: seen.if_none_match,
            if_modified_since: seen.if_modified_since,
        })
    }
}

/// Checks a block of trailer fields that ends with a blank line; they are not used for anything.
pub(super) fn check_trailers(block: &[u8]) -> Result<(), Refusal> {
    let mut fields = [EMPTY_HEADER; Limits::MAX_FIELDS];
    match httparse::parse_headers(block, &mut fields) {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        other => Err(refuse_fields(other)),
    }
}

type Parsed<'h, 'b> = httparse::Result<(usize, &'h [Header<'b>])>;

#[cold]
fn refuse_fields(result: Parsed<'_, '_>) -> Refusal {
    match result {
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            Refusal::new(Status::HEAD_TOO_LARGE, "too many header fields")
        }
        Err(httparse::Error::HeaderName) => Refusal::bad("a header line does not start with `name:`"),
        Err(httparse::Error::HeaderValue) => Refusal::bad("a header value has a control character"),
        _ => Refusal::bad("the header fields cannot be read"),
    }
}

/// What the fields seen so far say.
#[derive(Default)]
struct Fields<'b> {
    host: Option<&'b str>,
    length: Option<u64>,
    chunked: bool,
    other_coding: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    if_none_match: Option<&'b [u8]>,
    if_modified_since: Option<&'b [u8]>,
}

impl<'b> Fields<'b> {
    #[inline]
    fn note(&mut self, minor: u8, field: &Header<'b>) -> Result<(), Refusal> {
        let name = field.name;
        // The length tells most names apart before any letter is compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.note_host(field.value),
            6 if name.eq_ignore_ascii_case("expect") => self.note_expect(field.value),
            10 if name.eq_ignore_ascii_case("connection") => {
                for option in field.value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            13 if name.eq_ignore_ascii_case("if-none-match") => {
                self.if_none_match = Some(field.value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case("content-length") => self.note_length(field.value),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.note_coding(minor, field.value),
            17 if name.eq_ignore_ascii_case("if-modified-since") => {
                self.if_modified_since = Some(field.value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &'b [u8]) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::bad("more than one Host field"));
        }
        self.host = Some(authority(value)?);
        Ok(())
    }

    fn note_expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(Status::EXPECTATION_FAILED, "only `Expect: 100-continue` is understood"));
        }
        self.expects_continue = true;
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("more than one Content-Length field"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::bad("Content-Length is not a row of digits"));
        }
        // A length beyond u64 is as good as the largest: both are over any limit.
        let length = value
            .iter()
            .try_fold(0u64, |n, &b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')))
            .unwrap_or(u64::MAX);
        self.length = Some(length);
        Ok(())
    }

    fn note_coding(&mut self, minor: u8, value: &[u8]) -> Result<(), Refusal> {
        if minor == 0 {
            return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
        }
        for coding in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if coding.is_empty() {
                return Err(Refusal::bad("Transfer-Encoding names no coding"));
            }
            if self.chunked {
                return Err(Refusal::bad("`chunked` is not the last transfer coding"));
            }
            if coding.eq_ignore_ascii_case(b"chunked") { self.chunked = true } else { self.other_coding = true }
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, Refusal> {
        match (self.length, self.chunked, self.other_coding) {
            (None, false, false) => Ok(Framing::None),
            (Some(length), false, false) => Ok(Framing::Length(length)),
            (Some(_), _, _) => Err(Refusal::bad("Content-Length beside Transfer-Encoding")),
            (None, true, false) => Ok(Framing::Chunked),
            (None, _, true) => {
                Err(Refusal::new(Status::NOT_IMPLEMENTED, "only the transfer coding `chunked` is understood"))
            }
        }
    }
}

/// The path, the query and the host of a request.
fn split_target<'b>(line: &Line<'b>, host: &'b str) -> Result<(&'b str, &'b str, &'b str), Refusal> {
    let target = line.target;
    if target.starts_with('/') {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        return Ok((path, query, host));
    }
    if target == "*" {
        return match line.method {
            "OPTIONS" => Ok(("*", "", host)),
            _ => Err(Refusal::bad("the target `*` is only for OPTIONS")),
        };
    }
    let has_scheme = target.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let Some(rest) = target.get(7..).filter(|_| has_scheme) else {
        return Err(Refusal::bad("the target is neither a path nor an http URI"));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = authority(&rest.as_bytes()[..end])?;
    let (path, query) = rest[end..].split_once('?').unwrap_or((&rest[end..], ""));
    Ok((if path.is_empty() { "/" } else { path }, query, host))
}

/// Checks `host[:port]`: one host, no user information, a port that fits.
fn authority(value: &[u8]) -> Result<&str, Refusal> {
    const BAD: Refusal = Refusal::bad("the host is not `name`, `address` or `[address]` with an optional port");
    let (host, port) = if value.first() == Some(&b'[') {
        let end = memchr::memchr(b']', value).ok_or(BAD)?;
        let inside = &value[1..end];
        let is_address = str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        (is_address.then_some(inside).ok_or(BAD)?, &value[end + 1..])
    } else {
        let end = memchr::memchr(b':', value).unwrap_or(value.len());
        let name = &value[..end];
        (name.iter().all(|&b| line::is(b, line::REG_NAME)).then_some(name).ok_or(BAD)?, &value[end..])
    };
    let port_fits = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0')) <= 65_535
        }
        _ => false,
    };
    if host.is_empty() || !port_fits {
        return Err(BAD);
    }
    str::from_utf8(value).map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Head<'_>, Refusal> {
        let line_len = text.find('\n').unwrap() + 1;
        Head::parse(text.as_bytes(), line_len, &Limits::default())
    }

    #[test]
    fn targets_take_every_allowed_form() {
        for (target, path, query, host) in [
            ("/a/b?c=d?e", "/a/b", "c=d?e", "h:80"),
            ("/", "/", "", "h:80"),
            ("http://other:8080/x?y", "/x", "y", "other:8080"),
            ("HTTP://other", "/", "", "other"),
            ("http://[::1]:80?q", "/", "q", "[::1]:80"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: h:80\r\n\r\n");
            let head = parse(&text).unwrap();
            assert_eq!((head.path, head.query, head.host), (path, query, host), "{target}");
        }
        assert_eq!(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().path, "*");
    }

    #[test]
    fn persistence_follows_version_and_field() {
        for (minor, field, keep) in [
            (1, "X: y", true),
            (1, "Connection: close", false),
            (1, "Connection: foo, Close", false),
            (1, "Connection: keep-alive, close", false),
            (0, "X: y", false),
            (0, "connection: Keep-Alive", true),
            (0, "Connection: close", false),
        ] {
            let text = format!("GET / HTTP/1.{minor}\r\nHost: h\r\n{field}\r\n\r\n");
            assert_eq!(parse(&text).unwrap().keep_alive, keep, "{minor} {field}");
        }
    }

    #[test]
    fn many_fields_fit_and_too_many_do_not() {
        let text = |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(n - 1));
        for n in [1, 15, 16, 17, 18, 99, 100] {
            assert!(parse(&text(n)).is_ok(), "{n}");
        }
        for n in [101, 127, 128, 129, 500] {
            assert_eq!(parse(&text(n)).unwrap_err().status.0, 431, "{n}");
        }
    }
}
