//! From [`Spec`] to [`Plan`]: every cell decided before the first thread starts.

use corecurve_core::fault::caveat;
use corecurve_core::problem::printable;
use corecurve_core::rng::stream;
use corecurve_core::{
    ArrivalKind, Cell, CellId, Checks, Collectors, CpuId, Fault, Ladder, Mode, Nanos, Network, Placed, PlacementKind,
    Plan, Problem, Problems, Rate, SCHEMA, SearchSettings, Seat, Settings, Slo, Spec, Turn,
};
use corecurve_http::{Suggests, WORKLOADS};
use corecurve_machine::{Machine, PlacementRequest};
use rand::seq::SliceRandom;

use crate::capacity;
use crate::catalog::Catalog;
use crate::cores::core_counts;
use crate::faults;
use crate::network;
use crate::probe::{self, Ask};
use crate::profiling;
use crate::shield;
use crate::transport::{self, Decision};

/// Which command asks: they differ in defaults and in what they allow.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One rate.
    Run,
    /// One search.
    Mat,
    /// Many searches with a control pair.
    Sweep,
    /// One search, and the same with one resource after the other changed.
    Probe(Ask),
}

impl Kind {
    fn is_sweep(&self) -> bool {
        matches!(self, Kind::Sweep)
    }

    fn is_run(&self) -> bool {
        matches!(self, Kind::Run)
    }
}

/// Most cells of one plan; more would take days, so it is surely a slip.
const MOST_CELLS: usize = 10_000;
/// Most repetitions.
const MOST_REPS: u32 = 1_000;
/// Most core counts a simulation is asked for when the user does not say.
const SIM_CORES: usize = 16;
/// What starting, stopping and probing a target adds to a search.
const TURN_OVERHEAD: Nanos = Nanos(700_000_000);

/// Expands a spec on a machine.
///
/// # Errors
/// Everything that is wrong with the spec, at once.
pub fn expand(spec: &Spec, machine: &Machine, catalog: &Catalog, kind: Kind) -> Result<Plan, Problems> {
    let mut problems = Problems::default();
    let axes = Axes::read(spec, catalog, &kind, &mut problems);
    let seed = spec.seed.unwrap_or_else(fresh_seed);
    let mut cells = Vec::new();
    for target in &axes.targets {
        for workload in axes.workloads_of(target, catalog, &mut problems) {
            let suggested = suggestions(target, workload);
            for (target_settings, workload_settings) in &axes.settings {
                let mut target_settings = target_settings.clone();
                let faults =
                    problems.take(faults::put_in(target, &axes.faults, &mut target_settings)).unwrap_or_default();
                let workload_settings = &axes.settings_of(workload, workload_settings);
                problems.take(catalog.check(target, &target_settings, workload, workload_settings, &spec.allow_remote));
                for (cores, placed, open) in placements(spec, machine, target, &axes, &mut problems) {
                    if cells.len() > MOST_CELLS {
                        continue;
                    }
                    if machine.live {
                        let refused = |fault| corecurve_engine::faults::refusal(fault, &placed);
                        problems.0.extend(faults.iter().filter_map(refused).map(|problem| problem.at("--fault")));
                    }
                    cells.push(Cell {
                        id: CellId(String::new()),
                        target: target.clone(),
                        target_settings: target_settings.clone(),
                        workload: workload.clone(),
                        workload_settings: workload_settings.clone(),
                        cores,
                        placed,
                        slos: axes.slos.clone(),
                        arrival: axes.arrival,
                        connections: spec.connections.or(suggested.connections.map(|count| count.on(cores))),
                        requests_per_connection: spec.requests_per_connection.or(suggested.requests_per_connection),
                        transport: Catalog::has_sockets(target).then_some(axes.transport.transport),
                        network: axes.network_of(target),
                        caveats: axes.caveats_of(target).into_iter().chain(open).chain(caveat(&faults)).collect(),
                        faults: faults.clone(),
                        probe: None,
                        mode: axes.mode,
                        control: false,
                    });
                }
            }
        }
    }
    if cells.len() > MOST_CELLS {
        problems.0.push(
            Problem::new(format!("the spec describes more than {MOST_CELLS} cells"))
                .help("name fewer targets, workloads, core counts or --vary values"),
        );
    }
    if !kind.is_sweep() && cells.len() > 1 {
        problems.0.push(
            Problem::new(format!("{} cells were asked for, but `run`, `mat` and `probe` take one", cells.len()))
                .help("name one target, workload, core count and placement, or use `corecurve sweep`"),
        );
    }
    if let (Kind::Probe(_), Some(cell)) = (&kind, cells.first()) {
        problems.take(probe::possible(cell));
    }
    dedup_problems(&mut problems);
    problems.finish(())?;

    if kind.is_sweep() {
        add_control(&mut cells);
    }
    let mut probes = Vec::new();
    if let Kind::Probe(ask) = &kind {
        for (step, cell) in cells.first().map(|base| probe::steps(base, ask, machine)).unwrap_or_default() {
            probes.push((step, cell.is_some()));
            cells.extend(cell);
        }
    }
    for (index, cell) in cells.iter_mut().enumerate() {
        cell.id = CellId(cell_name(index, cell));
    }
    let reps = axes.reps;
    let order = shuffled(cells.len(), reps, seed);
    let probes = probe::named(probes, &cells);
    let search = search_settings(spec, &kind, reps, &cells);
    let searches = expected(&cells, &order, &search, spec);
    let short = !matches!(kind, Kind::Mat | Kind::Sweep) || spec.quick.unwrap_or(false);
    let profile = axes.profile.decide(short) && cells.iter().any(is_profiled);
    let checks = Checks { profile, ..checks(&cells, &kind, spec, searches) };
    let expected = searches + expected_of(&checks, &cells, &order, &search);
    Ok(Plan { schema: SCHEMA, seed, cells, order, search, counters: axes.counters, expected, checks, probes })
}

/// The axes of the spec, read and checked.
struct Axes {
    targets: Vec<String>,
    workloads: Vec<String>,
    settings: Vec<(Settings, Settings)>,
    placements: Vec<PlacementKind>,
    slos: Vec<Slo>,
    arrival: ArrivalKind,
    mode: Mode,
    transport: Decision,
    counters: Collectors,
    shield: shield::Asked,
    profile: profiling::Asked,
    network: Network,
    faults: Vec<Fault>,
    cores: String,
    reps: u32,
}

impl Axes {
    fn read(spec: &Spec, catalog: &Catalog, kind: &Kind, problems: &mut Problems) -> Axes {
        if spec.target.is_empty() {
            problems.0.push(
                Problem::new("no target is named")
                    .help("name one with --target, e.g. `-t thread-per-core`; see `corecurve list targets`"),
            );
        }
        for name in &spec.target {
            problems.take(catalog.knows_target(name));
        }
        let workloads = or_default(&spec.workload, "plaintext");
        for name in &workloads {
            problems.take(catalog.knows_workload(name));
        }
        let placements = or_default(&spec.placement, PlacementKind::Compact.name());
        let placements = placements.iter().filter_map(|name| problems.take(name.parse())).collect();
        let asked = or_default(&spec.slo, "p99<5ms");
        let slos = asked.iter().filter_map(|text| problems.take(text.parse::<Ladder>())).flat_map(|ladder| ladder.0);
        let slos: Vec<Slo> = slos.collect();
        let mut distinct: Vec<Slo> = Vec::new();
        for slo in slos {
            if distinct.contains(&slo) {
                problems.0.push(
                    Problem::new(format!("SLO `{slo}` is given twice"))
                        .help("give each SLO once; the steps of a ladder such as `p99<1.5x..100x` count"),
                );
            } else {
                distinct.push(slo);
            }
        }
        if distinct.len() > 16 {
            problems.0.push(
                Problem::new(format!("{} SLOs are too many", distinct.len()))
                    .help("give at most 16; each step of a ladder such as `p99<1.5x..100x` is one"),
            );
        }
        let arrival = spec.arrival.as_deref().map(|text| text.parse::<ArrivalKind>().map_err(|p| p.at("--arrival")));
        let arrival = problems.take(arrival.transpose()).flatten().unwrap_or_default();
        let rate = spec.rate.as_deref().map(|text| text.parse::<Rate>().map_err(|p| p.at("--rate")));
        let rate = problems.take(rate.transpose()).flatten();
        let mode = problems.take(mode(kind, arrival, rate, spec.rate.is_some())).unwrap_or(Mode::Search);
        check_numbers(spec, problems);
        let sockets = spec.target.iter().any(|target| Catalog::has_sockets(target));
        // Where there are no sockets the kernel is not asked, and nothing comes of the answer.
        let refusal = || if sockets { corecurve_engine::io_uring_refusal() } else { None };
        let transport = problems.take(transport::decide(spec.transport.as_deref(), refusal)).unwrap_or_default();
        let counters = spec.counters.as_deref().map(|text| text.parse().map_err(|p: Problem| p.at("--counters")));
        let counters = problems.take(counters.transpose()).flatten().unwrap_or_default();
        let refusal = |cap| if sockets { corecurve_machine::network::refusal(cap) } else { None };
        let faults = problems.take(faults::asked(spec)).unwrap_or_default();
        let typed = faults::network(&faults, spec.network.as_deref(), spec.network_cap.as_deref());
        let network = typed.and_then(|(kind, cap)| network::decide(kind, cap.as_deref(), refusal));
        let network = problems.take(network).unwrap_or_default();
        for target in &spec.target {
            problems.take(network::check(target, network));
        }
        let reps = spec.reps.unwrap_or(match (kind, spec.quick.unwrap_or(false)) {
            (Kind::Sweep, false) | (Kind::Probe(_), _) => 3,
            _ => 1,
        });
        Axes {
            targets: spec.target.clone(),
            workloads,
            settings: settings(spec, problems),
            placements,
            slos: distinct,
            arrival,
            mode,
            transport,
            counters,
            shield: problems.take(shield::asked(spec.shield.as_deref())).unwrap_or_default(),
            profile: problems.take(profiling::asked(spec.profile.as_deref())).unwrap_or_default(),
            network,
            faults,
            cores: spec.cores.clone().unwrap_or_else(|| if kind.is_sweep() { "pow2" } else { "1" }.to_owned()),
            reps,
        }
    }
}

impl Axes {
    /// What lies between a target and its load; of a server that runs already nothing is known.
    fn network_of(&self, target: &str) -> Option<Network> {
        (Catalog::has_sockets(target) && !target.starts_with("url:")).then_some(self.network)
    }

    /// What is known of a target's cells before anything is measured.
    fn caveats_of(&self, target: &str) -> Vec<String> {
        self.transport.caveat.iter().filter(|_| Catalog::has_sockets(target)).cloned().collect()
    }

    /// The settings that mean something to a workload. One that another workload of the spec knows is for that one;
    /// one that none knows stays, to be refused.
    fn settings_of(&self, workload: &str, settings: &Settings) -> Settings {
        let knows = |name: &str, key: &str| {
            let kind = WORKLOADS.iter().find(|kind| kind.name == name);
            kind.is_some_and(|kind| kind.settings.iter().any(|setting| setting.key == key))
        };
        let for_another = |key: &str| self.workloads.iter().any(|other| other != workload && knows(other, key));
        let kept = settings.iter().filter(|(key, _)| knows(workload, key) || !for_another(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The workloads this target is asked. In a sweep it is left out where it does not answer, if it answers another;
    /// a simulation is asked nothing, so one workload stands for all.
    fn workloads_of(&self, target: &str, catalog: &Catalog, problems: &mut Problems) -> Vec<&String> {
        if Catalog::is_virtual(target) {
            return self.workloads.iter().take(1).collect();
        }
        let served = |workload: &&String| catalog.serves(target, workload).is_ok();
        let list: Vec<&String> = self.workloads.iter().filter(served).collect();
        if list.is_empty() {
            problems.0.extend(self.workloads.iter().filter_map(|workload| catalog.serves(target, workload).err()));
        }
        list
    }
}

/// How a workload wants its load made. A simulation is asked nothing and takes no advice.
fn suggestions(target: &str, workload: &str) -> Suggests {
    let kind = WORKLOADS.iter().find(|kind| kind.name == workload && !Catalog::is_virtual(target));
    kind.map_or(Suggests::NOTHING, |kind| kind.suggests)
}

fn mode(kind: &Kind, arrival: ArrivalKind, rate: Option<Rate>, rate_given: bool) -> Result<Mode, Problem> {
    match (kind, arrival.is_open()) {
        (Kind::Run, false) => Ok(Mode::Closed),
        (Kind::Run, true) => match rate {
            Some(rate) => Ok(Mode::Fixed(rate)),
            None if rate_given => Ok(Mode::Search),
            None => Err(Problem::new("`run` needs a rate")
                .help("give one with --rate, e.g. `--rate 20k`; `corecurve mat` finds the highest that meets an SLO")),
        },
        (_, false) => Err(Problem::new(format!("`{arrival}` is a closed loop, and no closed-loop number is a MAT"))
            .help(
                "use `--arrival poisson`, `uniform` or `burst:N`; `corecurve run --arrival closed:32` probes capacity",
            )),
        (_, true) if rate_given => Err(Problem::new("--rate is for `run`: `mat` and `sweep` choose their own rates")
            .help("drop --rate, or use `corecurve run`")),
        (_, true) => Ok(Mode::Search),
    }
}

fn check_numbers(spec: &Spec, problems: &mut Problems) {
    let mut range = |flag: &str, value: Option<u64>, most: u64| {
        if let Some(value) = value.filter(|value| *value == 0 || *value > most) {
            problems.0.push(
                Problem::new(format!("--{flag}: {value} is out of range"))
                    .help(format!("give a number from 1 to {most}")),
            );
        }
    };
    range("reps", spec.reps.map(u64::from), u64::from(MOST_REPS));
    range("connections", spec.connections.map(|n| n as u64), 1_000_000);
    range("requests-per-connection", spec.requests_per_connection, 1_000_000_000);
    range("load-cores", spec.load_cores.map(|n| n as u64), 65_536);
    let mut time = |flag: &str, value: Option<Nanos>, least: Nanos, most: Nanos| {
        if let Some(value) = value.filter(|value| *value < least || *value > most) {
            problems.0.push(
                Problem::new(format!("--{flag}: {value} is out of range"))
                    .help(format!("give a time from {least} to {most}")),
            );
        }
    };
    time("window", spec.window, Nanos(20 * Nanos::MILLI.0), Nanos::SECOND * 3_600);
    time("warmup", spec.warmup, Nanos::ZERO, Nanos::SECOND * 3_600);
    time("budget", spec.budget, Nanos::SECOND, Nanos::SECOND * 604_800);
}

/// Every combination of the `--vary` values over the `--set` ones, split by whose they are.
fn settings(spec: &Spec, problems: &mut Problems) -> Vec<(Settings, Settings)> {
    let mut combinations = vec![(Settings::new(), Settings::new())];
    let sets = spec.set.iter().map(|(key, value)| (key, std::slice::from_ref(value)));
    let varied = spec.vary.iter().map(|(key, values)| (key, values.as_slice()));
    for (key, values) in sets.chain(varied) {
        let owner = match key.split_once('.') {
            Some(("target", name)) if !name.is_empty() => (true, name),
            Some(("workload", name)) if !name.is_empty() => (false, name),
            _ => {
                problems.0.push(
                    Problem::new(format!("setting `{}` belongs to nothing", printable(key)))
                        .help("write `workload.KEY=VALUE` or `target.KEY=VALUE`, e.g. `--set workload.mean=200us`"),
                );
                continue;
            }
        };
        if combinations.len().saturating_mul(values.len()) > MOST_CELLS {
            problems.0.push(Problem::new("--vary describes too many combinations").help("vary fewer values"));
            return combinations;
        }
        combinations = combinations
            .into_iter()
            .flat_map(|(target, workload)| {
                values.iter().map(move |value| {
                    let (mut target, mut workload) = (target.clone(), workload.clone());
                    let settings = if owner.0 { &mut target } else { &mut workload };
                    settings.insert(owner.1.to_owned(), value.clone());
                    (target, workload)
                })
            })
            .collect();
    }
    combinations
}

/// Core counts and who sits where, for each placement, with what must be said of it.
fn placements(
    spec: &Spec,
    machine: &Machine,
    target: &str,
    axes: &Axes,
    problems: &mut Problems,
) -> Vec<(usize, Placed, Option<String>)> {
    if Catalog::is_virtual(target) {
        let counts = core_counts(&axes.cores, SIM_CORES.max(largest(&axes.cores)), "");
        let counts = problems.take(counts).unwrap_or_default();
        return counts.into_iter().map(|cores| (cores, virtual_seats(cores), None)).collect();
    }
    let mut list = Vec::new();
    for &kind in &axes.placements {
        let explicit = kind == PlacementKind::Explicit;
        let mut cpus = |text: &Option<String>, flag: &str| {
            text.as_deref().and_then(|text| problems.take(text.parse().map_err(|p: Problem| p.at(format!("--{flag}")))))
        };
        let (server_cpus, load_cpus) = (cpus(&spec.server_cpus, "server-cpus"), cpus(&spec.load_cpus, "load-cpus"));
        if (spec.server_cpus.is_some() || spec.load_cpus.is_some()) && !explicit {
            problems.0.push(
                Problem::new(format!("--server-cpus and --load-cpus have no meaning with placement `{kind}`"))
                    .help("add `--placement explicit`"),
            );
            continue;
        }
        let shared = spec.allow_shared_cores.unwrap_or(false);
        let request = |cores| PlacementRequest {
            kind,
            server_cores: cores,
            load_cores: spec.load_cores,
            server_cpus: server_cpus.clone(),
            load_cpus: load_cpus.clone(),
            allow_shared: shared,
        };
        let counts = if explicit {
            vec![server_cpus.as_ref().map_or(1, corecurve_core::CpuSet::len)]
        } else {
            let max = machine.most_server_cores(&request(1));
            let what = format!(
                "but placement `{kind}` has room for {max} beside the load generator ({} usable CPUs)",
                machine.allowed.len()
            );
            problems.take(core_counts(&axes.cores, max, &what)).unwrap_or_default()
        };
        for cores in counts {
            let Some(mut placed) = problems.take(machine.place(&request(cores))) else { continue };
            let mut open = None;
            if Catalog::is_started_here(target) {
                open = problems.take(shield::apply(axes.shield, machine, &mut placed)).flatten();
            }
            list.push((cores, placed, open));
        }
    }
    list
}

/// A simulation has as many cores as it is asked for.
fn virtual_seats(cores: usize) -> Placed {
    let seat = |cpu| Seat { cpu: CpuId(cpu as u32), node: None };
    Placed { server: (0..cores).map(seat).collect(), load: vec![seat(cores)], ..Placed::default() }
}

/// The largest number written in a core list, so that a simulation is as large as the user wants.
fn largest(text: &str) -> usize {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<usize>().ok());
    numbers.max().unwrap_or(0).min(4_096)
}

/// The first cell of real hardware (or the first at all) once more: two cells that differ in nothing.
fn add_control(cells: &mut Vec<Cell>) {
    let twin = cells.iter().find(|cell| !Catalog::is_virtual(&cell.target)).or(cells.first()).cloned();
    cells.extend(twin.map(|cell| Cell { control: true, ..cell }));
}

fn cell_name(index: usize, cell: &Cell) -> String {
    let safe = |text: &str| -> String {
        let name: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' })
            .take(40)
            .collect();
        name.trim_matches('-').to_owned()
    };
    let control = if cell.control { "-control" } else { "" };
    let probe = cell.probe.map_or(String::new(), |probe| format!("-probe-{probe}"));
    format!(
        "{index:02}-{}-{}-{}-{}{control}{probe}",
        safe(&cell.target),
        safe(&cell.workload),
        cell.placed.kind,
        cell.cores
    )
}

/// Blocks that hold every cell once, each block shuffled: drift of the machine meets all cells alike.
fn shuffled(cells: usize, reps: u32, seed: u64) -> Vec<Turn> {
    let mut rng = stream(seed, u64::from_le_bytes(*b"order\0\0\0"));
    let mut order = Vec::with_capacity(cells * reps as usize);
    for rep in 0..reps {
        let mut block: Vec<Turn> = (0..cells).map(|cell| Turn { cell, rep }).collect();
        block.shuffle(&mut rng);
        order.extend(block);
    }
    order
}

fn search_settings(spec: &Spec, kind: &Kind, reps: u32, cells: &[Cell]) -> SearchSettings {
    let quick = spec.quick.unwrap_or(false);
    let real_turns = cells.iter().filter(|cell| !Catalog::is_virtual(&cell.target)).count() as u64 * u64::from(reps);
    let share = spec.budget.map(|budget| {
        let each = budget / real_turns.max(1);
        each.saturating_sub(TURN_OVERHEAD).max(Nanos::SECOND * 2)
    });
    // SLOs share trials, but each is settled near a rate of its own.
    let further = cells.iter().map(|cell| cell.slos.len()).max().unwrap_or(1).saturating_sub(1) as u64;
    let default_budget = Nanos::SECOND * if quick { 15 + 5 * further } else { 60 + 20 * further };
    let budget = share.unwrap_or(default_budget);
    // A window is a fair part of the budget, so that about a dozen trials fit.
    let shortest = (budget / 40).clamp(Nanos::MILLI * 200, Nanos::SECOND);
    let longest = (budget / 8).clamp(Nanos::MILLI * 500, Nanos::SECOND * 10);
    let fixed = spec.window;
    SearchSettings {
        width: if quick { 0.05 } else { 0.02 },
        budget,
        window_min: fixed.unwrap_or(if kind.is_run() { Nanos::SECOND * 5 } else { shortest }),
        window_max: fixed.unwrap_or(if kind.is_run() { Nanos::SECOND * 5 } else { longest }),
        warmup: spec.warmup,
        warmup_max: (budget / 20).clamp(Nanos::MILLI * 200, Nanos::SECOND * 5),
        reps,
        rate_cap: None,
        confirmations: if quick || kind.is_run() { 1 } else { 2 },
    }
}

fn expected(cells: &[Cell], order: &[Turn], search: &SearchSettings, spec: &Spec) -> Nanos {
    let turn = |cell: &Cell| match (Catalog::is_virtual(&cell.target), cell.mode) {
        (true, _) => Nanos::MILLI * 700,
        (false, Mode::Search) => search.budget + TURN_OVERHEAD,
        (false, _) => search.window_max + spec.warmup.unwrap_or(Nanos::SECOND) + TURN_OVERHEAD,
    };
    order.iter().map(|t| turn(&cells[t.cell])).fold(Nanos::ZERO, |sum, time| sum + time)
}

/// What is asked of the generator itself: nothing with `--quick`, or where it would take more than a tenth of the run.
fn checks(cells: &[Cell], kind: &Kind, spec: &Spec, searches: Nanos) -> Checks {
    // A probe asks for a ratio of the same generator with itself.
    let quick = matches!(kind, Kind::Run | Kind::Probe(_)) || spec.quick.unwrap_or(false);
    let capacity = if quick { Vec::new() } else { capacity::cells_to_measure(cells) };
    match capacity.is_empty() || capacity::expected(capacity.len()) * 10 > searches {
        true => Checks::default(),
        false => Checks { capacity, perturb: true, profile: false },
    }
}

fn expected_of(checks: &Checks, cells: &[Cell], order: &[Turn], search: &SearchSettings) -> Nanos {
    let profiled = |turn: &&Turn| checks.profile && turn.rep == 0 && is_profiled(&cells[turn.cell]);
    let perturbed = |turn: &&Turn| checks.perturb && turn.rep == 0 && is_perturbed(&cells[turn.cell]);
    capacity::expected(checks.capacity.len())
        + corecurve_engine::perturb::expected(search) * order.iter().filter(perturbed).count() as u64
        + corecurve_engine::profile::expected(search) * order.iter().filter(profiled).count() as u64
}

/// Whether the answer of a cell is tried with other load threads.
fn is_perturbed(cell: &Cell) -> bool {
    cell.mode == Mode::Search && !cell.control && Catalog::has_sockets(&cell.target)
}

/// Whether a profile of a cell's target can be asked for.
fn is_profiled(cell: &Cell) -> bool {
    !cell.control && Catalog::has_sockets(&cell.target)
}

fn or_default(values: &[String], default: &str) -> Vec<String> {
    if values.is_empty() { vec![default.to_owned()] } else { values.to_vec() }
}

/// The same mistake can be met in several cells; it is told once.
pub fn dedup_problems(problems: &mut Problems) {
    let mut seen = Vec::new();
    problems.0.retain(|problem| {
        let fresh = !seen.contains(problem);
        seen.push(problem.clone());
        fresh
    });
}

/// A seed from the clock and the process; printed, so that the run can be repeated.
fn fresh_seed() -> u64 {
    let now = corecurve_machine::clock::now().0;
    // Short enough to type again.
    corecurve_core::rng::mix(now, u64::from(std::process::id())) % 1_000_000_000
}
