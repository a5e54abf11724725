//! [`Collectors`]: which readers of counters run beside a trial.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// One reader of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollectorKind {
    /// The target's threads, by the scheduler's books.
    Threads,
    /// The CPUs of server and load, and what they received.
    Cpus,
    /// The counters of the server's network namespace.
    Network,
    /// The target's listeners and unread connections.
    AcceptQueue,
    /// Bytes between load and server.
    Link,
    /// The quota on CPU time.
    Quota,
    /// Waiting for CPUs, over the whole machine.
    Pressure,
    /// The processor's counters, by thread of the target and by CPU of the server.
    Hardware,
}

impl CollectorKind {
    /// All of them.
    pub const ALL: [CollectorKind; 8] = [
        CollectorKind::Threads,
        CollectorKind::Cpus,
        CollectorKind::Network,
        CollectorKind::AcceptQueue,
        CollectorKind::Link,
        CollectorKind::Quota,
        CollectorKind::Pressure,
        CollectorKind::Hardware,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            CollectorKind::Threads => "threads",
            CollectorKind::Cpus => "cpus",
            CollectorKind::Network => "network",
            CollectorKind::AcceptQueue => "accept-queue",
            CollectorKind::Link => "link",
            CollectorKind::Quota => "quota",
            CollectorKind::Pressure => "pressure",
            CollectorKind::Hardware => "hardware",
        }
    }
}

impl fmt::Display for CollectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CollectorKind {
    type Err = Problem;
    fn from_str(text: &str) -> Result<CollectorKind, Problem> {
        CollectorKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Problem::unknown(
                "collector",
                text,
                CollectorKind::ALL.map(CollectorKind::name),
                "`all`, `none` or some of them, separated by commas",
            )
        })
    }
}

/// The readers that run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Collectors(pub BTreeSet<CollectorKind>);

impl Collectors {
    /// None of them.
    pub fn none() -> Collectors {
        Collectors(BTreeSet::new())
    }

    /// All but one.
    pub fn without(kind: CollectorKind) -> Collectors {
        Collectors(CollectorKind::ALL.into_iter().filter(|other| *other != kind).collect())
    }

    /// Whether one of them runs.
    pub fn has(&self, kind: CollectorKind) -> bool {
        self.0.contains(&kind)
    }
}

impl Default for Collectors {
    /// All of them.
    fn default() -> Collectors {
        Collectors(CollectorKind::ALL.into())
    }
}

impl FromStr for Collectors {
    type Err = Problem;
    /// `all`, `none` or names separated by commas.
    fn from_str(text: &str) -> Result<Collectors, Problem> {
        match text.trim() {
            "all" => Ok(Collectors::default()),
            "none" => Ok(Collectors::none()),
            list => list.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Collectors),
        }
    }
}

impl fmt::Display for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        if self.0.len() == CollectorKind::ALL.len() {
            return f.write_str("all");
        }
        let names: Vec<&str> = self.0.iter().map(|kind| kind.name()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for collectors in [
            Collectors::default(),
            Collectors::none(),
            Collectors::without(CollectorKind::Threads),
            Collectors([CollectorKind::AcceptQueue].into()),
        ] {
            assert_eq!(collectors.to_string().parse::<Collectors>().unwrap(), collectors);
        }
        assert_eq!("link, cpus".parse::<Collectors>().unwrap().to_string(), "cpus,link");
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let shown = "threads,acept-queue".parse::<Collectors>().unwrap_err().to_string();
        assert!(shown.contains("acept-queue") && shown.contains("accept-queue"), "{shown}");
        assert!("".parse::<Collectors>().is_err());
    }
}
