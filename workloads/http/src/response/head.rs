//! The status line and header fields: where they end, and what they say about the body.

/// The largest head read, status line and fields together: 64 KiB.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// The most header fields read.
const MAX_FIELDS: usize = 128;

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) keep_alive: bool,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes follow, maybe none.
    Sized(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the connection is closed.
    UntilClose,
}

/// Something that no correct server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Looks for the end of the head in `input`, of which the first `scanned` bytes were looked at before.
///
/// Returns the head's length, or `None` when more bytes are needed. Refuses at the first byte that cannot belong to
/// a head, so that garbage is not waited on.
pub(crate) fn find_end(input: &[u8], scanned: usize) -> Result<Option<usize>, Broken> {
    const START: &[u8] = b"HTTP/1.";
    let seen = input.len().min(START.len());
    if input[..seen] != START[..seen] {
        return Err(Broken);
    }
    let mut from = scanned;
    while let Some(offset) = input[from..].iter().position(|byte| *byte == b'\n') {
        let end = from + offset + 1;
        if !input[..end].ends_with(b"\r\n") || end > MAX_HEAD_BYTES {
            return Err(Broken);
        }
        if input[..end].ends_with(b"\r\n\r\n") {
            return Ok(Some(end));
        }
        from = end;
    }
    if input.len() >= MAX_HEAD_BYTES { Err(Broken) } else { Ok(None) }
}

/// Reads a whole head. `bodiless`: the request was a HEAD.
pub(crate) fn parse(bytes: &[u8], bodiless: bool) -> Result<Head, Broken> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        _ => return Err(Broken),
    }
    let (Some(version), Some(status @ 100..=599)) = (response.version, response.code) else {
        return Err(Broken);
    };
    let said = Said::read(response.headers)?;
    let body = said.body(version, status, bodiless)?;
    let persistent = if version == 0 { said.keep_alive } else { true };
    let keep_alive = persistent && !said.close && body != Body::UntilClose;
    Ok(Head { status, body, keep_alive })
}

/// The fields that decide about framing.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn read(fields: &[httparse::Header<'_>]) -> Result<Said, Broken> {
        let mut said = Said::default();
        for field in fields {
            if field.name.eq_ignore_ascii_case("content-length") {
                // A second length, even an equal one, is how answers are smuggled past each other.
                if said.length.replace(length(field.value)?).is_some() {
                    return Err(Broken);
                }
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                // We never send TE, so chunked is the only coding a server may use.
                if said.chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Broken);
                }
                said.chunked = true;
            } else if field.name.eq_ignore_ascii_case("connection") {
                for token in field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    said.close |= token.eq_ignore_ascii_case(b"close");
                    said.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        Ok(said)
    }

    /// RFC 9112 section 6.3, in its order.
    fn body(&self, version: u8, status: u16, bodiless: bool) -> Result<Body, Broken> {
        if self.chunked && (self.length.is_some() || version == 0) {
            return Err(Broken);
        }
        match status {
            101 => Err(Broken),
            100..=199 if self.chunked || self.length.is_some() => Err(Broken),
            204 if self.chunked || self.length.is_some_and(|length| length > 0) => Err(Broken),
            100..=199 | 204 | 304 => Ok(Body::Sized(0)),
            _ if bodiless => Ok(Body::Sized(0)),
            _ if self.chunked => Ok(Body::Chunked),
            _ => Ok(self.length.map_or(Body::UntilClose, Body::Sized)),
        }
    }
}

/// `1*DIGIT` and nothing else: no sign, no list, no fraction.
fn length(value: &[u8]) -> Result<u64, Broken> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Broken);
    }
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Broken)
}
