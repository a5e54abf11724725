//! Machine, method and plan: what someone else needs to repeat it or to doubt it.

use std::io;

use maud::{Markup, html};

use crate::text::{command, count, plain};
use corecurve_analysis::findings::{Findings, MachineSummary};
use corecurve_core::{CpuSet, Nanos};

/// The last section.
pub(super) fn method(findings: &Findings) -> io::Result<Markup> {
    let run = &findings.run;
    let record = serde_json::to_string_pretty(&findings.machine_record)?;
    Ok(html! {
        h3 { "Repeat it" }
        pre { (command(&run.command)) }
        dl {
            dt { "seed" } dd { (run.seed) " – every schedule, workload and the order of cells follow from it" }
            dt { "run" } dd { (plain(&run.dir)) @if let Some(started) = &run.started { ", started " (plain(started)) } }
            dt { "corecurve" } dd { (plain(&run.version)) }
        }
        h3 { "Machine" }
        (machine(&findings.machine))
        details { summary { "machine.json" } pre { (crate::text::plain_lines(&record, 200_000)) } }
        h3 { "How it was measured" }
        (how(findings))
        h3 { "Plan" }
        (plan(findings))
    })
}

fn machine(machine: &MachineSummary) -> Markup {
    let number = |n: Option<u64>| n.map(|n| n.to_string());
    let rows = [
        ("processor", machine.cpu.clone()),
        ("physical cores", number(machine.cores)),
        ("hardware threads", number(machine.hardware_threads)),
        ("NUMA nodes", number(machine.numa_nodes)),
        ("kernel", machine.kernel.clone()),
        ("frequency governor", machine.governor.clone()),
        ("hypervisor", machine.hypervisor.clone()),
    ];
    html! { dl { @for (name, value) in &rows { dt { (name) } dd { (value.as_deref().map_or("not stated".into(), plain)) } } } }
}

fn how(findings: &Findings) -> Markup {
    let search = &findings.plan.search;
    let warmup = search.warmup.map_or(format!("detected, at most {}", search.warmup_max), |time| time.to_string());
    html! {
        p {
            "Operations are due at instants drawn before a trial begins; latency is completion minus that instant, whatever \
             the load generator or the target did in between. Operations that were due and never answered rank as infinitely \
             slow in every percentile. The MAT is the highest offered rate, in steady state, at which the objective holds, at \
             least 99 % of it is achieved and the trial is valid."
        }
        dl {
            dt { "interval wanted" } dd { (format!("{:.1} %", search.width * 100.0)) " wide, 95 %" }
            dt { "repetitions" } dd { (search.reps) ", each on a restarted target, cells interleaved in random order" }
            dt { "confirmation" } dd { (count(search.confirmations as usize, "trial", "trials")) " on a restarted target" }
            @if let Some(transport) = findings.plan.cells.iter().find_map(|cell| cell.transport) { dt { "load goes through" } dd { (transport) } }
            @if let Some(network) = findings.plan.cells.iter().find_map(|cell| cell.network) { dt { "network" } dd { (network) } }
            dt { "window" } dd { (search.window_min) " to " (search.window_max) }
            dt { "warm-up" } dd { (warmup) }
            dt { "budget" } dd { (search.budget) " per search" @if findings.plan.expected > Nanos::ZERO { ", about " (findings.plan.expected) " in all" } }
            @if let Some(cap) = search.rate_cap { dt { "generator's ceiling" } dd { (cap) } }
        }
    }
}

fn plan(findings: &Findings) -> Markup {
    let cpus = |set: CpuSet| plain(&set.to_string());
    let order: Vec<String> = findings.plan.order.iter().map(|turn| format!("{}.{}", turn.cell, turn.rep)).collect();
    html! {
        details { summary { (count(findings.plan.cells.len(), "cell", "cells")) ", " (count(order.len(), "repetition", "repetitions")) " in a fixed random order" }
            div .scroll tabindex="0" { table {
                thead { tr { th .n { "#" } th { "cell" } th { "target" } th { "settings" } th .n { "cores" } th { "server CPUs" } th { "load CPUs" } th { "kept clear of others" } th { "objectives" } th { "arrivals" } th .n { "connections" } } }
                tbody { @for (i, cell) in findings.plan.cells.iter().enumerate() { tr {
                    td .n { (i) } td .name { (plain(&cell.id.0)) } td .name { (plain(&cell.target)) }
                    td { @for (key, value) in cell.target_settings.iter().chain(&cell.workload_settings) { (plain(key)) "=" (plain(value)) " " } }
                    td .n { (cell.cores) } td { (cpus(cell.placed.server_cpus())) } td { (cpus(cell.placed.load_cpus())) @if cell.placed.shared { " " (super::mark("shared-cores")) } }
                    td { @if cell.placed.clear.is_empty() { "none" } @else { (cpus(cell.placed.clear.clone())) } }
                    td { @for slo in &cell.slos { (slo) " " } } td { (cell.arrival) }
                    td .n { (cell.connections.map_or("auto".into(), |n| n.to_string())) }
                } } }
            } }
            p .note { "Order, as cell.repetition: " (order.join(" ")) }
        }
    }
}
