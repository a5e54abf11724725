//! How much a client may ask of a connection before it is refused.

use corecurve_core::Nanos;
use serde::{Deserialize, Serialize};

/// Bounds on one connection and on all of them.
///
/// With the defaults a connection never holds more than about 1.2 MiB, whatever the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest request line in bytes without its CRLF; longer is 414.
    pub line_bytes: usize,
    /// Longest head in bytes, request line and blank line included; longer is 431.
    pub head_bytes: usize,
    /// Most header fields, at most [`Limits::MAX_FIELDS`]; more is 431.
    pub fields: usize,
    /// Longest request body in bytes after decoding; longer is 413.
    pub body_bytes: usize,
    /// Unsent reply bytes above which no further pipelined request is answered until the client reads.
    pub unsent_bytes: usize,
    /// Time from the first byte of a head to its last; then 408.
    pub head_timeout: Nanos,
    /// Time without progress between requests, inside a body, or while the client does not read.
    pub idle_timeout: Nanos,
    /// Time a refused connection is still read, so that the refusal is not lost to a reset.
    pub linger_timeout: Nanos,
    /// Open connections of the whole server; further ones are closed at once and counted as refused.
    pub connections: usize,
}

impl Limits {
    /// The largest value of [`Limits::fields`].
    pub const MAX_FIELDS: usize = 128;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line_bytes: 8 << 10,
            head_bytes: 16 << 10,
            fields: 100,
            body_bytes: 1 << 20,
            unsent_bytes: 64 << 10,
            head_timeout: Nanos::SECOND * 10,
            idle_timeout: Nanos::SECOND * 60,
            linger_timeout: Nanos::SECOND * 2,
            connections: 10_000,
        }
    }
}
