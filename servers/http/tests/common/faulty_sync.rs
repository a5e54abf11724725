//! Loom's atomics under the names of `runtime/sync.rs`, with faults that can be planted.

use std::cell::Cell;

pub(crate) use loom::sync::Mutex;
use loom::sync::atomic as real;
pub(crate) use loom::sync::atomic::Ordering;
pub(crate) use std::sync::PoisonError;

/// What goes wrong, in every atomic of the pieces under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every ordering is relaxed.
    Relaxed,
    /// Fences do nothing.
    NoFence,
    /// A swap becomes a store: it no longer reads what it replaces.
    SwapWithoutReading,
    /// A compare-and-exchange stores whatever it finds.
    ExchangeWithoutLooking,
    /// A compare-and-exchange that would change nothing becomes a load.
    ExchangeOnlyOnChange,
    /// Stores do not happen.
    StoreForgotten,
    /// Additions do not happen.
    AddForgotten,
}

thread_local! {
    // Loom runs all threads of a model on the thread that called it.
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

/// Plants a fault until the result is dropped.
pub fn plant(fault: Fault) -> Planted {
    FAULT.set(fault);
    Planted
}

/// See [`plant`].
pub struct Planted;

impl Drop for Planted {
    fn drop(&mut self) {
        FAULT.set(Fault::None);
    }
}

fn is(fault: Fault) -> bool {
    FAULT.get() == fault
}

fn order(wanted: Ordering) -> Ordering {
    if is(Fault::Relaxed) { Ordering::Relaxed } else { wanted }
}

pub(crate) fn fence(order: Ordering) {
    if !is(Fault::NoFence) {
        real::fence(order);
    }
}

macro_rules! faulty {
    ($name:ident, $value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(real::$name);

        impl $name {
            pub fn load(&self, wanted: Ordering) -> $value {
                self.0.load(order(wanted))
            }

            pub fn store(&self, value: $value, wanted: Ordering) {
                if !is(Fault::StoreForgotten) {
                    self.0.store(value, order(wanted));
                }
            }

            pub fn swap(&self, value: $value, wanted: Ordering) -> $value {
                if is(Fault::SwapWithoutReading) {
                    self.0.store(value, Ordering::Release);
                    return value;
                }
                self.0.swap(value, order(wanted))
            }

            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if is(Fault::ExchangeWithoutLooking) {
                    self.0.swap(new, order(success));
                    return Ok(current);
                }
                if is(Fault::ExchangeOnlyOnChange) && current == new {
                    let now = self.0.load(failure);
                    return if now == current { Ok(now) } else { Err(now) };
                }
                self.0.compare_exchange(current, new, order(success), order(failure))
            }
        }
    };
}

faulty!(AtomicBool, bool);
faulty!(AtomicU8, u8);
faulty!(AtomicUsize, usize);

impl AtomicUsize {
    pub fn fetch_add(&self, value: usize, wanted: Ordering) -> usize {
        if is(Fault::AddForgotten) {
            return self.0.load(Ordering::Relaxed);
        }
        self.0.fetch_add(value, order(wanted))
    }

    pub fn fetch_sub(&self, value: usize, wanted: Ordering) -> usize {
        if is(Fault::AddForgotten) {
            return self.0.load(Ordering::Relaxed);
        }
        self.0.fetch_sub(value, order(wanted))
    }
}
