//! `corecurve validate`: this build against known truth, every check a row.

mod account;
mod bench;
mod compare;
mod drift;
mod expose;
mod freeze;
mod generator;
mod lab;
mod overhead;
mod replay;
mod search;
mod sim;
mod truth;
mod verdicts;
mod whole;

use std::io::Write;

use corecurve_core::{Problem, Problems};
use corecurve_report as report;
use corecurve_report::terminal::Check;

use crate::args::ValidateArgs;
use crate::conduct::terminal_style;
use crate::exit::{Exit, Failure};
use crate::spec_args::whole_number;

/// What a check is told.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seeds per known-answer queue.
    pub seeds: u64,
    /// Master seed.
    pub seed: u64,
    /// Runs of each case of `verdicts`.
    pub runs: u64,
    /// Cases of `verdicts`; empty for all.
    pub cases: Vec<String>,
}

/// A group of checks.
struct Group {
    name: &'static str,
    about: &'static str,
    run: fn(&Context) -> Result<Vec<Check>, Problem>,
}

/// Every group, quick ones first.
const GROUPS: &[Group] = &[
    Group { name: "oracle", about: "closed-form queues against published tables", run: truth::oracle },
    Group { name: "models", about: "scalability models against published data", run: truth::models },
    Group {
        name: "schedule",
        about: "arrivals follow their law and their seed, and do not drift",
        run: drift::schedule,
    },
    Group { name: "sim", about: "the whole pipeline on queues with a known answer", run: sim::sim },
    Group { name: "account", about: "efficiency accounts add up, simulated and real", run: account::account },
    Group { name: "compare", about: "two runs of the same, and of what differs", run: compare::comparisons },
    Group { name: "search", about: "MAT intervals over many seeds, beside a plain bisection", run: search::search },
    Group {
        name: "freeze",
        about: "a server stopped for 5 s of 10 s: coordinated omission would hide it",
        run: freeze::freeze,
    },
    Group {
        name: "replay",
        about: "latency of every request against a Lindley replay of the same services",
        run: replay::replay,
    },
    Group {
        name: "expose",
        about: "workloads that are said to expose an architecture do, as theory has it",
        run: expose::expose,
    },
    Group {
        name: "adherence",
        about: "the schedule is kept at 70 % of what the generator can do",
        run: generator::adherence,
    },
    Group {
        name: "verdicts",
        about: "each fault injected, and what the verdict calls it: the confusion matrix",
        run: verdicts::verdicts,
    },
    Group { name: "cost", about: "CPU of an open loop beside that of a closed one", run: generator::cost },
    Group { name: "overhead", about: "what counting costs, with and without in turns", run: overhead::overhead },
];

/// Runs the chosen groups and prints their rows.
pub fn validate(args: &ValidateArgs) -> Result<Exit, Failure> {
    let mut problems = Problems::default();
    let seeds = problems.take(whole_number(&args.seeds, "seeds")).unwrap_or(1);
    let seed = problems.take(whole_number(&args.seed, "seed")).unwrap_or(1);
    if !(1..=100_000).contains(&seeds) {
        problems
            .0
            .push(Problem::new(format!("--seeds: {seeds} is out of range")).help("give a number from 1 to 100000"));
    }
    for check in args.checks.iter().filter(|check| GROUPS.iter().all(|group| group.name != check.as_str())) {
        problems.0.push(Problem::unknown(
            "check",
            check,
            GROUPS.iter().map(|group| group.name),
            "e.g. `corecurve validate search`",
        ));
    }
    let runs = problems.take(whole_number(&args.runs, "runs")).unwrap_or(1).clamp(1, 1_000);
    problems.take(verdicts::known(&args.case));
    problems.finish(()).map_err(Failure::wrong_use)?;

    let context = Context { seeds, seed, runs, cases: args.case.clone() };
    let mut all = true;
    let wanted = |group: &&Group| args.checks.is_empty() || args.checks.iter().any(|check| check == group.name);
    for group in GROUPS.iter().filter(wanted) {
        if !args.json {
            println!("{}: {}", group.name, group.about);
        }
        let checks = (group.run)(&context)?;
        all &= checks.iter().all(|check| check.pass);
        print(group.name, &checks, args.json)?;
    }
    Ok(if all { Exit::Done } else { Exit::NoValidResult })
}

fn print(group: &str, checks: &[Check], json: bool) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    if json {
        for Check { what, expected, seen, tolerance, pass } in checks {
            let row = serde_json::json!({ "event": "check", "group": group, "what": what, "expected": expected,
                "seen": seen, "tolerance": tolerance, "pass": pass });
            report::json::line(&mut bytes, &row)?;
        }
    } else {
        bytes = report::terminal::validate(checks, terminal_style()).into_bytes();
        bytes.push(b'\n');
    }
    std::io::stdout().write_all(&bytes)?;
    Ok(())
}

/// A row about a number that must lie near another.
fn near(what: impl Into<String>, expected: f64, seen: f64, tolerance: f64, show: fn(f64) -> String) -> Check {
    Check {
        what: what.into(),
        expected: show(expected),
        seen: show(seen),
        tolerance: format!("± {}", show(tolerance)),
        pass: (seen - expected).abs() <= tolerance,
    }
}
