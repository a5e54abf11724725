//! Physical cores as the dealer sees them, and the two orders they are dealt in.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use corecurve_core::{CpuId, NodeId};

use crate::machine::Machine;

/// A physical core with the hardware threads that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Core {
    /// The physical core's index in the topology.
    pub id: usize,
    /// Usable hardware threads, first thread first; never empty.
    pub threads: Vec<CpuId>,
    /// Its L2 (the cluster, on machines where cores share one).
    pub l2: Option<usize>,
    /// Its L3.
    pub l3: Option<usize>,
    /// Its package.
    pub package: Option<usize>,
    /// Its local node.
    pub node: Option<NodeId>,
    /// Rank of its kind, 0 the slowest.
    pub kind: Option<usize>,
}

/// The L3s that `cores` are known to use.
pub(super) fn l3s(cores: &[Core]) -> BTreeSet<usize> {
    cores.iter().filter_map(|core| core.l3).collect()
}

impl Core {
    /// Whether it is known to use one of these L3s.
    pub fn uses(&self, l3s: &BTreeSet<usize>) -> bool {
        self.l3.is_some_and(|l3| l3s.contains(&l3))
    }
}

/// Every core with at least one usable thread, in hwloc's logical order.
pub(super) fn usable(machine: &Machine) -> Vec<Core> {
    let mut cores: Vec<Core> = Vec::new();
    for pu in machine.topology.pus.iter().filter(|pu| machine.allowed.contains(pu.cpu)) {
        match cores.last_mut().filter(|core| core.id == pu.core) {
            Some(core) => core.threads.push(pu.cpu),
            None => cores.push(Core {
                id: pu.core,
                threads: vec![pu.cpu],
                l2: pu.l2,
                l3: pu.l3,
                package: pu.package,
                node: pu.node,
                kind: pu.kind,
            }),
        }
    }
    cores
}

/// Near to each other: hwloc's order fills a cluster, an L3, a node, a package, then the next.
/// On a hybrid machine the fastest kind comes first, so that a curve over few cores compares equals.
pub(super) fn compact(mut cores: Vec<Core>) -> Vec<Core> {
    cores.sort_by_key(|core| Reverse(core.kind));
    cores
}

/// Far from each other: one per package, node, L3 and cluster in turn, the fastest kind first.
pub(super) fn scatter(cores: Vec<Core>) -> Vec<Core> {
    let levels: [fn(&Core) -> Option<usize>; 4] =
        [|core| core.package, |core| core.node.map(|node| node.0 as usize), |core| core.l3, |core| core.l2];
    groups(compact(cores), |core| core.kind).into_iter().flat_map(|kind| interleave(kind, &levels)).collect()
}

/// Deals the groups of the first level in turn, each dealt by the remaining levels.
fn interleave(cores: Vec<Core>, levels: &[fn(&Core) -> Option<usize>]) -> Vec<Core> {
    let Some((level, inner)) = levels.split_first() else { return cores };
    let mut piles: Vec<_> = groups(cores, level).into_iter().map(|pile| interleave(pile, inner).into_iter()).collect();
    let mut dealt = Vec::new();
    loop {
        let before = dealt.len();
        dealt.extend(piles.iter_mut().filter_map(Iterator::next));
        if dealt.len() == before {
            return dealt;
        }
    }
}

/// Cores by equal key, groups in the order their key is first seen.
pub(super) fn groups<K: PartialEq>(cores: Vec<Core>, key: impl Fn(&Core) -> K) -> Vec<Vec<Core>> {
    let mut groups: Vec<(K, Vec<Core>)> = Vec::new();
    for core in cores {
        let this = key(&core);
        match groups.iter_mut().find(|(seen, _)| *seen == this) {
            Some((_, group)) => group.push(core),
            None => groups.push((this, vec![core])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}
