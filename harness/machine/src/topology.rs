//! [`Topology`]: nodes, caches, cores and hardware threads as plain data, read once from hwloc.
//!
//! hwloc's own objects borrow a C library and are laid out for walking; placement wants a flat table that can be
//! printed, stored in `machine.json` and made up in a test. The table keeps hwloc's logical order, in which
//! neighbours in the table are neighbours in the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use corecurve_core::problem::printable;
use corecurve_core::{CpuId, CpuSet, NodeId, Problem};
use hwlocality::object::TopologyObject;
use hwlocality::object::distance::DistancesKind;
use hwlocality::object::types::ObjectType;
use hwlocality::topology::builder::{BuildFlags, TopologyBuilder};
use serde::{Deserialize, Serialize};

use crate::source::TopologySource;

/// One logical CPU and where it sits. Indices count from 0 in hwloc's logical order and say only "same" or "not same".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pu {
    /// The kernel's number.
    pub cpu: CpuId,
    /// The physical core; siblings share it.
    pub core: usize,
    /// Which hardware thread of its core: 0 is the first.
    pub smt: usize,
    /// The L2, where the machine says.
    pub l2: Option<usize>,
    /// The L3, where the machine says.
    pub l3: Option<usize>,
    /// The package (socket), where the machine says.
    pub package: Option<usize>,
    /// The local NUMA node, with memory or without.
    pub node: Option<NodeId>,
    /// Rank of its kind of core, 0 the slowest; `None` on a machine with one kind or unranked kinds.
    pub kind: Option<usize>,
}

/// One NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The kernel's number; numbers may have gaps.
    pub id: NodeId,
    /// Memory on the node, in bytes; `None` where the machine does not say, 0 for a memoryless node.
    pub memory_bytes: Option<u64>,
    /// CPUs local to it; memory without cores of its own is local to all of them or to none.
    pub cpus: CpuSet,
}

impl Node {
    /// Whether the node is known to hold no memory.
    pub fn is_memoryless(&self) -> bool {
        self.memory_bytes == Some(0)
    }
}

/// One kind of core of a hybrid machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuKind {
    /// The maker's word for it (`IntelCore`, `IntelAtom`), where known.
    pub name: Option<String>,
    /// Its rank, 0 the slowest, where known.
    pub rank: Option<usize>,
    /// CPUs of this kind.
    pub cpus: CpuSet,
}

/// The machine as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Every online logical CPU, in hwloc's logical order; also those this process may not use.
    pub pus: Vec<Pu>,
    /// Every NUMA node, by ascending number.
    pub nodes: Vec<Node>,
    /// Firmware distances between `nodes`, row and column in their order; 10 is local. `None` where the machine does not say.
    pub distances: Option<Vec<Vec<u64>>>,
    /// Kinds of core, slowest first; empty unless there are at least two.
    pub kinds: Vec<CpuKind>,
    /// CPUs that the machine's own limits (cpuset) allow.
    pub allowed: CpuSet,
}

/// The largest XML file that is read, in bytes: a 4096-CPU machine needs about 3 MB.
const MAX_XML_BYTES: u64 = 64 << 20;

impl Topology {
    /// Reads the topology from `source`. Cost: some ten milliseconds for a live machine.
    ///
    /// # Errors
    /// When hwloc refuses the description, or the file cannot be read or is no hwloc XML.
    pub fn read(source: &TopologySource) -> Result<Topology, Problem> {
        let refused = |detail: String| {
            Problem::new(format!("hwloc could not read topology `{}`: {detail}", printable(&source.to_string())))
                .help("check it with `lstopo -i \"numa:2 core:4 pu:2\"` or `lstopo -i FILE.xml`")
        };
        let xml = match source {
            TopologySource::Xml(path) => Some(read_xml(path)?),
            _ => None,
        };
        // The wrapper panics on error codes it did not foresee; a bad file must not take the harness down.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let builder = TopologyBuilder::new();
            let builder = match (source, &xml) {
                (TopologySource::Synthetic(text), _) => builder.from_synthetic(text).map_err(|e| e.to_string())?,
                (_, Some(xml)) => builder.from_xml(xml).map_err(|e| e.to_string())?,
                _ => builder,
            };
            // Disallowed CPUs are kept, so that the drawing can show what the cpuset takes away.
            let builder = builder.with_flags(BuildFlags::INCLUDE_DISALLOWED).map_err(|e| e.to_string())?;
            let topology = builder.build().map_err(|e| e.to_string())?;
            Ok::<Topology, String>(extract(&topology))
        }));
        let topology = match read {
            Ok(Ok(topology)) => topology,
            Ok(Err(detail)) => return Err(refused(detail)),
            Err(_) => return Err(refused("the library gave up".to_owned())),
        };
        if topology.pus.is_empty() {
            return Err(refused("it has no CPU".to_owned()));
        }
        Ok(topology)
    }

    /// The entry of `cpu`.
    pub fn pu(&self, cpu: CpuId) -> Option<&Pu> {
        self.pus.iter().find(|pu| pu.cpu == cpu)
    }

    /// The entry of node `id`.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// All CPUs.
    pub fn cpus(&self) -> CpuSet {
        self.pus.iter().map(|pu| pu.cpu).collect()
    }

    /// Number of physical cores.
    pub fn cores(&self) -> usize {
        self.pus.iter().map(|pu| pu.core).collect::<BTreeSet<_>>().len()
    }

    /// Number of packages, at least 1.
    pub fn packages(&self) -> usize {
        self.pus.iter().map(|pu| pu.package).collect::<BTreeSet<_>>().len().max(1)
    }

    /// Number of distinct L3s; 0 where the machine does not say.
    pub fn l3s(&self) -> usize {
        self.pus.iter().filter_map(|pu| pu.l3).collect::<BTreeSet<_>>().len()
    }

    /// Whether some core has more than one hardware thread.
    pub fn has_smt(&self) -> bool {
        self.pus.iter().any(|pu| pu.smt > 0)
    }

    /// Distance from node `from` to node `to`, where the machine says.
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u64> {
        let index = |id| self.nodes.iter().position(|node| node.id == id);
        self.distances.as_ref()?.get(index(from)?)?.get(index(to)?).copied()
    }

    /// The node that memory for `cpu` comes from: its own, or the nearest with memory when its own has none.
    pub fn memory_node(&self, cpu: CpuId) -> Option<NodeId> {
        let own = self.pu(cpu)?.node?;
        if !self.node(own)?.is_memoryless() {
            return Some(own);
        }
        let with_memory = self.nodes.iter().filter(|node| !node.is_memoryless());
        with_memory.map(|node| (self.distance(own, node.id).unwrap_or(u64::MAX), node.id)).min().map(|(_, id)| id)
    }
}

fn read_xml(path: &Path) -> Result<String, Problem> {
    let shown = printable(&path.display().to_string());
    let problem = |why: String| {
        Problem::new(format!("topology file `{shown}`: {why}"))
            .help("write one with `lstopo machine.xml` on the machine that is meant")
    };
    let meta = std::fs::metadata(path).map_err(|e| problem(e.to_string()))?;
    if !meta.is_file() {
        return Err(problem("not a regular file".to_owned()));
    }
    if meta.len() > MAX_XML_BYTES {
        return Err(problem(format!("{} bytes, more than the {MAX_XML_BYTES} a topology can need", meta.len())));
    }
    std::fs::read_to_string(path).map_err(|e| problem(e.to_string()))
}

/// Flattens hwloc's tree.
fn extract(hw: &hwlocality::Topology) -> Topology {
    let nodes = extract_nodes(hw);
    let kinds = extract_kinds(hw);
    let rank_of = |cpu: CpuId| kinds.iter().find(|kind| kind.cpus.contains(cpu)).and_then(|kind| kind.rank);
    let mut cores = Numbering::default();
    let mut threads_seen: BTreeMap<usize, usize> = BTreeMap::new();
    let mut pus = Vec::new();
    for object in hw.objects_with_type(ObjectType::PU) {
        let Some(cpu) = object.os_index().and_then(|n| u32::try_from(n).ok()).map(CpuId) else { continue };
        let above = |kind| object.first_ancestor_with_type(kind).map(TopologyObject::logical_index);
        // Some virtual machines have no core objects; then every CPU is a core of its own.
        let core_object = object.first_ancestor_with_type(ObjectType::Core).unwrap_or(object);
        let core = cores.number(core_object.global_persistent_index());
        let smt = threads_seen.entry(core).or_default();
        pus.push(Pu {
            cpu,
            core,
            smt: *smt,
            l2: above(ObjectType::L2Cache),
            l3: above(ObjectType::L3Cache),
            package: above(ObjectType::Package),
            node: local_node(&nodes, cpu),
            kind: rank_of(cpu),
        });
        *smt += 1;
    }
    let all: CpuSet = pus.iter().map(|pu| pu.cpu).collect();
    let allowed = cpus_of(&hw.allowed_cpuset()).iter().filter(|cpu| all.contains(*cpu)).collect();
    let distances = extract_distances(hw, &nodes);
    Topology { pus, nodes, distances, kinds, allowed }
}

/// Numbers things in the order they are first seen.
struct Numbering<K>(BTreeMap<K, usize>);

impl<K> Default for Numbering<K> {
    fn default() -> Self {
        Numbering(BTreeMap::new())
    }
}

impl<K: Ord> Numbering<K> {
    fn number(&mut self, key: K) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }
}

fn cpus_of(set: &hwlocality::cpu::cpuset::CpuSet) -> CpuSet {
    // An infinite set is cut where CPU numbers end.
    set.iter_set().map(usize::from).take_while(|&n| n < 65_536).map(|n| CpuId(n as u32)).collect()
}

fn extract_nodes(hw: &hwlocality::Topology) -> Vec<Node> {
    let objects = hw.objects_with_type(ObjectType::NUMANode);
    // Backends that know no sizes (synthetic [numa], some virtual machines) report none for every node;
    // only next to a node with memory does none mean "memoryless".
    let sizes_known = objects.clone().any(|object| local_memory(object) > 0);
    let mut nodes: Vec<Node> = objects
        .filter_map(|object| {
            Some(Node {
                id: NodeId(u32::try_from(object.os_index()?).ok()?),
                memory_bytes: sizes_known.then(|| local_memory(object)),
                cpus: object.cpuset().map(|set| cpus_of(&set)).unwrap_or_default(),
            })
        })
        .collect();
    nodes.sort_by_key(|node| node.id);
    nodes
}

fn local_memory(object: &TopologyObject) -> u64 {
    match object.attributes() {
        Some(hwlocality::object::attributes::ObjectAttributes::NUMANode(numa)) => {
            numa.local_memory().map_or(0, std::num::NonZeroU64::get)
        }
        _ => 0,
    }
}

/// The node that covers the fewest CPUs, `cpu` among them: memory without cores of its own covers the whole machine.
/// Of nodes that cover the same (fast and slow memory of one socket) the first with memory.
fn local_node(nodes: &[Node], cpu: CpuId) -> Option<NodeId> {
    let local = nodes.iter().filter(|node| node.cpus.contains(cpu));
    local.min_by_key(|node| (node.cpus.len(), node.is_memoryless(), node.id)).map(|node| node.id)
}

fn extract_kinds(hw: &hwlocality::Topology) -> Vec<CpuKind> {
    let Ok(kinds) = hw.cpu_kinds() else { return Vec::new() };
    let kinds: Vec<CpuKind> = kinds
        .map(|kind| {
            let named = kind.infos.iter().find(|info| info.name().to_bytes() == b"CoreType");
            CpuKind {
                name: named.map(|info| info.value().to_string_lossy().into_owned()),
                rank: kind.efficiency,
                cpus: cpus_of(&kind.cpuset),
            }
        })
        .collect();
    // One kind is no distinction.
    if kinds.len() > 1 { kinds } else { Vec::new() }
}

fn extract_distances(hw: &hwlocality::Topology, nodes: &[Node]) -> Option<Vec<Vec<u64>>> {
    let matrices = hw.distances_with_type(Some(DistancesKind::MEANS_LATENCY), ObjectType::NUMANode).ok()?;
    let matrix = matrices.first()?;
    let ids: Vec<Option<usize>> = matrix.objects().map(|object| object.and_then(TopologyObject::os_index)).collect();
    let values = matrix.distances();
    let column = |node: &Node| ids.iter().position(|id| *id == Some(node.id.0 as usize));
    let columns: Vec<usize> = nodes.iter().map(column).collect::<Option<_>>()?;
    columns.iter().map(|row| columns.iter().map(|col| values.get(row * ids.len() + col).copied()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(text: &str) -> Topology {
        Topology::read(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_described_machine_has_what_was_described() {
        let t = made_up("package:2 numa:2 l3:2 core:4 pu:2");
        assert_eq!((t.pus.len(), t.cores(), t.nodes.len(), t.l3s(), t.packages()), (64, 32, 4, 8, 2));
        assert!(t.has_smt());
        assert_eq!(t.allowed.len(), 64);
        let siblings: Vec<u32> = t.pus.iter().filter(|pu| pu.core == 5).map(|pu| pu.cpu.0).collect();
        assert_eq!(siblings, [10, 11]);
        assert_eq!(t.pu(CpuId(17)).unwrap().node, Some(NodeId(1)));
        assert_eq!(t.memory_node(CpuId(63)), Some(NodeId(3)));
    }

    #[test]
    fn smt_off_one_node_and_no_caches_are_plain() {
        let t = made_up("core:3");
        assert_eq!((t.pus.len(), t.cores(), t.nodes.len(), t.l3s(), t.packages()), (3, 3, 1, 0, 1));
        assert!(!t.has_smt());
        assert!(t.kinds.is_empty());
    }

    #[test]
    fn the_live_machine_is_read() {
        let t = Topology::read(&TopologySource::Live).unwrap();
        assert!(!t.pus.is_empty());
        assert!(t.cores() <= t.pus.len());
        assert!(t.allowed.iter().all(|cpu| t.pu(cpu).is_some()));
    }

    #[test]
    fn a_table_reads_back_from_json() {
        let t = made_up("numa:2 l2:2 core:2 pu:2");
        let text = serde_json::to_string(&t).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), t);
    }

    #[test]
    fn bad_files_are_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut bad = vec![dir.path().join("missing.xml"), dir.path().to_path_buf()];
        for (name, text) in [("empty.xml", ""), ("text.xml", "hello"), ("nul.xml", "a\0b"), ("half.xml", "<topology>")]
        {
            bad.push(dir.path().join(name));
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        for path in bad {
            let problem = Topology::read(&TopologySource::Xml(path.clone())).unwrap_err();
            assert!(problem.seen.contains(&path.display().to_string()), "{problem}");
            assert!(problem.help.is_some());
        }
    }
}
