//! `mutex`: one lock around the handling of every request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use corecurve_core::fault::Hold;

use super::delay;

/// The lock, and how long it is held at least.
#[derive(Debug)]
pub struct GlobalMutex {
    mutex: Mutex<()>,
    hold: Hold,
}

impl GlobalMutex {
    /// A lock that is free.
    pub fn new(hold: Hold) -> GlobalMutex {
        GlobalMutex { mutex: Mutex::new(()), hold }
    }
}

/// Takes the lock and spends its time under it; it is held until what this returns is dropped.
#[inline(never)]
pub fn enter(global: &GlobalMutex) -> MutexGuard<'_, ()> {
    // It guards nothing that a panic could leave half done.
    let guard = global.mutex.lock().unwrap_or_else(PoisonError::into_inner);
    delay::spend(global.hold);
    guard
}
