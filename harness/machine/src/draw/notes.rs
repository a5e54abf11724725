//! What the drawing cannot show by itself.

use corecurve_core::{CpuSet, Placed, PlacementKind};

use super::MAX_MATRIX_NODES;
use crate::machine::Machine;
use crate::topology::Node;

/// One sentence each, only those that apply.
pub(super) fn notes(machine: &Machine, placed: Option<&Placed>) -> Vec<String> {
    let all = [
        (!machine.live).then(|| "made-up machine: a plan for it can be drawn but not run".to_owned()),
        excluded(machine),
        quota(machine),
        memoryless(machine),
        kinds(machine),
        distances(machine),
        placed.and_then(|placed| siblings(machine, placed)),
        placed.filter(|placed| placed.shared).map(|_| {
            "load and server share cores: each slows the other, and every result is marked `shared-cores`".to_owned()
        }),
    ];
    all.into_iter().flatten().collect()
}

fn excluded(machine: &Machine) -> Option<String> {
    let excluded: CpuSet = machine.topology.cpus().iter().filter(|cpu| !machine.allowed.contains(*cpu)).collect();
    (!excluded.is_empty()).then(|| format!("CPUs {excluded} may not be used (affinity mask or cpuset)"))
}

fn quota(machine: &Machine) -> Option<String> {
    let quota = machine.quota_cpus?;
    Some(format!("the control group grants {quota:.2} CPUs of time, whatever the number of cores"))
}

fn memoryless(machine: &Machine) -> Option<String> {
    let topology = &machine.topology;
    let each = |node: &Node| {
        let core = topology.pus.iter().find(|pu| pu.node == Some(node.id))?;
        let from = topology.memory_node(core.cpu)?;
        Some(format!("node {} has no memory, its cores take it from node {from}", node.id))
    };
    let list: Vec<String> = topology.nodes.iter().filter(|node| node.is_memoryless()).filter_map(each).collect();
    (!list.is_empty()).then(|| format!("{}; NUMA placements leave such cores out", list.join(", ")))
}

fn kinds(machine: &Machine) -> Option<String> {
    let kinds = &machine.topology.kinds;
    if kinds.len() < 2 {
        return None;
    }
    if kinds.iter().any(|kind| kind.rank.is_none()) {
        return Some(format!("{} kinds of core, but the machine does not say which is faster", kinds.len()));
    }
    let named =
        |(n, kind): (usize, &crate::topology::CpuKind)| kind.name.clone().unwrap_or_else(|| format!("kind {n}"));
    let names: Vec<String> = kinds.iter().enumerate().map(named).collect();
    Some(format!("hybrid machine, slowest kind first: {}; placements take the fastest cores first", names.join(", ")))
}

fn distances(machine: &Machine) -> Option<String> {
    let topology = &machine.topology;
    match (topology.nodes.len(), &topology.distances) {
        (0 | 1, _) => None,
        (_, None) => Some("the machine does not say how far its nodes are apart".to_owned()),
        (n, Some(_)) if n > MAX_MATRIX_NODES => Some(format!("the distances between {n} nodes are in the JSON output")),
        _ => None,
    }
}

fn siblings(machine: &Machine, placed: &Placed) -> Option<String> {
    let deals_first_threads = !matches!(placed.kind, PlacementKind::Smt | PlacementKind::Explicit);
    (deals_first_threads && machine.topology.has_smt() && !placed.shared)
        .then(|| "second hardware threads of server and load cores stay idle (`--placement smt` uses them)".to_owned())
}
