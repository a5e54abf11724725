//! Which frame of a stack is somebody's own code, and which is machinery below it.

use corecurve_core::{Function, Profile};

/// Beginnings of names that are machinery wherever they occur.
const NAMES: [&str; 12] = [
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "parking_lot",
    "lock_api",
    "<parking_lot",
    "<lock_api",
    "__rust",
    "_raw_",
];
/// Beginnings of the places of their sources.
const SOURCES: [&str; 5] = ["library/", "parking_lot", "lock_api-", "std/src/", "core/src/"];
/// Files that are only machinery.
const MODULES: [&str; 6] = ["libc.so", "libc-", "libpthread", "ld-linux", "ld-musl", "[vdso]"];
/// Parts of names of what takes a lock.
const LOCKS: [&str; 8] =
    ["mutex", "rwlock", "lock_contended", "lll_lock", "lock_slow", "rawmutex", "lock_wait", "reentrant_lock"];
/// Parts of names of what waits for something else, with a lock in hand at most.
const CONDITIONS: [&str; 5] = ["condvar", "cond_wait", "cond_timedwait", "park", "barrier"];

/// Whether a function is of the standard library, a lock's or C library's, or the kernel's.
pub(super) fn is_machinery(function: &Function) -> bool {
    let at = |source: &String| SOURCES.iter().any(|place| source.starts_with(place));
    function.is_kernel()
        || NAMES.iter().any(|name| function.name.starts_with(name))
        || MODULES.iter().any(|module| function.module.starts_with(module))
        || function.source.as_ref().is_some_and(at)
}

/// The innermost frame that is nobody's machinery: who called. `frames` are outermost first.
pub(super) fn call_site<'p>(profile: &'p Profile, frames: &[u32]) -> Option<&'p Function> {
    functions(profile, frames).find(|function| !is_machinery(function))
}

/// Whether a futex wait is for a lock, and not for work or a condition: the innermost of the machinery decides that says so.
pub(super) fn waits_for_lock(profile: &Profile, frames: &[u32]) -> bool {
    let said = functions(profile, frames).filter(|function| !function.is_kernel()).find_map(|function| {
        let name = function.name.to_lowercase();
        let place = function.source.as_deref().unwrap_or_default();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part) || place.contains(part));
        match (has(&CONDITIONS), has(&LOCKS)) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        }
    });
    said.unwrap_or(false)
}

/// The kernel's function that takes the lock: the innermost that does not speak of locks itself.
pub(super) fn kernel_site<'p>(profile: &'p Profile, frames: &[u32]) -> Option<&'p Function> {
    let locking = |function: &&Function| {
        let name = function.name.to_lowercase();
        ["lock", "mutex", "rwsem", "contention", "trace", "perf_", "bpf_"].iter().any(|part| name.contains(part))
    };
    functions(profile, frames).filter(|function| function.is_kernel()).find(|function| !locking(function))
}

/// Innermost first.
fn functions<'p>(profile: &'p Profile, frames: &[u32]) -> impl Iterator<Item = &'p Function> {
    frames.iter().rev().filter_map(|frame| profile.functions.get(*frame as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, module: &str, source: &str) -> Function {
        let source = (!source.is_empty()).then(|| source.to_owned());
        Function { name: name.into(), module: module.into(), source }
    }

    fn profile() -> Profile {
        Profile {
            functions: vec![
                function("main", "server", ""),
                function("server::Counter::add", "server", "servers/http/src/counter.rs:9"),
                function("lock<u64>", "server", "library/std/src/sync/poison/mutex.rs:480"),
                function("std::sys::sync::mutex::futex::Mutex::lock_contended", "server", ""),
                function("syscall", "libc.so.6", ""),
                function("__x64_sys_futex", "kernel", ""),
                function("std::sys::sync::condvar::futex::Condvar::wait", "server", ""),
                function("ep_poll", "kernel", ""),
                function("native_queued_spin_lock_slowpath", "kernel", ""),
                function("_raw_spin_lock_irq", "kernel", ""),
            ],
            ..Profile::default()
        }
    }

    #[test]
    fn a_lock_is_its_caller_s_and_a_condition_is_no_lock() {
        let profile = profile();
        let contended = [0, 1, 2, 3, 4, 5];
        assert_eq!(call_site(&profile, &contended).unwrap().name, "server::Counter::add");
        assert!(waits_for_lock(&profile, &contended));
        assert!(!waits_for_lock(&profile, &[0, 1, 6, 4, 5]));
        // The lock taken again after the condition.
        assert!(waits_for_lock(&profile, &[0, 1, 6, 3, 4, 5]));
        assert!(!waits_for_lock(&profile, &[0, 4]));
        assert_eq!(call_site(&profile, &[2, 3]), None);
    }

    #[test]
    fn a_kernel_lock_is_of_the_function_that_takes_it() {
        let profile = profile();
        assert_eq!(kernel_site(&profile, &[0, 7, 9, 8]).unwrap().name, "ep_poll");
        assert_eq!(kernel_site(&profile, &[0, 1]), None);
    }
}
