//! A started server: ready, its port its own, watched and stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use corecurve_core::problem::printable;
use corecurve_core::{CountsPerWorker, Endpoint, Pid, Problem, Running, TargetStats};
use corecurve_machine::procfs::process::Identity;

use super::counts::Counter;
use super::recipe::Ready;
use super::{http_probe, port};
use crate::child::Guarded;

/// First patience with a reply; doubled at every try, so that a server that is slow to warm up is not flooded.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);
/// Longest patience with one reply: between two, the process is looked after.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// How long the news of a process's end may lag behind the end.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Nap between two tries.
const NAP: Duration = Duration::from_millis(10);

/// A server process with an address.
#[derive(Debug)]
pub(super) struct ServerProcess {
    guarded: Guarded,
    address: SocketAddr,
    family: Vec<Identity>,
    grace: Duration,
    notes: Vec<String>,
    counter: Option<Counter>,
}

/// What is needed to judge and to name a server that is about to be ready.
pub(super) struct Expected<'a> {
    pub address: SocketAddr,
    pub ready: &'a Ready,
    pub foreground: Option<&'a str>,
    pub grace: Duration,
    /// What the server says must be known about its numbers.
    pub notes: Vec<String>,
    /// Whether it tells its counts per worker.
    pub tells_counts: bool,
}

impl ServerProcess {
    /// Waits for one correct reply, then checks whose port it is.
    ///
    /// # Errors
    /// It ended, went into the background, did not answer rightly in time, or the port is a stranger's. The process
    /// and all it started are gone by then.
    pub fn when_ready(mut guarded: Guarded, expected: &Expected<'_>) -> Result<ServerProcess, Problem> {
        await_reply(&mut guarded, expected)?;
        let pids = guarded.family();
        port::expect_own(expected.address, &pids)?;
        let family = pids.into_iter().filter_map(|pid| Identity::of(pid).ok()).collect();
        // One that goes into the background answers by the process it left behind, and may be about to end itself.
        expect_alive(&mut guarded, expected.foreground)?;
        guarded.check()?;
        Ok(ServerProcess {
            guarded,
            address: expected.address,
            family,
            grace: expected.grace,
            notes: expected.notes.clone(),
            counter: expected.tells_counts.then(|| Counter::new(expected.address)),
        })
    }
}

fn await_reply(guarded: &mut Guarded, expected: &Expected<'_>) -> Result<(), Problem> {
    let patience = expected.ready.patience();
    let deadline = Instant::now() + patience;
    let mut per_try = FIRST_PATIENCE;
    loop {
        expect_alive(guarded, expected.foreground)?;
        std::thread::sleep(NAP);
        let left = deadline.saturating_duration_since(Instant::now());
        let why = match http_probe::get(expected.address, &expected.ready.path, per_try.min(left).max(NAP)) {
            Ok(reply) if reply.status != expected.ready.status => {
                format!("it answers with status {}, not {}", reply.status, expected.ready.status)
            }
            Ok(reply) if expected.ready.body.as_ref().is_some_and(|body| body.as_bytes() != reply.body) => {
                format!("it answers `{}`", printable(&String::from_utf8_lossy(&reply.body)))
            }
            Ok(_) => return Ok(()),
            Err(why) => why,
        };
        per_try = (per_try * 2).min(LONGEST_PATIENCE);
        if Instant::now() >= deadline {
            let (address, path) = (expected.address, printable(&expected.ready.path));
            return Err(Problem::new(format!(
                "the target did not answer `{path}` on {address} rightly within {} s: {why}",
                patience.as_secs_f64()
            ))
            .help("see stderr.log beside its configuration; `ready` in the recipe says what a right answer is"));
        }
    }
}

/// Checks that the started process still runs.
fn expect_alive(guarded: &mut Guarded, foreground: Option<&str>) -> Result<(), Problem> {
    let runs = Identity::of(guarded.pid()).is_ok_and(|identity| identity.is_alive());
    // The guardian tells a little later how a process ended.
    let news_until = if runs { Instant::now() } else { Instant::now() + LAST_WORDS };
    let Some(exit) = guarded.listen(news_until)? else { return Ok(()) };
    let problem = crate::child::ended(exit);
    Err(match foreground.filter(|_| exit.is_daemon()) {
        Some(hint) => problem.help(format!("add {hint}")),
        None => problem,
    })
}

impl Running for ServerProcess {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.address)
    }

    fn pids(&self) -> Vec<Pid> {
        self.guarded.family()
    }

    fn check(&mut self) -> Result<(), Problem> {
        self.guarded.check()?;
        let Some(process) = self.family.iter().find(|process| !process.is_alive()) else { return Ok(()) };
        // The guardian may be about to say how the started process itself ended.
        match self.guarded.listen(Instant::now() + LAST_WORDS)? {
            Some(exit) => Err(crate::child::ended(exit)),
            None => Err(Problem::new(format!("process {} of the target ended", process.pid))
                .help("a worker that dies and is replaced distorts the numbers; see the target's stderr.log")),
        }
    }

    fn counts_per_worker(&mut self) -> Option<&mut dyn CountsPerWorker> {
        self.counter.as_mut().map(|counter| counter as &mut dyn CountsPerWorker)
    }

    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        let shielded = self.guarded.shield().map(|shield| (shield.moved(), shield.refused));
        let ended = self.guarded.stop()?;
        let late = || format!("it did not end within {} s of SIGTERM and was killed", self.grace.as_secs_f64());
        let shield = shielded.map(|(moved, refused)| {
            format!("{moved} threads of others were kept off the server's CPUs; {refused} could not be moved")
        });
        Ok(TargetStats { notes: ended.forced.then(late).into_iter().chain(shield).chain(self.notes).collect() })
    }
}
