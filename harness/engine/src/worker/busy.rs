//! [`Busy`]: how much of its time a load worker spent on useful work.

use corecurve_core::Nanos;
use corecurve_machine::clock::thread_cpu;

/// Where a worker's time went, within the window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    idle: u64,
    /// The instant the window opened, with the idle and the CPU time counted until then.
    at_open: Option<(u64, u64, u64)>,
    share: Option<f64>,
    cpu: Option<u64>,
}

impl Busy {
    /// Nothing happened for so long.
    #[inline]
    pub(crate) fn idle(&mut self, ns: u64) {
        self.idle += ns;
    }

    pub(crate) fn opens(&mut self, now: u64) {
        if self.at_open.is_none() {
            self.at_open = Some((now, self.idle, thread_cpu().0));
        }
    }

    pub(crate) fn ends(&mut self, now: u64, closed_loop: bool) {
        if let (Some((at, idle, cpu)), None) = (self.at_open, self.share) {
            let span = now.saturating_sub(at).max(1) as f64;
            let spent = thread_cpu().0.saturating_sub(cpu);
            self.cpu = Some(spent);
            self.share = Some(match closed_loop {
                true => spent as f64 / span,
                false => 1.0 - (self.idle - idle) as f64 / span,
            });
        }
    }

    /// CPU time spent in the window; `None` if it did not end.
    pub(crate) fn cpu(&self) -> Option<Nanos> {
        self.cpu.map(Nanos)
    }

    /// Useful-work share; zero if the window did not end.
    pub(crate) fn share(&self) -> f64 {
        self.share.unwrap_or(0.0).clamp(0.0, 1.0)
    }
}
