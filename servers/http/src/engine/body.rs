//! Decodes a request body from bytes split anywhere.

use super::head::check_trailers;
use super::limits::Limits;
use super::status::{Refusal, Status};

/// Longest chunk-size line, extensions included.
const CHUNK_LINE_BYTES: usize = 256;
/// Most bytes of chunk extensions and trailers in one body: they carry nothing, so little of them is needed.
const CHAFF_BYTES: usize = 4 << 10;

/// The refusal of a body over the limit.
pub(super) const TOO_LARGE: Refusal = Refusal::new(Status::CONTENT_TOO_LARGE, "the body is too large");

/// Where the decoding of one body stands.
#[derive(Clone, Debug)]
pub struct Decoder {
    step: Step,
    /// The line being read: a chunk size or the trailers. Empty while whole lines arrive in one piece.
    line: Vec<u8>,
    /// Body bytes announced so far.
    announced: u64,
    /// Bytes of extensions and trailers so far.
    chaff: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This many bytes of a body with a length are still to come.
    Length(u64),
    /// A chunk-size line.
    Size,
    /// This many bytes of the chunk are still to come.
    Data(u64),
    /// The CRLF after a chunk, of which so many bytes have been seen.
    DataEnd(u8),
    /// The trailer fields up to the blank line.
    Trailers,
    /// Nothing is to come.
    Done,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { step: Step::Done, line: Vec::new(), announced: 0, chaff: 0 }
    }
}

impl Decoder {
    /// Starts on a body of `length` bytes.
    pub fn start_length(&mut self, length: u64) {
        self.restart(if length > 0 { Step::Length(length) } else { Step::Done });
    }

    /// Starts on a chunked body.
    pub fn start_chunked(&mut self) {
        self.restart(Step::Size);
    }

    fn restart(&mut self, step: Step) {
        self.step = step;
        self.line.clear();
        self.announced = 0;
        self.chaff = 0;
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Takes what belongs to the body from the front of `input` and gives its data to `sink`; returns the bytes taken.
    /// All of `input` is taken unless the body ends in it.
    ///
    /// # Errors
    /// 400 for bad chunking, 413 when the announced data exceeds the limit.
    pub fn decode(&mut self, input: &[u8], limits: &Limits, mut sink: impl FnMut(&[u8])) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            match self.step {
                Step::Done => break,
                Step::Length(left) => {
                    let n = clamp(left, rest.len());
                    sink(&rest[..n]);
                    at += n;
                    let left = left - n as u64;
                    self.step = if left > 0 { Step::Length(left) } else { Step::Done };
                }
                Step::Data(left) => {
                    let n = clamp(left, rest.len());
                    sink(&rest[..n]);
                    at += n;
                    let left = left - n as u64;
                    self.step = if left > 0 { Step::Data(left) } else { Step::DataEnd(0) };
                }
                Step::DataEnd(seen) => {
                    if rest[0] != b"\r\n"[usize::from(seen)] {
                        return Err(Refusal::bad("a chunk does not end with CRLF"));
                    }
                    at += 1;
                    self.step = if seen == 0 { Step::DataEnd(1) } else { Step::Size };
                }
                Step::Size => at += self.size_line(rest, limits)?,
                Step::Trailers => at += self.trailers(rest)?,
            }
        }
        Ok(at)
    }

    fn size_line(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, Refusal> {
        const LONG: Refusal = Refusal::bad("a chunk-size line is too long");
        let newline = memchr::memchr(b'\n', rest);
        let taken = newline.map_or(rest.len(), |n| n + 1);
        if self.line.len() + taken > CHUNK_LINE_BYTES {
            return Err(LONG);
        }
        self.line.extend_from_slice(&rest[..taken]);
        if newline.is_none() {
            return Ok(taken);
        }
        let Some(line) = self.line.strip_suffix(b"\r\n") else {
            return Err(Refusal::bad("a line feed without a carriage return"));
        };
        let size = chunk_size(line)?;
        self.chaff += line.len();
        self.announced = self.announced.saturating_add(size);
        self.line.clear();
        if self.announced > limits.body_bytes as u64 {
            return Err(TOO_LARGE);
        }
        // A flood of tiny chunks is bounded too: framing may cost as much as the limit on data, and some.
        if self.chaff > CHAFF_BYTES + limits.body_bytes {
            return Err(Refusal::bad("too many chunks"));
        }
        self.step = if size > 0 { Step::Data(size) } else { Step::Trailers };
        Ok(taken)
    }

    fn trailers(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let newline = memchr::memchr(b'\n', rest);
        let taken = newline.map_or(rest.len(), |n| n + 1);
        if self.line.len() + taken > CHAFF_BYTES {
            return Err(Refusal::new(Status::HEAD_TOO_LARGE, "the trailers are too large"));
        }
        self.line.extend_from_slice(&rest[..taken]);
        if newline.is_none() {
            return Ok(taken);
        }
        if !self.line.ends_with(b"\r\n") {
            return Err(Refusal::bad("a line feed without a carriage return"));
        }
        if self.line == b"\r\n" || self.line.ends_with(b"\r\n\r\n") {
            check_trailers(&self.line)?;
            self.step = Step::Done;
        }
        Ok(taken)
    }
}

fn clamp(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

/// Reads `1*HEXDIG [chunk-ext]` strictly: no sign, no `0x`, no space around the number, nothing that overflows.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    const BAD: Refusal = Refusal::bad("a chunk size is not a hexadecimal number");
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 16 {
        return Err(BAD);
    }
    let size = line[..digits].iter().fold(0u64, |n, &b| n << 4 | u64::from(hex(b)));
    check_extensions(&line[digits..])?;
    Ok(size)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Checks `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` and forgets it.
fn check_extensions(mut rest: &[u8]) -> Result<(), Refusal> {
    const BAD: Refusal = Refusal::bad("a chunk extension is malformed");
    while !rest.is_empty() {
        rest = blank(rest).strip_prefix(b";").ok_or(BAD)?;
        rest = token(blank(rest)).ok_or(BAD)?;
        if let Some(value) = blank(rest).strip_prefix(b"=") {
            let value = blank(value);
            rest = if value.first() == Some(&b'"') { quoted(value) } else { token(value) }.ok_or(BAD)?;
        }
    }
    Ok(())
}

fn blank(bytes: &[u8]) -> &[u8] {
    let n = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[n..]
}

/// What follows a token; `None` if there is no token.
fn token(bytes: &[u8]) -> Option<&[u8]> {
    let n = bytes.iter().take_while(|&&b| super::line::is(b, super::line::TOKEN)).count();
    (n > 0).then(|| &bytes[n..])
}

/// What follows a quoted string; `None` if it does not end or has a control character.
fn quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(&bytes[at + 1..]),
            b'\\' if bytes.get(at + 1).is_some_and(|b| !b.is_ascii_control()) => at += 2,
            b'\\' => return None,
            b'\t' => at += 1,
            b if b.is_ascii_control() => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), u16> {
        let mut decoder = Decoder::default();
        decoder.start_chunked();
        let (mut body, mut taken) = (Vec::new(), 0);
        for piece in pieces {
            taken += decoder
                .decode(piece, &Limits::default(), |data| body.extend_from_slice(data))
                .map_err(|refusal| refusal.status.0)?;
        }
        Ok((body, taken, decoder.is_done()))
    }

    #[test]
    fn chunks_join_at_any_split() {
        let wire = b"5;a=b;c=\"d;\\\"\"\r\nHello\r\n00008 ; x\r\n, World!\r\n0\r\nT: v\r\n\r\nGET";
        for cut in 0..wire.len() {
            let (body, taken, done) = decode(&[&wire[..cut], &wire[cut..]]).unwrap();
            let expected_taken = wire.len() - 3;
            assert!(done && body == b"Hello, World!", "cut {cut}");
            assert!(cut > expected_taken || taken == expected_taken, "cut {cut}: took {taken}");
        }
    }

    #[test]
    fn bad_chunks_are_refused() {
        for wire in [
            "\r\n",
            "x\r\n",
            "0x5\r\n",
            "+5\r\n",
            "-5\r\n",
            "5_0\r\n",
            " 5\r\n",
            "5 \r\n",
            "5;\r\n",
            "5;;a\r\n",
            "5;a=\r\n",
            "5;a=\"b\r\n",
            "5\n",
            "5\r\nHelloX\r\n",
            "5\r\nHello\n",
            "fffffffffffffffff\r\n",
            "0\r\nBad Name: v\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\n folded: v\r\n\r\n",
            "0\r\nA: \x01\r\n\r\n",
            "5;a=\x01\r\n",
        ] {
            assert_eq!(decode(&[wire.as_bytes()]), Err(400), "{wire:?}");
        }
        assert_eq!(decode(&[b"ffffffffffffffff\r\n"]), Err(413));
        assert_eq!(decode(&[b"100001\r\n"]), Err(413));
        assert_eq!(decode(&[format!("0\r\nA: {}", "x".repeat(CHAFF_BYTES)).as_bytes()]), Err(431));
        assert_eq!(decode(&[format!("5;{}", "x".repeat(CHUNK_LINE_BYTES)).as_bytes()]), Err(400));
    }
}
