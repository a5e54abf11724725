//! A place for one connection that any worker may serve.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::peer::Peer;
use super::turn::Turn;

/// A place for one connection.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Whose turn it is, where tasks are made of events.
    pub turn: Turn,
    /// The client has closed its side.
    pub is_hung_up: AtomicBool,
    /// Its time may be over.
    pub is_overdue: AtomicBool,
    /// The worker that accepted it and counts it.
    pub home: AtomicUsize,
    peer: Mutex<Option<Box<Peer>>>,
}

impl Slot {
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
    use std::sync::atomic::{AtomicU64, Ordering};

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
                if slot.turn.notify() {
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
                slot.turn.begin();
                assert_eq!(runners.fetch_add(1, Ordering::SeqCst), 0, "two workers in one slot");
                seen.store(events.load(Ordering::Relaxed), Ordering::Relaxed);
                runners.fetch_sub(1, Ordering::SeqCst);
                if slot.turn.rest() {
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
