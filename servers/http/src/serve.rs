//! Serving until told to stop: what `corecurve serve` and every built-in target are underneath.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use corecurve_core::{CpuId, Problem, ServerStats};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::config::ServeConfig;
use crate::registry;

/// What a server says when it is ready, as one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Always `ready`.
    pub event: String,
    /// The registered name.
    pub architecture: String,
    /// The address it listens on.
    pub addr: SocketAddr,
    /// The port of it, which is the real one even if 0 was asked for.
    pub port: u16,
    /// The process.
    pub pid: u32,
    /// Number of workers.
    pub workers: usize,
    /// The CPU of each worker.
    pub cpus: Vec<CpuId>,
    /// What must be known about its numbers: where it is not quite what its name says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Tells a server to stop. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// One that nobody has asked for yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// One that SIGINT, SIGTERM and SIGHUP ask for. The handlers stay for the life of the process; a second
    /// signal has its usual effect and ends it at once.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> Result<Stop, Problem> {
        let failed = |error: std::io::Error| Problem::new(format!("cannot watch for signals: {error}"));
        let stop = Stop::new();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let asked = stop.clone();
        let watch = move || {
            for signal in signals.forever() {
                if asked.is_asked() {
                    // A handler that fails to restore the default would leave us deaf; there is no one to tell.
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                asked.ask();
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(failed)?;
        Ok(stop)
    }

    /// Asks for the stop.
    pub fn ask(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.1.notify_all();
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until it is asked for.
    pub fn wait(&self) {
        let asked = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.inner.1.wait_while(asked, |asked| !*asked));
    }
}

/// Starts a server, calls `ready` once every worker listens, serves until `stop` is asked for, and reports its counts.
///
/// # Errors
/// What [`registry::start`] refuses, or a worker that panicked.
pub fn serve(config: &ServeConfig, stop: &Stop, ready: impl FnOnce(&Ready)) -> Result<ServerStats, Problem> {
    let server = registry::start(config)?;
    let addr = server.local_addr();
    let cpus: Vec<CpuId> = server.stats().workers.iter().filter_map(|row| row.cpu).collect();
    ready(&Ready {
        event: "ready".to_owned(),
        architecture: config.architecture.clone(),
        addr,
        port: addr.port(),
        pid: std::process::id(),
        workers: cpus.len(),
        cpus,
        notes: server.notes().to_vec(),
    });
    stop.wait();
    server.stop()
}
