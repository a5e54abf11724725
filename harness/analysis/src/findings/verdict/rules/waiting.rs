//! What keeps requests waiting while cores are free: D2 to D7 and D12.

use corecurve_core::{Dealing, Function, WorkerShares};

use super::super::evidence::{Evidence, Point};
use super::super::facts::{Facts, count, percent, time, times};
use super::super::thresholds::{
    ACCEPT_QUEUE, ADMITTED, FREE, FULL, LINK, LOCK_GROWTH, LOCK_WAIT, NEARLY_FULL, QUOTA, RUN_DELAY, SPINNING, THEORY,
    UNEVEN, WAKEUP,
};
use super::super::types::{Cause, Ruling};
use crate::findings::profiles::ProfileFinding;
use crate::findings::shares::ShareVerdict;

/// Fewer served at once than this is one at a time.
const ONE: f64 = 1.4;

fn cores_are_free(facts: &mut Facts, evidence: &Evidence<'_>) -> bool {
    facts.below("busiest server core, at the MAT and beyond", evidence.busiest_when_pushed(), FREE, percent)
}

/// D2: requests wait outside although cores are free.
pub(super) fn admission(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let free = cores_are_free(&mut facts, evidence);
    let connections = evidence.fastest.trial.connections as f64;
    let at_once = evidence.at_once();
    let few = facts.below(
        "requests served at once at the highest rate, of the connections",
        at_once.map(|n| n / connections.max(1.0)),
        ADMITTED,
        percent,
    );
    let not_one = facts.at_least("requests served at once at the highest rate", at_once, ONE, count);
    let crew = hardest(evidence);
    let said = crew.as_ref().map_or("not told".to_owned(), |crew| percent(crew.least));
    let blocked = crew.as_ref().is_some_and(|crew| crew.least >= FULL);
    let blocked = facts.is("least busy worker, waiting inside requests included", said, "at least 95 %", blocked);
    let one_alone = crew.as_ref().is_some_and(|crew| crew.most >= FULL && crew.mean / crew.most < UNEVEN);
    let otherwise = one_alone || quota_share(evidence).is_some_and(|share| share >= QUOTA);
    let said = if otherwise { "yes" } else { "no" };
    facts.is("a quota or an uneven crew explains it", said, "no", !otherwise);
    let locked = evidence.profile.and_then(lock_wait_ns).is_some_and(|wait| wait > 0.0) && !not_one;
    let workers = crew.map_or(0, |crew| crew.workers);
    let (limit, at_once) = (workers as f64 + 0.5, at_once.unwrap_or(0.0));
    let detail = match blocked && at_once <= limit {
        true => format!("all workers, {workers} of them, wait inside requests"),
        false => format!("about {at_once:.0} requests at once"),
    };
    facts.rule(Cause::Admission, free && few && !locked && !otherwise && (not_one || blocked), Some(detail))
}

/// How busy the workers of a target are, waiting inside requests included.
struct Crew {
    workers: usize,
    least: f64,
    mean: f64,
    most: f64,
}

/// The workers in the trial in which one of them was fullest; of equals that where they were least alike. `None` where no worker
/// keeps its connections, or none is told.
fn hardest(evidence: &Evidence<'_>) -> Option<Crew> {
    let points = [Some(evidence.at), evidence.beyond, Some(evidence.fastest)];
    let crews = points.into_iter().flatten().filter_map(|point| crew(point.workers()?));
    let full = |crew: &Crew| crew.most.min(FULL);
    crews.max_by(|a, b| full(a).total_cmp(&full(b)).then(b.mean.total_cmp(&a.mean)))
}

fn crew(told: &WorkerShares) -> Option<Crew> {
    let busy: Vec<f64> = told.workers.iter().map(|worker| worker.busy).collect();
    (told.dealing != Dealing::AnyWorker && !busy.is_empty()).then(|| Crew {
        workers: busy.len(),
        least: busy.iter().copied().fold(1.0, f64::min),
        mean: busy.iter().sum::<f64>() / busy.len() as f64,
        most: busy.iter().copied().fold(0.0, f64::max),
    })
}

/// Share of the window in which a quota stopped the target, the most of any trial looked at.
fn quota_share(evidence: &Evidence<'_>) -> Option<f64> {
    let share = |point: Point<'_>| {
        let counters = point.counters()?;
        Some(counters.quota?.throttled_ns.0 as f64 / counters.span_ns.0.max(1) as f64)
    };
    let points = [Some(evidence.at), evidence.beyond, Some(evidence.fastest)];
    points.into_iter().flatten().filter_map(share).reduce(f64::max)
}

/// D3: the link carries what it can.
pub(super) fn link(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let full = |point: Point<'_>| {
        let (link, span) = (point.link()?, point.counters()?.span_ns.0 as f64 / 1e9);
        let most = link.to_server.max(link.to_load) as f64 * 8.0 / span;
        Some(most / link.limit_bits_per_s? as f64)
    };
    let points = [Some(evidence.at), evidence.beyond, Some(evidence.fastest)];
    let used = points.into_iter().flatten().filter_map(full).reduce(f64::max);
    let hit = facts.at_least("the link's limit in use", used, LINK, percent);
    let dropped = |point: Point<'_>| {
        point.counters()?.cpus.iter().map(|cpu| cpu.dropped).sum::<Option<u64>>().map(|sum| sum as f64)
    };
    facts.some("packets dropped before they were taken in", dropped(evidence.at));
    facts.rule(Cause::Link, hit, None)
}

/// D4: connections are not accepted in time.
pub(super) fn accept_queue(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let points = [Some(evidence.at), evidence.beyond, Some(evidence.fastest)];
    let points: Vec<Point<'_>> = points.into_iter().flatten().collect();
    let most = |name: &str| points.iter().filter_map(|point| point.network(name)).max().map(|n| n as f64);
    let overflowed = facts.some("connections dropped by a full accept queue", most("TcpExt.ListenOverflows"));
    let dropped = facts.some("connection requests dropped", most("TcpExt.TCPReqQFullDrop"));
    let fullest = |point: &Point<'_>| {
        let queue = point.counters()?.accept_queue?;
        Some(f64::from(queue.longest) / f64::from(queue.limit.max(1)))
    };
    let filled = points.iter().filter_map(fullest).reduce(f64::max);
    let filled = facts.at_least("longest accept queue, of its limit", filled, ACCEPT_QUEUE, percent);
    let free = cores_are_free(&mut facts, evidence);
    facts.rule(Cause::AcceptQueue, overflowed || dropped || (filled && free), None)
}

/// D5: full here, free there.
pub(super) fn imbalance(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let pushed = evidence.beyond.unwrap_or(evidence.at);
    let usage = pushed.usage.or(evidence.at.usage);
    let full = facts.at_least("busiest server core", usage.map(|usage| usage.max), FULL, percent);
    let uneven = facts.below(
        "mean over busiest core",
        usage.filter(|u| u.cpus > 1).map(|usage| usage.balance()),
        UNEVEN,
        percent,
    );
    let crew = hardest(evidence).filter(|crew| crew.workers > 1);
    let max = crew.as_ref().map(|crew| crew.most);
    let worker_full = facts.at_least("busiest worker, waiting inside requests included", max, FULL, percent);
    let ratio = crew.map(|crew| crew.mean / crew.most.max(f64::MIN_POSITIVE));
    let workers_uneven = facts.below("mean over busiest worker", ratio, UNEVEN, percent);
    let detail = match evidence.shares() {
        Some(ShareVerdict::Outside) => {
            Some("shares are not what chance gives: steering, or the last to wait is woken first")
        }
        Some(ShareVerdict::Inside) => Some("shares are what chance gives: more connections per worker would even them"),
        _ => None,
    };
    facts.rule(Cause::Imbalance, (full && uneven) || (worker_full && workers_uneven), detail.map(str::to_owned))
}

/// D6: what could run is kept waiting.
pub(super) fn scheduler(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let stopped = quota_share(evidence);
    let stopped = facts.at_least("share of the window a quota stopped the target", stopped, QUOTA, percent);
    let free = cores_are_free(&mut facts, evidence);
    let limit = evidence.limit.map(|limit| limit.0 as f64);
    let delay = evidence
        .at
        .per_request(|counters| counters.threads.iter().map(|thread| thread.run_delay_ns.map(|delay| delay.0)).sum());
    let of_limit = delay.zip(limit).map(|(delay, limit)| delay / limit);
    let delayed = facts.at_least("waiting for a CPU, of the latency limit", of_limit, RUN_DELAY, percent);
    let woken = evidence.profile.and_then(|profile| profile.wakeups).map(|wakeups| wakeups.p99_ns.0 as f64);
    let of_limit = woken.zip(limit).map(|(woken, limit)| woken / limit);
    let late = facts.at_least("from woken to running, p99, of the latency limit", of_limit, WAKEUP, percent);
    let detail = match stopped {
        true => Some("a quota on CPU time".to_owned()),
        false => delay.map(|delay| format!("{} of waiting per request", time(delay))),
    };
    facts.rule(Cause::Scheduler, stopped || (free && (delayed || late)), detail)
}

/// D7: requests wait for a lock.
pub(super) fn lock(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let per_request = evidence.profile.and_then(lock_wait_ns);
    let sampled = evidence.profile.and_then(|profile| profile.cpu_per_request_ns);
    let cpu = sampled.or_else(|| Some(evidence.at.usage?.per_request?.total_ns()));
    let of_cpu = per_request.zip(cpu).map(|(wait, cpu)| wait / cpu.max(f64::MIN_POSITIVE));
    let waited = facts.at_least("waiting for locks, of a request's CPU time", of_cpu, LOCK_WAIT, percent);
    let before = evidence.base.and_then(|base| lock_wait_ns(base.profile?));
    let grew = per_request.zip(before).map(|(now, before)| if before > 0.0 { now / before } else { f64::MAX });
    let grew = facts.at_least("the same over that with fewer cores", grew, LOCK_GROWTH, |growth| match growth {
        f64::MAX => "from nothing".to_owned(),
        growth => times(growth),
    });
    let grew = grew || before.is_none();
    let spinning = facts.at_least(
        "CPU time in the kernel's spinning locks",
        evidence.profile.and_then(spinning),
        SPINNING,
        percent,
    );
    let site =
        evidence.profile.and_then(|profile| profile.lock_waits.as_ref()?.first()).map(|site| named(&site.function));
    facts.rule(Cause::Lock, (waited && grew) || spinning, site)
}

/// Waiting for locks of one request, nanoseconds.
fn lock_wait_ns(profile: &ProfileFinding) -> Option<f64> {
    Some(profile.lock_waits.as_ref()?.iter().map(|site| site.per_request_ns).sum())
}

/// The kernel's functions that spin until a lock is free.
const SPINS: [&str; 3] = ["native_queued_spin_lock_slowpath", "queued_write_lock_slowpath", "osq_lock"];

/// Share of a request's CPU time in them.
fn spinning(profile: &ProfileFinding) -> Option<f64> {
    let spins = profile.functions.iter().filter(|cost| SPINS.contains(&cost.function.name.as_str()));
    Some(spins.map(|cost| cost.self_ns).sum::<f64>() / profile.cpu_per_request_ns?)
}

/// A function with its line, where that is known.
fn named(function: &Function) -> String {
    match &function.source {
        Some(source) => format!("{} at {source}", function.name),
        None => function.name.clone(),
    }
}

/// D12: the limit is reached by queueing alone.
pub(super) fn queueing(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let at = evidence.at.usage.map(|usage| usage.max);
    let early = facts.below("busiest server core at the MAT", at, NEARLY_FULL, percent);
    let found = evidence.mat.is_some_and(|mat| mat.mat_per_s.is_some());
    let answered = facts.is("the search found a limit of latency", if found { "yes" } else { "no" }, "yes", found);
    let full = facts.at_least("the same when pushed beyond it", evidence.busiest_when_pushed(), FREE, percent);
    let off = evidence.theory.as_ref().zip(at).map(|(theory, at)| (at / theory.utilisation - 1.0).abs());
    let close = facts.below("utilisation at the MAT, off from theory by", off, THEORY, percent);
    let detail = evidence.theory.as_ref().map(|theory| {
        let how = if close { "as" } else { "though" };
        format!("{how} theory gives {} of {}", percent(theory.utilisation), theory.queue)
    });
    facts.rule(Cause::Queueing, early && answered && (close || full), detail)
}
