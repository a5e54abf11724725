//! A place for one connection that any worker may serve, and the states that keep two from serving it at once.
//!
//! See the hand-off protocol in [`crate::architectures::work_stealing`].

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::peer::Peer;

/// Nobody has a task for it.
const IDLE: u8 = 0;
/// A task for it waits on some deque.
const SCHEDULED: u8 = 1;
/// A worker serves it.
const RUNNING: u8 = 2;
/// A worker serves it and an event has come since.
const NOTIFIED: u8 = 3;

/// A place for one connection.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: AtomicU8,
    /// The client has closed its side.
    pub is_hung_up: AtomicBool,
    /// Its time may be over.
    pub is_overdue: AtomicBool,
    /// The worker that accepted it and counts it.
    pub home: AtomicUsize,
    peer: Mutex<Option<Box<Peer>>>,
}

impl Slot {
    /// Notes an event; whether the caller must make a task of it.
    pub fn notify(&self) -> bool {
        let noted = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE => Some(SCHEDULED),
            RUNNING => Some(NOTIFIED),
            _ => None,
        });
        noted == Ok(IDLE)
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

    /// Takes an idle slot without a task, as running one would; whether it was idle.
    pub fn seize(&self) -> bool {
        self.state.compare_exchange(IDLE, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The connection in it, for its runner.
    pub fn peer(&self) -> MutexGuard<'_, Option<Box<Peer>>> {
        // After a panic the connection is in doubt but the slot is not: its owner closes it.
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection in it, unless somebody is at it.
    pub fn try_peer(&self) -> Option<MutexGuard<'_, Option<Box<Peer>>>> {
        match self.peer.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crossbeam_deque::{Injector, Steal};

    use super::*;

    #[test]
    fn no_event_is_lost_and_no_two_run_at_once() {
        const EVENTS: u64 = 20_000;
        const SOURCES: u64 = 2;
        let slot = Slot::default();
        let tasks = Injector::new();
        let (events, seen, runners) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let source = || {
            for _ in 0..EVENTS {
                // What `events` counts stands for bytes in a socket.
                events.fetch_add(1, Ordering::Relaxed);
                if slot.notify() {
                    tasks.push(());
                }
            }
        };
        let runner = || {
            while seen.load(Ordering::Relaxed) < EVENTS * SOURCES {
                if !matches!(tasks.steal(), Steal::Success(())) {
                    std::thread::yield_now();
                    continue;
                }
                slot.begin();
                assert_eq!(runners.fetch_add(1, Ordering::SeqCst), 0, "two workers in one slot");
                seen.store(events.load(Ordering::Relaxed), Ordering::Relaxed);
                runners.fetch_sub(1, Ordering::SeqCst);
                if slot.rest() {
                    tasks.push(());
                }
            }
        };
        // A lost event would leave `seen` short for ever and the runners without a task.
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..SOURCES {
                scope.spawn(source);
            }
            for _ in 0..2 {
                let done = done.clone();
                let runner = &runner;
                scope.spawn(move || {
                    runner();
                    done.send(())
                });
            }
            for _ in 0..2 {
                let in_time = finished.recv_timeout(std::time::Duration::from_secs(60));
                if in_time.is_err() {
                    seen.store(u64::MAX, Ordering::Relaxed);
                }
                assert!(in_time.is_ok(), "an event was lost");
            }
        });
        assert_eq!(seen.load(Ordering::Relaxed), EVENTS * SOURCES);
    }
}
