//! From begins and ends to waits: pure, so that what the kernel may drop or repeat is tested.

use std::collections::BTreeMap;

/// Something a thread did at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It began to wait for the lock, in this stack.
    Begin { lock: u64, stack: u32 },
    /// It waits for the lock no more.
    End { lock: u64 },
}

/// Waits in one stack: how many and how long in all, nanoseconds.
pub(super) type BySite = BTreeMap<u32, (u64, u64)>;

/// Pairs the marks of one thread, in any order, and adds the waits to `sites`. A wait that had not ended is left out, as is
/// an end without a beginning; of two beginnings for one lock the first counts (a lock that is first spun on and then slept
/// on begins twice).
pub(super) fn pair(mut marks: Vec<(u64, Mark)>, sites: &mut BySite) {
    marks.sort_by_key(|(at, _)| *at);
    let mut open: Vec<(u64, u64, u32)> = Vec::new();
    for (at, mark) in marks {
        match mark {
            Mark::Begin { lock, stack } => {
                if !open.iter().any(|(other, ..)| *other == lock) {
                    open.push((lock, at, stack));
                }
            }
            Mark::End { lock } => {
                if let Some(found) = open.iter().rposition(|(other, ..)| *other == lock) {
                    let (_, began, stack) = open.remove(found);
                    let (count, total) = sites.entry(stack).or_default();
                    *count += 1;
                    *total += at.saturating_sub(began);
                    // Locks nest: what was begun inside and never ended was lost.
                    open.truncate(found);
                }
            }
        }
    }
}

/// From being woken to running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Somebody woke it.
    Woken,
    /// It got a CPU.
    In,
    /// It left its CPU.
    Out,
}

/// Adds the delays of one thread, in nanoseconds, to `delays`. A thread that is woken while it still runs did not wait.
pub(super) fn delays(mut turns: Vec<(u64, Turn)>, delays: &mut Vec<u64>) {
    turns.sort_by_key(|(at, _)| *at);
    let (mut woken, mut running) = (None, false);
    for (at, turn) in turns {
        match turn {
            Turn::Woken if running => {}
            Turn::Woken => {
                woken.get_or_insert(at);
            }
            Turn::In => {
                running = true;
                delays.extend(woken.take().map(|woken| at - woken));
            }
            Turn::Out => running = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(lock: u64, stack: u32) -> Mark {
        Mark::Begin { lock, stack }
    }

    #[test]
    fn waits_are_paired_by_lock_whatever_was_lost() {
        let mut sites = BySite::new();
        let end = |lock| Mark::End { lock };
        pair(
            vec![
                (5, end(1)),       // began before
                (30, end(1)),      // out of order on purpose
                (10, begin(1, 7)), // spins
                (15, begin(1, 8)), // then sleeps: the same wait
                (16, begin(2, 9)), // its end was lost
                (50, begin(3, 7)),
                (51, begin(4, 9)),
                (53, end(4)),
                (60, end(3)),
                (70, begin(5, 7)), // still waits
            ],
            &mut sites,
        );
        assert_eq!(sites, BySite::from([(7, (2, 30)), (9, (1, 2))]));
    }

    #[test]
    fn only_a_thread_that_sleeps_can_be_late() {
        let mut found = Vec::new();
        let turns = vec![
            (1, Turn::Woken),
            (3, Turn::In),
            (4, Turn::Woken), // while it runs
            (5, Turn::Out),
            (9, Turn::In), // preempted, not woken
            (10, Turn::Out),
            (20, Turn::Woken),
            (21, Turn::Woken),
            (27, Turn::In),
        ];
        delays(turns, &mut found);
        assert_eq!(found, [2, 7]);
    }
}
