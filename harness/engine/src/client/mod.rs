//! Connections of one load worker: opened, used for one operation at a time, broken, replaced.
//!
//! The [`Pool`] is what a load worker knows: places for connections and operations on them. Below it a [`Transport`] moves
//! the bytes, by readiness ([`Epoll`]) or by completion ([`Ring`]); see docs/adr/0008-io-uring-transport.md.

mod classify;
mod connection;
mod dial;
mod epoll;
mod free;
mod pool;
mod ring;
mod transport;

pub(crate) use classify::classify;
pub(crate) use connection::{Ended, Flight, Happened};
pub(crate) use dial::{Dialer, PORTS_OF_ONE_SOURCE};
pub(crate) use epoll::Epoll;
pub(crate) use pool::{Pool, room_for_files};
pub(crate) use ring::Ring;
pub use ring::io_uring_refusal;
pub(crate) use transport::{Transport, Wait};
