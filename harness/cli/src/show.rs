//! The plan in words, for `--dry-run` and as the first lines of a run.

use corecurve_core::problem::printable;
use corecurve_core::{Cell, Mode, Nanos, Plan, Rate};
use corecurve_machine::Machine;

use crate::catalog::Catalog;

/// Prints the whole plan.
pub fn plan(plan: &Plan, machine: &Machine, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "event": "plan", "schema": corecurve_core::SCHEMA, "plan": plan }));
        return;
    }
    for line in headline(plan, machine) {
        println!(" {line}");
    }
    println!();
    println!(" {:38} cores {:12} {:12} what", "cell", "server CPUs", "load CPUs");
    for cell in &plan.cells {
        let simulated = Catalog::is_virtual(&cell.target);
        let cpus = |set: corecurve_core::CpuSet| if simulated { "virtual".to_owned() } else { set.to_string() };
        println!(
            " {:38} {:>5} {:12} {:12} {}",
            printable(&cell.id.0),
            cell.cores,
            cpus(cell.placed.server_cpus()),
            cpus(cell.placed.load_cpus()),
            what(cell)
        );
    }
    println!();
    let order: Vec<String> = plan.order.iter().take(24).map(|turn| format!("{}#{}", turn.cell, turn.rep)).collect();
    let more = plan.order.len().saturating_sub(order.len());
    let more = if more > 0 { format!(" … and {more} more") } else { String::new() };
    println!(" order (cell#repetition, both from 0, shuffled by the seed): {}{more}", order.join(" "));
    println!(
        " search: up to {} each, windows {} to {}, interval within {:.1} %, {} confirmation(s) on a restarted target",
        plan.search.budget,
        plan.search.window_min,
        plan.search.window_max,
        plan.search.width * 100.0,
        plan.search.confirmations
    );
    let measured = plan.checks.capacity.iter().filter_map(|index| Some(printable(&plan.cells.get(*index)?.id.0)));
    match measured.collect::<Vec<String>>() {
        cells if cells.is_empty() => {}
        cells => println!(" generator: its capacity is measured first, with the load of {}", cells.join(", ")),
    }
    if plan.checks.profile {
        println!(
            " profile: the first repetition of each cell is tried once more at its answer, with the target's stacks sampled"
        );
    }
}

/// What will happen, in four lines.
pub fn headline(plan: &Plan, machine: &Machine) -> Vec<String> {
    let topology = &machine.topology;
    let plural = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let smt = if topology.has_smt() { "SMT on" } else { "SMT off" };
    let machine_line = format!(
        "machine  {} · {} · {} · {smt}",
        plural(machine.usable_cores(), "usable core"),
        plural(topology.packages(), "package"),
        plural(topology.nodes.len(), "NUMA node"),
    );
    let mut slos: Vec<String> = Vec::new();
    for slo in plan.cells.iter().flat_map(|cell| &cell.slos).map(ToString::to_string) {
        if !slos.contains(&slo) {
            slos.push(slo);
        }
    }
    let arrivals = plan.cells.first().map_or(String::new(), |cell| cell.arrival.to_string());
    let transport = plan.cells.iter().find_map(|cell| cell.transport);
    let transport = transport.map_or(String::new(), |transport| format!(" over {transport}"));
    let network = plan.cells.iter().find_map(|cell| cell.network);
    let network = network.map_or(String::new(), |network| format!(" on {network}"));
    let searching = plan.cells.iter().any(|cell| cell.mode == Mode::Search);
    let goal = if searching { format!("MAT with {}", objectives(&slos)) } else { "one rate".to_owned() };
    let control = plan.cells.iter().filter(|cell| cell.control).count();
    let cells = plan.cells.len() - control;
    let duration = match plan.expected {
        Nanos(0..2_000_000_000) => "a moment".to_owned(),
        expected => format!("about {expected}"),
    };
    let control = if control > 0 { " + 1 control (A/A)" } else { "" };
    vec![
        machine_line,
        format!("goal     {goal} · {arrivals} arrivals{transport}{network} · seed {}", plan.seed),
        format!(
            "plan     {}{control} × {}, random order → {}, {duration}",
            plural(cells, "cell"),
            plural(plan.search.reps as usize, "repetition"),
            plural(plan.order.len(), "turn"),
        ),
    ]
}

/// All of them, or of a long ladder the first and the last.
fn objectives(slos: &[String]) -> String {
    match slos {
        [first, .., last] if slos.len() > 4 => format!("{} SLOs, {first} to {last}", slos.len()),
        _ => slos.join(" and "),
    }
}

fn what(cell: &Cell) -> String {
    let mode = match cell.mode {
        Mode::Search => "search".to_owned(),
        Mode::Fixed(Rate(rate)) => format!("{} offered", Rate(rate)),
        Mode::Closed => cell.arrival.to_string(),
    };
    let connections = cell.connections.map_or(String::new(), |count| format!(", {count} connections"));
    let each = cell.requests_per_connection.map_or(String::new(), |count| match count {
        1 => ", 1 request on each".to_owned(),
        count => format!(", {count} requests on each"),
    });
    let control = if cell.control { ", control: the same cell once more" } else { "" };
    let shared = if cell.placed.shared { ", SHARED CORES" } else { "" };
    format!("{mode}{connections}{each}{control}{shared}")
}
