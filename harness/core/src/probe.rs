//! Causal probes: one resource made scarcer, or more plentiful, by a known amount, to see whether the MAT moves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::CellId;
use crate::problem::Problem;
use crate::units::Nanos;

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// More work in every request.
    Cpu,
    /// Others stream through memory.
    Bandwidth,
    /// Others fill the last-level cache.
    Cache,
    /// Two servers on the same cores.
    Copies,
    /// A lock held longer.
    Lock,
    /// A longer accept queue.
    Backlog,
    /// More connections.
    Connections,
    /// One more load core.
    Generator,
    /// A slower link.
    Link,
}

/// What a probe changes: a bottleneck's id, as verdicts use it.
pub type Resource = &'static str;

/// One row of the registry.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProbeRow {
    /// The probe.
    pub kind: ProbeKind,
    /// Its name.
    pub name: &'static str,
    /// The bottleneck it would show.
    pub resource: Resource,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// Every probe, in the order tables show them.
pub const PROBES: &[ProbeRow] = &[
    row(ProbeKind::Cpu, "cpu", "cpu", "more CPU time in every request, or less of it for the server"),
    row(ProbeKind::Lock, "lock", "lock", "the lock of the fault `mutex` held twice as long"),
    row(ProbeKind::Copies, "copies", "interconnect", "two copies of the server on the same cores"),
    row(ProbeKind::Backlog, "backlog", "accept-queue", "an accept queue twice as long"),
    row(ProbeKind::Connections, "connections", "imbalance", "twice as many connections"),
    row(ProbeKind::Generator, "generator", "generator", "one more load core"),
    row(ProbeKind::Link, "link", "link", "half the link's bandwidth"),
    row(ProbeKind::Bandwidth, "bandwidth", "memory", "a thread beside the server that streams through memory"),
    row(ProbeKind::Cache, "cache", "memory", "a thread beside the server that fills the last-level cache"),
];

const fn row(kind: ProbeKind, name: &'static str, resource: Resource, summary: &'static str) -> ProbeRow {
    ProbeRow { kind, name, resource, summary }
}

impl ProbeKind {
    /// Its row. A test holds every kind to one.
    pub fn row(self) -> &'static ProbeRow {
        PROBES.iter().find(|row| row.kind == self).unwrap_or(&PROBES[0])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProbeKind {
    type Err = Problem;
    fn from_str(text: &str) -> Result<ProbeKind, Problem> {
        PROBES.iter().find(|row| row.name == text).map(|row| row.kind).ok_or_else(|| {
            Problem::unknown("probe", text, PROBES.iter().map(|row| row.name), "See `corecurve list probes`")
        })
    }
}

/// A probe as planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// Which.
    pub probe: ProbeKind,
    /// What is changed, in words.
    pub change: String,
    /// The cell it is measured in; `None` for one that cannot be done here.
    pub cell: Option<CellId>,
    /// By how much.
    pub amount: ProbeAmount,
    /// Why it cannot be done here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

/// By how much a resource is changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeAmount {
    /// So much CPU time more in each request. By what factor that changes the resource depends on what a request cost before.
    AddedCpu(Nanos),
    /// To so many times as much of it as before.
    Times(f64),
    /// By an amount that nobody knows.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_has_one_row_and_is_read_by_its_name() {
        for row in PROBES {
            assert_eq!(row.name.parse::<ProbeKind>().unwrap(), row.kind);
            assert_eq!((row.kind.name(), PROBES.iter().filter(|other| other.kind == row.kind).count()), (row.name, 1));
            assert_eq!(serde_json::to_string(&row.kind).unwrap(), format!("\"{}\"", row.name));
        }
        assert!("lok".parse::<ProbeKind>().unwrap_err().one_line().contains("did you mean `lock`"));
    }
}
