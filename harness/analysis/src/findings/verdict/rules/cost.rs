//! What fills the cores: D8 to D11 and D13.

use super::super::evidence::Evidence;
use super::super::facts::{Facts, count, percent, times};
use super::super::thresholds::{COPY_BYTES, CPI_GROWTH, EVEN, FREE, GROWTH, KERNEL, NEARLY_FULL, SETUP, SYSCALLS};
use super::super::types::{Cause, Ruling};
use crate::findings::account::hardware;

/// Full at the MAT, or nearly so at it and full beyond.
fn cores_are_full(facts: &mut Facts, evidence: &Evidence<'_>) -> bool {
    let nearly = facts.at_least("busiest server core at the MAT", evidence.at.busiest(), NEARLY_FULL, percent);
    let full = facts.at_least("the same when pushed beyond it", evidence.busiest_when_pushed(), FREE, percent);
    nearly && full
}

/// D8: most of a request is the kernel's work.
pub(super) fn network_stack(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let full = cores_are_full(&mut facts, evidence);
    let share = evidence.at.usage.and_then(|usage| usage.per_request).map(|cpu| cpu.kernel_share());
    let kernel = facts.at_least("share of a request's CPU time spent in the kernel", share, KERNEL, percent);
    let syscalls = evidence
        .profile
        .and_then(|profile| Some(profile.syscalls.as_ref()?.iter().map(|(_, per_request)| per_request).sum::<f64>()));
    let many = facts.at_least("system calls per request", syscalls, SYSCALLS, count);
    let opened = evidence.at.network("Tcp.PassiveOpens").map(|n| n as f64 / evidence.at.trial.counts.ok.max(1) as f64);
    let setup = facts.at_least("new connections per request", opened, SETUP, count);
    let bytes = evidence
        .at
        .link()
        .map(|link| (link.to_server + link.to_load) as f64 / evidence.at.trial.counts.ok.max(1) as f64);
    let copied = facts.at_least("bytes per request", bytes, COPY_BYTES, count);
    let detail = match (setup, copied, many) {
        (true, _, _) => Some("setting up connections"),
        (_, true, _) => Some("copying"),
        (_, _, true) => Some("many system calls"),
        _ => None,
    };
    facts.rule(Cause::NetworkStack, full && kernel, detail.map(str::to_owned))
}

/// D9 to D11: a request costs more with more cores, and it is not the kernel and not a lock.
pub(super) fn memory(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let full = cores_are_full(&mut facts, evidence);
    let user = evidence.growth(|usage| usage.per_request.map(|cpu| cpu.user_ns));
    let grew = facts.at_least("user CPU time per request, over that with fewer cores", user, GROWTH, times);
    let pmu = |of: fn(corecurve_core::Hardware) -> Option<f64>| {
        let (was, is) = (hardware(evidence.base?.at.trial)?, hardware(evidence.at.trial)?);
        Some(of(is)? / of(was)?)
    };
    let cpi = pmu(|found| Some(found.cycles? / found.instructions?));
    let instructions = pmu(|found| found.instructions);
    let stalls = match cpi {
        // Without a PMU more CPU time for the same work is all there is to see.
        None => true,
        some => facts.at_least("cycles per instruction, over those with fewer cores", some, CPI_GROWTH, times),
    };
    let misses = pmu(|found| Some(found.llc_misses? / found.instructions?));
    let missing =
        facts.at_least("cache misses per instruction, over those with fewer cores", misses, CPI_GROWTH, times);
    let detail = match (cpi, instructions, missing) {
        (None, _, _) => "bandwidth, cache or lines that travel: without a PMU only a probe can tell",
        (_, _, true) => "cache misses",
        _ => "lines that travel between cores, or bandwidth",
    };
    facts.rule(Cause::Memory, full && grew && stalls, Some(detail.to_owned()))
}

/// D13: cores full, evenly, at an unchanged cost per request.
pub(super) fn cpu(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let full = cores_are_full(&mut facts, evidence);
    let even = facts.at_least("mean over busiest core", evidence.at.usage.map(|usage| usage.balance()), EVEN, percent);
    let growth = evidence.growth(|usage| usage.per_request.map(|cpu| cpu.total_ns()));
    let same = match evidence.base {
        None => true,
        Some(_) => facts.below("CPU time per request, over that with fewer cores", growth, GROWTH, times),
    };
    facts.rule(Cause::Cpu, full && even && same, None)
}
