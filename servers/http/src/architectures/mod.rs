//! One file per architecture: how connections and readiness events reach threads, and nothing else.
//!
//! Each file opens with an essay: what it is, who uses it, how requests queue, how it fails, the workload
//! that shows it, and what it does not show.

use std::sync::Arc;

use corecurve_core::{CpuId, Nanos, Problem};

use crate::config::ServeConfig;
use crate::handler::{Root, Site};
use crate::registry::Architecture;
use crate::runtime::listener::Port;
use crate::runtime::server::Control;
use crate::runtime::setup::{MAX_SPIN, SPIN, Setup};
use crate::runtime::{RunningServer, Stats};

pub mod acceptor_handoff;
pub mod hybrid;
pub mod io_uring;
pub mod reuseport_cpu;
pub mod shared_accept;
pub mod shared_epoll;
pub mod single_loop;
pub mod staged;
pub mod thread_per_connection;
pub mod thread_per_core;
pub mod tokio;
pub mod work_stealing;

/// Starts `architecture`, whose settings were checked.
pub(crate) fn start(config: &ServeConfig, architecture: &Architecture) -> Result<RunningServer, Problem> {
    let seats = architecture.used(&config.seats);
    let cpus = seats.iter().map(|seat| Some(seat.cpu)).collect::<Vec<Option<CpuId>>>();
    let root = config.root.as_deref().map(Root::open).transpose()?;
    let site = Arc::new(Site::new(Stats::new(architecture.name, cpus), root));
    let control = Arc::new(Control::default());
    let mut port = Port::find(config)?;
    let mut server = RunningServer::new(site.clone(), control.clone());
    let limits = config.effective_limits()?;
    let spin = config.setting::<Nanos>(&SPIN)?.min(MAX_SPIN).into();
    let mut setup = Setup { config, seats, limits, site, control, spin, port: &mut port };
    (architecture.start)(&mut setup, &mut server)?;
    server.listens_on(port.addr());
    Ok(server)
}
