//! Who waited for a lock, and what spun: read from a profile's stacks.

use std::collections::BTreeMap;

use corecurve_core::{Function, Nanos, Profile};
use serde::{Deserialize, Serialize};

/// Names of what takes a lock, by how they begin or what they hold: below them lies the kernel's wait, above them the caller.
const LOCKS: [&str; 8] =
    ["Mutex", "RwLock", "pthread_mutex_lock", "pthread_rwlock_", "lll_lock_wait", "RawMutex", "RawRwLock", "spin_lock"];
/// Names of what waits for something to do: no lock.
const IDLE: [&str; 8] = ["Condvar", "park", "pthread_cond_", "sem_wait", "recv", "Receiver", "join", "Thread::sleep"];
/// What lies between a caller and the kernel.
const MACHINERY: [&str; 9] =
    ["std::", "core::", "alloc::", "parking_lot", "libc::", "__GI_", "syscall", "futex", "lock_api::"];
/// The kernel's spinning locks.
const SPINNING: [&str; 3] = ["native_queued_spin_lock_slowpath", "queued_write_lock_slowpath", "osq_lock"];

/// A place that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSite {
    /// Who waits: the first caller outside the library that takes the lock.
    pub caller: Function,
    /// How often.
    pub count: u64,
    /// How long in all, nanoseconds.
    pub total_ns: Nanos,
}

/// Waits for locks in user space, by caller, longest first; `None` where they were not traced.
pub fn sites_of_locks(profile: &Profile) -> Option<Vec<LockSite>> {
    let waits = profile.futex_waits.as_ref()?;
    let mut by_caller: BTreeMap<Function, (u64, u64)> = BTreeMap::new();
    for site in &waits.sites {
        let frames: Vec<&Function> =
            site.frames.iter().filter_map(|index| profile.functions.get(*index as usize)).collect();
        if is_idle(&frames) {
            continue;
        }
        let caller = caller(&frames).cloned().unwrap_or_default();
        let sum = by_caller.entry(caller).or_default();
        *sum = (sum.0 + site.count, sum.1 + site.total_ns.0);
    }
    let mut sites: Vec<LockSite> =
        by_caller.into_iter().map(|(caller, (count, ns))| LockSite { caller, count, total_ns: Nanos(ns) }).collect();
    sites.sort_by_key(|site| std::cmp::Reverse(site.total_ns));
    Some(sites)
}

/// A wait without a lock in its stack, or with something that waits for work nearer to the kernel than any lock.
fn is_idle(frames: &[&Function]) -> bool {
    let last = |names: &[&str]| frames.iter().rposition(|frame| names.iter().any(|name| frame.name.contains(name)));
    match (last(&LOCKS), last(&IDLE)) {
        (Some(lock), Some(idle)) => idle > lock,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// The innermost function of the program itself.
fn caller<'a>(frames: &[&'a Function]) -> Option<&'a Function> {
    let machinery = |function: &Function| {
        function.is_kernel()
            || function.name.starts_with('<') && LOCKS.iter().any(|name| function.name.contains(name))
            || MACHINERY.iter().any(|name| function.name.starts_with(name))
            || LOCKS
                .iter()
                .any(|name| function.name.starts_with(name) || function.name.starts_with(&format!("__{name}")))
    };
    frames.iter().rev().find(|frame| !machinery(frame)).copied()
}

/// Share of all samples whose innermost function is one of the kernel's spinning locks, 0 to 1.
pub fn spinning_share(profile: &Profile) -> Option<f64> {
    let spins = |index: &u32| {
        profile.functions.get(*index as usize).is_some_and(|function| SPINNING.contains(&function.name.as_str()))
    };
    let spinning: u64 =
        profile.stacks.iter().filter(|stack| stack.frames.last().is_some_and(spins)).map(|stack| stack.count).sum();
    (profile.samples > 0).then(|| spinning as f64 / profile.samples as f64)
}
