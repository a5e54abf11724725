//! Who sleeps, so that whoever has work to give away wakes one, and only one.
//!
//! A worker that is about to sleep says so ([`Sleepers::lie_down`]) and then looks for work once more; one that
//! has made work visible then asks whether to wake somebody ([`Sleepers::must_nudge`]). Both orders are
//! sequentially consistent, so one of the two sees the other: no work waits while everybody sleeps.

use super::sync::{AtomicBool, AtomicUsize, Ordering, fence};

/// Counts sleepers and remembers whether a nudge is under way.
#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    /// Workers that sleep or are about to.
    count: AtomicUsize,
    /// A nudge is under way that nobody has woken from yet.
    is_nudged: AtomicBool,
}

impl Sleepers {
    /// Says that the caller is about to sleep. It must look for work between this and sleeping.
    pub fn lie_down(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Says that it no longer sleeps.
    pub fn get_up(&self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the caller, which has just made work visible, must wake a sleeper: somebody sleeps, and no nudge is under way.
    pub fn must_nudge(&self) -> bool {
        fence(Ordering::SeqCst);
        self.count.load(Ordering::Relaxed) > 0 && !self.is_nudged.swap(true, Ordering::AcqRel)
    }

    /// The nudge has arrived. The caller must look for work before it sleeps again.
    pub fn take_nudge(&self) {
        self.is_nudged.store(false, Ordering::Release);
    }
}
