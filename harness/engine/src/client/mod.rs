//! Connections of one load worker: opened, used for one operation at a time, broken, replaced.
//!
//! Per operation: one `write`, one `read` and a share of an `epoll_wait`. Sockets are registered once, edge-triggered, for
//! both directions. A read that does not fill the buffer has emptied the socket, so no second one is needed to hear
//! "would block": bytes that come later raise a new edge. A close that came together with the last bytes is told
//! by the event itself, and then reading goes on to the end.

mod classify;
mod connection;
mod dial;
mod pool;

pub(crate) use classify::classify;
pub(crate) use connection::{Ended, Flight, Happened};
pub(crate) use dial::{Dialer, PORTS_OF_ONE_SOURCE};
pub(crate) use pool::{Pool, Wait, room_for_files};
