//! What the kernel and the processor count in a measured window: one collector for each source, read at the window's two ends.
//!
//! [`Collecting::prepare`] does all that is slow (opening files, finding threads and listeners, asking for the processor's
//! counters) before the window opens: the controller that reads may be on a load core. At the ends a collector only reads; texts
//! are understood when the window is over. Collectors are begun in one order and ended in the opposite one, so that each span
//! lies within the one before: those whose times must be exact come last and end first.

mod accept_queue;
mod cpus;
mod hardware;
mod kept;
mod link;
mod network;
mod pressure;
mod quota;
mod threads;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use corecurve_core::{CollectorCost, CollectorKind, Collectors, Counters, Missing, Nanos, Pid, Placed};

use crate::Link;
use crate::clock::{now, thread_cpu};

/// What is to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The target's processes.
    pub pids: &'a [Pid],
    /// Where it listens, if it has sockets and is on this machine.
    pub listens: Option<SocketAddr>,
    /// The link between load and server, if there is one.
    pub link: Option<&'a Arc<Link>>,
    /// Who sits where.
    pub placed: &'a Placed,
}

/// Reads one source at the two ends of a window.
trait Collector: Debug + Send {
    /// Reads the first end.
    fn begin(&mut self);
    /// A look within the window, some times a second.
    fn look(&mut self) {}
    /// Reads the other end.
    fn end(&mut self);
    /// Tells what was counted, or what is missing.
    fn tell(self: Box<Self>, counters: &mut Counters);
}

/// A collector ready to begin, or what it is missing.
type Prepared = Result<Box<dyn Collector>, Missing>;

/// Makes a collector ready.
type Prepare = fn(&Subject<'_>) -> Prepared;

/// In the order they begin: what is read last is read nearest to the window's ends. Packets of the link are counted within those
/// of the CPUs, so that what arrives in between is in the CPUs' at least.
const SOURCES: [(CollectorKind, Prepare); 8] = [
    (CollectorKind::Pressure, pressure::prepare),
    (CollectorKind::Quota, quota::prepare),
    (CollectorKind::AcceptQueue, accept_queue::prepare),
    (CollectorKind::Network, network::prepare),
    (CollectorKind::Cpus, cpus::prepare),
    (CollectorKind::Link, link::prepare),
    (CollectorKind::Threads, threads::prepare),
    // Told last: it adds to what threads and CPUs have told.
    (CollectorKind::Hardware, hardware::prepare),
];

/// The collectors of one window.
#[derive(Debug)]
pub struct Collecting {
    running: Vec<Running>,
    missing: Vec<Missing>,
    begun: Nanos,
    ended: Nanos,
}

#[derive(Debug)]
struct Running {
    kind: CollectorKind,
    collector: Box<dyn Collector>,
    cost: Nanos,
}

impl Running {
    /// Does `work` and adds what it cost.
    fn charge(&mut self, work: fn(&mut dyn Collector)) {
        let before = thread_cpu();
        work(self.collector.as_mut());
        self.cost += thread_cpu() - before;
    }
}

impl Collecting {
    /// Makes ready to read those of `wanted` that can be had. Slow: some hundred microseconds, and about 30 for each thread of the
    /// target.
    pub fn prepare(subject: &Subject<'_>, wanted: &Collectors) -> Collecting {
        let mut collecting =
            Collecting { running: Vec::new(), missing: Vec::new(), begun: Nanos::ZERO, ended: Nanos::ZERO };
        for (kind, prepare) in SOURCES {
            if !wanted.has(kind) {
                collecting.missing.push(missing(kind.name(), "switched off", "leave out `--counters`"));
                continue;
            }
            match prepare(subject) {
                Ok(collector) => collecting.running.push(Running { kind, collector, cost: Nanos::ZERO }),
                Err(missing) => collecting.missing.push(missing),
            }
        }
        collecting
    }

    /// Reads the first end.
    pub fn begin(&mut self) {
        self.running.iter_mut().for_each(|running| running.charge(|collector| collector.begin()));
        self.begun = now();
    }

    /// Looks at what is only seen while it lasts: the accept queues.
    pub fn look(&mut self) {
        self.running.iter_mut().for_each(|running| running.charge(|collector| collector.look()));
    }

    /// Reads the other end.
    pub fn end(&mut self) {
        self.ended = now();
        self.running.iter_mut().rev().for_each(|running| running.charge(|collector| collector.end()));
    }

    /// What was counted.
    pub fn tell(self) -> Counters {
        let mut counters = Counters { span_ns: self.ended - self.begun, missing: self.missing, ..Counters::default() };
        for running in self.running {
            let (collector, cpu_ns) = (running.kind.name().to_owned(), running.cost);
            counters.collectors.push(CollectorCost { collector, cpu_ns });
            running.collector.tell(&mut counters);
        }
        counters
    }
}

/// Something that cannot be read.
fn missing(what: &str, why: impl Into<String>, help: impl Into<String>) -> Missing {
    let help = Some(help.into()).filter(|help| !help.is_empty());
    Missing { what: what.to_owned(), why: why.into(), help }
}

/// The same, when nothing can be done about it.
fn lost(what: &str, why: impl Into<String>) -> Missing {
    missing(what, why, "")
}

/// Does `work` on the server's side of the network.
fn on_servers_side<T: Send>(
    subject: &Subject<'_>,
    work: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    match subject.link {
        Some(link) => link.server.within(work).unwrap_or_else(|problem| Err(problem.one_line())),
        None => work(),
    }
}

#[cfg(test)]
mod tests;
