//! Drawings of machines, compared with the texts in `tests/golden`.
//!
//! The XML machines are made up by hand, one for each oddity that the short notation cannot say.
//!
//! After a change that is meant: `UPDATE_GOLDEN=1 cargo test -p corecurve-machine --test drawings`, then read the difference.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use corecurve_core::PlacementKind;
use corecurve_machine::draw::{WIDTH, draw};
use corecurve_machine::{Machine, PlacementRequest, TopologySource};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

fn machine(topology: &str) -> Machine {
    let source = match topology.strip_suffix(".xml") {
        Some(_) => TopologySource::Xml(here("topologies").join(topology)),
        None => topology.parse().unwrap(),
    };
    let mut machine = Machine::discover(&source).unwrap();
    if matches!(source, TopologySource::Xml(_)) {
        // The drawing names its source; the golden text must not name this directory.
        machine.source = TopologySource::Xml(topology.into());
    }
    machine
}

fn request(kind: PlacementKind, server_cores: usize) -> PlacementRequest {
    PlacementRequest { kind, server_cores, ..PlacementRequest::default() }
}

/// Draws and compares; every line keeps to the width and has no trailing blank.
fn golden(name: &str, machine: &Machine, request: Option<&PlacementRequest>) {
    let placed = request.map(|request| machine.place(request).unwrap());
    let drawn = draw(machine, placed.as_ref());
    for line in drawn.lines() {
        assert!(line.chars().count() <= WIDTH, "{name}: {} columns: {line}", line.chars().count());
        assert_eq!(line, line.trim_end(), "{name}");
    }
    let path = here("golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(drawn, golden, "{name}: the drawing changed");
}

#[test]
fn two_nodes_numa_local_six_cores() {
    golden("two-nodes-numa-local", &machine("numa:2 l3:2 core:8 pu:2"), Some(&request(PlacementKind::NumaLocal, 6)));
}

#[test]
fn two_nodes_numa_remote() {
    golden("two-nodes-numa-remote", &machine("numa:2 l3:2 core:8 pu:2"), Some(&request(PlacementKind::NumaRemote, 6)));
}

#[test]
fn smt_uses_both_threads_of_server_cores() {
    golden("smt", &machine("numa:1 l3:2 core:4 pu:2"), Some(&request(PlacementKind::Smt, 3)));
}

#[test]
fn eight_nodes_scattered() {
    golden(
        "eight-nodes-scatter",
        &machine("package:2 numa:4 l3:2 core:4 pu:1"),
        Some(&request(PlacementKind::Scatter, 12)),
    );
}

#[test]
fn a_hybrid_machine_deals_fast_cores_first() {
    golden("hybrid-compact", &machine("hybrid.xml"), Some(&request(PlacementKind::Compact, 3)));
}

#[test]
fn a_node_without_memory_is_left_out() {
    golden("memoryless-numa-local", &machine("memoryless.xml"), Some(&request(PlacementKind::NumaLocal, 3)));
}

#[test]
fn without_smt() {
    golden("smt-off-compact", &machine("numa:2 core:6 pu:1"), Some(&request(PlacementKind::Compact, 4)));
}

#[test]
fn limited_by_a_cpuset() {
    golden("cpuset-compact", &machine("cpuset.xml"), Some(&request(PlacementKind::Compact, 2)));
}

#[test]
fn the_user_names_the_cpus() {
    let request = PlacementRequest {
        kind: PlacementKind::Explicit,
        server_cores: 3,
        server_cpus: Some("0-2".parse().unwrap()),
        load_cpus: Some("6,7".parse().unwrap()),
        ..PlacementRequest::default()
    };
    golden("explicit", &machine("numa:1 l3:2 core:4 pu:1"), Some(&request));
}

#[test]
fn too_few_cores_are_shared_and_say_so() {
    let request = PlacementRequest { allow_shared: true, ..request(PlacementKind::Compact, 2) };
    golden("shared", &machine("core:2 pu:2"), Some(&request));
}

#[test]
fn a_machine_without_a_plan() {
    golden("no-plan", &machine("numa:2 l3:1 core:4 pu:2"), None);
}

#[test]
fn a_very_large_machine_keeps_to_the_width() {
    let machine = machine("package:8 numa:4 l3:4 core:16 pu:2");
    let placed = machine.place(&request(PlacementKind::Scatter, 700)).unwrap();
    let drawn = draw(&machine, Some(&placed));
    assert!(drawn.lines().all(|line| line.chars().count() <= WIDTH), "{drawn}");
    assert_eq!(drawn.matches("[S").count(), 700);
}

#[test]
fn the_live_machine_draws() {
    let machine = Machine::discover(&TopologySource::Live).unwrap();
    let drawn = draw(&machine, None);
    assert!(drawn.starts_with("this machine"), "{drawn}");
    assert!(machine.allowed.iter().all(|cpu| drawn.contains(&format!("·{cpu}"))), "{drawn}");
}
