//! One file per architecture: how connections and readiness events reach threads, and nothing else.
//!
//! Each file opens with an essay: what it is, who uses it, how requests queue, how it fails, and the
//! workload that shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use corecurve_core::{CpuId, Nanos, Problem, Seat};

use crate::config::{ServeConfig, Setting, reads};
use crate::engine::Limits;
use crate::handler::{Root, Site};
use crate::runtime::event_loop::{EventLoop, Intake};
use crate::runtime::server::Control;
use crate::runtime::worker::Worker;
use crate::runtime::{RunningServer, Stats};

pub mod acceptor_handoff;
pub mod shared_accept;
pub mod single_loop;
pub mod thread_per_connection;
pub mod thread_per_core;
pub mod work_stealing;

/// How long an idle worker looks for events before it sleeps. Waking a sleeping core costs microseconds, in a
/// virtual machine more, and the sender pays part of it; looking costs the core's time.
pub(crate) const SPIN: Setting = Setting {
    name: "spin",
    default: "0us",
    summary: "how long an idle worker keeps looking for events before it sleeps; at most 10ms",
    check: reads::<Nanos>,
};
const MAX_SPIN: Nanos = Nanos(10_000_000);

/// What every architecture has before it starts its first thread.
struct Setup {
    limits: Limits,
    site: Arc<Site>,
    control: Arc<Control>,
    /// The setting `spin`.
    spin: Duration,
}

impl Setup {
    /// Reads the limits, opens the root and zeroes counts for workers on `seats`.
    fn new(config: &ServeConfig, name: &'static str, seats: &[Seat]) -> Result<Setup, Problem> {
        let limits = config.effective_limits()?;
        let root = config.root.as_deref().map(Root::open).transpose()?;
        let cpus = seats.iter().map(|seat| Some(seat.cpu)).collect::<Vec<Option<CpuId>>>();
        let site = Arc::new(Site::new(Stats::new(name, cpus), root));
        let spin = config.setting::<Nanos>(&SPIN)?.min(MAX_SPIN).into();
        Ok(Setup { limits, site, control: Arc::new(Control::default()), spin })
    }

    /// A server with these parts and no thread yet.
    fn server(&self, addr: SocketAddr) -> RunningServer {
        RunningServer::new(addr, self.site.clone(), self.control.clone())
    }

    /// Starts event loop number `index` on `seat`.
    fn spawn_loop(
        &self,
        server: &mut RunningServer,
        index: usize,
        seat: Seat,
        intake: Intake,
    ) -> Result<crate::runtime::server::Wake, Problem> {
        let (site, limits, control, spin) = (self.site.clone(), self.limits, self.control.clone(), self.spin);
        server.spawn(&format!("worker-{index}"), Some(seat), move || {
            let worker = Worker::new(site, index, limits);
            let (wake, event_loop) = EventLoop::new(worker, intake, control, spin)?;
            Ok((wake, move || event_loop.run()))
        })
    }
}
