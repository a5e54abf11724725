//! Placements on machines that nobody here owns: what each kind promises, and what holds for every kind.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;

use corecurve_core::{CpuId, CpuSet, NodeId, Placed, PlacementKind, Seat};
use corecurve_machine::{Machine, Node, PlacementRequest, Pu, Topology, TopologySource};
use proptest::prelude::*;

fn machine(topology: &str) -> Machine {
    Machine::discover(&topology.parse().unwrap()).unwrap()
}

fn request(kind: PlacementKind, server_cores: usize) -> PlacementRequest {
    PlacementRequest { kind, server_cores, ..PlacementRequest::default() }
}

fn cpus(seats: &[Seat]) -> Vec<u32> {
    seats.iter().map(|seat| seat.cpu.0).collect()
}

/// The message of a refusal, with its help.
fn refusal(machine: &Machine, request: &PlacementRequest) -> String {
    machine.place(request).unwrap_err().to_string()
}

#[test]
fn compact_fills_an_l3_and_loads_from_the_next() {
    let placed = machine("l3:2 core:4 pu:2").place(&request(PlacementKind::Compact, 3)).unwrap();
    assert_eq!(cpus(&placed.server), [0, 2, 4]);
    assert_eq!(cpus(&placed.load), [8, 10, 12]);
    // Two cores are left, fewer than four: both keep house, with both their threads.
    assert_eq!(placed.housekeeping.to_string(), "6-7,14-15");
}

#[test]
fn scatter_takes_nodes_then_l3s_in_turn() {
    let placed = machine("numa:2 l3:2 core:4").place(&request(PlacementKind::Scatter, 5)).unwrap();
    assert_eq!(cpus(&placed.server), [0, 8, 4, 12, 1]);
    assert_eq!(placed.server.iter().map(|seat| seat.node).collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn smt_counts_cores_and_seats_threads() {
    let machine = machine("core:4 pu:2");
    let placed = machine.place(&request(PlacementKind::Smt, 2)).unwrap();
    assert_eq!(cpus(&placed.server), [0, 1, 2, 3]);
    assert_eq!(cpus(&placed.load), [4, 6]);
    let without = refusal(&crate::machine("core:4"), &request(PlacementKind::Smt, 1));
    assert!(without.contains("second hardware thread") && without.contains("--placement compact"), "{without}");
}

#[test]
fn numa_remote_is_refused_on_one_node() {
    let refused = refusal(&machine("core:8"), &request(PlacementKind::NumaRemote, 2));
    assert!(refused.contains("one NUMA node"), "{refused}");
    let placed = machine("numa:3 core:4").place(&request(PlacementKind::NumaRemote, 6)).unwrap();
    assert_eq!(cpus(&placed.server), [0, 1, 2, 3, 4, 5]);
    assert_eq!(cpus(&placed.load), [8, 9, 10, 11]);
    let refused = refusal(&machine("numa:2 core:4"), &request(PlacementKind::NumaRemote, 5));
    assert!(refused.contains("leave 0 of 8"), "{refused}");
}

#[test]
fn numa_local_grows_over_nodes_with_both_roles_on_each() {
    let machine = machine("numa:2 core:8");
    let placed = machine.place(&request(PlacementKind::NumaLocal, 6)).unwrap();
    assert_eq!((cpus(&placed.server), cpus(&placed.load)), (vec![0, 1, 2, 8, 9, 10], vec![3, 4, 5, 11, 12, 13]));
    let one_loader = PlacementRequest { load_cores: Some(1), ..request(PlacementKind::NumaLocal, 8) };
    assert!(refusal(&machine, &one_loader).contains("some of both"));
}

#[test]
fn too_few_cores_say_how_many_and_how_to_share() {
    let two = machine("core:2 pu:2");
    let refused = refusal(&two, &request(PlacementKind::Compact, 2));
    assert!(refused.contains("2 usable") && refused.contains("--allow-shared-cores"), "{refused}");
    let shared = two.place(&PlacementRequest { allow_shared: true, ..request(PlacementKind::Compact, 2) }).unwrap();
    assert!(shared.shared);
    assert_eq!((cpus(&shared.server), cpus(&shared.load)), (vec![0, 2], vec![1, 3]));
    // Sharing does not conjure cores for the server.
    let refused = refusal(&two, &PlacementRequest { allow_shared: true, ..request(PlacementKind::Compact, 3) });
    assert!(refused.contains("2 usable") && !refused.contains("--allow-shared-cores"), "{refused}");
    assert!(refusal(&two, &request(PlacementKind::Compact, 0)).contains("0 server cores"));
}

#[test]
fn in_process_targets_need_no_load_cores() {
    let machine = machine("core:2");
    let placed =
        machine.place(&PlacementRequest { load_cores: Some(0), ..request(PlacementKind::Compact, 2) }).unwrap();
    assert_eq!((placed.server.len(), placed.load.len(), placed.shared), (2, 0, false));
    assert_eq!(machine.max_server_cores(PlacementKind::Compact, Some(0)), 2);
}

#[test]
fn the_most_server_cores_by_kind() {
    let machine = machine("numa:2 core:8 pu:2");
    for (kind, load, most) in [
        (PlacementKind::Compact, None, 15),
        (PlacementKind::Compact, Some(4), 12),
        (PlacementKind::Smt, None, 15),
        (PlacementKind::NumaLocal, Some(8), 8),
        (PlacementKind::NumaLocal, Some(1), 7),
        (PlacementKind::NumaRemote, None, 8),
        (PlacementKind::NumaRemote, Some(9), 0),
        (PlacementKind::Explicit, None, 0),
    ] {
        assert_eq!(machine.max_server_cores(kind, load), most, "{kind} {load:?}");
    }
    assert_eq!(crate::machine("core:1").max_server_cores(PlacementKind::Compact, None), 0);
    let shared = PlacementRequest { allow_shared: true, ..request(PlacementKind::Compact, 1) };
    assert_eq!(crate::machine("core:1").most_server_cores(&shared), 1);
    let named = PlacementRequest { server_cpus: Some("0-3".parse().unwrap()), ..request(PlacementKind::Explicit, 1) };
    assert_eq!(machine.most_server_cores(&named), 4);
}

#[test]
fn a_quota_limits_what_is_chosen_but_not_what_is_asked() {
    let mut machine = machine("core:16");
    machine.quota_cpus = Some(4.5);
    assert_eq!(machine.max_server_cores(PlacementKind::Compact, None), 3);
    assert_eq!(machine.max_server_cores(PlacementKind::Compact, Some(2)), 2);
    assert_eq!(machine.place(&request(PlacementKind::Compact, 8)).unwrap().server.len(), 8);
    machine.quota_cpus = Some(0.5);
    assert_eq!(machine.max_server_cores(PlacementKind::Compact, None), 1);
}

#[test]
fn explicit_cpus_are_checked() {
    let machine = machine("core:4 pu:2").limited_to(&"0-5".parse().unwrap()).unwrap();
    let explicit = |server: &str, load: Option<&str>, cores| PlacementRequest {
        server_cpus: Some(server.parse().unwrap()),
        load_cpus: load.map(|cpus| cpus.parse().unwrap()),
        ..request(PlacementKind::Explicit, cores)
    };
    let placed = machine.place(&explicit("2,0", Some("4"), 2)).unwrap();
    assert_eq!((cpus(&placed.server), cpus(&placed.load)), (vec![0, 2], vec![4]));
    let free = machine.place(&explicit("0-1", None, 2)).unwrap();
    assert_eq!((cpus(&free.server), cpus(&free.load)), (vec![0, 1], vec![2, 4]));
    for (request, said) in [
        (explicit("0,99", None, 1), "99 are not on this machine"),
        (explicit("6", None, 1), "6 may not be used"),
        (explicit("0-1", Some("9"), 1), "load CPUs 9"),
        (explicit("0", Some("1"), 1), "load CPUs 1 lie on the server's physical cores"),
        (explicit("0", None, 2), "names 1"),
        (explicit("0-5", None, 6), "leaves 0 usable cores"),
        (request(PlacementKind::Explicit, 1), "names no server CPUs"),
    ] {
        let refused = refusal(&machine, &request);
        assert!(refused.contains(said) && refused.contains("help:"), "{refused}");
    }
    let shared = PlacementRequest { allow_shared: true, ..explicit("0", Some("1"), 1) };
    assert!(machine.place(&shared).unwrap().shared);
}

#[test]
fn limits_are_checked() {
    let machine = machine("core:4").limited_to(&"1-2".parse().unwrap()).unwrap();
    assert_eq!(machine.usable_cores(), 2);
    assert_eq!(cpus(&machine.place(&request(PlacementKind::Compact, 1)).unwrap().server), [1]);
    assert!(machine.clone().limited_to(&"3".parse().unwrap()).unwrap_err().seen.contains("CPUs 3"));
    assert!(machine.clone().limited_to(&"7".parse().unwrap()).unwrap_err().seen.contains("CPUs 7"));
    assert!(machine.limited_to(&CpuSet::default()).is_err());
}

#[test]
fn recorded_machines_keep_their_limits_and_kinds() {
    let xml = |name: &str| {
        let path = format!("{}/tests/topologies/{name}.xml", env!("CARGO_MANIFEST_DIR"));
        Machine::discover(&TopologySource::Xml(path.into())).unwrap()
    };
    assert_eq!(xml("cpuset").allowed.to_string(), "1-3,6,9-11");
    let hybrid = xml("hybrid");
    assert_eq!(hybrid.topology.kinds.len(), 2);
    assert_eq!(cpus(&hybrid.place(&request(PlacementKind::Compact, 5)).unwrap().server), [0, 2, 4, 6, 8]);
    let memoryless = xml("memoryless");
    assert_eq!(memoryless.topology.nodes.iter().map(|n| n.id.0).collect::<Vec<_>>(), [0, 2, 5, 8]);
    assert_eq!(memoryless.topology.pu(CpuId(4)).unwrap().node, Some(NodeId(2)));
    // Node 2 has no memory; node 0 is the nearest that has.
    assert_eq!(memoryless.topology.memory_node(CpuId(4)), Some(NodeId(0)));
    let remote = memoryless.place(&request(PlacementKind::NumaRemote, 2)).unwrap();
    assert_eq!((cpus(&remote.server), cpus(&remote.load)), (vec![0, 1], vec![8, 9]));
}

/// One L3 of a random machine: threads of each core, and for each thread whether it may be used.
type Cluster = Vec<Vec<bool>>;

/// Builds a machine from packages of nodes (with memory or without) of L3s.
fn build(packages: &[Vec<(bool, Vec<Cluster>)>], gaps: u32, no_l3: bool) -> Machine {
    let mut topology = Topology::default();
    let (mut core, mut l3) = (0, 0);
    let mut allowed = CpuSet::default();
    for (package, nodes) in packages.iter().enumerate() {
        for (has_memory, clusters) in nodes {
            let id = NodeId(topology.nodes.len() as u32 * (1 + gaps));
            let mut local = CpuSet::default();
            for cluster in clusters {
                for threads in cluster {
                    for (smt, usable) in threads.iter().enumerate() {
                        let cpu = CpuId(topology.pus.len() as u32 * (1 + gaps));
                        topology.pus.push(Pu {
                            cpu,
                            core,
                            smt,
                            l2: None,
                            l3: (!no_l3).then_some(l3),
                            package: Some(package),
                            node: Some(id),
                            kind: None,
                        });
                        local.0.insert(cpu);
                        if *usable {
                            allowed.0.insert(cpu);
                        }
                    }
                    core += 1;
                }
                l3 += 1;
            }
            topology.nodes.push(Node { id, memory_bytes: Some(u64::from(*has_memory) << 30), cpus: local });
        }
    }
    topology.allowed = allowed.clone();
    Machine { topology, allowed, quota_cpus: None, source: TopologySource::Live, live: false }
}

fn any_machine() -> impl Strategy<Value = Machine> {
    let core = prop::collection::vec(prop::bool::weighted(0.85), 1..=2);
    let cluster = prop::collection::vec(core, 1..=5);
    let node = (prop::bool::weighted(0.85), prop::collection::vec(cluster, 1..=2));
    let packages = prop::collection::vec(prop::collection::vec(node, 1..=3), 1..=2);
    (packages, 0u32..3, prop::bool::weighted(0.2)).prop_map(|(packages, gaps, no_l3)| build(&packages, gaps, no_l3))
}

fn any_kind() -> impl Strategy<Value = PlacementKind> {
    prop::sample::select(PlacementKind::ALL[..5].to_vec())
}

/// Physical cores of some CPUs.
fn cores(machine: &Machine, cpus: impl Iterator<Item = CpuId>) -> BTreeSet<usize> {
    cpus.map(|cpu| machine.topology.pu(cpu).unwrap().core).collect()
}

/// Nodes that CPUs belong to.
fn nodes(machine: &Machine, seats: &[Seat]) -> BTreeSet<Option<NodeId>> {
    seats.iter().map(|seat| machine.topology.pu(seat.cpu).unwrap().node).collect()
}

fn threads_of(machine: &Machine, core: usize) -> Vec<CpuId> {
    let pus = machine.topology.pus.iter().filter(|pu| pu.core == core && machine.allowed.contains(pu.cpu));
    pus.map(|pu| pu.cpu).collect()
}

/// What holds for every placement that was made.
fn check(machine: &Machine, request: &PlacementRequest, placed: &Placed) {
    let server: Vec<CpuId> = placed.server.iter().map(|seat| seat.cpu).collect();
    let load: Vec<CpuId> = placed.load.iter().map(|seat| seat.cpu).collect();
    let (server_cores, load_cores) = (cores(machine, server.iter().copied()), cores(machine, load.iter().copied()));
    let kept = cores(machine, placed.housekeeping.iter());
    for cpu in server.iter().chain(&load).copied().chain(placed.housekeeping.iter()) {
        assert!(machine.allowed.contains(cpu), "CPU {cpu} may not be used");
    }
    assert_eq!(server.iter().collect::<BTreeSet<_>>().len(), server.len(), "no CPU serves twice");
    assert_eq!(load.iter().collect::<BTreeSet<_>>().len(), load.len(), "no CPU loads twice");
    assert_eq!(server_cores.len(), request.server_cores);
    assert_eq!(load_cores.len(), load.len(), "load is on one thread of each core");
    assert!(request.load_cores.is_none_or(|asked| asked == load_cores.len()));
    assert!(kept.is_disjoint(&server_cores) && kept.is_disjoint(&load_cores));
    assert_eq!(placed.shared, !server_cores.is_disjoint(&load_cores), "shared is said when and only when it is so");
    assert!(request.allow_shared || !placed.shared);
    if request.kind == PlacementKind::Smt {
        let threads: BTreeSet<CpuId> = server_cores.iter().flat_map(|core| threads_of(machine, *core)).collect();
        assert_eq!(server.iter().copied().collect::<BTreeSet<_>>(), threads);
        assert!(server_cores.iter().all(|core| threads_of(machine, *core).len() > 1));
    } else {
        assert_eq!(server.len(), server_cores.len());
        assert!(server.iter().all(|cpu| threads_of(machine, machine.topology.pu(*cpu).unwrap().core)[0] == *cpu));
    }
    let free = machine.usable_cores() - server_cores.union(&load_cores).count();
    assert_eq!(kept.len(), if free >= 4 { 1 } else { free });
    if request.kind == PlacementKind::NumaLocal && !placed.shared && !load.is_empty() {
        assert_eq!(nodes(machine, &placed.server), nodes(machine, &placed.load));
    }
    if request.kind == PlacementKind::NumaRemote {
        assert!(nodes(machine, &placed.server).is_disjoint(&nodes(machine, &placed.load)));
    }
    let memory = machine.topology.nodes.iter().any(|node| !node.is_memoryless());
    for seat in placed.server.iter().chain(&placed.load) {
        let node = seat.node.and_then(|id| machine.topology.node(id));
        assert!(node.is_some_and(|node| !node.is_memoryless()) || !memory, "memory comes from a node that has some");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn every_placement_keeps_its_promises(
        machine in any_machine(),
        kind in any_kind(),
        server_cores in 1usize..14,
        load_cores in prop::option::of(0usize..8),
        allow_shared: bool,
    ) {
        let request = PlacementRequest { kind, server_cores, load_cores, allow_shared, ..PlacementRequest::default() };
        let placed = machine.place(&request);
        prop_assert_eq!(&placed, &machine.place(&request), "the same request gives the same seats");
        match placed {
            Ok(placed) => check(&machine, &request, &placed),
            Err(problem) => {
                prop_assert!(problem.help.is_some());
                // Compact and scatter refuse only what cannot be.
                if matches!(kind, PlacementKind::Compact | PlacementKind::Scatter) {
                    let needed = if allow_shared { server_cores.max(load_cores.unwrap_or(1)) } else { server_cores + load_cores.unwrap_or(1) };
                    prop_assert!(needed > machine.usable_cores(), "{}", problem);
                }
            }
        }
    }

    #[test]
    fn the_most_server_cores_is_the_last_that_fits(
        machine in any_machine(),
        kind in any_kind(),
        load_cores in prop::option::of(0usize..5),
        allow_shared: bool,
    ) {
        let request = PlacementRequest { kind, load_cores, allow_shared, ..PlacementRequest::default() };
        let most = machine.most_server_cores(&request);
        for server_cores in 1..=machine.usable_cores() + 1 {
            let fits = machine.place(&PlacementRequest { server_cores, ..request.clone() }).is_ok();
            prop_assert!(!fits || server_cores <= most, "{} fit, most is {}", server_cores, most);
            prop_assert!(fits || server_cores != most, "{} do not fit", most);
        }
    }

    #[test]
    fn numa_local_finds_room_on_one_node_wherever_there_is_some(
        machine in any_machine(),
        server_cores in 1usize..5,
        load_cores in 1usize..4,
    ) {
        let request = PlacementRequest {
            kind: PlacementKind::NumaLocal, server_cores, load_cores: Some(load_cores), ..PlacementRequest::default()
        };
        let room = machine.topology.nodes.iter().filter(|node| !node.is_memoryless()).any(|node| {
            cores(&machine, node.cpus.iter().filter(|cpu| machine.allowed.contains(*cpu))).len() >= server_cores + load_cores
        });
        match machine.place(&request) {
            Ok(placed) if room => prop_assert_eq!(nodes(&machine, &placed.server).len(), 1),
            Ok(_) => {}
            Err(problem) => prop_assert!(!room, "{}", problem),
        }
    }
}
