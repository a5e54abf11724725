//! `corecurve list`: what can be named.

use corecurve_core::fault::{FAULTS, FaultKind};
use corecurve_core::{PROBES, PlacementKind, ProbeRow, Problem};

use crate::args::ListArgs;
use crate::catalog::{Catalog, Listed};
use crate::exit::{Exit, Failure};

const KINDS: [&str; 6] = ["targets", "workloads", "placements", "faults", "probes", "specs"];

/// A factor whose longest value is longer than this gets no column.
const WIDEST_FACTOR: usize = 40;

/// Prints the registries.
pub fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let catalog = Catalog::new()?;
    let wanted = args.what.as_deref();
    if let Some(what) = wanted.filter(|what| !KINDS.contains(what)) {
        return Err(Failure::wrong_use(Problem::unknown("list", what, KINDS, "e.g. `corecurve list targets`")));
    }
    for kind in KINDS.into_iter().filter(|kind| wanted.is_none_or(|what| what == *kind)) {
        let rows = match kind {
            "targets" => catalog.targets(),
            "workloads" => Catalog::workloads(),
            "placements" => placements(),
            "faults" => faults(),
            "probes" => probes(),
            _ => specs(),
        };
        if args.json {
            for row in &rows {
                println!("{}", serde_json::json!({ "event": "list", "kind": kind, "item": row }));
            }
        } else {
            print_rows(kind, &rows);
        }
    }
    Ok(Exit::Done)
}

fn print_rows(kind: &str, rows: &[Listed]) {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    println!("{kind}");
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            println!("  {group}");
        }
        println!("    {:width$}  {}", row.name, row.summary);
        let details = [
            ("settings", row.settings.join("  ")),
            ("suggests", row.suggests.clone()),
            ("exposes", row.exposes.join(", ")),
            ("not shown", row.not_shown.to_owned()),
            ("seen", row.seen.to_owned()),
            ("verdict", row.verdict.to_owned()),
        ];
        for (name, text) in details.iter().filter(|(_, text)| !text.is_empty()) {
            println!("    {:width$}    {name}: {text}", "");
        }
    }
    println!();
    print_factors(rows);
}

/// How the rows differ that say so: what fits beside each other, then what each is known for.
fn print_factors(rows: &[Listed]) {
    let rows: Vec<&Listed> = rows.iter().filter(|row| !row.factors.is_empty()).collect();
    let Some(first) = rows.first() else { return };
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.factors.get(column)).map(|(_, value)| value.chars().count());
        cells.chain([first.factors[column].0.len()]).max().unwrap_or(0)
    };
    let columns: Vec<usize> = (0..first.factors.len()).filter(|column| width(*column) <= WIDEST_FACTOR).collect();
    let names = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    println!("how the built-in architectures differ");
    let head = columns.iter().map(|column| format!("{:1$}", first.factors[*column].0, width(*column)));
    println!("    {:names$}  {}", "", head.collect::<Vec<_>>().join("  ").trim_end());
    for row in &rows {
        let cells = columns.iter().map(|column| format!("{:1$}", row.factors[*column].1, width(*column)));
        println!("    {:names$}  {}", row.name, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    for row in &rows {
        println!("\n    {}", row.name);
        for (name, value) in row.factors.iter().enumerate().filter(|(i, _)| !columns.contains(i)).map(|(_, fact)| fact)
        {
            println!("      {name}: {value}");
        }
    }
    println!("\n    settings all of them take");
    for setting in Catalog::shared_settings() {
        println!("      {setting}");
    }
    println!();
}

fn placements() -> Vec<Listed> {
    let listed = |kind: PlacementKind| Listed {
        name: kind.name().to_owned(),
        summary: kind.summary().to_owned(),
        group: "of server and load cores",
        ..Listed::default()
    };
    PlacementKind::ALL.into_iter().map(listed).collect()
}

fn faults() -> Vec<Listed> {
    let listed = |kind: &FaultKind| Listed {
        name: format!("{}={}", kind.name, kind.argument),
        summary: format!("{} [default: {}]", kind.summary, kind.default),
        group: kind.place.label(),
        seen: kind.seen,
        verdict: kind.verdict,
        ..Listed::default()
    };
    FAULTS.iter().map(listed).collect()
}

fn probes() -> Vec<Listed> {
    let listed = |row: &ProbeRow| Listed {
        name: row.name.to_owned(),
        summary: row.summary.to_owned(),
        group: "what `corecurve probe` changes to see whether the MAT moves",
        verdict: row.resource,
        ..Listed::default()
    };
    PROBES.iter().map(listed).collect()
}

/// The example specs, which are part of the binary so that they can be shown anywhere.
fn specs() -> Vec<Listed> {
    let listed = |(name, text): (&str, &str)| Listed {
        name: format!("specs/{name}"),
        summary: text.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned(),
        group: "example files in the repository",
        ..Listed::default()
    };
    SPECS.into_iter().map(listed).collect()
}

/// Example specs by file name.
pub const SPECS: [(&str, &str); 6] = [
    ("smoke.toml", include_str!("../../../../specs/smoke.toml")),
    ("web-scaling.toml", include_str!("../../../../specs/web-scaling.toml")),
    ("service-times.toml", include_str!("../../../../specs/service-times.toml")),
    ("sim-architectures.toml", include_str!("../../../../specs/sim-architectures.toml")),
    ("slo-ladder.toml", include_str!("../../../../specs/slo-ladder.toml")),
    ("slo-ladder-web.toml", include_str!("../../../../specs/slo-ladder-web.toml")),
];
