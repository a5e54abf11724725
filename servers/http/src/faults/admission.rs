//! `admit`: so many requests are handled at once, the others wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A counting semaphore.
#[derive(Debug)]
pub struct Admission {
    free: Mutex<usize>,
    returned: Condvar,
}

impl Admission {
    /// One with so many places.
    pub fn new(places: usize) -> Admission {
        Admission { free: Mutex::new(places), returned: Condvar::new() }
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        // A number is whole after any panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place taken, given back when it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    admission: &'a Admission,
}

/// Waits for a place and takes it.
#[inline(never)]
pub fn enter(admission: &Admission) -> Place<'_> {
    let free = admission.returned.wait_while(admission.free(), |free| *free == 0);
    *free.unwrap_or_else(PoisonError::into_inner) -= 1;
    Place { admission }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.admission.free() += 1;
        self.admission.returned.notify_one();
    }
}
