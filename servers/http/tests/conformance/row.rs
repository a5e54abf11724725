//! One row of the table: an architecture, started in one way, and every case tried on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use corecurve_core::Problem;
use corecurve_servers::{Architecture, RunningServer, ServeConfig};

use crate::case::{Case, Check, Stand};
use crate::common::{assert_free, try_start};

/// Cases under way at a time. Many of them wait for time-outs.
const AT_A_TIME: usize = 16;

/// What came of a row.
pub enum Outcome {
    /// The server does not start here, for this reason.
    Refused(Problem),
    /// The cases that failed.
    Ran(Vec<String>),
}

/// Tries every case and requires that the port is free afterwards.
pub fn run(architecture: &Architecture, config: &ServeConfig, cases: &[&Case]) -> Outcome {
    let server = match try_start(config) {
        Ok(server) => server,
        Err(problem) => return Outcome::Refused(problem),
    };
    let stand = stand(architecture, config, &server);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let attempt = || match &case.check {
                Check::Together(check) => check(&stand),
                Check::Alone(configure, check) => try_alone(architecture, config, *configure, *check),
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(attempt)) {
                failed.lock().unwrap().push(format!("{}: {}", case.name, message(panic.as_ref())));
            }
        }
    };
    std::thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
    let mut failed = failed.into_inner().unwrap();
    let end = || {
        let stats = server.stop().unwrap();
        assert_eq!((stats.totals.connections_open, stats.connections_refused), (0, 0), "{stats:?}");
        assert_free(architecture.name, stand.addr);
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(end)) {
        failed.push(format!("after all cases: {}", message(panic.as_ref())));
    }
    Outcome::Ran(failed)
}

fn try_alone(
    architecture: &Architecture,
    config: &ServeConfig,
    configure: fn(&mut ServeConfig),
    check: fn(&Stand, RunningServer),
) {
    let mut config = config.clone();
    configure(&mut config);
    let server = try_start(&config).unwrap();
    check(&stand(architecture, &config, &server), server);
}

fn stand(architecture: &Architecture, config: &ServeConfig, server: &RunningServer) -> Stand {
    let workers = if architecture.has_one_worker { 1 } else { config.seats.len() };
    let root = config.root.clone().unwrap_or_default();
    Stand { name: architecture.name, workers, addr: server.local_addr(), root }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").chars().take(400).collect()
}
