//! What an architecture has before it starts its first thread.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use corecurve_core::{Nanos, Problem, Seat};

use super::event_loop::{EventLoop, Intake};
use super::listener::Port;
use super::server::{Control, RunningServer, Wake};
use super::worker::Worker;
use crate::config::{ServeConfig, Setting, reads};
use crate::engine::Limits;
use crate::handler::Site;

/// How long an idle worker looks for events before it sleeps. Waking a sleeping core costs microseconds, in a
/// virtual machine more, and the sender pays part of it; looking costs the core's time.
pub(crate) const SPIN: Setting = Setting {
    name: "spin",
    default: "0us",
    summary: "how long an idle worker keeps looking for events before it sleeps; at most 10ms",
    check: reads::<Nanos>,
};
pub(crate) const MAX_SPIN: Nanos = Nanos(10_000_000);

/// What an architecture has before it starts its first thread.
pub(crate) struct Setup<'a> {
    pub config: &'a ServeConfig,
    /// One worker on each.
    pub seats: &'a [Seat],
    pub limits: Limits,
    pub site: Arc<Site>,
    pub control: Arc<Control>,
    /// The setting `spin`.
    pub spin: Duration,
    /// The row of the first worker in the counts: copies of a server share them.
    pub first_row: usize,
    pub port: &'a mut Port,
}

impl Setup<'_> {
    /// Opens `count` listeners on the server's port. More than one share it by SO_REUSEPORT.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(&mut self, count: usize) -> Result<Vec<TcpListener>, Problem> {
        self.port.listen(count)
    }

    /// Opens `count` listeners that share the server's port by SO_REUSEPORT, even if it is one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn share(&mut self, count: usize) -> Result<Vec<TcpListener>, Problem> {
        self.port.share(count)
    }

    /// Whether other copies of the server listen on its port, too.
    pub fn has_copies(&self) -> bool {
        self.port.is_shared()
    }

    /// Opens one listener on the server's port.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen_once(&mut self) -> Result<TcpListener, Problem> {
        self.port.listen_once()
    }

    /// The row of worker number `index` in the counts.
    pub fn row(&self, index: usize) -> usize {
        self.first_row + index
    }

    /// Starts event loop number `index` on its seat.
    ///
    /// # Errors
    /// When the thread cannot be started, pinned or set up.
    pub fn spawn_loop(&self, server: &mut RunningServer, index: usize, intake: Intake) -> Result<Wake, Problem> {
        let (site, limits, control, spin) = (self.site.clone(), self.limits, self.control.clone(), self.spin);
        let row = self.row(index);
        server.spawn(&format!("worker-{row}"), Some(self.seats[index]), move || {
            let worker = Worker::new(site, row, limits);
            let (wake, event_loop) = EventLoop::new(worker, intake, control, spin)?;
            Ok((wake, move || event_loop.run()))
        })
    }
}
