//! The table of architectures. A new one is one file in `architectures/` and one line here.

use std::net::SocketAddr;

use corecurve_core::server_stats::Part;
use corecurve_core::{Dealing, Problem, Seat};

use crate::architectures as arch;
use crate::config::{ServeConfig, Setting};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::faults;
use crate::runtime::RunningServer;
use crate::runtime::listener::Port;
use crate::runtime::setup::Setup;

/// One architecture.
#[derive(Debug)]
pub struct Architecture {
    /// Its name in specs, records and on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// How connections find their thread.
    pub accept_path: AcceptPath,
    /// How requests wait.
    pub queue_discipline: QueueDiscipline,
    /// What moves between threads afterwards.
    pub scheduling: Scheduling,
    /// How bytes get in and out.
    pub io: IoKind,
    /// What it is known to do badly.
    pub failure_mode: &'static str,
    /// The workloads that show it, by their names. A test of the harness holds them to the workloads there are.
    pub exposed_by: &'static [&'static str],
    /// Under which circumstances they show it.
    pub exposed_when: &'static str,
    /// Its own settings, besides [`crate::config::COMMON_SETTINGS`].
    pub settings: &'static [Setting],
    /// Whether it has one worker, on the first seat, whatever the number of seats.
    pub has_one_worker: bool,
    /// Starts its threads. Called through [`start`], which checks the settings first.
    pub(crate) start: fn(&mut Setup<'_>, &mut RunningServer) -> Result<(), Problem>,
}

/// Every architecture, in the order lists show them.
pub const ARCHITECTURES: &[Architecture] = &[
    arch::thread_per_core::ARCHITECTURE,
    arch::reuseport_cpu::ARCHITECTURE,
    arch::io_uring::ARCHITECTURE,
    arch::shared_accept::ARCHITECTURE,
    arch::shared_epoll::ARCHITECTURE,
    arch::work_stealing::ARCHITECTURE,
    arch::single_loop::ARCHITECTURE,
    arch::acceptor_handoff::ARCHITECTURE,
    arch::acceptor_handoff::LEAST_CONNECTIONS,
    arch::hybrid::ARCHITECTURE,
    arch::staged::ARCHITECTURE,
    arch::tokio::ARCHITECTURE,
    arch::tokio::PER_CORE,
    arch::thread_per_connection::ARCHITECTURE,
];

impl Architecture {
    /// The workloads that show its failure mode, and when, in one line.
    pub fn shown_by(&self) -> String {
        let names: Vec<String> = self.exposed_by.iter().map(|name| format!("`{name}`")).collect();
        format!("{}: {}", names.join(", "), self.exposed_when)
    }

    /// How a connection gets its worker with so many `copies` side by side, the largest of `widest` workers. The kernel's hash
    /// deals connections out among copies, whatever each does with its own.
    pub(crate) fn dealing(&self, copies: usize, widest: usize) -> Dealing {
        match (self.scheduling, self.accept_path) {
            _ if copies > 1 && widest == 1 && self.accept_path != AcceptPath::SteeredListeners => Dealing::Hash,
            (Scheduling::Pinned, AcceptPath::OneListener | AcceptPath::SharedListener) => Dealing::Race,
            (Scheduling::Pinned, AcceptPath::HashedListeners | AcceptPath::HashedHandOff) => Dealing::Hash,
            (Scheduling::Pinned, AcceptPath::SteeredListeners) => Dealing::ReceivingCpu,
            (Scheduling::Pinned, AcceptPath::HandOff) if copies > 1 => Dealing::Hash,
            (Scheduling::Pinned, AcceptPath::HandOff) => Dealing::HandOff,
            _ => Dealing::AnyWorker,
        }
    }

    /// The seats that get a worker.
    pub(crate) fn used<'a>(&self, seats: &'a [Seat]) -> &'a [Seat] {
        if self.has_one_worker { &seats[..seats.len().min(1)] } else { seats }
    }
}

/// The architecture of that name.
///
/// # Errors
/// When there is none; the nearest name is suggested.
pub fn find(name: &str) -> Result<&'static Architecture, Problem> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name).ok_or_else(|| {
        let known = ARCHITECTURES.iter().map(|architecture| architecture.name);
        Problem::unknown("architecture", name, known, "See `corecurve list targets`")
    })
}

/// The architecture of a configuration whose settings it takes. Starts nothing.
///
/// # Errors
/// Unknown architecture or setting, or a value that cannot be read.
pub fn check(config: &ServeConfig) -> Result<&'static Architecture, Problem> {
    let architecture = find(&config.architecture)?;
    config.check_settings(architecture.settings)?;
    config.effective_limits()?;
    faults::list(config, architecture)?;
    Ok(architecture)
}

/// Starts a server and returns when every worker is pinned and listening.
///
/// # Errors
/// Unknown architecture or setting, no seat, address not allowed or taken, CPU not available.
pub fn start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    let architecture = check(config)?;
    if config.seats.is_empty() {
        return Err(Problem::new("a server needs at least one CPU").help("name one, e.g. `--cores 1`"));
    }
    arch::start(config, architecture)
}

/// Starts one of several processes that serve on `addr`, which another process holds.
///
/// # Errors
/// As [`start`].
pub(crate) fn join(config: &ServeConfig, addr: SocketAddr, part: Part) -> Result<RunningServer, Problem> {
    arch::join(config, check(config)?, Port::join(config, addr)?, part)
}

/// The architectures as a Markdown table of their factors, and what each is known for.
pub fn markdown_table() -> String {
    let mut table =
        "| architecture | accept | queue | scheduling | I/O | fails by | shown by |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in ARCHITECTURES {
        let (accept, queue) = (row.accept_path.label(), row.queue_discipline.label());
        let (scheduling, io) = (row.scheduling.label(), row.io.label());
        let (fails, shown) = (row.failure_mode, row.shown_by());
        table += &format!("| `{}` | {accept} | {queue} | {scheduling} | {io} | {fails} | {shown} |\n", row.name);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_slips_are_recognised() {
        for (i, architecture) in ARCHITECTURES.iter().enumerate() {
            assert!(ARCHITECTURES[..i].iter().all(|other| other.name != architecture.name), "{}", architecture.name);
            let facts = [architecture.summary, architecture.failure_mode, architecture.exposed_when];
            assert!(facts.iter().all(|fact| !fact.is_empty() && !fact.contains('|')), "{}", architecture.name);
            assert!(!architecture.exposed_by.is_empty(), "{}", architecture.name);
        }
        assert!(find("thread-percore").unwrap_err().one_line().contains("`thread-per-core`"));
    }

    #[test]
    fn who_decides_which_worker_gets_a_connection() {
        for (name, copies, widest, dealing) in [
            ("thread-per-core", 1, 4, Dealing::Hash),
            ("io-uring", 2, 2, Dealing::Hash),
            ("shared-accept", 1, 4, Dealing::Race),
            ("shared-accept", 2, 2, Dealing::Race),
            ("shared-accept", 4, 1, Dealing::Hash),
            ("acceptor-handoff", 1, 4, Dealing::HandOff),
            ("acceptor-handoff-least", 2, 2, Dealing::Hash),
            ("hybrid", 1, 4, Dealing::Hash),
            ("reuseport-cpu", 4, 1, Dealing::ReceivingCpu),
            ("shared-epoll", 1, 4, Dealing::AnyWorker),
            ("shared-epoll", 4, 1, Dealing::Hash),
            ("thread-per-connection", 1, 4, Dealing::AnyWorker),
            ("tokio", 1, 4, Dealing::AnyWorker),
            ("tokio-per-core", 1, 4, Dealing::Hash),
        ] {
            assert_eq!(find(name).unwrap().dealing(copies, widest), dealing, "{name} × {copies}");
        }
    }

    #[test]
    fn the_documented_table_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architectures.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->");
        let (before, rest) = text.split_once(begin).unwrap();
        let (documented, after) = rest.split_once(end).unwrap();
        let table = markdown_table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else {
            assert!(documented == table, "docs/architectures.md is behind; run this test with UPDATE_DOCS=1:\n{table}");
        }
    }
}
