//! What the architectures share: listeners, the event loop, sockets driving [`crate::engine::Connection`]s,
//! counts, pinning, and starting and stopping threads.
//!
//! An architecture differs from another only in how connections and readiness events reach threads.
//! Everything else is here, once, so that a difference in numbers is a difference in architecture.

pub(crate) mod acceptor;
#[cfg(feature = "tokio")]
pub(crate) mod bell;
pub(crate) mod commons;
pub(crate) mod dealer;
pub(crate) mod event_loop;
pub(crate) mod listener;
pub(crate) mod peer;
pub mod procs;
pub(crate) mod receiving;
pub(crate) mod ring;
pub mod server;
pub(crate) mod setup;
pub(crate) mod sleepers;
pub(crate) mod slot;
pub mod stats;
pub(crate) mod steering;
pub(crate) mod sync;
#[cfg(feature = "tokio")]
pub(crate) mod tasks;
pub(crate) mod turn;
pub(crate) mod worker;

pub use server::RunningServer;
pub use stats::Stats;
