//! The atomics of the hand-written hand-off pieces ([`super::turn`], [`super::sleepers`]).
//!
//! They take them from here and from nowhere else, so that `tests/interleavings.rs` can compile the same
//! files over loom's atomics and go through every interleaving and every allowed reordering.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};
