//! The placement that the user names CPU by CPU.

use std::collections::BTreeSet;

use corecurve_core::{CpuId, CpuSet, Placed, PlacementKind, Problem, Seat};

use super::cores::Core;
use super::{PlacementRequest, away_from, housekeeping, load_cores};
use crate::machine::Machine;

/// The named CPUs in ascending order, as many as are asked for; validated against the machine and each other.
pub(super) fn place(machine: &Machine, request: &PlacementRequest, cores: Vec<Core>) -> Result<Placed, Problem> {
    let named = request.server_cpus.as_ref().filter(|cpus| !cpus.is_empty()).ok_or_else(|| {
        Problem::new("placement `explicit` names no server CPUs").help("name them: `--server-cpus 0-3 --load-cpus 4-7`")
    })?;
    machine.check(named, "server")?;
    if request.server_cores > named.len() {
        let asked = request.server_cores;
        return Err(Problem::new(format!(
            "{asked} server cores were asked for, but --server-cpus names {}",
            named.len()
        ))
        .help("name more CPUs, or ask for fewer cores"));
    }
    let server: Vec<CpuId> = named.iter().take(request.server_cores).collect();
    let server_side = touched(machine, named);
    let (load, shared) = match &request.load_cpus {
        Some(cpus) => named_load(machine, request, cpus, &server_side)?,
        None => free_load(request, &cores, &server_side, &server)?,
    };
    let taken: BTreeSet<usize> = &server_side | &touched(machine, &load.iter().copied().collect());
    let (used, free): (Vec<Core>, Vec<Core>) = cores.into_iter().partition(|core| taken.contains(&core.id));
    let seat = |cpu: CpuId| Seat { cpu, node: machine.topology.memory_node(cpu) };
    Ok(Placed {
        kind: PlacementKind::Explicit,
        server: server.into_iter().map(seat).collect(),
        load: load.into_iter().map(seat).collect(),
        housekeeping: housekeeping(&used, &free),
        shared,
        clear: CpuSet::default(),
        load_first: false,
    })
}

/// Physical cores that `cpus` lie on.
fn touched(machine: &Machine, cpus: &CpuSet) -> BTreeSet<usize> {
    machine.topology.pus.iter().filter(|pu| cpus.contains(pu.cpu)).map(|pu| pu.core).collect()
}

/// The load CPUs the user names, and whether they share a core with the server.
fn named_load(
    machine: &Machine,
    request: &PlacementRequest,
    cpus: &CpuSet,
    server_side: &BTreeSet<usize>,
) -> Result<(Vec<CpuId>, bool), Problem> {
    machine.check(cpus, "load")?;
    let wanted = request.load_cores.unwrap_or(cpus.len());
    if wanted > cpus.len() {
        return Err(Problem::new(format!("{wanted} load cores were asked for, but --load-cpus names {}", cpus.len()))
            .help("name more CPUs, or ask for fewer load cores"));
    }
    let on_server_cores = |cpu: &CpuId| machine.topology.pu(*cpu).is_some_and(|pu| server_side.contains(&pu.core));
    let overlap: CpuSet = cpus.iter().filter(on_server_cores).collect();
    if !overlap.is_empty() && !request.allow_shared {
        return Err(Problem::new(format!("load CPUs {overlap} lie on the server's physical cores"))
            .help("name CPUs of other cores (hardware threads of one core share it), or pass `--allow-shared-cores`"));
    }
    let load: Vec<CpuId> = cpus.iter().take(wanted).collect();
    let shared = load.iter().any(on_server_cores);
    Ok((load, shared))
}

/// Load CPUs from cores the user did not name, or the server's own where sharing is allowed.
fn free_load(
    request: &PlacementRequest,
    cores: &[Core],
    server_side: &BTreeSet<usize>,
    server: &[CpuId],
) -> Result<(Vec<CpuId>, bool), Problem> {
    let (named, free): (Vec<Core>, Vec<Core>) = cores.iter().cloned().partition(|core| server_side.contains(&core.id));
    let wanted = load_cores(request, free.len(), cores.len());
    if wanted <= free.len() {
        let first_threads = away_from(&named, free).into_iter().filter_map(|core| core.threads.first().copied());
        return Ok((first_threads.take(wanted).collect(), false));
    }
    if request.allow_shared && wanted <= cores.len() {
        let own = away_from(&named, free).into_iter().filter_map(|core| core.threads.first().copied());
        let wrapped = server.iter().copied().chain(named.iter().filter_map(|core| core.threads.last().copied()));
        let mut load: Vec<CpuId> = Vec::new();
        for cpu in own.chain(wrapped) {
            if load.len() < wanted && !load.contains(&cpu) {
                load.push(cpu);
            }
        }
        return Ok((load, true));
    }
    Err(Problem::new(format!("--server-cpus leaves {} usable cores for load, {wanted} needed", free.len()))
        .help("name fewer server CPUs, or pass `--allow-shared-cores` (every result is then marked)"))
}
