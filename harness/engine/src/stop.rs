//! [`StopFlag`]: how a trial learns that the user wants it to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Shared between whoever asks (a signal, a test, a budget) and the trial that obeys.
///
/// Asked once, the trial is finished and kept; asked twice, it ends at once and is marked as interrupted.
/// Cloning shares the flag. Cost of asking it: one relaxed load.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    asked: Arc<AtomicU32>,
    signals: bool,
}

impl StopFlag {
    /// A flag that nobody has raised.
    pub fn new() -> StopFlag {
        StopFlag::default()
    }

    /// A flag that is raised by signals too, see [`crate::signals`].
    pub fn with_signals() -> StopFlag {
        StopFlag { signals: true, ..StopFlag::default() }
    }

    /// Asks once more.
    pub fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the run should end after this trial.
    pub fn requested(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= 1 || (self.signals && crate::signals::stop_soon())
    }

    /// Whether even this trial should end.
    pub fn now(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= 2 || (self.signals && crate::signals::stop_now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_soon_and_twice_is_now() {
        let flag = StopFlag::new();
        let shared = flag.clone();
        assert!(!flag.requested() && !flag.now());
        shared.ask();
        assert!(flag.requested() && !flag.now());
        shared.ask();
        assert!(flag.now());
    }
}
