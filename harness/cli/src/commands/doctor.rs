//! `corecurve doctor`: can this machine give trustworthy numbers?

use std::io::Write;

use corecurve_core::{CapacityRecord, Event, Problems, Settings};
use corecurve_engine::capacity::Effort;
use corecurve_engine::trial::self_cost;
use corecurve_machine::doctor::{Finding, Level, examine};
use corecurve_machine::{Machine, TopologySource};
use corecurve_report as report;
use corecurve_report::terminal::{Condition, Level as Shown};

use crate::args::DoctorArgs;
use crate::capacity::measure_here;
use crate::catalog::Catalog;
use crate::conduct::terminal_style;
use crate::exit::{Exit, Failure};
use crate::machine_record::environment;

/// What one operation may cost the harness before it is worth a warning: a tenth of a 100 k/s load core's time.
const SELF_COST_MOST_NS: f64 = 1_000.0;

/// Prints every finding; exit code 3 when something makes measuring impossible.
pub fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let machine = Machine::discover(&TopologySource::Live)?;
    let mut capacities = Vec::new();
    let mut findings = examine(&machine, &environment(&machine));
    if args.self_test {
        findings.push(self_test());
        capacities = capacities_of(&args.workload)?;
        findings.extend(capacities.iter().map(own_ceiling));
    }
    let mut bytes = Vec::new();
    if args.json {
        for finding in &findings {
            report::json::line(&mut bytes, &serde_json::json!({ "event": "doctor", "finding": finding }))?;
        }
        for capacity in capacities {
            report::json::line(&mut bytes, &Event::Capacity(Box::new(capacity)))?;
        }
    } else {
        let conditions: Vec<Condition> = findings.iter().map(condition).collect();
        bytes = report::terminal::doctor(&conditions, terminal_style()).into_bytes();
    }
    std::io::stdout().write_all(&bytes)?;
    let broken = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if broken { Exit::NoValidResult } else { Exit::Done })
}

/// The harness against a target that does nothing: what schedule and record cost per operation.
fn self_test() -> Finding {
    let cost = self_cost();
    let own_ns = cost.per_operation_ns();
    let level = if own_ns <= SELF_COST_MOST_NS { Level::Ok } else { Level::Caveat };
    Finding {
        level,
        name: "self-test".to_owned(),
        seen: format!(
            "schedule {:.1} ns and record {:.1} ns per operation, reading the clock {:.1} ns, over {} operations against a \
             null target",
            cost.schedule_ns, cost.record_ns, cost.clock_ns, cost.operations
        ),
        why: "what the harness spends on an operation is missing from what it can offer".to_owned(),
        fix_now: None,
        keep: None,
    }
}

/// What one load core can do with each workload.
fn capacities_of(workloads: &[String]) -> Result<Vec<CapacityRecord>, Failure> {
    let mut problems = Problems::default();
    let catalog = Catalog::new()?;
    for workload in workloads {
        problems.take(catalog.knows_workload(workload));
    }
    problems.finish(()).map_err(Failure::wrong_use)?;
    let one = |workload: &String| measure_here(workload, &Settings::new(), 1, Effort::OF_A_TEST);
    Ok(workloads.iter().map(one).collect::<Result<_, _>>()?)
}

/// The generator's capacity as a finding: a caveat when it is not known, or only a lower bound.
fn own_ceiling(capacity: &CapacityRecord) -> Finding {
    let sure = capacity.valid && !capacity.saturated.is_lower_bound();
    Finding {
        level: if sure { Level::Ok } else { Level::Caveat },
        name: "capacity".to_owned(),
        seen: report::terminal::capacity(capacity),
        why: "a MAT near what the load cores can offer is the generator's, not the target's; where the null server gave out \
              first, CPU time for each operation says how much more there is"
            .to_owned(),
        fix_now: None,
        keep: None,
    }
}

fn condition(finding: &Finding) -> Condition {
    Condition {
        level: match finding.level {
            Level::Ok => Shown::Good,
            Level::Caveat => Shown::Warning,
            Level::Error => Shown::Error,
        },
        about: finding.name.clone(),
        seen: finding.seen.clone(),
        why: if finding.level == Level::Ok { String::new() } else { finding.why.clone() },
        fix: finding.fix_now.iter().chain(&finding.keep).cloned().collect(),
    }
}
