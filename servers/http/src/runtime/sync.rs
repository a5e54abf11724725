//! What the hand-written hand-off pieces (`turn`, `sleepers`, `bell`) are made of.
//!
//! They take it from here and from nowhere else, so that `tests/interleavings.rs` can compile the same
//! files over loom's atomics and locks and go through every interleaving and every allowed reordering.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};
#[cfg(feature = "tokio")]
pub(crate) use std::sync::{Mutex, PoisonError};
