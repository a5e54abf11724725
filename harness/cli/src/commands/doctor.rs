//! `corecurve doctor`: can this machine give trustworthy numbers?

use std::io::Write;

use corecurve_engine::trial::self_cost;
use corecurve_machine::doctor::{Finding, Level, examine};
use corecurve_machine::{Machine, TopologySource};
use corecurve_report as report;
use corecurve_report::terminal::{Condition, Level as Shown};

use crate::args::DoctorArgs;
use crate::conduct::terminal_style;
use crate::exit::{Exit, Failure};
use crate::machine_record::environment;

/// What one operation may cost the harness before it is worth a warning: a tenth of a 100 k/s load core's time.
const SELF_COST_MOST_NS: f64 = 1_000.0;

/// Prints every finding; exit code 3 when something makes measuring impossible.
pub fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let machine = Machine::discover(&TopologySource::Live)?;
    let mut findings = examine(&machine, &environment(&machine));
    if args.self_test {
        findings.push(self_test());
    }
    let mut bytes = Vec::new();
    if args.json {
        for finding in &findings {
            report::json::line(&mut bytes, &serde_json::json!({ "event": "doctor", "finding": finding }))?;
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
