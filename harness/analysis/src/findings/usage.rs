//! [`Usage`]: what a trial's CPU time was spent on, per CPU and per request, from its counters.

use corecurve_core::{Counters, CpuCounts, Nanos, Side, TrialRecord};
use serde::{Deserialize, Serialize};

/// Length of one tick of the kernel's accounting: four milliseconds at the usual 250 Hz. Only errors depend on it.
const TICK_S: f64 = 0.004;

/// How a trial used the server's CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Server CPUs.
    pub cpus: usize,
    /// Mean busy share of the server's CPUs, 0 to 1.
    pub mean: f64,
    /// Busy share of the busiest.
    pub max: f64,
    /// Busy share of the busiest server CPU with everything on it, load and other programs included: whether there was time left.
    pub full: f64,
    /// Standard error of these: what is known by ticks is a sample.
    pub error: f64,
    /// CPU time of a request by what it was spent on; `None` where only the utilisation is known.
    pub per_request: Option<PerRequest>,
    /// Share of the server CPUs' time that went to programs other than the target, 0 to 1, at least; `None` where threads or CPUs
    /// are not known, or server and load share CPUs.
    pub foreign: Option<f64>,
}

/// CPU time of one request, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerRequest {
    /// The target's code.
    pub user_ns: f64,
    /// The kernel on its behalf.
    pub system_ns: f64,
    /// Interrupts and what they defer: receiving, for the most part.
    pub softirq_ns: f64,
    /// What other programs took of the server's CPUs, spread over the requests.
    pub foreign_ns: f64,
    /// Standard error of each of the four, as a share of their sum.
    pub error: f64,
}

impl PerRequest {
    /// The sum.
    pub fn total_ns(&self) -> f64 {
        self.user_ns + self.system_ns + self.softirq_ns + self.foreign_ns
    }

    /// Share spent in the kernel, 0 to 1.
    pub fn kernel_share(&self) -> f64 {
        (self.system_ns + self.softirq_ns) / self.total_ns().max(f64::MIN_POSITIVE)
    }
}

impl Usage {
    /// How evenly the server's CPUs were busy: the mean over the busiest, 0 to 1.
    pub fn balance(&self) -> f64 {
        if self.max > 0.0 { self.mean / self.max } else { 1.0 }
    }

    /// Of a trial: from its counters, or where it has none (a simulation, an old record) from its utilisation alone.
    pub fn of(trial: &TrialRecord, cpus: usize) -> Option<Usage> {
        let counted = trial.counters.as_ref().and_then(|counters| of_counters(trial, counters));
        counted.or_else(|| {
            let mean = trial.utilisation?;
            Some(Usage { cpus: cpus.max(1), mean, max: mean, full: mean, ..Usage::default() })
        })
    }
}

fn of_counters(trial: &TrialRecord, counters: &Counters) -> Option<Usage> {
    let server: Vec<&CpuCounts> = counters.cpus.iter().filter(|cpu| cpu.side == Side::Server).collect();
    match server.is_empty() {
        false => of_cpus(trial, counters, &server),
        true => of_threads(trial, counters),
    }
}

/// Where the server has its CPUs to itself, they tell everything; the threads tell whose time it was.
fn of_cpus(trial: &TrialRecord, counters: &Counters, server: &[&CpuCounts]) -> Option<Usage> {
    let span = seconds(counters.span_ns);
    let shares: Vec<f64> = server.iter().map(|cpu| busy_s(cpu) / all_s(cpu).max(f64::MIN_POSITIVE)).collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let max = shares.iter().copied().fold(0.0, f64::max);
    let n = server.len() as f64;
    let ticks = (span / TICK_S).max(1.0);
    let sum = |part: fn(&CpuCounts) -> Nanos| server.iter().map(|cpu| seconds(part(cpu))).sum::<f64>();
    let (user, system) = (sum(|cpu| cpu.user_ns), sum(|cpu| cpu.system_ns));
    let softirq = sum(|cpu| cpu.softirq_ns) + sum(|cpu| cpu.irq_ns);
    let target = target_s(counters);
    // A thread's own time holds the interrupts that came while it ran, so this is at least what others had.
    let foreign = target.map(|target| (user + system - target).max(0.0));
    let busy = user + system + softirq;
    let requests = trial.counts.ok as f64;
    let per_request = (requests > 0.0 && busy > 0.0).then(|| {
        // Others' time is taken out of user and system as those two stand to each other.
        let own = 1.0 - foreign.unwrap_or(0.0) / (user + system).max(f64::MIN_POSITIVE);
        let each = |part_s: f64| part_s * 1e9 / requests;
        PerRequest {
            user_ns: each(user * own),
            system_ns: each(system * own),
            softirq_ns: each(softirq),
            foreign_ns: each(foreign.unwrap_or(0.0)),
            error: 0.5 / (busy / TICK_S).max(1.0).sqrt(),
        }
    });
    Some(Usage {
        cpus: server.len(),
        mean,
        max,
        full: max,
        error: (mean * (1.0 - mean)).max(0.0).sqrt() / (ticks * n).sqrt(),
        per_request,
        foreign: foreign.map(|foreign| foreign / (span * n).max(f64::MIN_POSITIVE)),
    })
}

/// Where load runs on the same CPUs, only the target's threads say what was the server's.
fn of_threads(trial: &TrialRecord, counters: &Counters) -> Option<Usage> {
    let span = seconds(counters.span_ns);
    let total = target_s(counters)?;
    let shared: Vec<&CpuCounts> = counters.cpus.iter().filter(|cpu| cpu.side != Side::Load).collect();
    let cpus: Vec<_> = shared.iter().map(|cpu| cpu.cpu).collect();
    let n = cpus.len().max(1);
    let on = |cpu| counters.threads.iter().filter(|t| t.cpu == Some(cpu)).map(|t| seconds(t.cpu_ns)).sum::<f64>();
    let mean = total / (span * n as f64);
    let max = cpus.iter().map(|cpu| on(*cpu) / span).fold(mean, f64::max);
    let (user, system) = counters.threads.iter().fold((0.0, 0.0), |(user, system), thread| {
        (user + seconds(thread.split.user_ns), system + seconds(thread.split.system_ns))
    });
    let (user, system) = match counters.processes {
        Some(split) => (seconds(split.user_ns), seconds(split.system_ns)),
        None => (user, system),
    };
    let user_share = if user + system > 0.0 { user / (user + system) } else { 1.0 };
    let requests = trial.counts.ok as f64;
    let per_request = (requests > 0.0).then(|| PerRequest {
        user_ns: total * user_share * 1e9 / requests,
        system_ns: total * (1.0 - user_share) * 1e9 / requests,
        softirq_ns: 0.0,
        foreign_ns: 0.0,
        error: 0.5 / (total / TICK_S).max(1.0).sqrt(),
    });
    let full = shared.iter().map(|cpu| busy_s(cpu) / all_s(cpu).max(f64::MIN_POSITIVE)).fold(max, f64::max);
    // The time itself is exact here; only where it was spent is sampled.
    Some(Usage { cpus: n, mean, max, full, error: 0.0, per_request, foreign: None })
}

/// CPU time of the target's threads, seconds.
fn target_s(counters: &Counters) -> Option<f64> {
    if let Some(split) = counters.processes {
        return Some(seconds(split.user_ns) + seconds(split.system_ns));
    }
    (!counters.threads.is_empty()).then(|| counters.threads.iter().map(|thread| seconds(thread.cpu_ns)).sum())
}

fn busy_s(cpu: &CpuCounts) -> f64 {
    [cpu.user_ns, cpu.system_ns, cpu.irq_ns, cpu.softirq_ns].map(seconds).iter().sum()
}

fn all_s(cpu: &CpuCounts) -> f64 {
    busy_s(cpu) + seconds(cpu.steal_ns) + seconds(cpu.idle_ns)
}

pub(super) fn seconds(time: Nanos) -> f64 {
    time.0 as f64 / 1e9
}
