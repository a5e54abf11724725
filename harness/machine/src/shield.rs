//! [`Shield`]: other programs kept off some CPUs for a while.
//!
//! A server that is measured on k cores must have them. On a quiet machine of two cores, where every program was asleep
//! for 99 % of the time, the other 1 % took the server's CPU for 1 to 6 ms at a time, 1.6 times a second: with a limit of
//! 5 ms on the 99th percentile that alone moved the maximum achievable throughput by 7 %. Priorities do not help: the kernel's
//! scheduler is fair over some milliseconds at any nice value, and a server at real-time priority is another server.
//!
//! So every thread that may run elsewhere is sent there (its affinity is narrowed), and gets its own affinity back afterwards, as
//! do those that were born meanwhile and inherited the narrow one. Threads that were pinned to the CPUs, and kernel threads
//! that cannot be moved, stay.

use corecurve_core::{CpuSet, Pid};
use serde::{Deserialize, Serialize};

use crate::allowed::{affinity_of, set_affinity_of};
use crate::procfs::process::{self, Identity};

/// Threads are started while others are moved; so many looks find them all.
const LOOKS: usize = 4;

/// A thread that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Moved {
    thread: Identity,
    /// Where it ran before.
    from: CpuSet,
    /// Where it runs while the shield is up.
    to: CpuSet,
}

/// Others are kept off some CPUs, until [`Shield::lower`]. Plain data: whoever has it can lower it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shield {
    moved: Vec<Moved>,
    /// Threads of which the kernel let us not change the affinity: other users' and its own.
    pub refused: usize,
    /// Whose threads, once narrowed, are meant to be: those of the process that raised it and of its parent.
    spared: [Pid; 2],
    /// When it was raised, in ticks since boot.
    raised_ticks: u64,
}

impl Shield {
    /// Sends every thread of the machine that may run elsewhere off `cpus`, except the calling process's own.
    ///
    /// Cost: two system calls and one small file per thread of the machine, about 10 µs each.
    pub fn raise(cpus: &CpuSet) -> Shield {
        let own = std::process::id();
        let parent = process::stat(own).map_or(0, |stat| stat.parent);
        let mut shield = Shield { spared: [own, parent], raised_ticks: ticks_now(), ..Shield::default() };
        for _ in 0..LOOKS {
            let (mut found, mut refused) = (0, 0);
            for (_, tid) in threads().filter(|(pid, _)| *pid != own) {
                match shield.send_off(tid, cpus) {
                    Some(true) => found += 1,
                    Some(false) => refused += 1,
                    None => {}
                }
            }
            shield.refused = refused;
            if found == 0 {
                break;
            }
        }
        shield
    }

    /// `None` when there is nothing to do with the thread, else whether it could be moved.
    fn send_off(&mut self, tid: Pid, cpus: &CpuSet) -> Option<bool> {
        let from = affinity_of(tid).ok()?;
        let to: CpuSet = from.iter().filter(|cpu| !cpus.contains(*cpu)).collect();
        if to == from || to.is_empty() {
            return None;
        }
        let thread = Identity::of(tid).ok()?;
        if set_affinity_of(tid, &to).is_err() {
            // A thread that has ended meanwhile has not refused.
            return thread.is_alive().then_some(false);
        }
        self.moved.push(Moved { thread, from, to });
        Some(true)
    }

    /// How many threads were moved.
    pub fn moved(&self) -> usize {
        self.moved.len()
    }

    /// Gives every moved thread its own affinity back, unless it has been given another meanwhile; also to those
    /// born since that have a narrowed one from the thread that started them.
    pub fn lower(self) {
        for moved in &self.moved {
            let same = Identity::of(moved.thread.pid) == Ok(moved.thread);
            if same && affinity_of(moved.thread.pid).is_ok_and(|now| now == moved.to) {
                let _ = set_affinity_of(moved.thread.pid, &moved.from);
            }
        }
        for (pid, tid) in threads().filter(|(pid, _)| !self.spared.contains(pid)) {
            let Ok(stat) = process::stat(tid) else { continue };
            if stat.start_ticks < self.raised_ticks || self.moved.iter().any(|moved| moved.thread.pid == tid) {
                continue;
            }
            if let Some(from) = affinity_of(tid).ok().and_then(|now| self.inherited(&now, pid, stat.parent)) {
                let _ = set_affinity_of(tid, from);
            }
        }
    }

    /// What a thread of process `pid`, started by `parent`, would have inherited without the shield, if `now` is narrowed.
    fn inherited(&self, now: &CpuSet, pid: Pid, parent: Pid) -> Option<&CpuSet> {
        let narrowed = || self.moved.iter().filter(|moved| moved.to == *now);
        let by = |origin: Pid| narrowed().find(|moved| moved.thread.pid == origin);
        // The one that started it may be gone; then it is like the others that have this affinity.
        by(pid).or_else(|| by(parent)).or_else(|| narrowed().next()).map(|moved| &moved.from)
    }
}

/// Every thread of the machine, with its process.
fn threads() -> impl Iterator<Item = (Pid, Pid)> {
    let of = |pid: Pid| process::threads(pid).unwrap_or_default().into_iter().map(move |tid| (pid, tid));
    process::all().unwrap_or_default().into_iter().flat_map(of)
}

/// Now, in the unit and from the origin of a process's start time. A tick early, since those are rounded down.
fn ticks_now() -> u64 {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = since_boot.tv_sec as u64 * 1_000_000_000 + since_boot.tv_nsec as u64;
    (nanos / (1_000_000_000 / crate::procfs::ticks_per_second().max(1))).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowed::affinity;
    use corecurve_core::CpuId;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    fn shell() -> Child {
        Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn says(child: &mut Child, command: &str) -> String {
        writeln!(child.stdin.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// One test, since a shield is the whole machine's.
    #[test]
    fn others_are_sent_off_and_get_back_what_they_had() {
        let all = affinity().unwrap();
        // With one CPU there is nowhere to send anybody.
        let [first, _, ..] = all.iter().collect::<Vec<CpuId>>()[..] else { return };
        let (mut free, pinned, mut gone) = (shell(), shell(), shell());
        set_affinity_of(pinned.id(), &CpuSet::from_iter([first])).unwrap();
        let clear = CpuSet::from_iter([first]);
        let rest: CpuSet = all.iter().filter(|cpu| *cpu != first).collect();

        let shield = Shield::raise(&clear);
        assert!(shield.moved() >= 2, "{shield:?}");
        assert_eq!(affinity_of(free.id()).unwrap(), rest);
        assert_eq!(affinity_of(pinned.id()).unwrap(), clear, "a pinned one stays");
        assert_eq!(affinity().unwrap(), all, "the caller stays");
        let child: Pid = says(&mut free, "sleep 60 >&- & echo $!").parse().unwrap();
        let orphan: Pid = says(&mut gone, "sleep 60 >&- & echo $!").parse().unwrap();
        end(gone);
        let stubborn = shell();
        set_affinity_of(stubborn.id(), &clear).unwrap();
        assert_eq!(affinity_of(child).unwrap(), rest, "narrowness is inherited");

        // Whoever has the data can lower it.
        let text = serde_json::to_string(&shield).unwrap();
        drop(shield);
        serde_json::from_str::<Shield>(&text).unwrap().lower();
        for pid in [free.id(), child, orphan] {
            assert_eq!(affinity_of(pid).unwrap(), all, "{pid} of {free:?} {child} {orphan}");
        }
        for pid in [pinned.id(), stubborn.id()] {
            assert_eq!(affinity_of(pid).unwrap(), clear, "what was chosen is left alone");
        }
        for pid in [child, orphan] {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        for child in [free, pinned, stubborn] {
            end(child);
        }
    }
}
