//! Who sits where: one [`PlacementRequest`] becomes one [`Placed`], decided before the first thread starts.
//!
//! Cores are dealt whole. A core's second hardware thread never goes to another role: a load worker on the
//! sibling of a server worker would take half of its pipeline and look like contention in the server.
//! For kinds other than `smt` and `explicit` the sibling stays idle.
//!
//! The order of decisions is server, load, housekeeping, and each is a pure function of machine and request, so
//! the same request gives the same seats on the same machine for ever.

mod clear;
mod cores;
mod explicit;
mod numa;

use corecurve_core::{CpuSet, Placed, PlacementKind, Problem, Seat};

use crate::machine::Machine;
use cores::{Core, compact, l3s, scatter, usable};

/// What a cell of the plan asks of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacementRequest {
    /// How cores are chosen.
    pub kind: PlacementKind,
    /// Physical cores for the server (for `explicit`: how many of the named CPUs, in ascending order).
    pub server_cores: usize,
    /// Cores for the load generator. `None`: as many as the server has, at least 1, limited by what is free.
    /// `Some(0)`: none, for targets that are driven from inside the process.
    pub load_cores: Option<usize>,
    /// The server's CPUs, for `explicit`.
    pub server_cpus: Option<CpuSet>,
    /// The load generator's CPUs, for `explicit`; without them it gets free cores.
    pub load_cpus: Option<CpuSet>,
    /// Whether load may sit on the server's cores when there are too few.
    pub allow_shared: bool,
}

/// Free cores from which on one is kept apart for the rest of the harness and the others stay idle.
const FREE_CORES_FOR_ONE_APART: usize = 4;

/// Cores by role, before they become seats.
struct Split {
    server: Vec<Core>,
    load: Vec<Core>,
    free: Vec<Core>,
    shared: bool,
}

impl Machine {
    /// Decides every seat of `request`.
    ///
    /// Cost: linear in the number of CPUs, apart from a sort.
    ///
    /// # Errors
    /// When the machine has too few usable cores, has no second node or hardware thread where the kind needs
    /// one, or when named CPUs do not exist, may not be used, or overlap without `allow_shared`.
    pub fn place(&self, request: &PlacementRequest) -> Result<Placed, Problem> {
        if request.server_cores == 0 {
            return Err(
                Problem::new("0 server cores were asked for").help("a server needs at least 1 core, e.g. `-c 1`")
            );
        }
        match request.kind {
            PlacementKind::Explicit => explicit::place(self, request, usable(self)),
            kind => Ok(self.seat(kind, &self.split(request)?)),
        }
    }

    /// Cores by role, for every kind but `explicit`.
    fn split(&self, request: &PlacementRequest) -> Result<Split, Problem> {
        let cores = usable(self);
        match request.kind {
            PlacementKind::Scatter => deal(request, scatter(cores), Vec::new()),
            PlacementKind::Smt => smt(request, compact(cores)),
            PlacementKind::NumaLocal => numa::local(self, request, cores),
            PlacementKind::NumaRemote => numa::remote(self, request, cores),
            PlacementKind::Compact | PlacementKind::Explicit => deal(request, compact(cores), Vec::new()),
        }
    }

    /// The most server cores that `kind` can place while leaving `load_cores` for the load generator
    /// (`None`: at least one; `Some(0)`: none). 0 when the kind does not fit the machine at all, and for `explicit`,
    /// whose CPUs only [`Machine::most_server_cores`] knows.
    pub fn max_server_cores(&self, kind: PlacementKind, load_cores: Option<usize>) -> usize {
        self.most_server_cores(&PlacementRequest { kind, load_cores, ..PlacementRequest::default() })
    }

    /// The most server cores with which `request` can be placed, whatever its own `server_cores`; 0 when none can.
    /// A CPU quota lowers it to the cores that the quota can keep busy.
    pub fn most_server_cores(&self, request: &PlacementRequest) -> usize {
        let with = |server_cores| PlacementRequest { server_cores, ..request.clone() };
        if request.kind == PlacementKind::Explicit {
            let named = request.server_cpus.as_ref().map_or(0, CpuSet::len);
            return (1..=named).rev().find(|&k| self.place(&with(k)).is_ok()).unwrap_or(0);
        }
        // More than this leaves too little for load; what fits below depends on the kind, so each is tried.
        let for_load = if request.allow_shared { 0 } else { request.load_cores.unwrap_or(1) };
        let highest = self.usable_cores().saturating_sub(for_load).min(self.quota_cores(for_load));
        (1..=highest).rev().find(|&k| self.split(&with(k)).is_ok()).unwrap_or(0)
    }

    /// Server cores that the CPU quota feeds beside `for_load` load cores, at least 1. Only automatic choices heed
    /// it: who names a number gets it, and throttling is then seen in every trial.
    fn quota_cores(&self, for_load: usize) -> usize {
        self.quota_cpus.map_or(usize::MAX, |quota| (quota as usize).saturating_sub(for_load).max(1))
    }

    fn seat(&self, kind: PlacementKind, split: &Split) -> Placed {
        let seat = |cpu| Seat { cpu, node: self.topology.memory_node(cpu) };
        let every_thread = |core: &Core| core.threads.clone();
        let first_thread = |core: &Core| core.threads.first().copied().into_iter().collect();
        // On a shared core the load at least gets the sibling, where there is one.
        let last_thread = |core: &Core| core.threads.last().copied().into_iter().collect();
        let served = if kind == PlacementKind::Smt { every_thread } else { first_thread };
        let loading = if split.shared { last_thread } else { first_thread };
        Placed {
            kind,
            server: split.server.iter().flat_map(served).map(seat).collect(),
            load: split.load.iter().flat_map(loading).map(seat).collect(),
            housekeeping: housekeeping(&split.server, &split.free),
            shared: split.shared,
            clear: CpuSet::default(),
            load_first: false,
        }
    }
}

/// Server cores are those with a second hardware thread that may be used; the others can still load.
fn smt(request: &PlacementRequest, cores: Vec<Core>) -> Result<Split, Problem> {
    let (threaded, single): (Vec<Core>, Vec<Core>) = cores.into_iter().partition(|core| core.threads.len() > 1);
    if threaded.is_empty() {
        return Err(Problem::new("placement `smt`: no usable core has a second hardware thread")
            .help("SMT is off, or the allowed CPUs hold one thread per core; use `--placement compact`"));
    }
    deal(request, threaded, single)
}

/// Server cores from the front of `serve`, load cores from what is left of it and of `load_only`.
fn deal(request: &PlacementRequest, mut serve: Vec<Core>, load_only: Vec<Core>) -> Result<Split, Problem> {
    let usable = serve.len() + load_only.len();
    if request.server_cores > serve.len() {
        return Err(too_few(request, serve.len(), usable));
    }
    let mut rest = serve.split_off(request.server_cores);
    rest.extend(load_only);
    let rest = away_from(&serve, rest);
    deal_load(request, usable, serve, rest)
}

/// Load cores from the front of `rest`, or from the server's cores where sharing is allowed.
fn deal_load(request: &PlacementRequest, usable: usize, server: Vec<Core>, rest: Vec<Core>) -> Result<Split, Problem> {
    let wanted = load_cores(request, rest.len(), usable);
    let shared = wanted > rest.len();
    if wanted > usable || (shared && !request.allow_shared) {
        return Err(too_few(request, usable, usable));
    }
    let mut load = rest;
    let free = load.split_off(wanted.min(load.len()));
    let wrapped = wanted - load.len();
    load.extend(server.iter().take(wrapped).cloned());
    Ok(Split { server, load, free, shared })
}

/// How many load cores are meant, given how many are free.
fn load_cores(request: &PlacementRequest, free: usize, usable: usize) -> usize {
    match request.load_cores {
        Some(cores) => cores,
        None if free == 0 && request.allow_shared => request.server_cores.min(usable),
        None => request.server_cores.min(free).max(1),
    }
}

/// `rest` with the cores that share no L3 with `server` in front: a load generator in the server's L3 evicts its lines.
fn away_from(server: &[Core], rest: Vec<Core>) -> Vec<Core> {
    let taken = l3s(server);
    let (away, beside): (Vec<Core>, Vec<Core>) = rest.into_iter().partition(|core| !core.uses(&taken));
    away.into_iter().chain(beside).collect()
}

/// One core kept apart when plenty is free, else whatever is left.
fn housekeeping(server: &[Core], free: &[Core]) -> CpuSet {
    let threads = |core: &Core| core.threads.clone();
    if free.len() < FREE_CORES_FOR_ONE_APART {
        return free.iter().flat_map(threads).collect();
    }
    let taken = l3s(server);
    let away = free.iter().rev().find(|core| !core.uses(&taken));
    away.or(free.last()).into_iter().flat_map(threads).collect()
}

/// The server cannot have that many cores, or leaves none for the load.
fn too_few(request: &PlacementRequest, for_server: usize, usable: usize) -> Problem {
    let asked = match request.load_cores {
        Some(load) => format!("{} for the server and {load} for load", request.server_cores),
        None => format!("{} for the server and at least 1 for load", request.server_cores),
    };
    let kind = request.kind;
    let have = if for_server < usable {
        format!("{usable} usable, {for_server} of them for a server")
    } else {
        format!("{usable} usable")
    };
    let seen = format!("too few cores for placement `{kind}`: asked {asked}, {have}");
    Problem::new(seen).help(if request.server_cores > for_server || request.load_cores.is_some_and(|n| n > usable) {
        "ask for fewer cores; `corecurve topo` shows which can be used"
    } else {
        "ask for fewer cores, or let load and server share them with `--allow-shared-cores` (every result is then marked)"
    })
}
