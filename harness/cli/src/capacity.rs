//! The null server: which server stands for none, and which cells of a plan the generator's capacity is measured for.
//!
//! It is our own `thread-per-core` on the server cores of the cell. More than nine tenths of a small request's cost are
//! the kernel's TCP on either side, so a responder without any parser would answer hardly faster, and this one speaks
//! every workload and checks nothing twice. What a workload asks the server to *do* is taken out: G_max is about bytes.

use corecurve_core::{
    ArrivalKind, CapacityRecord, Cell, CellId, Mode, Nanos, NetworkKind, PlacementKind, Problem, Settings, Start,
};
use corecurve_engine::StopFlag;
use corecurve_engine::capacity::{CapacityAsk, Effort};
use corecurve_engine::execute::NullServer;
use corecurve_http::HttpWorkload;
use corecurve_machine::{Machine, PlacementRequest, TopologySource};

use crate::catalog::Catalog;
use crate::conduct::{target_of, workload_factory};
use crate::shield;
use crate::transport;

/// The server that stands for none.
pub const NULL_SERVER: &str = "thread-per-core";

/// Settings under which a workload asks for the same bytes and hardly any work.
const WITHOUT_WORK: [(&str, &[(&str, &str)]); 3] = [
    ("work", &[("dist", "fixed"), ("mean", "1us")]),
    ("support-like", &[("mean", "2us")]),
    ("blocker", &[("block", "1ms"), ("one-in", "1M"), ("how", "sleep")]),
];

/// The null server for a cell, with the cell's workload without its work.
///
/// # Errors
/// Wrong settings, which the plan would have refused.
pub fn null_server(catalog: &Catalog, cell: &Cell) -> Result<NullServer<HttpWorkload>, Problem> {
    let mut settings = cell.workload_settings.clone();
    for (_, idle) in WITHOUT_WORK.iter().filter(|(workload, _)| *workload == cell.workload) {
        settings.extend(idle.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    }
    let idle = Cell {
        target: NULL_SERVER.to_owned(),
        target_settings: Settings::new(),
        workload_settings: settings,
        ..cell.clone()
    };
    Ok(NullServer {
        name: NULL_SERVER.to_owned(),
        target: target_of(catalog, &idle, &[])?,
        workload: workload_factory(catalog, &idle)?,
    })
}

/// Server cores of the null server when the machine may choose: so many more than load cores that it gives out last.
const SERVER_CORES: usize = 4;

/// Measures the capacity of so many load cores of this machine for a workload.
///
/// # Errors
/// Unknown workloads and settings, no room for the load cores, and a null server that cannot be started.
pub fn measure_here(
    workload: &str,
    settings: &Settings,
    load_cores: usize,
    effort: Effort,
) -> Result<CapacityRecord, Problem> {
    let catalog = Catalog::new()?;
    catalog.knows_workload(workload)?;
    crate::turn::take()?;
    let machine = Machine::discover(&TopologySource::Live)?;
    let mut request = PlacementRequest {
        kind: PlacementKind::Compact,
        server_cores: 1,
        load_cores: Some(load_cores),
        server_cpus: None,
        load_cpus: None,
        allow_shared: machine.usable_cores() < 2,
    };
    request.server_cores = machine.most_server_cores(&request).clamp(1, SERVER_CORES * load_cores);
    let mut placed = machine.place(&request)?;
    shield::apply(shield::Asked::Auto, &machine, &mut placed)?;
    let decision = transport::decide(None, corecurve_engine::io_uring_refusal)?;
    let cell = Cell {
        id: CellId("00-capacity".to_owned()),
        target: NULL_SERVER.to_owned(),
        target_settings: Settings::new(),
        workload: workload.to_owned(),
        workload_settings: settings.clone(),
        cores: request.server_cores,
        placed,
        slos: Vec::new(),
        arrival: ArrivalKind::Closed(1),
        connections: None,
        requests_per_connection: None,
        transport: Some(decision.transport),
        network: None,
        caveats: decision.caveat.into_iter().collect(),
        faults: Vec::new(),
        probe: None,
        mode: Mode::Closed,
        control: false,
    };
    let server = null_server(&catalog, &cell)?;
    let scratch = std::env::temp_dir().join(format!("corecurve-capacity-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)
        .map_err(|error| Problem::new(format!("cannot make a scratch directory: {error}")))?;
    let start = Start { placed: cell.placed.clone(), seed: 1, settings: Settings::new(), scratch: scratch.clone() };
    let ask = CapacityAsk { cell: &cell, effort, seed: 1 };
    let measured = ask.measure(&server, &start, &StopFlag::with_signals(), &mut |_, _| {});
    // It holds logs of a server that is gone; leaving it would be untidy, not wrong.
    let _ = std::fs::remove_dir_all(&scratch);
    measured
}

/// Indexes of the cells that stand for all searches over sockets: one for each workload, transport and set of load CPUs,
/// the one with the most server cores, so that the null server is the last to give out. What the generator can do over
/// another network than loopback is not measured.
pub fn cells_to_measure(cells: &[Cell]) -> Vec<usize> {
    let same = |a: &Cell, b: &Cell| {
        let key = |cell: &Cell| (cell.placed.load.clone(), cell.transport, cell.requests_per_connection);
        a.workload == b.workload && a.workload_settings == b.workload_settings && key(a) == key(b)
    };
    let mut chosen: Vec<usize> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let elsewhere = cell.network.is_some_and(|network| network.kind != NetworkKind::Loopback);
        if cell.mode != Mode::Search || !Catalog::has_sockets(&cell.target) || elsewhere {
            continue;
        }
        match chosen.iter_mut().find(|known| same(&cells[**known], cell)) {
            Some(known) if cells[*known].placed.server.len() < cell.placed.server.len() => *known = index,
            Some(_) => {}
            None => chosen.push(index),
        }
    }
    chosen
}

/// Time the measurements of so many cells take.
pub fn expected(cells: usize) -> Nanos {
    Effort::OF_A_RUN.expected() * cells as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Kind, expand};
    use corecurve_core::Spec;
    use corecurve_machine::{Machine, TopologySource};

    fn plan(targets: &[&str], workloads: &[&str], quick: bool) -> corecurve_core::Plan {
        let machine = Machine::discover(&TopologySource::Synthetic("core:8 pu:1".to_owned())).unwrap();
        let spec = Spec {
            target: targets.iter().map(ToString::to_string).collect(),
            workload: workloads.iter().map(ToString::to_string).collect(),
            cores: Some("1,2,4".to_owned()),
            load_cores: Some(2),
            quick: Some(quick),
            transport: Some("epoll".to_owned()),
            seed: Some(1),
            ..Spec::default()
        };
        expand(&spec, &machine, &Catalog::new().unwrap(), Kind::Sweep).unwrap()
    }

    #[test]
    fn one_cell_stands_for_all_with_its_workload_and_load_cores() {
        let plan = plan(&["thread-per-core", "single-loop", "sim:mm1"], &["plaintext", "work"], false);
        let chosen: Vec<_> = plan.checks.capacity.iter().map(|index| &plan.cells[*index]).collect();
        let mut asked: Vec<_> =
            chosen.iter().map(|c| (c.workload.as_str(), c.placed.load_cpus().to_string())).collect();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), chosen.len(), "nothing is measured twice: {asked:?}");
        for workload in ["plaintext", "work"] {
            assert!(chosen.iter().any(|cell| cell.workload == workload && cell.cores == 4), "{asked:?}");
        }
        assert!(chosen.iter().all(|cell| !Catalog::is_virtual(&cell.target)));
        assert!(plan.checks.perturb);
    }

    #[test]
    fn a_quick_sweep_and_a_simulation_ask_nothing_of_the_generator() {
        assert!(plan(&["thread-per-core"], &["plaintext"], true).checks.is_empty());
        assert!(plan(&["sim:mm1"], &["plaintext"], false).checks.is_empty());
    }
}
