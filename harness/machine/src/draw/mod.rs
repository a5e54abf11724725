//! The machine as text: one line per L3, one bracket per core, one mark per hardware thread.
//!
//! ```text
//! node 0  1 GiB
//!   L3 0  [S0 ·1] [S2 ·3] [L4 ·5] [H6 ·7]
//! ```
//! Never wider than [`WIDTH`] columns, whatever the machine.

mod grid;
mod notes;

use std::fmt::Write;

use corecurve_core::{Placed, Seat};

use crate::machine::Machine;
use crate::topology::Topology;
pub use crate::wrap::WIDTH;
use crate::wrap::paragraph;
use grid::Marks;

/// Nodes up to which the distance matrix fits the width.
const MAX_MATRIX_NODES: usize = 16;

/// Draws `machine`, with the seats of `placed` where there is one. Ends with a newline.
pub fn draw(machine: &Machine, placed: Option<&Placed>) -> String {
    let mut out = String::new();
    let marks = Marks::of(machine, placed);
    paragraph(&mut out, "", &headline(machine));
    if let Some(placed) = placed {
        paragraph(&mut out, "", &plan_line(&machine.topology, placed));
    }
    out.push('\n');
    out.push_str(&grid::grid(&machine.topology, &marks));
    if let Some(matrix) = matrix(&machine.topology) {
        out.push('\n');
        out.push_str(&matrix);
    }
    out.push('\n');
    paragraph(&mut out, "", &marks.legend());
    for note in notes::notes(machine, placed) {
        paragraph(&mut out, "note  ", &note);
    }
    out
}

/// `numa:2 core:8 · 16 cores · 32 CPUs · 2 nodes`
fn headline(machine: &Machine) -> String {
    let topology = &machine.topology;
    let source = if machine.live { "this machine".to_owned() } else { machine.source.to_string() };
    let mut parts = vec![source, counted(topology.cores(), "core"), counted(topology.pus.len(), "CPU")];
    if topology.packages() > 1 {
        parts.push(counted(topology.packages(), "package"));
    }
    parts.push(counted(topology.nodes.len(), "node"));
    if topology.l3s() > 0 {
        parts.push(counted(topology.l3s(), "L3"));
    }
    let usable = machine.usable_cores();
    if usable < topology.cores() {
        parts.push(format!("{} usable", counted(usable, "core")));
    }
    parts.join(" · ")
}

/// `numa-local · server on 6 cores · load on 6 cores · 1 core for housekeeping`
fn plan_line(topology: &Topology, placed: &Placed) -> String {
    let cores = |seats: &[Seat]| cores_of(topology, seats.iter().map(|seat| seat.cpu));
    let (server, load) = (cores(&placed.server), cores(&placed.load));
    let mut line = format!("{} · server on {}", placed.kind, counted(server, "core"));
    if placed.server.len() != server {
        let _ = write!(line, " ({})", counted(placed.server.len(), "CPU"));
    }
    let _ = write!(line, " · load on {}", if load == 0 { "no core".to_owned() } else { counted(load, "core") });
    let kept = cores_of(topology, placed.housekeeping.iter());
    if kept > 0 {
        let _ = write!(line, " · {} for housekeeping", counted(kept, "core"));
    }
    if placed.shared {
        line.push_str(" · SHARED CORES");
    }
    line
}

fn cores_of(topology: &Topology, cpus: impl Iterator<Item = corecurve_core::CpuId>) -> usize {
    let cores = cpus.filter_map(|cpu| topology.pu(cpu)).map(|pu| pu.core);
    cores.collect::<std::collections::BTreeSet<_>>().len()
}

fn counted(n: usize, word: &str) -> String {
    // `L3` has no plural.
    let plural = if n == 1 || word == "L3" { "" } else { "s" };
    format!("{n} {word}{plural}")
}

/// Distances between nodes; nothing for one node, for a machine that does not say, or for more nodes than fit.
fn matrix(topology: &Topology) -> Option<String> {
    let distances = topology.distances.as_ref()?;
    let nodes = &topology.nodes;
    if nodes.len() < 2 || nodes.len() > MAX_MATRIX_NODES {
        return None;
    }
    let mut out = String::from("distance ");
    for node in nodes {
        let _ = write!(out, "{:>5}", node.id.0);
    }
    out.push('\n');
    for (node, row) in nodes.iter().zip(distances) {
        let label = format!("  node {}", node.id);
        let _ = write!(out, "{label:<9}");
        for distance in row {
            let _ = write!(out, "{distance:>5}");
        }
        out.push('\n');
    }
    Some(out)
}
