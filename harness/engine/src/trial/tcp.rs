//! A trial over sockets: one [`LoadWorker`] for each load seat.

use std::net::SocketAddr;

use corecurve_core::{Problem, Running, TransportKind, Wire};

use super::real::{Post, conduct};
use super::setup::{TrialOutput, TrialSetup};
use crate::client::{Dialer, Epoll, PORTS_OF_ONE_SOURCE, Pool, Ring, Transport, room_for_files};
use crate::stop::StopFlag;
use crate::worker::{LoadWorker, take_seat, workload_seed};

/// Chooses the transport, once for all load workers.
pub(super) fn tcp_trial<W: Wire>(
    setup: &TrialSetup,
    running: &mut dyn Running,
    address: SocketAddr,
    workload: &(dyn Fn(usize, u64) -> W + Sync),
    stop: &StopFlag,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<TrialOutput, Problem> {
    match setup.transport {
        TransportKind::Epoll => over::<W, Epoll>(setup, running, address, workload, stop, progress),
        TransportKind::IoUring => over::<W, Ring>(setup, running, address, workload, stop, progress),
    }
}

fn over<W: Wire, T: Transport>(
    setup: &TrialSetup,
    running: &mut dyn Running,
    address: SocketAddr,
    workload: &(dyn Fn(usize, u64) -> W + Sync),
    stop: &StopFlag,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<TrialOutput, Problem> {
    let connections = setup.connections_by_worker();
    room_for_files(connections.iter().sum())?;
    let work = |post: Post<'_>| {
        let pin = take_seat(setup, post.worker)?;
        // Before its first socket: a socket stays in the namespace it was made in.
        setup.link.as_ref().map_or(Ok(()), |link| link.load.enter())?;
        let size = connections[post.worker];
        let stripe = setup.requests_per_connection.is_some() || size > PORTS_OF_ONE_SOURCE;
        let dialer = Dialer::new(address, post.worker, stripe);
        let pool = Pool::<W, T>::new(dialer, size, setup.requests_per_connection, setup.timeout)?;
        let operations = workload(post.worker, workload_seed(setup.seed, post.worker));
        Ok(LoadWorker::new(post, operations, pool).run(pin))
    };
    conduct(setup, running, Some(address), work, stop, progress)
}
