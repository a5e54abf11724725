//! Reading HTTP/1.1 responses: strict, incremental, without allocation.
//!
//! [`Decoder`] is the state machine of one connection. It takes the bytes as they come, cut anywhere, and
//! ends every answer with one of four verdicts: right, wrong status, wrong content, or broken protocol.
//! The framing rules are those of RFC 9112 section 6.3, without the leniency it permits to recipients.
//!
//! The fast path: servers answer with the same head again and again, differing at most once per second in
//! `Date`. [`Memo`] keeps the last head's bytes with its meaning, and a new answer whose first bytes are equal is
//! not parsed again. Equal bytes have equal meaning, so this is exact, and costs one `memcmp`.

mod answers;
mod chunked;
mod content;
mod decoder;
mod head;
mod memo;

pub use answers::Answers;
#[cfg(test)]
pub(crate) use content::Seen;
pub use content::{Content, Search};
pub use decoder::{Decoder, Expect};
pub use head::MAX_HEAD_BYTES;
pub use memo::Memo;
