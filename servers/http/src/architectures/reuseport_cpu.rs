//! `reuseport-cpu`: thread-per-core whose listeners are chosen by the CPU that received the packet.
//!
//! As in `thread-per-core` every worker has a listener of its own, but the kernel does not pick it by hash: a
//! connection goes to the worker on the CPU where its first packet came in, so that the network card's
//! queue, the kernel's receiving work and the worker share a core and its caches (what Affinity-Accept did with a changed
//! kernel). `steer=bpf` attaches a program to the group of listeners (`SO_ATTACH_REUSEPORT_CBPF`, Linux 4.5);
//! `steer=incoming-cpu` sets `SO_INCOMING_CPU` on each, which h2o and ntex do. The kernel ignored the latter among
//! listeners that share a port from 4.6 until 6.2, silently. So this one tries steering out before it starts,
//! with connections of its own on loopback, and refuses if they go astray.
//!
//! **Where it cannot work** it refuses, too: a virtual interface such as `lo` receives on the CPU of the sender.
//! With server and load on different cores no packet is ever received on a worker's CPU, and steering would mean nothing (nginx's
//! developers saw one worker serve every request). With receive packet steering (RPS) towards the workers' CPUs on `lo` or on
//! the server's end of a veth pair it can. `path=ignore` starts it all the same and says so in a note.
//!
//! **Queue discipline**: partitioned, as with `thread-per-core`; the share of each worker is that of its CPU in what the
//! interface receives.
//!
//! **Failure mode**: balance is whatever the network card's hash, its interrupts and RPS make of it. A queue too
//! few and a worker has nothing to do, while nobody notices but the one who looks at the counts per worker.
//!
//! **The workload that shows it**: few flows; an interface that receives on fewer CPUs than there are workers.
//!
//! **What it does not show**: the gain of a network card that steers flows to cores, on loopback: there is no card.

use corecurve_core::{CpuId, Problem};

use crate::config::{Setting, reads};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::event_loop::Intake;
use crate::runtime::receiving::{Receiving, receiving};
use crate::runtime::setup::{SPIN, Setup};
use crate::runtime::steering::{Steer, prove, steer};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "reuseport-cpu",
    summary: "thread-per-core whose listener is that of the CPU that received the connection's first packet",
    accept_path: AcceptPath::SteeredListeners,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "balance is that of the CPUs that receive; refused on plain loopback, where the sender's CPU receives",
    exposed_by: &["keepalive"],
    exposed_when: "few flows, or an interface that receives on fewer CPUs than there are workers",
    settings: &[STEER, PATH, SPIN],
    has_one_worker: false,
    start,
};

const STEER: Setting = Setting {
    name: "steer",
    default: "bpf",
    summary: "how the kernel is told: bpf or incoming-cpu",
    check: reads::<Steer>,
};
const PATH: Setting = Setting {
    name: "path",
    default: "require",
    summary: "require: refuse unless packets are received on the workers' CPUs; ignore: start all the same",
    check: reads::<PathRule>,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathRule {
    Require,
    Ignore,
}

impl std::str::FromStr for PathRule {
    type Err = Problem;
    fn from_str(text: &str) -> Result<PathRule, Problem> {
        match text {
            "require" => Ok(PathRule::Require),
            "ignore" => Ok(PathRule::Ignore),
            _ => Err(Problem::unknown("path rule", text, ["require", "ignore"], "")),
        }
    }
}

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let cpus: Vec<CpuId> = setup.seats.iter().map(|seat| seat.cpu).collect();
    let how = setup.config.setting(&STEER)?;
    match (receiving(setup.config.addr.ip(), &cpus), setup.config.setting(&PATH)?) {
        (Ok(Receiving::Here), _) => {}
        (Ok(Receiving::Perhaps(note)), _) => server.note(note),
        (Err(problem), PathRule::Require) => return Err(problem),
        (Err(problem), PathRule::Ignore) => server.note(problem.seen),
    }
    if how == Steer::Bpf && setup.has_copies() {
        return Err(Problem::new(
            "copies share one group of listeners, and the program of one would replace the others'",
        )
        .help("with `copies` or `procs` use `--set steer=incoming-cpu`"));
    }
    prove(&cpus, how)?;
    // A group even if it is of one: only groups can be steered.
    let listeners = setup.share(cpus.len())?;
    steer(&listeners, &cpus, how)?;
    for (index, listener) in listeners.into_iter().enumerate() {
        setup.spawn_loop(server, index, Intake::Own(listener))?;
    }
    Ok(())
}
