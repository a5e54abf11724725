//! The protocol engine: bytes in, bytes out, no I/O.
//!
//! A [`Connection`] is fed the bytes a socket delivered, in pieces of any size, and answers with the
//! bytes to send and the next thing to do ([`Next`]). It owns no socket, no clock and no thread, so every
//! architecture runs the same protocol, and tests feed it every split of a byte stream without a network.
//!
//! The path of a request: [`scan`] finds the end of the head and refuses bare line feeds and over-long
//! heads in stream order; [`line`](mod@line) and [`head`] give it meaning and refuse what two parsers could read
//! differently (RFC 9112 section 11.2, request smuggling); [`body`] decodes lengths and chunks; a
//! [`Handler`] answers through a [`Reply`]; the [`Outbox`] keeps what is not yet sent.

pub mod body;
pub mod connection;
pub mod head;
pub mod limits;
pub mod line;
pub mod outbox;
pub mod reply;
pub mod scan;
pub mod status;

pub use connection::{Connection, Handler, Next, Phase};
pub use head::{Framing, Head};
pub use limits::Limits;
pub use outbox::{Front, Outbox, Tail};
pub use reply::Reply;
pub use status::{Refusal, Status};
