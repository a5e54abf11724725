//! Brackets and marks.

use std::collections::BTreeMap;
use std::fmt::Write;

use corecurve_core::{CpuId, NodeId, Placed};

use super::WIDTH;
use crate::machine::Machine;
use crate::topology::{Node, Pu, Topology};

/// Every mark with its meaning, in the order the legend shows them.
const LEGEND: [(char, &str); 6] = [
    ('S', "server"),
    ('L', "load"),
    ('B', "server and load share it"),
    ('H', "housekeeping"),
    ('·', "idle"),
    ('x', "may not be used"),
];

/// The mark of each CPU.
pub(super) struct Marks(BTreeMap<CpuId, char>);

impl Marks {
    pub fn of(machine: &Machine, placed: Option<&Placed>) -> Marks {
        let none = Placed::default();
        let placed = placed.unwrap_or(&none);
        let (server, load) = (placed.server_cpus(), placed.load_cpus());
        let mark = |cpu| match (server.contains(cpu), load.contains(cpu)) {
            (true, true) => 'B',
            (true, false) => 'S',
            (false, true) => 'L',
            _ if placed.housekeeping.contains(cpu) => 'H',
            _ if machine.allowed.contains(cpu) => '·',
            _ => 'x',
        };
        Marks(machine.topology.pus.iter().map(|pu| (pu.cpu, mark(pu.cpu))).collect())
    }

    fn mark(&self, cpu: CpuId) -> char {
        self.0.get(&cpu).copied().unwrap_or('x')
    }

    /// The marks that occur.
    pub fn legend(&self) -> String {
        let used = LEGEND.iter().filter(|(mark, _)| self.0.values().any(|m| m == mark));
        let entries: Vec<String> = used.map(|(mark, meaning)| format!("{mark} {meaning}")).collect();
        format!("{}   [ ] one core, by CPU number", entries.join("   "))
    }
}

/// Cores that stand on one line: same node, L3 and kind.
struct Row<'a> {
    package: Option<usize>,
    node: Option<NodeId>,
    label: String,
    cores: Vec<Vec<&'a Pu>>,
}

/// All nodes with their rows.
pub(super) fn grid(topology: &Topology, marks: &Marks) -> String {
    let rows = rows(topology);
    let cell = |core: &Vec<&Pu>| {
        let threads: Vec<String> = core.iter().map(|pu| format!("{}{}", marks.mark(pu.cpu), pu.cpu)).collect();
        format!("[{}]", threads.join(" "))
    };
    let cell_width = rows.iter().flat_map(|row| &row.cores).map(|core| cell(core).chars().count()).max().unwrap_or(0);
    let label_width = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    let per_line = (WIDTH.saturating_sub(label_width + 4) / (cell_width + 1)).max(1);
    let mut out = String::new();
    let mut above = None;
    for row in &rows {
        if above != Some((row.package, row.node)) {
            above = Some((row.package, row.node));
            let _ = writeln!(out, "{}", heading(topology, row));
        }
        for (line, cores) in row.cores.chunks(per_line).enumerate() {
            let label = if line == 0 { row.label.as_str() } else { "" };
            let cells: Vec<String> = cores.iter().map(|core| format!("{:<cell_width$}", cell(core))).collect();
            let text = format!("  {label:<label_width$}  {}", cells.join(" "));
            let _ = writeln!(out, "{}", text.trim_end());
        }
    }
    let homeless = |node: &&Node| topology.pus.iter().all(|pu| pu.node != Some(node.id));
    for node in topology.nodes.iter().filter(homeless) {
        let _ = writeln!(out, "node {}  {}, no cores of its own", node.id, memory(node));
    }
    out
}

fn rows(topology: &Topology) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for pu in &topology.pus {
        let label = label(topology, pu);
        let at = rows.iter().position(|row| (row.package, row.node, &row.label) == (pu.package, pu.node, &label));
        let at = at.unwrap_or_else(|| {
            rows.push(Row { package: pu.package, node: pu.node, label, cores: Vec::new() });
            rows.len() - 1
        });
        let cores = &mut rows[at].cores;
        match cores.last_mut().filter(|core| core.iter().all(|sibling| sibling.core == pu.core)) {
            Some(core) => core.push(pu),
            None => cores.push(vec![pu]),
        }
    }
    // A node's rows stand together even where the machine interleaves them.
    let order: BTreeMap<_, _> = rows.iter().rev().enumerate().map(|(n, row)| ((row.package, row.node), n)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(order.get(&(row.package, row.node)).copied()));
    rows
}

/// `L3 2`, with the kind of core on a hybrid machine; `cores` where the machine names no L3.
fn label(topology: &Topology, pu: &Pu) -> String {
    let cache = pu.l3.map_or_else(|| "cores".to_owned(), |l3| format!("L3 {l3}"));
    let kind = topology.kinds.iter().enumerate().find(|(_, kind)| kind.cpus.contains(pu.cpu));
    match kind {
        Some((n, kind)) => format!("{cache} {}", kind.name.clone().unwrap_or_else(|| format!("kind {n}"))),
        None => cache,
    }
}

/// `node 0  64 GiB`, with the package where there are several.
fn heading(topology: &Topology, row: &Row<'_>) -> String {
    let mut text = row.node.map_or_else(|| "no node".to_owned(), |id| format!("node {id}"));
    if let Some(package) = row.package.filter(|_| topology.packages() > 1) {
        let _ = write!(text, "  package {package}");
    }
    if let Some(node) = row.node.and_then(|id| topology.node(id)) {
        let _ = write!(text, "  {}", memory(node));
    }
    text
}

fn memory(node: &Node) -> String {
    const MIB: f64 = 1_048_576.0;
    match node.memory_bytes {
        None => "memory unknown".to_owned(),
        Some(0) => "no memory".to_owned(),
        Some(bytes) if (bytes as f64) < 1_023.5 * MIB => format!("{:.0} MiB", bytes as f64 / MIB),
        Some(bytes) => {
            let gib = bytes as f64 / (1_024.0 * MIB);
            if (gib - gib.round()).abs() < 0.05 { format!("{gib:.0} GiB") } else { format!("{gib:.1} GiB") }
        }
    }
}
