//! [`Orders`]: what the controller and the load workers tell each other during a trial.
//!
//! Workers read their orders, which hardly ever change, and each writes to a board of its own now and then: no cache
//! line is written by two threads, and none is written often.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// An instant that was not decided yet.
pub(crate) const UNDECIDED: u64 = u64::MAX;

/// From the controller to all workers. Instants are nanoseconds of the run's clock.
#[derive(Debug)]
pub(crate) struct Orders {
    start: AtomicU64,
    window: AtomicU64,
    cut: AtomicU64,
    give_up: AtomicU64,
    ready: AtomicUsize,
    boards: Vec<Board>,
}

/// From one worker to the controller: running totals since the trial's start.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Board {
    due: AtomicU64,
    completed: AtomicU64,
    latency_sum: AtomicU64,
}

/// Totals over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub due: u64,
    pub completed: u64,
    pub latency_sum: u64,
}

impl Orders {
    pub(crate) fn new(workers: usize) -> Orders {
        Orders {
            start: AtomicU64::new(UNDECIDED),
            window: AtomicU64::new(UNDECIDED),
            cut: AtomicU64::new(UNDECIDED),
            give_up: AtomicU64::new(UNDECIDED),
            ready: AtomicUsize::new(0),
            boards: (0..workers).map(|_| Board::default()).collect(),
        }
    }

    /// When load begins.
    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn set_start(&self, at: u64) {
        self.start.store(at, Ordering::Release);
    }

    /// When the window opens. Set well before it, so that every worker knows in time.
    #[inline]
    pub(crate) fn window(&self) -> u64 {
        self.window.load(Ordering::Relaxed)
    }

    pub(crate) fn set_window(&self, at: u64) {
        self.window.store(at, Ordering::Relaxed);
    }

    /// Nothing is due from here on: the trial was ended early.
    #[inline]
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cut(&self, at: u64) {
        self.cut.fetch_min(at, Ordering::Relaxed);
    }

    /// No answer is waited for beyond this.
    #[inline]
    pub(crate) fn give_up(&self) -> u64 {
        self.give_up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_give_up(&self, at: u64) {
        self.give_up.fetch_min(at, Ordering::Relaxed);
    }

    pub(crate) fn report_ready(&self) {
        self.ready.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn board(&self, worker: usize) -> &Board {
        &self.boards[worker]
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for board in &self.boards {
            totals.due += board.due.load(Ordering::Relaxed);
            totals.completed += board.completed.load(Ordering::Relaxed);
            totals.latency_sum += board.latency_sum.load(Ordering::Relaxed);
        }
        totals
    }
}

impl Board {
    pub(crate) fn publish(&self, totals: Totals) {
        self.due.store(totals.due, Ordering::Relaxed);
        self.completed.store(totals.completed, Ordering::Relaxed);
        self.latency_sum.store(totals.latency_sum, Ordering::Relaxed);
    }
}
