//! Is the bottleneck that is named the one that was put in? Every fault is injected again and again into a server that is
//! healthy without it, each time a whole run is made, and what the verdict says is counted: the confusion matrix.

use std::collections::BTreeMap;

use corecurve_analysis::findings::{Cause, Findings, Verdict};
use corecurve_core::{Nanos, Problem, Spec};
use corecurve_report::terminal::Check;

use super::Context;
use super::whole::findings_of_run;
use crate::plan::Kind;

/// Least share of all faults that must be named rightly, and of healthy runs that must be called healthy.
const RIGHT: f64 = 0.9;
const HEALTHY: f64 = 0.95;

/// Core counts of cases about growth.
const SEVERAL: &str = "1,2";

/// A server with something wrong, or with nothing.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    target: &'static str,
    workload: &'static str,
    set: &'static [(&'static str, &'static str)],
    fault: &'static [&'static str],
    slo: &'static str,
    /// As `--cores`; several share the load's cores where the machine has no more.
    cores: &'static str,
    connections: Option<usize>,
    network: Option<(&'static str, &'static str)>,
    /// What may be said of it.
    expected: &'static [Cause],
}

/// A request that keeps a core for a while: the server fills its core, and nothing else gives out.
const SOUND: Case = Case {
    name: "healthy: thread-per-core",
    target: "thread-per-core",
    workload: "work",
    set: &[("workload.mean", "200us")],
    fault: &[],
    slo: "p99<20ms",
    cores: "1",
    connections: None,
    network: None,
    expected: &[Cause::Cpu],
};

/// A request that leaves the core to others while it is served, on a server with a thread for each connection.
const SLEEPS: Case = Case {
    target: "thread-per-connection",
    set: &[("workload.mean", "1ms"), ("workload.dist", "fixed"), ("workload.how", "sleep")],
    slo: "p99<50ms",
    connections: Some(64),
    ..SOUND
};

const CASES: [Case; 14] = [
    SOUND,
    Case { name: "healthy: work-stealing", target: "work-stealing", ..SOUND },
    Case { name: "healthy: thread-per-connection", target: "thread-per-connection", ..SOUND },
    Case { name: "generator-sleep", fault: &["generator-sleep=5ms"], expected: &[Cause::Generator], ..SOUND },
    Case { name: "cpu-hog", fault: &["cpu-hog=0.5"], expected: &[Cause::Host], ..SOUND },
    Case { name: "admit", fault: &["admit=4"], expected: &[Cause::Admission], ..SLEEPS },
    Case {
        name: "link-cap",
        workload: "bytes",
        set: &[("workload.size", "20000")],
        network: Some(("netns", "100mbit")),
        expected: &[Cause::Link],
        ..SOUND
    },
    Case {
        name: "backlog",
        workload: "tcp",
        set: &[],
        fault: &["backlog=1"],
        expected: &[Cause::AcceptQueue],
        ..SOUND
    },
    Case {
        name: "lifo accept",
        target: "shared-accept",
        workload: "lifo-trap",
        set: &[],
        fault: &["delay=1ms,sleep"],
        cores: "2",
        slo: "p99<50ms",
        connections: Some(64),
        expected: &[Cause::Imbalance],
        ..SOUND
    },
    Case { name: "quota", fault: &["quota=0.5"], expected: &[Cause::Scheduler], ..SOUND },
    Case { name: "mutex", fault: &["mutex=1ms,sleep"], expected: &[Cause::Lock], ..SLEEPS },
    Case {
        name: "syscalls",
        // So many that the server gives out long before the generator does.
        set: &[("workload.mean", "10us")],
        fault: &["syscalls=256"],
        expected: &[Cause::NetworkStack],
        ..SOUND
    },
    Case {
        name: "false-sharing",
        set: &[("workload.mean", "20us")],
        fault: &["false-sharing=20000"],
        cores: SEVERAL,
        expected: &[Cause::Memory],
        ..SOUND
    },
    Case {
        name: "bimodal, one queue",
        workload: "bimodal",
        set: &[("workload.mean", "150us")],
        slo: "p99<30ms",
        expected: &[Cause::Queueing],
        ..SOUND
    },
];

/// Whether these are names of cases.
///
/// # Errors
/// The first that is not, with the nearest.
pub fn known(names: &[String]) -> Result<(), Problem> {
    let is = |name: &String| CASES.iter().any(|case| case.name == name);
    match names.iter().find(|name| !is(name)) {
        Some(name) => Err(Problem::unknown("case", name, CASES.map(|case| case.name), "").at("--case")),
        None => Ok(()),
    }
}

/// Every case so many times, in turn, so that a slow minute of the machine does not fall on one of them.
pub fn verdicts(context: &Context) -> Result<Vec<Check>, Problem> {
    let mut said: BTreeMap<&'static str, Vec<Cause>> = BTreeMap::new();
    let asked: Vec<&Case> = CASES
        .iter()
        .filter(|case| context.cases.is_empty() || context.cases.iter().any(|name| name == case.name))
        .collect();
    for run in 0..context.runs {
        for case in &asked {
            let verdict = judged(case, corecurve_core::rng::mix(context.seed, run))?;
            eprintln!(" run {} of {}, {}: {}", run + 1, context.runs, case.name, verdict.sentence);
            said.entry(case.name).or_default().push(verdict.cause);
        }
    }
    Ok(rows(&asked, &said))
}

/// The verdict of one run: that of the cell with the most cores.
fn judged(case: &Case, seed: u64) -> Result<Verdict, Problem> {
    let kind = if case.cores == SEVERAL { Kind::Sweep } else { Kind::Mat };
    let findings: Findings = findings_of_run(&spec(case, seed), kind)?;
    let cores = |verdict: &Verdict| verdict.cores;
    findings
        .verdicts
        .into_iter()
        .max_by_key(cores)
        .ok_or_else(|| Problem::new(format!("{}: the run gave no verdict: {}", case.name, findings.notes.join("; "))))
}

fn spec(case: &Case, seed: u64) -> Spec {
    let text = |text: &str| text.to_owned();
    Spec {
        target: vec![text(case.target)],
        workload: vec![text(case.workload)],
        set: case.set.iter().map(|(key, value)| (text(key), text(value))).collect(),
        fault: case.fault.iter().map(|fault| text(fault)).collect(),
        slo: vec![text(case.slo)],
        cores: Some(text(case.cores)),
        connections: case.connections,
        network: case.network.map(|(kind, _)| text(kind)),
        network_cap: case.network.map(|(_, cap)| text(cap)),
        allow_shared_cores: Some(case.cores != "1"),
        quick: Some(true),
        profile: Some(text("on")),
        reps: Some(1),
        budget: Some(Nanos::SECOND * if case.cores == SEVERAL { 36 } else { 10 }),
        seed: Some(seed),
        ..Spec::default()
    }
}

fn rows(asked: &[&Case], said: &BTreeMap<&'static str, Vec<Cause>>) -> Vec<Check> {
    let mut checks: Vec<Check> = asked.iter().map(|case| row(case, &said[case.name])).collect();
    let count = |healthy: bool, right: &dyn Fn(&Case, Cause) -> bool| {
        let asked = asked.iter().filter(|case| case.fault_free() == healthy);
        let all: Vec<bool> = asked
            .flat_map(|case| said[case.name].iter().map(|cause| right(case, *cause)).collect::<Vec<_>>())
            .collect();
        (all.iter().filter(|right| **right).count(), all.len())
    };
    let share = |what: &str, (hits, all): (usize, usize), least: f64| Check {
        what: what.to_owned(),
        expected: format!("≥ {:.0} %", least * 100.0),
        seen: format!("{:.1} % ({hits} of {all})", 100.0 * hits as f64 / all.max(1) as f64),
        tolerance: String::new(),
        pass: hits as f64 >= least * all as f64,
    };
    checks.push(share("faults named rightly", count(false, &|case, cause| case.expected.contains(&cause)), RIGHT));
    checks.push(share("faults not called healthy", count(false, &|_, cause| cause != Cause::Cpu), 1.0));
    checks.push(share("healthy runs called healthy", count(true, &|_, cause| cause == Cause::Cpu), HEALTHY));
    checks
}

impl Case {
    fn fault_free(&self) -> bool {
        self.expected == [Cause::Cpu]
    }
}

/// One row of the confusion matrix.
fn row(case: &Case, said: &[Cause]) -> Check {
    let mut counts: BTreeMap<Cause, usize> = BTreeMap::new();
    for cause in said {
        *counts.entry(*cause).or_default() += 1;
    }
    let right = said.iter().filter(|cause| case.expected.contains(cause)).count();
    let names = |causes: &[Cause]| causes.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(" or ");
    Check {
        what: case.name.to_owned(),
        expected: names(case.expected),
        seen: counts.iter().map(|(cause, n)| format!("{cause} {n}")).collect::<Vec<_>>().join(", "),
        tolerance: format!("≥ {:.0} % of {}", RIGHT * 100.0, said.len()),
        pass: right as f64 >= RIGHT * said.len() as f64,
    }
}
