//! Markdown that pastes into an issue: the answer, the table, what was struck out, how to repeat it.

use std::collections::BTreeSet;
use std::io::{self, Write};

use corecurve_analysis::findings::{Findings, Objectives};

use crate::elasticities::COLUMNS;
use crate::exporter::Exporter;
use crate::groups::{Group, Row, any_shared_cores, groups};
use crate::objectives::{at, limit_words, marks, names, sentences, title, value};
use crate::profile::{function, growth, kind, loss_title, nothing_grew, summary, time as time_ns, who};
use crate::text::{command, count, plain, plain_long, rate, relative_interval, share, time, times};

/// `report.md`.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl Exporter for Markdown {
    fn write(&self, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "**{}**\n", escaped(&plain_long(&findings.headline, 1_000)))?;
        for caveat in &findings.caveats {
            writeln!(out, "> {}  ", escaped(&plain_long(caveat, 500)))?;
        }
        for group in groups(findings) {
            table(&group, out)?;
        }
        findings.objectives.iter().try_for_each(|chart| objectives(chart, out))?;
        verdicts(findings, out)?;
        elasticities(findings, out)?;
        shares(findings, out)?;
        losses(findings, out)?;
        profiles(findings, out)?;
        ratios(findings, out)?;
        struck_out(findings, out)?;
        foot(findings, out)
    }
}

fn table(group: &Group<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut marks = String::new();
    if group.simulated {
        marks += " · **simulated** in virtual time, not measured";
    }
    if group.shared_cores {
        marks += " · **shared-cores**";
    }
    writeln!(out, "\nMAT at {}{marks}\n", escaped(&group.title()))?;
    writeln!(out, "| target | cores | MAT | 95 % CI | p50 | p99 | p99.9 | CPU | vs fewest cores | efficiency |")?;
    writeln!(out, "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    group.by_series().iter().try_for_each(|row| writeln!(out, "| {} |", cells(row).join(" | ")))
}

fn cells(row: &Row<'_>) -> [String; 10] {
    let (cell, mat) = (row.cell, row.mat);
    let mut name = escaped(&plain(&cell.label));
    if cell.cell.control {
        name += " (A/A control)";
    }
    let dash = || "—".to_owned();
    let value = match (mat.valid, mat.kind.map(|kind| kind.name())) {
        (true, _) => rate(mat.mat_per_s),
        (false, Some("generator-limited")) => format!("≥ {}", rate(mat.mat_per_s)),
        (false, _) => match mat.reasons.first() {
            Some(reason) => format!("invalid: {}", escaped(&plain_long(reason, 160))),
            None => "no result yet".to_owned(),
        },
    };
    if !mat.valid {
        return [name, cell.cell.cores.to_string(), value, dash(), dash(), dash(), dash(), dash(), dash(), dash()];
    }
    [
        name,
        cell.cell.cores.to_string(),
        value,
        relative_interval(mat.mat_per_s, mat.ci95),
        time(mat.latency_ns.p50),
        time(mat.latency_ns.p99),
        time(mat.latency_ns.p999),
        share(mat.utilisation),
        times(mat.speedup.map(|ratio| ratio.value)),
        share(mat.efficiency.map(|ratio| ratio.value)),
    ]
}

/// What stops each cell, and where efficiency went.
fn verdicts(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    if !findings.verdicts.is_empty() {
        writeln!(out, "\nWhat stops it:\n")?;
    }
    for verdict in &findings.verdicts {
        let name = format!("{} on {}", plain(&verdict.label), count(verdict.cores, "core", "cores"));
        writeln!(out, "* {}: {}", escaped(&name), escaped(&plain_long(&verdict.sentence, 600)))?;
    }
    if findings.accounts.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nWhere efficiency went, as factors:\n\n| target | cores | factors | product | efficiency by the MATs |"
    )?;
    writeln!(out, "|:--|--:|:--|--:|--:|")?;
    for account in &findings.accounts {
        let factors: Vec<String> =
            account.bars.iter().map(|bar| format!("{} {:.3}", bar.part.name(), bar.ln.exp())).collect();
        let (name, cores, factors) = (escaped(&plain(&account.label)), account.cores, factors.join(" × "));
        let mark = if account.closes { "" } else { " **does not add up**" };
        writeln!(
            out,
            "| {name} | {cores} | {factors} | {:.3}{mark} | {:.3} |",
            account.sum.exp(),
            account.ln_efficiency.exp()
        )?;
    }
    Ok(())
}

/// What each target carries at each limit, and who carries more where.
fn objectives(chart: &Objectives, out: &mut dyn Write) -> io::Result<()> {
    let (simulated, shared_cores) = marks(chart);
    let simulated = if simulated { " · **simulated** in virtual time, not measured" } else { "" };
    let shared = if shared_cores { " · **shared-cores**" } else { "" };
    writeln!(out, "\nMAT against the objective: {}{simulated}{shared}\n", escaped(&title(chart)))?;
    let names: Vec<String> = names(chart).iter().map(|name| escaped(name)).collect();
    writeln!(out, "| limit | {} |\n|--:|{}", names.join(" | "), "--:|".repeat(names.len()))?;
    for slo in &chart.slos {
        let cells: Vec<String> = at(chart, slo).into_iter().map(value).collect();
        writeln!(out, "| {} | {} |", limit_words(slo), cells.join(" | "))?;
    }
    writeln!(out)?;
    for sentence in sentences(chart) {
        writeln!(out, "- {}", escaped(&sentence))?;
    }
    chart.notes.iter().try_for_each(|note| writeln!(out, "- Note: {}", escaped(&plain_long(note, 400))))
}

/// What the MAT did when one resource was changed.
fn elasticities(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    let rows = &findings.elasticities;
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nProbes: {}\n", escaped(&crate::elasticities::sentence(rows)))?;
    writeln!(out, "| {} | change |\n|:--|:--|{}:--|", COLUMNS.join(" | "), "--:|".repeat(COLUMNS.len() - 2))?;
    for row in rows {
        let change = escaped(&crate::elasticities::change(row));
        match &row.not_run {
            None => {
                let cells = crate::elasticities::cells(row).map(|text| escaped(&text));
                writeln!(out, "| {} | {change} |", cells.join(" | "))?;
            }
            Some(why) => {
                let empty = "— | ".repeat(COLUMNS.len() - 2);
                let why = escaped(&plain_long(why, 300));
                writeln!(out, "| {} | {} | {empty}not run: {why} |", row.probe, row.resource)?;
            }
        }
    }
    writeln!(out, "\n{}", escaped(crate::elasticities::LEGEND))
}

/// A line for each cell whose target told what its workers did; one for all whose target did not.
fn shares(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    if findings.shares.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nShares of workers\n")?;
    let mut silent = BTreeSet::new();
    for found in &findings.shares {
        let words = escaped(&plain_long(&found.judged.words, 400));
        if found.judged.dealing.is_none() {
            silent.insert(words);
            continue;
        }
        let slo = found.slo.map_or_else(|| "the given rate".to_owned(), |slo| format!("the MAT, {slo}"));
        writeln!(out, "- {} at {}: {words}", escaped(&plain(&found.cell.0)), escaped(&slo))?;
    }
    silent.iter().try_for_each(|words| writeln!(out, "- {words}"))
}

/// What costs more per request on more cores.
fn losses(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    for loss in &findings.losses {
        writeln!(out, "\nScaling loss by function · {}\n", escaped(&loss_title(loss)))?;
        if loss.rows.is_empty() {
            writeln!(out, "- {}", escaped(&nothing_grew(loss)))?;
            continue;
        }
        writeln!(out, "| what | function | growth per request (95 % CI) | samples or waits |\n|:--|:--|--:|--:|")?;
        for row in &loss.rows {
            let [before, after] = row.counts;
            writeln!(out, "| {} | {} | {} | {before} → {after} |", kind(row.kind), escaped(&who(row)), growth(row))?;
        }
    }
    Ok(())
}

/// The most expensive functions of each profile, in a line.
fn profiles(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    if !findings.profiles.is_empty() {
        writeln!(out, "\nProfiles\n")?;
    }
    for profile in &findings.profiles {
        let top = profile.functions.iter().take(5);
        let top: Vec<String> =
            top.map(|cost| format!("{} {}", time_ns(cost.self_ns), function(&cost.function))).collect();
        writeln!(
            out,
            "- {}: {}. Most in: {}",
            escaped(&plain(&profile.cell.0)),
            summary(profile),
            escaped(&top.join(", "))
        )?;
    }
    Ok(())
}

fn ratios(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    if findings.comparisons.is_empty() {
        return Ok(());
    }
    if any_shared_cores(findings) {
        writeln!(out, "\nRatios · **shared-cores**")?;
    }
    writeln!(
        out,
        "\n| target | cores | against | SLO | MAT ratio | 95 % CI | verdict |\n|:--|--:|:--|:--|--:|--:|:--|"
    )?;
    for row in &findings.comparisons {
        let ratio = row.ratio.map_or_else(|| "—".into(), |r| format!("{:.3}×", r.value));
        let ci = row.ratio.map_or_else(|| "—".into(), |r| format!("{:.3} … {:.3}", r.ci95[0], r.ci95[1]));
        let (a, b) = (escaped(&plain(&row.a.label)), escaped(&plain(&row.b.label)));
        let slo = escaped(&row.slo.to_string());
        writeln!(out, "| {b} | {} | {a} | {slo} | {ratio} | {ci} | {} |", row.cores, row.verdict.name())?;
    }
    match &findings.noise_floor {
        Some(noise) => writeln!(out, "\nNoise floor of this machine (A/A control): {:.1} %", noise.floor * 100.0),
        None => writeln!(out, "\nNo A/A control was measured: the noise floor is unknown."),
    }
}

fn struck_out(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    if findings.struck_out.is_empty() {
        return Ok(());
    }
    let n = findings.struck_out.len();
    writeln!(out, "\n<details><summary>{} struck out</summary>\n", count(n, "number", "numbers"))?;
    for struck in findings.struck_out.iter().take(50) {
        let why: Vec<String> = struck.reasons.iter().map(|reason| escaped(&plain_long(reason, 300))).collect();
        let (what, cell) = (escaped(&plain(&struck.what)), escaped(&plain(&struck.cell.0)));
        writeln!(out, "- ~~{what}~~ ({cell} #{}): {}", struck.rep, why.join("; "))?;
    }
    if n > 50 {
        writeln!(out, "- … and {} more", n - 50)?;
    }
    writeln!(out, "\n</details>")
}

fn foot(findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    let machine = &findings.machine;
    let cores = machine.cores.map(|n| format!("{n} cores"));
    let fields = [&machine.cpu, &cores, &machine.kernel, &machine.hypervisor];
    let machine: Vec<String> = fields.into_iter().flatten().map(|field| escaped(&plain(field))).collect();
    writeln!(out, "\nMachine: {}  ", if machine.is_empty() { "not recorded".into() } else { machine.join(" · ") })?;
    for line in crate::text::generator(findings) {
        writeln!(out, "Load generator: {}  ", escaped(&plain_long(&line, 500)))?;
    }
    writeln!(out, "corecurve {} · seed {}  ", escaped(&plain(&findings.run.version)), findings.run.seed)?;
    writeln!(out, "Repeat: {}", code(&command(&findings.run.command)))
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' | '!' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// A code span around any text: its fence is longer than any fence inside.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    format!("{fence} {text} {fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_become_markup() {
        assert_eq!(escaped("a|b<img src=x>@me"), "a\\|b&lt;img src=x&gt;&#64;me");
        assert_eq!(code("a `` b"), "``` a `` b ```");
    }
}
