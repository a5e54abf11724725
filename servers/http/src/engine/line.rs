//! The request line, read strictly: `method SP target SP HTTP/d.d`, nothing else.
//!
//! httparse's own reading of this line is not used: it cannot tell version 2.0 (505) from nonsense (400),
//! refuses 1.2 (which RFC 9110 section 2.5 says to treat as 1.1) and allows bytes in targets that no URI has.

use super::status::{Refusal, Status};

/// The three parts of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'b> {
    /// The method, any token.
    pub method: &'b str,
    /// The target as sent: only characters of RFC 3986, no fragment.
    pub target: &'b str,
    /// The minor version: 0 for HTTP/1.0, 1 and up for HTTP/1.1.
    pub minor: u8,
}

impl<'b> Line<'b> {
    /// Reads a request line without its CRLF.
    ///
    /// # Errors
    /// 400 for anything but the grammar, 505 for a major version other than 1.
    #[inline]
    pub fn parse(line: &'b [u8]) -> Result<Line<'b>, Refusal> {
        const SHAPE: Refusal = Refusal::bad("the request line is not `method target HTTP/1.1`");
        let (method, rest) = cut(line).ok_or(SHAPE)?;
        let (target, version) = cut(rest).ok_or(SHAPE)?;
        if method.is_empty() || !method.iter().all(|&b| is(b, TOKEN)) {
            return Err(Refusal::bad("the method is not a token"));
        }
        if target.is_empty() || !target.iter().all(|&b| is(b, TARGET)) {
            return Err(Refusal::bad("the target has a character that no URI has"));
        }
        let minor = match version {
            b"HTTP/1.1" => 1,
            [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => {
                if *major != b'1' {
                    return Err(Refusal::new(Status::VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken"));
                }
                minor - b'0'
            }
            _ => return Err(SHAPE),
        };
        let ascii = |bytes: &'b [u8]| str::from_utf8(bytes).map_err(|_| SHAPE);
        Ok(Line { method: ascii(method)?, target: ascii(target)?, minor })
    }
}

/// Splits at the first space.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..space], &bytes[space + 1..]))
}

/// Characters of a token (RFC 9110 section 5.6.2).
pub(super) const TOKEN: u8 = 1;
/// Characters of a request target: RFC 3986 without `#`.
const TARGET: u8 = 2;
/// Characters of a host name or IPv4 address: `reg-name` of RFC 3986.
pub(super) const REG_NAME: u8 = 4;

/// Whether `byte` belongs to `class`.
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 128 {
        let b = i as u8;
        if b.is_ascii_alphanumeric() {
            table[i] = TOKEN | TARGET | REG_NAME;
        }
        i += 1;
    }
    mark(&mut table, b"!#$%&'*+-.^_`|~", TOKEN);
    mark(&mut table, b"-._~:/?[]@!$&'()*+,;=%", TARGET);
    mark(&mut table, b"-._~!$&'()*+;=%", REG_NAME);
    table
};

const fn mark(table: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] |= class;
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines() {
        let line = Line::parse(b"GET /a?b=c%20d HTTP/1.1").unwrap();
        assert_eq!((line.method, line.target, line.minor), ("GET", "/a?b=c%20d", 1));
        assert_eq!(Line::parse(b"M-SEARCH * HTTP/1.0").unwrap().minor, 0);
        assert_eq!(Line::parse(b"GET / HTTP/1.2").unwrap().minor, 2);
    }

    #[test]
    fn bad_lines() {
        for (line, status) in [
            (&b""[..], 400),
            (b"GET", 400),
            (b"GET /", 400),
            (b"GET / ", 400),
            (b" GET / HTTP/1.1", 400),
            (b"GET  / HTTP/1.1", 400),
            (b"GET /  HTTP/1.1", 400),
            (b"GET / HTTP/1.1 ", 400),
            (b"GET\t/ HTTP/1.1", 400),
            (b"GET / a HTTP/1.1", 400),
            (b"GET /\x00 HTTP/1.1", 400),
            (b"GET /\xc3\xa9 HTTP/1.1", 400),
            (b"GET /a\\b HTTP/1.1", 400),
            (b"GET /a#b HTTP/1.1", 400),
            (b"G@T / HTTP/1.1", 400),
            (b"GET / http/1.1", 400),
            (b"GET / HTTP/1", 400),
            (b"GET / HTTP/11.1", 400),
            (b"GET / HTTP/2.0", 505),
            (b"GET / HTTP/0.9", 505),
            (b"PRI * HTTP/2.0", 505),
        ] {
            assert_eq!(Line::parse(line).unwrap_err().status.0, status, "{}", line.escape_ascii());
        }
    }
}
