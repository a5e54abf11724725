//! The two placements that speak of NUMA nodes.
//!
//! Both leave out cores whose own node has no memory: their memory is always a node away, so "local" would be
//! false and "remote" would be true for the wrong reason.

use corecurve_core::Problem;

use super::cores::{Core, compact, groups};
use super::{PlacementRequest, Split, away_from, deal, load_cores};
use crate::machine::Machine;

/// Server and load on the same nodes, as few nodes as hold both, each node with some of both.
pub(super) fn local(machine: &Machine, request: &PlacementRequest, cores: Vec<Core>) -> Result<Split, Problem> {
    let (nodes, memoryless) = by_node(machine, cores);
    let usable: usize = nodes.iter().map(Vec::len).sum();
    let served = request.server_cores;
    let wanted = load_cores(request, usable.saturating_sub(served), usable);
    if served + wanted > usable {
        // Too few, or shared: then the load is on the server's cores or on every other one, so its nodes are the server's.
        let mut split = deal(request, nodes.into_iter().flatten().collect(), Vec::new())?;
        split.free.extend(memoryless);
        return Ok(split);
    }
    let roles = if wanted == 0 { 1 } else { 2 };
    let chosen = fewest(&nodes, roles, served + wanted);
    let held: usize = chosen.iter().map(|&n| nodes[n].len()).sum();
    let at_most = if wanted == 0 { served } else { served.min(wanted) };
    if held < served + wanted || chosen.len() > at_most {
        return Err(Problem::new(format!(
            "placement `numa-local`: {served} server and {wanted} load cores do not fit on nodes that each get some of both"
        ))
        .help("ask for load cores on every node the server needs, for fewer cores, or use `--placement compact`"));
    }
    let room: Vec<usize> = chosen.iter().map(|&n| nodes[n].len()).collect();
    let server_shares = spread(served, &room);
    let left: Vec<usize> = room.iter().zip(&server_shares).map(|(room, taken)| room - taken).collect();
    let load_shares = spread(wanted, &left);
    let mut split = Split { server: Vec::new(), load: Vec::new(), free: Vec::new(), shared: false };
    for (index, mut server) in nodes.into_iter().enumerate() {
        let Some(at) = chosen.iter().position(|&n| n == index) else {
            split.free.extend(server);
            continue;
        };
        let rest = server.split_off(server_shares[at]);
        let mut load = away_from(&server, rest);
        split.free.extend(load.split_off(load_shares[at]));
        split.server.append(&mut server);
        split.load.append(&mut load);
    }
    split.free.extend(memoryless);
    Ok(split)
}

/// Server on the first nodes that hold it, load on the others.
pub(super) fn remote(machine: &Machine, request: &PlacementRequest, cores: Vec<Core>) -> Result<Split, Problem> {
    let (nodes, memoryless) = by_node(machine, cores);
    if nodes.len() < 2 {
        return Err(Problem::new(
            "placement `numa-remote`: usable cores lie on one NUMA node with memory, so nothing can be remote",
        )
        .help("use `--placement compact`, or try it on a made-up machine: `--topology \"numa:2 core:4\"`"));
    }
    let usable: usize = nodes.iter().map(Vec::len).sum();
    let mut server = Vec::new();
    let mut beside = Vec::new();
    let mut load = Vec::new();
    for mut node in nodes {
        let missing = request.server_cores - server.len();
        if missing == 0 {
            load.extend(node);
        } else {
            beside.extend(node.split_off(missing.min(node.len())));
            server.extend(node);
        }
    }
    let wanted = load_cores(request, load.len(), usable);
    if server.len() < request.server_cores || wanted > load.len() {
        let left = load.len();
        let asked = request.server_cores;
        return Err(Problem::new(format!(
            "placement `numa-remote`: {asked} server cores leave {left} of {usable} usable cores on other nodes, {wanted} needed for load"
        ))
        .help("ask for fewer cores, so that whole nodes are left for load"));
    }
    let mut free = load.split_off(wanted);
    free.extend(beside);
    free.extend(memoryless);
    Ok(Split { server, load, free, shared: false })
}

fn has_memory(machine: &Machine, core: &Core) -> bool {
    let node = core.node.and_then(|id| machine.topology.node(id));
    node.is_none_or(|node| !node.is_memoryless())
}

/// Cores by node, in compact order, and those on memoryless nodes apart.
fn by_node(machine: &Machine, cores: Vec<Core>) -> (Vec<Vec<Core>>, Vec<Core>) {
    let (with_memory, memoryless): (Vec<Core>, Vec<Core>) =
        cores.into_iter().partition(|core| has_memory(machine, core));
    (groups(with_memory, |core| core.node).into_iter().map(compact).collect(), memoryless)
}

/// The fewest nodes with `cores` cores between them and at least `roles` each, by ascending index:
/// the first that holds them alone, else the largest. Holds fewer when the machine does.
fn fewest(nodes: &[Vec<Core>], roles: usize, cores: usize) -> Vec<usize> {
    let mut fit: Vec<usize> = (0..nodes.len()).filter(|&n| nodes[n].len() >= roles).collect();
    if let Some(alone) = fit.iter().find(|&&n| nodes[n].len() >= cores) {
        return vec![*alone];
    }
    fit.sort_by_key(|&n| std::cmp::Reverse(nodes[n].len()));
    let mut held = 0;
    let mut chosen: Vec<usize> = fit
        .into_iter()
        .take_while(|&n| {
            let missing = held < cores;
            held += nodes[n].len();
            missing
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Spreads `items` over nodes with `room`: one each first, then always to the node with most room left.
///
/// The caller has checked that they fit. What is left is as even as it can be, so when at least one core per node
/// is left over, every node keeps one.
fn spread(items: usize, room: &[usize]) -> Vec<usize> {
    let mut given = vec![0; room.len()];
    for item in 0..items {
        let left = |n: &usize| room[*n].saturating_sub(given[*n]);
        // `max_by_key` keeps the last of equals, so the reversed walk prefers the first node.
        let roomiest = (0..room.len()).rev().max_by_key(left).filter(|n| left(n) > 0);
        if let Some(n) = if item < room.len() { Some(item) } else { roomiest } {
            given[n] += 1;
        }
    }
    given
}
