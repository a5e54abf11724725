//! Which cores serve, which cores load, where memory lives: what was asked ([`PlacementKind`]) and what was decided ([`Placed`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cpu::{CpuId, CpuSet, NodeId};
use crate::problem::Problem;

/// How cores are chosen from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacementKind {
    /// Server cores as near to each other as they can be: fill a core cluster, an L3, a node, then the next. Load cores come after them.
    #[default]
    Compact,
    /// Server cores as far from each other as they can be: one per node, then one per L3, round and round.
    Scatter,
    /// Server and load cores on the same NUMA nodes, so that every byte stays on its node.
    NumaLocal,
    /// Server and load cores on different NUMA nodes, so that every byte crosses.
    NumaRemote,
    /// Server workers on both hardware threads of each server core.
    Smt,
    /// The CPUs the user names.
    Explicit,
}

impl PlacementKind {
    /// Every kind, in the order help shows them.
    pub const ALL: [PlacementKind; 6] = [
        PlacementKind::Compact,
        PlacementKind::Scatter,
        PlacementKind::NumaLocal,
        PlacementKind::NumaRemote,
        PlacementKind::Smt,
        PlacementKind::Explicit,
    ];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            PlacementKind::Compact => "compact",
            PlacementKind::Scatter => "scatter",
            PlacementKind::NumaLocal => "numa-local",
            PlacementKind::NumaRemote => "numa-remote",
            PlacementKind::Smt => "smt",
            PlacementKind::Explicit => "explicit",
        }
    }

    /// One line for `list` and help.
    pub fn summary(self) -> &'static str {
        match self {
            PlacementKind::Compact => "server cores close together: fill an L3, a node, then the next",
            PlacementKind::Scatter => "server cores far apart: one per node and L3 in turn",
            PlacementKind::NumaLocal => "server and load on the same NUMA nodes",
            PlacementKind::NumaRemote => "server and load on different NUMA nodes",
            PlacementKind::Smt => "server workers on both hardware threads of each server core",
            PlacementKind::Explicit => "the CPUs named by --server-cpus and --load-cpus",
        }
    }
}

impl fmt::Display for PlacementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PlacementKind {
    type Err = Problem;
    fn from_str(text: &str) -> Result<PlacementKind, Problem> {
        PlacementKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Problem::unknown(
                "placement",
                text,
                PlacementKind::ALL.map(PlacementKind::name),
                "See `corecurve list placements`",
            )
        })
    }
}

/// One CPU with the node its memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The CPU a thread is pinned to.
    pub cpu: CpuId,
    /// The NUMA node nearest to it that has memory; `None` where the machine does not say.
    pub node: Option<NodeId>,
}

/// A placement decided: every thread of server and load has its seat before the first one starts.
///
/// Server, load and housekeeping are disjoint in physical cores unless `shared` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What was asked.
    pub kind: PlacementKind,
    /// One seat per server worker, in the order workers take them.
    pub server: Vec<Seat>,
    /// One seat per load worker.
    pub load: Vec<Seat>,
    /// CPUs for everything else the harness does; empty when the machine has none to spare.
    pub housekeeping: CpuSet,
    /// Server and load overlap: allowed only by `--allow-shared-cores`, and marked everywhere.
    pub shared: bool,
    /// CPUs that other programs are kept off while the target runs; empty when they are not.
    #[serde(default, skip_serializing_if = "CpuSet::is_empty")]
    pub clear: CpuSet,
    /// Load threads go before the server's where both share a core: a late request would be the server's fault in the record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub load_first: bool,
}

impl Placed {
    /// The server's CPUs as a set.
    pub fn server_cpus(&self) -> CpuSet {
        self.server.iter().map(|seat| seat.cpu).collect()
    }

    /// The load generator's CPUs as a set.
    pub fn load_cpus(&self) -> CpuSet {
        self.load.iter().map(|seat| seat.cpu).collect()
    }

    /// Whether the load threads share their CPUs with the server, or with the programs that are kept off the server's, and so
    /// must go first.
    pub fn load_is_realtime(&self) -> bool {
        self.load_first || !self.clear.is_empty() && self.load.iter().any(|seat| !self.clear.contains(seat.cpu))
    }

    /// The NUMA nodes of the server's memory, ascending, without repeats.
    pub fn server_nodes(&self) -> Vec<NodeId> {
        let nodes: std::collections::BTreeSet<NodeId> = self.server.iter().filter_map(|seat| seat.node).collect();
        nodes.into_iter().collect()
    }
}
