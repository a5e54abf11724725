//! `hybrid`: a few listeners by hash, and behind each a private least-connections hand-off.
//!
//! The workers are divided into groups of neighbours. Each group has a listener of its own on the shared port and an acceptor
//! that hands every connection to the group's worker with the fewest (`groups=1` is `acceptor-handoff-least`,
//! `groups` = workers is `thread-per-core` with a detour). Seastar's developers proposed it (seastar#3526) because their two
//! existing ways each fail at one end: one acceptor is a ceiling, and a hash per core spreads few connections badly. No
//! published comparison is known to us.
//!
//! **Queue discipline**: partitioned. The kernel's hash spreads connections over groups, which are fewer and larger than
//! workers, so that chance matters less: the fullest of 4 groups is nearer to its share than the fullest of 16 workers. Within
//! a group counts are even.
//!
//! **Failure mode**: both of its halves', each smaller: a group that the hash favours has workers with more connections than
//! another group's, and an acceptor pays a hand-off per connection. No acceptor sees the whole, so partial views
//! can add up. Even counts are not even load.
//!
//! **The workload that shows it**: between 4 and 64 connections per worker, where the hash alone is worst, against the
//! two it is made of; and one request per connection.
//!
//! **What it does not show**: groups that follow caches or nodes: they are neighbours in the order of the placement.

use corecurve_core::Problem;

use crate::config::{Count, Setting};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::dealer::{self, Policy};
use crate::runtime::setup::{SPIN, Setup};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "hybrid",
    summary: "groups of event loops: the kernel's hash chooses the group, an acceptor in it the worker with the fewest",
    accept_path: AcceptPath::HashedHandOff,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::Epoll,
    failure_mode: "the hash favours a group, each connection costs a hand-off, and no acceptor sees the whole",
    exposed_by: &["keepalive", "tcp", "k-per-conn"],
    exposed_when: "4 to 64 connections per worker, or short ones",
    settings: &[GROUPS, SPIN],
    has_one_worker: false,
    start,
};

const GROUPS: Setting = Setting {
    name: "groups",
    default: "auto",
    summary: "groups of workers, each with a listener and an acceptor; auto is the square root of the workers",
    check: |text| groups(text, usize::MAX).map(drop),
};

/// The number of groups of so many workers.
fn groups(text: &str, workers: usize) -> Result<usize, Problem> {
    if text == "auto" {
        return Ok(workers.isqrt().max(1));
    }
    let Count(groups) = text.parse()?;
    if groups > workers {
        return Err(Problem::new(format!("{groups} groups of {workers} workers would leave some without any"))
            .help("use at most as many groups as cores"));
    }
    Ok(groups)
}

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let workers = setup.seats.len();
    let text = setup.config.settings.get(GROUPS.name).map_or(GROUPS.default, String::as_str);
    let groups = groups(text, workers).map_err(|problem| problem.at(GROUPS.name))?;
    for (group, listener) in setup.listen(groups)?.into_iter().enumerate() {
        let of_group = group * workers / groups..(group + 1) * workers / groups;
        let name = format!("acceptor-{}", setup.row(of_group.start));
        dealer::spawn(setup, server, &name, listener, of_group, Policy::LeastConnections)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_few_or_as_asked() {
        assert_eq!([1, 2, 3, 4, 9, 16, 64].map(|workers| groups("auto", workers).unwrap()), [1, 1, 1, 2, 3, 4, 8]);
        assert_eq!(groups("3", 3).unwrap(), 3);
        assert!(groups("4", 3).unwrap_err().one_line().contains("4 groups of 3 workers"));
        assert!(groups("0", 3).is_err() && groups("some", 3).is_err());
    }
}
