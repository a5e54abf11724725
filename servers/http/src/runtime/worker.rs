//! What one worker thread owns, allocated after it is pinned so that its memory is near.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use corecurve_core::{CpuSet, Nanos, NodeId, Problem, Seat};
use corecurve_machine::memory::{ExecPolicy, set_affinity};
use corecurve_machine::pin::pin_current_thread;

use crate::engine::Limits;
use crate::handler::{App, Site};

/// Bytes read from a socket at once. A shorter read means the socket is empty, so that the usual request
/// costs one read and none that only finds nothing.
const READ_BYTES: usize = 64 << 10;

/// A worker's handler, read buffer and clock.
pub(crate) struct Worker {
    pub app: App,
    pub buffer: Box<[u8]>,
    pub limits: Limits,
    /// Milliseconds since the server began, as of the last [`Worker::tick`].
    pub now_ms: u64,
    index: usize,
    began: Instant,
}

impl Worker {
    pub fn new(site: Arc<Site>, index: usize, limits: Limits) -> Worker {
        Worker::with_buffer(site, index, limits, READ_BYTES)
    }

    /// A worker that reads at most `read_bytes` at once.
    pub fn with_buffer(site: Arc<Site>, index: usize, limits: Limits, read_bytes: usize) -> Worker {
        Worker {
            began: site.began,
            app: App::new(site, index),
            buffer: vec![0; read_bytes].into_boxed_slice(),
            limits,
            now_ms: 0,
            index,
        }
    }

    /// Counts for another worker from now on: for threads that move between CPUs.
    pub fn count_as(&mut self, index: usize) {
        self.index = index;
        self.app.set_worker(index);
    }

    /// Its row in the counts.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Takes over the time of a batch of events. Cost: none unless 100 ms have passed.
    #[inline]
    pub fn tick(&mut self, now: Instant) {
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64;
        if now_ms / 100 != self.now_ms / 100 {
            self.app.refresh_date(SystemTime::now());
        }
        self.now_ms = now_ms;
    }

    /// The worker's counts.
    #[inline]
    pub fn stats(&self) -> &super::stats::WorkerStats {
        self.app.site().stats.worker(self.index)
    }
}

/// How often time-outs are looked for: a quarter of the shortest, so that none is late by more.
pub(crate) fn sweep_period(limits: &Limits) -> Duration {
    let shortest = limits.head_timeout.min(limits.idle_timeout).min(limits.linger_timeout);
    Duration::from(shortest / 4).clamp(Duration::from_millis(1), Duration::from_secs(1))
}

/// Milliseconds of a limit.
pub(crate) fn millis(time: Nanos) -> u64 {
    time.0.div_ceil(1_000_000)
}

/// Pins the calling thread to its seat and takes its memory from the seat's node from now on.
///
/// # Errors
/// When the kernel refuses: the CPU or the node does not exist or is not ours.
pub(crate) fn sit(seat: Seat) -> Result<(), Problem> {
    pin_current_thread(seat.cpu)?;
    take_memory_from(&[seat])
}

/// Lets the calling thread, and those it starts, run on any of these seats and nowhere else.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn sit_on_any(seats: &[Seat]) -> Result<(), Problem> {
    set_affinity(&seats.iter().map(|seat| seat.cpu).collect())?;
    take_memory_from(seats)
}

fn take_memory_from(seats: &[Seat]) -> Result<(), Problem> {
    let mut nodes: Vec<NodeId> = seats.iter().filter_map(|seat| seat.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    // A kernel without memory policies leaves memory where it likes, which `doctor` reports.
    ExecPolicy { cpus: CpuSet::default(), nodes }.apply_to_current().map(drop)
}
