//! Wakes one task that waits for something besides a flag, when the flag is set.
//!
//! The task first hangs its waker up and then looks at the flag ([`Bell::is_over`]); whoever sets the flag rings afterwards. The
//! bell's lock puts the two in order: either the ring finds the waker, or the look finds the flag.

use std::task::Waker;

use super::sync::{Mutex, PoisonError};

/// The way to wake one task.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

impl Bell {
    /// Whether the flag is set; if not, the task is woken when it is. Cost: an uncontended lock.
    pub fn is_over(&self, waker: &Waker, flag: impl FnOnce() -> bool) -> bool {
        self.hang(waker);
        flag()
    }

    fn hang(&self, waker: &Waker) {
        let mut hung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !hung.as_ref().is_some_and(|hung| hung.will_wake(waker)) {
            *hung = Some(waker.clone());
        }
    }

    /// Wakes the task. Only after the flag is set.
    pub fn ring(&self) {
        if let Some(waker) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            waker.wake_by_ref();
        }
    }
}
