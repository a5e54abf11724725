//! Whose turn it is at a connection that any worker may serve: at most one task for it exists, at most one
//! worker runs it, and no event is lost. The states are drawn in [`crate::architectures::work_stealing`].

use super::sync::{AtomicU8, Ordering};

/// Nobody has a task for it.
const IDLE: u8 = 0;
/// A task for it waits on some deque.
const SCHEDULED: u8 = 1;
/// A worker serves it.
const RUNNING: u8 = 2;
/// A worker serves it and an event has come since.
const NOTIFIED: u8 = 3;

/// The state of one connection's task.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    state: AtomicU8,
}

impl Turn {
    /// Notes an event; whether the caller must make a task of it.
    pub fn notify(&self) -> bool {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let next = match state {
                IDLE => SCHEDULED,
                RUNNING => NOTIFIED,
                // Swapped with itself: the runner that swaps next must see what came before this event, too.
                other => other,
            };
            match self.state.compare_exchange(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return state == IDLE,
                Err(now) => state = now,
            }
        }
    }

    /// Begins a run. Only for the worker that took the task, before it reads the socket.
    pub fn begin(&self) {
        // A swap, not a store: it reads the last event's mark, so that what came before that event is seen.
        self.state.swap(RUNNING, Ordering::AcqRel);
    }

    /// Ends a run; whether the caller must put the task back because an event came meanwhile.
    pub fn rest(&self) -> bool {
        let rested = self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if rested.is_err() {
            self.put_back();
        }
        rested.is_err()
    }

    /// Ends a run whose task goes back on a deque. Only for its runner.
    pub fn put_back(&self) {
        self.state.store(SCHEDULED, Ordering::Release);
    }

    /// Ends the last run of a connection that is gone. Only for its runner.
    pub fn vacate(&self) {
        self.state.store(IDLE, Ordering::Release);
    }

    /// Takes an idle connection without a task, as running one would; whether it was idle.
    pub fn seize(&self) -> bool {
        self.state.compare_exchange(IDLE, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
