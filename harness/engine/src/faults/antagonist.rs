//! A process that takes from the target what it needs: time of its CPUs, bandwidth of the memory, room in the cache.
//!
//! It is this same executable, started under a guardian like any target, and so cannot outlive the harness.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use corecurve_core::fault::MilliCpus;
use corecurve_core::rng::splitmix;
use corecurve_core::{CpuId, CpuSet, Fault, Nanos, Placed, Problem};
use corecurve_machine::ExecPolicy;
use corecurve_machine::clock;
use corecurve_machine::pin::pin_current_thread;
use rustix::time::{ClockId, clock_gettime};

use super::spare_cpus;
use crate::child::{Guarded, GuardianExe, Job};

/// The hidden first argument that makes the executable an antagonist. The fault follows, then its CPUs.
pub const ANTAGONIST_ARG: &str = "__antagonist";
/// Longest one may take to get ready: it fills its memory first.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a hog burns and rests. Short, so that a server beside it is slowed down evenly.
const PERIOD: Nanos = Nanos(1_000_000);
/// Most time a hog makes up for at once when it did not get its share.
const MOST_BEHIND: Nanos = Nanos(20_000_000);
/// Least memory streamed through by each thread; more where the caches are larger.
const LEAST_STREAMED: usize = 64 << 20;

/// A running antagonist.
#[derive(Debug)]
pub(super) struct Antagonist {
    guarded: Guarded,
    fault: Fault,
}

impl Antagonist {
    /// Starts it and waits until it is at work.
    ///
    /// # Errors
    /// When it cannot be started or has no CPU to be on.
    pub fn start(fault: &Fault, placed: &Placed, exe: &GuardianExe, scratch: &Path) -> Result<Antagonist, Problem> {
        let cpus = match fault {
            Fault::MemoryBandwidth(beside) | Fault::Cache(beside) => spare_cpus(fault, &beside.cpus, placed)?,
            _ => placed.server_cpus(),
        };
        let logs = scratch.join(fault.name());
        let failed = |error: std::io::Error| Problem::new(format!("cannot make {}: {error}", logs.display()));
        std::fs::create_dir_all(&logs).map_err(failed)?;
        let program = exe.program.to_str().ok_or_else(|| Problem::new("the path of this executable is not UTF-8"))?;
        let job = Job {
            argv: [program, ANTAGONIST_ARG, &fault.to_string(), &cpus.to_string()].map(str::to_owned).into(),
            environment: Default::default(),
            directory: logs.clone(),
            policy: ExecPolicy { cpus, nodes: Vec::new() },
            own_cpus: placed.housekeeping.clone(),
            clear: CpuSet::default(),
            logs,
            grace_ms: 0,
        };
        let at = |problem: Problem| problem.at(fault);
        let mut guarded = Guarded::launch(exe, &job).map_err(at)?;
        guarded.first_line(Instant::now() + PATIENCE).map_err(at)?;
        Ok(Antagonist { guarded, fault: fault.clone() })
    }

    /// Whether it is still at work.
    ///
    /// # Errors
    /// How it ended.
    pub fn check(&mut self) -> Result<(), Problem> {
        self.guarded.check().map_err(|problem| problem.at(&self.fault))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn stop(self) -> Result<(), Problem> {
        self.guarded.stop().map(drop)
    }
}

/// Whether this process was started to be an antagonist.
pub fn is_antagonist_call() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == ANTAGONIST_ARG)
}

/// The whole life of an antagonist: works until it is killed. Returns an exit code only if it cannot.
pub fn antagonist_main() -> u8 {
    let mut arguments = std::env::args().skip(2);
    let fault = arguments.next().and_then(|text| text.parse::<Fault>().ok());
    let cpus = arguments.next().and_then(|text| text.parse::<CpuSet>().ok());
    let (Some(fault), Some(cpus)) = (fault, cpus) else { return 2 };
    let seats: Vec<CpuId> = cpus.iter().collect();
    let threads = match &fault {
        Fault::MemoryBandwidth(beside) => beside.amount as usize,
        Fault::Cache(_) => 1,
        _ => seats.len(),
    };
    let ready = std::sync::Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (seat, fault, ready) = (seats.get(thread % seats.len().max(1)).copied(), &fault, &ready);
            scope.spawn(move || {
                if let Some(seat) = seat {
                    // Where the kernel refuses, the process is on its CPUs all the same.
                    let _ = pin_current_thread(seat);
                }
                work(fault, ready)
            });
        }
        ready.wait();
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "ready").and_then(|()| out.flush());
    });
    0
}

/// Never returns but for a fault that is no antagonist's.
fn work(fault: &Fault, ready: &std::sync::Barrier) {
    match fault {
        Fault::CpuHog(share) => {
            ready.wait();
            burn(*share)
        }
        Fault::MemoryBandwidth(_) => {
            let mut memory = vec![1u64; largest_cache().saturating_mul(4).max(LEAST_STREAMED) / size_of::<u64>()];
            ready.wait();
            stream(&mut memory)
        }
        Fault::Cache(beside) => {
            let chain = chain((beside.amount as usize) << 20);
            ready.wait();
            walk(&chain)
        }
        _ => {
            ready.wait();
        }
    }
}

/// Burns that share of a CPU, by the thread's own CPU time, so that it gets its share beside others who want theirs.
fn burn(share: MilliCpus) -> ! {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let (mut began, mut spent) = (clock::now(), cpu_time());
    loop {
        let due = (clock::now() - began).scale(share.cpus());
        let mut done = cpu_time() - spent;
        if due - done > MOST_BEHIND {
            // Somebody else had the CPU for long. That is not made up for.
            (began, spent, done) = (clock::now(), cpu_time(), Nanos::ZERO);
        }
        let until = done + PERIOD.scale(share.cpus());
        while cpu_time() - spent < until {
            std::hint::spin_loop();
        }
        let next = began + Nanos(((cpu_time() - spent).0 as f64 / share.cpus()) as u64);
        std::thread::sleep((next - clock::now()).into());
    }
}

/// CPU time of the calling thread.
fn cpu_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Nanos((time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64)
}

/// Reads and writes all of the memory, again and again.
fn stream(memory: &mut [u64]) -> ! {
    loop {
        for word in memory.iter_mut() {
            *word = word.wrapping_add(1);
        }
        black_box(&mut *memory);
    }
}

/// A random cycle through so many bytes, a step in each cache line.
fn chain(bytes: usize) -> Vec<u64> {
    const LINE: usize = 8;
    let lines = (bytes / (LINE * size_of::<u64>())).max(2);
    let mut order: Vec<u64> = (0..lines as u64).collect();
    // Sattolo's shuffle makes one cycle of all of them.
    for at in (1..lines).rev() {
        let other = (splitmix(at as u64) % at as u64) as usize;
        order.swap(at, other);
    }
    let mut chain = vec![0; lines * LINE];
    for (line, next) in order.into_iter().enumerate() {
        chain[line * LINE] = next * LINE as u64;
    }
    chain
}

fn walk(chain: &[u64]) -> ! {
    let mut at = 0;
    loop {
        at = black_box(chain[at]) as usize;
    }
}

/// Bytes of the largest cache the kernel tells of; 0 where it tells of none.
fn largest_cache() -> usize {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("size")).ok()?;
        text.trim().strip_suffix('K')?.parse::<usize>().ok()
    };
    caches.filter_map(size).max().unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_comes_through_every_line_before_it_begins_again() {
        let chain = chain(64 << 10);
        let (mut at, mut steps) = (chain[0], 1);
        while at != 0 {
            at = chain[at as usize];
            steps += 1;
        }
        assert_eq!(steps, 1_024);
    }
}
