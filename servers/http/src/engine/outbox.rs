//! Reply bytes that are not yet sent.
//!
//! Small replies are appended to one buffer, so that pipelined replies leave in one write. A large reply
//! keeps its body as a [`Tail`] that is sent from where it lies; no further request is answered until it is out.

use std::fs::File;

/// Room an emptied buffer may keep; more is given back, so that idle connections stay small.
const KEPT_BYTES: usize = 16 << 10;

/// Bytes to send, in order: a buffer, then at most one tail.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    tail: Option<Tail>,
}

/// A body that is not copied into the buffer.
#[derive(Debug)]
pub enum Tail {
    /// So many bytes of a pattern that repeats without end.
    Pattern {
        /// One period, repeated.
        period: &'static [u8],
        /// Where in the period the next byte is.
        at: usize,
        /// Bytes still to send.
        left: u64,
    },
    /// A part of a file.
    File {
        /// The open file.
        file: File,
        /// Where the next byte is.
        offset: u64,
        /// Bytes still to send.
        left: u64,
    },
}

/// What to send next.
#[derive(Debug)]
pub enum Front<'a> {
    /// Nothing is waiting.
    Nothing,
    /// These bytes; `more` follows at once, so the kernel may wait for it before it sends a segment.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether a tail follows.
        more: bool,
    },
    /// So many bytes of a file.
    File {
        /// The file.
        file: &'a File,
        /// Where to start.
        offset: u64,
        /// How many.
        left: u64,
    },
}

impl Outbox {
    /// Whether everything is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tail.is_none()
    }

    /// Bytes in the buffer that are not yet sent; a tail is not counted.
    pub fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether a tail waits, behind which nothing can be queued.
    #[inline]
    pub fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// The buffer to append to. Only for use while there is no tail.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.tail.is_none(), "nothing follows a tail until it is sent");
        &mut self.bytes
    }

    /// Puts a body behind the buffer.
    pub(super) fn set_tail(&mut self, tail: Tail) {
        debug_assert!(self.tail.is_none(), "one tail at a time");
        self.tail = Some(tail);
    }

    /// What to send next.
    #[inline]
    pub fn front(&self) -> Front<'_> {
        if !self.bytes.is_empty() {
            return Front::Bytes { bytes: &self.bytes[self.sent..], more: self.tail.is_some() };
        }
        match &self.tail {
            None => Front::Nothing,
            Some(Tail::Pattern { period, at, left }) => {
                let end = period.len().min(at.saturating_add(usize::try_from(*left).unwrap_or(usize::MAX)));
                let bytes = &period[*at..end];
                Front::Bytes { bytes, more: (bytes.len() as u64) < *left }
            }
            Some(Tail::File { file, offset, left }) => Front::File { file, offset: *offset, left: *left },
        }
    }

    /// Notes that `n` bytes of [`Outbox::front`] were sent.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        if !self.bytes.is_empty() {
            self.sent += n;
            if self.sent >= self.bytes.len() {
                self.bytes.clear();
                self.sent = 0;
                if self.bytes.capacity() > KEPT_BYTES {
                    self.bytes.shrink_to(KEPT_BYTES);
                }
            }
            return;
        }
        let finished = match &mut self.tail {
            None => true,
            Some(Tail::Pattern { period, at, left }) => {
                *at = (*at + n) % period.len();
                *left -= n as u64;
                *left == 0
            }
            Some(Tail::File { offset, left, .. }) => {
                *offset += n as u64;
                *left -= n as u64;
                *left == 0
            }
        };
        if finished {
            self.tail = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_goes_out_whole_whatever_the_write_sizes() {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"head:");
        outbox.set_tail(Tail::Pattern { period: b"abcd", at: 0, left: 10 });
        let mut seen = Vec::new();
        while let Front::Bytes { bytes, more } = outbox.front() {
            let n = bytes.len().min(3);
            seen.extend_from_slice(&bytes[..n]);
            assert_eq!(more, seen.len() - n + bytes.len() < 15);
            outbox.sent(n);
        }
        assert_eq!(seen, b"head:abcdabcdab");
        assert!(outbox.is_empty());
    }
}
