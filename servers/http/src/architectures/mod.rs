//! One file per architecture: how connections and readiness events reach threads, and nothing else.
//!
//! Each file opens with an essay: what it is, who uses it, how requests queue, how it fails, the workload
//! that shows it, and what it does not show.

use std::sync::Arc;

use corecurve_core::server_stats::Part;
use corecurve_core::{CpuId, Nanos, Problem, Seat};

use crate::config::ServeConfig;
use crate::copies;
use crate::faults::{self, Faults};
use crate::handler::{Root, Site};
use crate::registry::Architecture;
use crate::runtime::listener::Port;
use crate::runtime::procs::Processes;
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
    let slices = copies::slices(config)?;
    let mut port = Port::find(config)?;
    if copies::are_processes(config)? {
        let reserved = port.reserve()?;
        let (processes, notes) = Processes::start(config, &slices, port.addr(), reserved)?;
        return Ok(RunningServer::of_processes(port.addr(), processes, notes));
    }
    if slices.len() > 1 {
        port.share_from_now_on();
    }
    start_threads(config, architecture, &slices, port, None)
}

/// Starts `architecture` as one of several processes on `port`.
pub(crate) fn join(
    config: &ServeConfig,
    architecture: &Architecture,
    port: Port,
    part: Part,
) -> Result<RunningServer, Problem> {
    start_threads(config, architecture, std::slice::from_ref(&config.seats), port, Some(part))
}

fn start_threads(
    config: &ServeConfig,
    architecture: &Architecture,
    slices: &[Vec<Seat>],
    mut port: Port,
    part: Option<Part>,
) -> Result<RunningServer, Problem> {
    let used: Vec<&[Seat]> = slices.iter().map(|seats| architecture.used(seats)).collect();
    let cpus: Vec<Option<CpuId>> = used.iter().flat_map(|seats| seats.iter()).map(|seat| Some(seat.cpu)).collect();
    let root = config.effective_root().as_deref().map(Root::open).transpose()?;
    let copies = part.map_or(used.len(), |part| part.of);
    let dealing = architecture.dealing(copies, used.iter().map(|seats| seats.len()).max().unwrap_or(0));
    let faults = faults::list(config, architecture)?;
    faults::sleep_exactly(&faults);
    let site = Site::new(Stats::new(architecture.name, cpus).dealt(dealing).of_part(part), root);
    let site = Arc::new(site.with(Faults::of(&faults)?));
    let control = Arc::new(Control::default());
    let mut server = RunningServer::new(site.clone(), control.clone());
    let limits = config.effective_limits()?;
    let spin = config.setting::<Nanos>(&SPIN)?.min(MAX_SPIN).into();
    let mut first_row = 0;
    for seats in used {
        let (site, control) = (site.clone(), control.clone());
        let mut setup = Setup { config, seats, limits, site, control, spin, first_row, port: &mut port };
        (architecture.start)(&mut setup, &mut server)?;
        first_row += seats.len();
    }
    server.listens_on(port.addr());
    Ok(server)
}
