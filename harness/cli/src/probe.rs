//! The probes of `corecurve probe`: one plan with the base cell and a cell for each resource that can be made scarcer here.

use corecurve_core::fault::{Beside, FaultList, FaultPlace, Hold, MilliCpus, caveat};
use corecurve_core::{
    BitRate, Cell, CpuSet, Fault, Nanos, PROBES, PlacementKind, ProbeAmount, ProbeKind, ProbeStep, Problem, Problems,
};
use corecurve_http::WORKLOADS;
use corecurve_machine::{Machine, PlacementRequest};

use crate::catalog::Catalog;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Which probes; empty takes all of them.
    pub probes: Vec<ProbeKind>,
    /// Work added to every request; `None` takes the mean work of the workload, or [`ADDED`].
    pub added: Option<Nanos>,
}

/// Work added to requests that have no work of their own: about what a small request costs.
const ADDED: Nanos = Nanos(10_000);
/// Share of the server's CPUs that is taken from a server which is not ours.
const TAKEN: MilliCpus = MilliCpus(250);
/// Memory walked over by the probe of the last-level cache, mebibytes.
const WALKED_MIB: u64 = 32;
/// Length of the accept queue of our own servers unless it is set.
const BACKLOG: u64 = 4_096;

impl Ask {
    /// Reads the flags.
    ///
    /// # Errors
    /// Unknown probes with the nearest known one, times that are none.
    pub fn read(probes: &[String], added: Option<&str>) -> Result<Ask, Problems> {
        let mut problems = Problems::default();
        let names = probes.iter().flat_map(|text| text.split(',')).map(str::trim);
        let asked: Vec<ProbeKind> =
            names.filter_map(|name| problems.take(name.parse().map_err(|p: Problem| p.at("--probe")))).collect();
        let added = added.and_then(|text| problems.take(crate::spec_args::value::<Nanos>(text, "added")));
        if added.is_some_and(|added| added == Nanos::ZERO || added > Nanos::MILLI * 100) {
            problems.0.push(Problem::new("--added is out of range").help("give a time above 0 and up to 100ms"));
        }
        problems.finish(Ask { probes: asked, added })
    }
}

/// The steps for a base cell, each with its cell if it can be measured here.
pub fn steps(base: &Cell, ask: &Ask, machine: &Machine) -> Vec<(ProbeStep, Option<Cell>)> {
    let wanted = |kind: &ProbeKind| ask.probes.is_empty() || ask.probes.contains(kind);
    PROBES.iter().map(|row| row.kind).filter(wanted).map(|kind| step(base, kind, ask, machine)).collect()
}

/// A change of the base.
struct Change {
    words: String,
    amount: ProbeAmount,
    cell: Cell,
}

fn step(base: &Cell, kind: ProbeKind, ask: &Ask, machine: &Machine) -> (ProbeStep, Option<Cell>) {
    let made = match kind {
        ProbeKind::Cpu => cpu(base, ask),
        ProbeKind::Lock => lock(base),
        ProbeKind::Copies => copies(base),
        ProbeKind::Backlog => backlog(base),
        ProbeKind::Connections => connections(base),
        ProbeKind::Generator => generator(base, machine),
        ProbeKind::Link => link(base),
        ProbeKind::Bandwidth => beside(base, Fault::MemoryBandwidth(Beside { amount: 1, cpus: CpuSet::default() })),
        ProbeKind::Cache => beside(base, Fault::Cache(Beside { amount: WALKED_MIB, cpus: CpuSet::default() })),
    };
    let planned = |change: String, amount, not_run| ProbeStep { probe: kind, change, cell: None, amount, not_run };
    match made {
        Ok(Change { words, amount, mut cell }) => {
            cell.probe = Some(kind);
            (planned(words, amount, None), Some(cell))
        }
        Err(why) => (planned(kind.row().summary.to_owned(), ProbeAmount::Unknown, Some(why)), None),
    }
}

/// The base with other faults, told in its caveats and in the settings of our own servers.
fn with_faults(base: &Cell, faults: Vec<Fault>) -> Cell {
    let mut cell = base.clone();
    let before = caveat(&base.faults);
    cell.caveats.retain(|text| Some(text) != before.as_ref());
    cell.caveats.extend(caveat(&faults));
    let own: Vec<Fault> = faults.iter().filter(|fault| fault.place() == FaultPlace::Handler).cloned().collect();
    if !own.is_empty() {
        cell.target_settings.insert("fault".to_owned(), FaultList(own).to_string());
    }
    cell.faults = faults;
    cell
}

/// The base's faults with one of them in place of the one of its kind, or added.
fn faults_with(base: &Cell, fault: Fault) -> Vec<Fault> {
    let mut faults: Vec<Fault> = base.faults.iter().filter(|other| other.name() != fault.name()).cloned().collect();
    faults.push(fault);
    faults
}

fn cpu(base: &Cell, ask: &Ask) -> Result<Change, String> {
    if !Catalog::is_built_in(&base.target) {
        return taken_cpu(base);
    }
    let added = ask.added.or_else(|| work_of(base)).unwrap_or(ADDED);
    let before = base.faults.iter().find_map(|fault| match fault {
        Fault::Delay(hold) => Some(*hold),
        _ => None,
    });
    if before.is_some_and(|hold| hold.sleeps) {
        return Err("the server is delayed by sleep already, and is delayed in one way only".to_owned());
    }
    let time = before.map_or(Nanos::ZERO, |hold| hold.time) + added;
    Ok(Change {
        words: format!("{added} of work more in every request"),
        amount: ProbeAmount::AddedCpu(added),
        cell: with_faults(base, faults_with(base, Fault::Delay(Hold { time, sleeps: false }))),
    })
}

/// From outside: a process that takes a share of the server's CPUs.
fn taken_cpu(base: &Cell) -> Result<Change, String> {
    if !Catalog::is_started_here(&base.target) {
        return Err("the server runs already, on CPUs that are not known here".to_owned());
    }
    if base.faults.iter().any(|fault| matches!(fault, Fault::CpuHog(_))) {
        return Err("a process takes from the server's CPUs already".to_owned());
    }
    Ok(Change {
        words: format!("{:.0} % of the server's CPU time taken by another process", TAKEN.cpus() * 100.0),
        amount: ProbeAmount::Times(1.0 - TAKEN.cpus()),
        cell: with_faults(base, faults_with(base, Fault::CpuHog(TAKEN))),
    })
}

/// The mean work of a request, if the workload has work that takes the CPU.
fn work_of(base: &Cell) -> Option<Nanos> {
    if base.workload_settings.get("how").is_some_and(|how| how == "sleep") {
        return None;
    }
    let default = || {
        let kind = WORKLOADS.iter().find(|kind| kind.name == base.workload)?;
        kind.settings.iter().find(|setting| setting.key == "mean").map(|setting| setting.default)
    };
    let text = base.workload_settings.get("mean").map(String::as_str).or_else(default)?;
    text.parse().ok().filter(|mean| (Nanos(1)..=Nanos::MILLI * 100).contains(mean))
}

fn lock(base: &Cell) -> Result<Change, String> {
    let hold = base.faults.iter().find_map(|fault| match fault {
        Fault::Mutex(hold) => Some(*hold),
        _ => None,
    });
    let hold = hold.ok_or("no lock of this server is known here; `--fault mutex=TIME` puts one in")?;
    let longer = Hold { time: hold.time * 2, ..hold };
    if longer.time > Nanos::MILLI * 100 {
        return Err("the lock is held so long already that twice as long is more than a fault may".to_owned());
    }
    Ok(Change {
        words: format!("the lock held {} longer", hold.time),
        amount: ProbeAmount::Times(0.5),
        cell: with_faults(base, faults_with(base, Fault::Mutex(longer))),
    })
}

fn set(base: &Cell, key: &str, value: impl ToString) -> Cell {
    let mut cell = base.clone();
    cell.target_settings.insert(key.to_owned(), value.to_string());
    cell
}

fn copies(base: &Cell) -> Result<Change, String> {
    if !Catalog::is_built_in(&base.target) {
        return Err(format!("how `{}` would be copied is not known here", base.target));
    }
    if base.target_settings.keys().any(|key| key == "copies" || key == "procs") {
        return Err("`copies` or `procs` is set already".to_owned());
    }
    if base.cores < 2 {
        return Err("one core cannot be divided among two copies".to_owned());
    }
    let (words, amount) = ("two copies of the server on the same cores".to_owned(), ProbeAmount::Times(2.0));
    Ok(Change { words, amount, cell: set(base, "copies", 2) })
}

fn backlog(base: &Cell) -> Result<Change, String> {
    if !Catalog::is_built_in(&base.target) {
        return Err(format!("the accept queue of `{}` is not ours to set", base.target));
    }
    let set_to = base.target_settings.get("backlog").and_then(|text| corecurve_core::units::parse_count(text).ok());
    let length = set_to.unwrap_or(BACKLOG);
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
    let length = most.map_or(length, |most: u64| most.min(length));
    // The kernel caps it; then it is halved, and what limits is followed the other way.
    let (other, times) = match most {
        Some(most) if length * 2 > most => (length / 2, (length / 2) as f64 / length as f64),
        _ => (length * 2, 2.0),
    };
    if other == 0 {
        return Err("the accept queue has one place, and the kernel allows no more".to_owned());
    }
    let mut cell = base.clone();
    if base.faults.iter().any(|fault| matches!(fault, Fault::Backlog(_))) {
        cell = with_faults(base, faults_with(base, Fault::Backlog(other as usize)));
    }
    cell.target_settings.insert("backlog".to_owned(), other.to_string());
    Ok(Change {
        words: format!("an accept queue of {other} instead of {length}"),
        amount: ProbeAmount::Times(times),
        cell,
    })
}

fn connections(base: &Cell) -> Result<Change, String> {
    let before =
        base.connections.ok_or("as many connections are used as a rate needs; `--connections N` says how many")?;
    let cell = Cell { connections: Some(before * 2), ..base.clone() };
    let words = format!("{} connections instead of {before}", before * 2);
    Ok(Change { words, amount: ProbeAmount::Times(2.0), cell })
}

fn generator(base: &Cell, machine: &Machine) -> Result<Change, String> {
    let before = base.placed.load.len();
    if base.placed.kind == PlacementKind::Explicit {
        return Err("the load CPUs are named, and no others may be taken".to_owned());
    }
    let request = PlacementRequest {
        kind: base.placed.kind,
        server_cores: base.cores,
        load_cores: Some(before + 1),
        server_cpus: None,
        load_cpus: None,
        allow_shared: base.placed.shared,
    };
    let mut placed = machine.place(&request).map_err(|problem| problem.seen)?;
    if placed.server != base.placed.server || placed.load.len() <= before {
        return Err("the server would have to move for another load core".to_owned());
    }
    placed.clear = base.placed.clear.clone();
    let cell = Cell { placed, ..base.clone() };
    let amount = ProbeAmount::Times((before + 1) as f64 / before.max(1) as f64);
    Ok(Change { words: format!("{} load cores instead of {before}", before + 1), amount, cell })
}

fn link(base: &Cell) -> Result<Change, String> {
    let network = base.network.unwrap_or_default();
    let cap = network.cap.ok_or("the link has no limit to halve; `--network netns --network-cap RATE` sets one")?;
    let half = BitRate((cap.0 / 2).max(64_000));
    if half == cap {
        return Err("the link has the lowest limit already".to_owned());
    }
    let mut cell = base.clone();
    if base.faults.iter().any(|fault| matches!(fault, Fault::LinkCap(_))) {
        cell = with_faults(base, faults_with(base, Fault::LinkCap(half)));
    }
    cell.network = Some(corecurve_core::Network { cap: Some(half), ..network });
    let amount = ProbeAmount::Times(half.0 as f64 / cap.0 as f64);
    Ok(Change { words: format!("a link of {half} instead of {cap}"), amount, cell })
}

fn beside(base: &Cell, fault: Fault) -> Result<Change, String> {
    if !Catalog::is_started_here(&base.target) {
        return Err("the server runs already, on CPUs that are not known here".to_owned());
    }
    if base.faults.iter().any(|other| other.name() == fault.name()) {
        return Err("somebody takes from the memory already".to_owned());
    }
    if let Some(problem) = corecurve_engine::faults::refusal(&fault, &base.placed) {
        return Err(problem.seen);
    }
    let words = fault.kind().map_or_else(String::new, |kind| kind.summary.to_owned());
    Ok(Change { words, amount: ProbeAmount::Unknown, cell: with_faults(base, faults_with(base, fault)) })
}

/// Gives the steps the names of their cells, which come after the base in this order.
pub fn named(steps: Vec<(ProbeStep, bool)>, cells: &[Cell]) -> Vec<ProbeStep> {
    let mut ids = cells.iter().skip(1).map(|cell| cell.id.clone());
    let name = |(step, has_cell)| ProbeStep { cell: if has_cell { ids.next() } else { None }, ..step };
    steps.into_iter().map(name).collect()
}

/// Whether a cell can be probed at all.
///
/// # Errors
/// A target without sockets has nothing that could be made scarcer.
pub fn possible(cell: &Cell) -> Result<(), Problem> {
    match Catalog::has_sockets(&cell.target) {
        true => Ok(()),
        false => Err(Problem::new(format!("`{}` has no resources to probe", cell.target))
            .help("name a server; what limits a simulation is known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Kind, expand};
    use corecurve_core::{Plan, Spec};

    fn plan(target: &str, topology: &str, change: impl FnOnce(&mut Spec)) -> (Plan, Machine) {
        let mut spec = Spec { target: vec![target.to_owned()], seed: Some(1), ..Spec::default() };
        spec.workload = vec!["plaintext".to_owned()];
        change(&mut spec);
        let machine = Machine::discover(&topology.parse().unwrap()).unwrap();
        let plan = expand(&spec, &machine, &Catalog::new().unwrap(), Kind::Probe(Ask::default())).unwrap();
        (plan, machine)
    }

    fn step(plan: &Plan, kind: ProbeKind) -> &ProbeStep {
        plan.probes.iter().find(|step| step.probe == kind).unwrap()
    }

    fn cell(plan: &Plan, kind: ProbeKind) -> &Cell {
        let id = step(plan, kind).cell.clone().unwrap();
        plan.cells.iter().find(|cell| cell.id == id).unwrap()
    }

    #[test]
    fn every_probe_is_a_cell_or_a_reason() {
        let (plan, _) = plan("thread-per-core", "core:8 pu:1", |spec| {
            spec.cores = Some("2".to_owned());
            spec.connections = Some(32);
            spec.fault = vec!["mutex=50us,sleep".to_owned()];
        });
        assert_eq!(plan.probes.len(), PROBES.len());
        assert!(plan.probes.iter().all(|step| step.cell.is_some() != step.not_run.is_some()), "{:?}", plan.probes);
        assert!(step(&plan, ProbeKind::Link).not_run.as_ref().unwrap().contains("--network-cap"));
        assert_eq!(cell(&plan, ProbeKind::Cpu).target_settings["fault"], "mutex=50us,sleep;delay=10us");
        assert_eq!(cell(&plan, ProbeKind::Lock).target_settings["fault"], "mutex=100us,sleep");
        assert_eq!(cell(&plan, ProbeKind::Copies).target_settings["copies"], "2");
        assert_eq!(cell(&plan, ProbeKind::Connections).connections, Some(64));
        assert_eq!(cell(&plan, ProbeKind::Generator).placed.load.len(), plan.cells[0].placed.load.len() + 1);
        for (index, cell) in plan.cells.iter().enumerate() {
            assert_eq!(cell.probe.is_none(), index == 0);
            let faults: Vec<&String> = cell.caveats.iter().filter(|text| text.starts_with("fault injected")).collect();
            assert_eq!(faults, [&caveat(&cell.faults).unwrap()]);
        }
        // Each repetition has every cell once.
        assert_eq!(plan.order.len(), plan.cells.len() * plan.search.reps as usize);
    }

    #[test]
    fn a_small_machine_has_reasons_and_a_base() {
        let (plan, _) = plan("thread-per-core", "core:2 pu:1", |_| {});
        for (kind, token) in [
            (ProbeKind::Copies, "one core"),
            (ProbeKind::Lock, "mutex"),
            (ProbeKind::Connections, "--connections"),
            (ProbeKind::Bandwidth, "neither serves nor loads"),
            (ProbeKind::Cache, "neither serves nor loads"),
        ] {
            assert!(step(&plan, kind).not_run.as_ref().unwrap().contains(token), "{:?}", step(&plan, kind));
        }
        assert!(step(&plan, ProbeKind::Generator).not_run.is_some());
        assert!(step(&plan, ProbeKind::Cpu).cell.is_some());
    }

    #[test]
    fn servers_that_are_not_ours_are_probed_from_outside_where_that_can_be() {
        let (nginx, _) = plan("nginx", "core:2 pu:1", |_| {});
        assert_eq!(step(&nginx, ProbeKind::Cpu).amount, ProbeAmount::Times(0.75));
        assert_eq!(cell(&nginx, ProbeKind::Cpu).faults, [Fault::CpuHog(TAKEN)]);
        assert!(step(&nginx, ProbeKind::Backlog).not_run.is_some());
        let (running, _) = plan("url:http://127.0.0.1:8080/", "core:2 pu:1", |_| {});
        assert!(running.probes.iter().all(|step| step.not_run.is_some()), "{:?}", running.probes);
    }

    #[test]
    fn the_work_added_is_that_of_the_workload() {
        let (plan, _) = plan("thread-per-core", "core:2 pu:1", |spec| {
            spec.workload = vec!["work".to_owned()];
            spec.set.insert("workload.mean".to_owned(), "300us".to_owned());
        });
        assert_eq!(step(&plan, ProbeKind::Cpu).amount, ProbeAmount::AddedCpu(Nanos(300_000)));
        assert!(Ask::read(&["cpu,lok".to_owned()], None).unwrap_err().to_string().contains("`lock`"));
        assert!(Ask::read(&[], Some("1s")).is_err());
    }
}
