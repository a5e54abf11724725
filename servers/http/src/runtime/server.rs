//! A running server: its threads, and how they are started and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use corecurve_core::{Problem, Seat, ServerStats};

use super::procs::Processes;
use super::worker::sit;
use crate::handler::Site;

/// Time a stopping server gives to requests in progress.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Wakes a thread that waits, so that it sees the stop flag or its inbox.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The flag all threads of a server look at.
#[derive(Debug, Default)]
pub(crate) struct Control {
    stopping: AtomicBool,
}

impl Control {
    /// Whether to finish.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

/// Where the counts are.
enum Source {
    Here(Arc<Site>),
    There(Processes),
}

/// A server that is listening. Dropping it stops it.
pub struct RunningServer {
    addr: SocketAddr,
    /// What does the work: threads of this process, or others.
    counts: Source,
    control: Arc<Control>,
    threads: Vec<JoinHandle<()>>,
    wakes: Vec<Wake>,
    notes: Vec<String>,
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let threads = self.threads.len();
        f.debug_struct("RunningServer").field("addr", &self.addr).field("threads", &threads).finish_non_exhaustive()
    }
}

impl RunningServer {
    /// A server without threads; [`RunningServer::spawn`] adds them.
    pub(crate) fn new(site: Arc<Site>, control: Arc<Control>) -> RunningServer {
        let addr = SocketAddr::from(([0, 0, 0, 0], 0));
        let counts = Source::Here(site);
        RunningServer { addr, counts, control, threads: Vec::new(), wakes: Vec::new(), notes: Vec::new() }
    }

    /// A server whose copies are processes.
    pub(crate) fn of_processes(addr: SocketAddr, processes: Processes, notes: Vec<String>) -> RunningServer {
        let counts = Source::There(processes);
        RunningServer { addr, counts, control: Arc::default(), threads: Vec::new(), wakes: Vec::new(), notes }
    }

    /// Notes where it listens.
    pub(crate) fn listens_on(&mut self, addr: SocketAddr) {
        self.addr = addr;
    }

    /// Adds something that must be known about its numbers.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What must be known about its numbers: where it is not quite what its name says.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Starts a thread, pins it, lets it set itself up and waits until that is done.
    ///
    /// # Errors
    /// What went wrong in pinning or set-up; threads started before are stopped when the server is dropped.
    pub(crate) fn spawn<S, R>(&mut self, name: &str, seat: Option<Seat>, set_up: S) -> Result<Wake, Problem>
    where
        S: FnOnce() -> Result<(Wake, R), Problem> + Send + 'static,
        R: FnOnce(),
    {
        let (report, reported) = mpsc::sync_channel(1);
        let body = move || match seat.map_or(Ok(()), sit).and_then(|()| set_up()) {
            Ok((wake, run)) => {
                if report.send(Ok(wake)).is_ok() {
                    run();
                }
            }
            Err(problem) => drop(report.send(Err(problem))),
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|error| {
            Problem::new(format!("cannot start thread {name}: {error}"))
                .help("raise the limit of processes (`ulimit -u`) or use fewer workers")
        })?;
        self.threads.push(thread);
        let wake: Wake =
            reported.recv().unwrap_or_else(|_| Err(Problem::new(format!("thread {name} died while starting"))))?;
        self.wakes.push(wake.clone());
        Ok(wake)
    }

    /// Where it listens; the port is the real one even if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The counts so far.
    pub fn stats(&self) -> ServerStats {
        match &self.counts {
            Source::Here(site) => site.stats.snapshot(),
            Source::There(processes) => processes.counts(),
        }
    }

    /// Stops listening, gives requests in progress a second to finish, and joins every thread.
    ///
    /// # Errors
    /// When a worker panicked, or a process did not end as it should.
    pub fn stop(mut self) -> Result<ServerStats, Problem> {
        self.stop_threads()?;
        match &mut self.counts {
            Source::Here(site) => Ok(site.stats.snapshot()),
            Source::There(processes) => processes.stop(),
        }
    }

    fn stop_threads(&mut self) -> Result<(), Problem> {
        self.control.stop();
        for wake in &self.wakes {
            wake();
        }
        let mut panicked = Vec::new();
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            if thread.join().is_err() {
                panicked.push(name);
            }
        }
        if panicked.is_empty() {
            return Ok(());
        }
        Err(Problem::new(format!("server thread {} panicked", panicked.join(", ")))
            .help("this is a fault of corecurve; the message above says where"))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // A panic was already printed; there is nobody left to tell.
        let _ = self.stop_threads();
    }
}
