//! Finds the end of a head, one pass over the bytes however they are split.
//!
//! The scan is the strict layer in front of the field parser: it refuses a line feed without its carriage
//! return (httparse would accept it) and heads over their limits, and it does so in stream order, so that
//! the answer never depends on how the network cut the stream.

use super::limits::Limits;
use super::line::Line;
use super::status::{Refusal, Status};

/// Where the scan of the current head stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Bytes already looked at.
    seen: usize,
    /// Start of the line being read.
    line_start: usize,
    /// End of the request line with its CRLF; 0 while it is incomplete.
    line_end: usize,
    /// The request line of this incomplete head was found good.
    line_checked: bool,
}

impl Scan {
    /// The length of the head at the start of `input`, or `None` if more bytes are needed.
    ///
    /// `input` must start with the same bytes at every call for one head.
    /// Cost: each byte is searched once, whatever the number of calls.
    ///
    /// # Errors
    /// 400 for a bare line feed or a bad request line, 414 and 431 for the limits.
    pub fn head_len(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let found = self.find(input, limits);
        // A complete head is parsed at once, request line first. Otherwise the request line is judged now,
        // because it came before whatever follows.
        if !matches!(found, Ok(Some(_))) && self.line_end > 0 && !self.line_checked {
            Line::parse(&input[..self.line_end - 2])?;
            self.line_checked = true;
        }
        found
    }

    /// Length of the request line with its CRLF, once [`Scan::head_len`] has found a head.
    pub fn line_len(&self) -> usize {
        self.line_end
    }

    fn find(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        const TOO_LONG: Refusal = Refusal::new(Status::TARGET_TOO_LONG, "the request line is too long");
        const TOO_LARGE: Refusal = Refusal::new(Status::HEAD_TOO_LARGE, "the head is too large");
        while let Some(offset) = memchr::memchr(b'\n', &input[self.seen..]) {
            let newline = self.seen + offset;
            if self.line_end == 0 && newline > limits.line_bytes + 1 {
                return Err(TOO_LONG);
            }
            if newline >= limits.head_bytes {
                return Err(TOO_LARGE);
            }
            if newline == 0 || input[newline - 1] != b'\r' {
                return Err(Refusal::bad("a line feed without a carriage return"));
            }
            let is_blank = newline == self.line_start + 1;
            self.line_start = newline + 1;
            self.seen = newline + 1;
            if self.line_end == 0 {
                self.line_end = newline + 1;
            } else if is_blank {
                return Ok(Some(newline + 1));
            }
        }
        self.seen = input.len();
        if self.line_end == 0 && input.len() > limits.line_bytes + 1 {
            return Err(TOO_LONG);
        }
        if input.len() >= limits.head_bytes {
            return Err(TOO_LARGE);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_at_any_split() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
        for cut in 0..head.len() {
            let mut scan = Scan::default();
            let first = scan.head_len(&head[..cut], &Limits::default()).unwrap();
            assert_eq!(first, (cut >= 27).then_some(27), "cut {cut}");
            if first.is_none() {
                assert_eq!(scan.head_len(head, &Limits::default()).unwrap(), Some(27), "cut {cut}");
            }
            assert_eq!(scan.line_len(), 16);
        }
    }

    #[test]
    fn a_bad_request_line_is_refused_before_the_head_is_complete() {
        let refusal = Scan::default().head_len(b"GET / HTTP/3.0\r\nHost", &Limits::default()).unwrap_err();
        assert_eq!(refusal.status, Status::VERSION_NOT_SUPPORTED);
        // It also comes before a later fault in the same piece.
        let refusal = Scan::default().head_len(b"GET / HTTP/3.0\r\nHost\n", &Limits::default()).unwrap_err();
        assert_eq!(refusal.status, Status::VERSION_NOT_SUPPORTED);
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let limits = Limits { line_bytes: 20, head_bytes: 40, ..Limits::default() };
        let line = |n: usize| format!("GET /{} HTTP/1.1", "a".repeat(n - 14));
        let status = |text: String| Scan::default().head_len(text.as_bytes(), &limits).map_err(|r| r.status.0);
        assert_eq!(status(line(20) + "\r\n\r\n"), Ok(Some(24)));
        assert_eq!(status(line(21) + "\r\n\r\n"), Err(414));
        assert_eq!(status(line(21) + "a"), Err(414));
        assert_eq!(status(line(20) + "\r\nA: 34567890123\r\n\r\n"), Ok(Some(40)));
        assert_eq!(status(line(20) + "\r\nA: 345678901234\r\n\r\n"), Err(431));
        assert_eq!(status(line(20) + "\r\nA: 345678901234567"), Err(431));
    }
}
