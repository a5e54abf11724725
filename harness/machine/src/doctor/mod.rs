//! Can this machine give trustworthy numbers? One [`Finding`] per condition: what was seen, why it matters, what fixes it.
//!
//! The examination is a pure function of [`Machine`] and [`Environment`], so every finding is tested on machines
//! that have the fault.

mod attribution;
mod cpu;
mod host;
mod kernel;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::machine::Machine;
use crate::wrap::paragraph;

/// How much a condition takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Ok,
    /// Something that must travel with the numbers.
    Caveat,
    /// Something cannot be measured, or not be believed.
    Error,
}

impl Level {
    /// The mark in front of a finding.
    pub fn mark(self) -> char {
        match self {
            Level::Ok => '✓',
            Level::Caveat => '!',
            Level::Error => '✗',
        }
    }
}

/// One condition examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it takes away.
    pub level: Level,
    /// The condition, in one word.
    pub name: String,
    /// What was seen.
    pub seen: String,
    /// Why it matters; empty when nothing is wrong.
    pub why: String,
    /// The command that fixes it until the next boot.
    pub fix_now: Option<String>,
    /// The command that keeps it fixed.
    pub keep: Option<String>,
}

impl Finding {
    fn ok(name: &str, seen: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            name: name.to_owned(),
            seen: seen.into(),
            why: String::new(),
            fix_now: None,
            keep: None,
        }
    }

    fn caveat(name: &str, seen: impl Into<String>, why: impl Into<String>) -> Finding {
        Finding { level: Level::Caveat, why: why.into(), ..Finding::ok(name, seen) }
    }

    fn error(name: &str, seen: impl Into<String>, why: impl Into<String>) -> Finding {
        Finding { level: Level::Error, why: why.into(), ..Finding::ok(name, seen) }
    }

    fn fix(mut self, now: impl Into<String>) -> Finding {
        self.fix_now = Some(now.into());
        self
    }

    fn keep(mut self, keep: impl Into<String>) -> Finding {
        self.keep = Some(keep.into());
        self
    }

    /// `sysctl` that sets `key` now and for good.
    fn sysctl(self, key: &str, value: &str) -> Finding {
        self.fix(format!("sudo sysctl -w {key}=\"{value}\"")).keep(format!(
            "echo '{key} = {value}' | sudo tee /etc/sysctl.d/60-corecurve-{}.conf",
            key.replace('.', "-")
        ))
    }
}

/// One check: a pure function to one finding.
type Check = fn(&Machine, &Environment) -> Finding;

/// Every check, in the order they are shown.
const CHECKS: [Check; 28] = [
    cpu::cores,
    cpu::affinity,
    cpu::quota,
    cpu::smt,
    cpu::kinds,
    cpu::governor,
    cpu::turbo,
    host::numa,
    host::balancing,
    host::virtual_machine,
    host::steal,
    host::load,
    host::shield,
    host::mitigations,
    host::interrupts,
    host::loopback,
    host::netns,
    kernel::clock,
    kernel::huge_pages,
    kernel::open_files,
    kernel::ports,
    kernel::accept_queue,
    kernel::counters,
    attribution::perf_events,
    attribution::tracepoints,
    attribution::kernel_symbols,
    attribution::schedstat,
    kernel::io_uring,
];

/// Examines every condition.
pub fn examine(machine: &Machine, environment: &Environment) -> Vec<Finding> {
    CHECKS.iter().map(|check| check(machine, environment)).collect()
}

/// The findings as text, one condition per line with its reason and fixes below, and a closing line.
pub fn text(findings: &[Finding]) -> String {
    const INDENT: &str = "                ";
    let mut out = String::new();
    for Finding { level, name, seen, why, fix_now, keep } in findings {
        paragraph(&mut out, &format!(" {} {name:<12} ", level.mark()), seen);
        if !why.is_empty() {
            paragraph(&mut out, INDENT, why);
        }
        // Commands are not broken: they are there to be copied.
        for (label, command) in [("fix now:", fix_now), ("keep:", keep)] {
            if let Some(command) = command {
                out.push_str(&format!("{INDENT}{label:<9} {command}\n"));
            }
        }
    }
    paragraph(&mut out, " ", &closing(findings));
    out
}

/// `1 error, 2 caveats. …`
pub fn closing(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, caveats) = (count(Level::Error), count(Level::Caveat));
    let counted = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let verdict = match (errors, caveats) {
        (0, 0) => "Numbers from this machine can be trusted.",
        (0, _) => "Numbers can be measured; the caveats travel with them.",
        _ => "What the errors name cannot be measured here, or not be believed.",
    };
    format!("{}, {}. {verdict}", counted(errors, "error"), counted(caveats, "caveat"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::environment::Fact;
    use std::collections::BTreeMap;

    /// A machine without any fault: 2 nodes of 8 cores, tuned.
    pub(crate) fn healthy() -> (Machine, Environment) {
        let mut machine = Machine::discover(&"numa:2 l3:1 core:8 pu:1".parse().unwrap()).unwrap();
        machine.live = true;
        let known = |text: &str| Fact::Known(text.to_owned());
        let environment = Environment {
            corecurve_version: "0".to_owned(),
            rustc_version: known("1"),
            kernel: known("6"),
            architecture: "x86_64".to_owned(),
            cpu_model: known("A CPU"),
            cores: 16,
            cpus: 16,
            allowed_cpus: "0-15".to_owned(),
            packages: 1,
            nodes: 2,
            memory_bytes: Fact::Known(1 << 34),
            hypervisor: known("none"),
            container: known("none"),
            mitigations: Fact::Known(BTreeMap::from([("meltdown".to_owned(), "Not affected".to_owned())])),
            governor: known("performance"),
            turbo: Fact::Known(false),
            smt: Fact::Known(false),
            transparent_huge_pages: known("madvise"),
            numa_balancing: Fact::Known(false),
            clocksource: known("tsc"),
            clock_step_ns: 20,
            clock_cost_ns: 25.0,
            somaxconn: Fact::Known(4_096),
            port_range: Fact::Known((1_024, 65_535)),
            nofile_soft: Some(1_024),
            nofile_hard: Some(1 << 20),
            perf_event_paranoid: Fact::Known(1),
            pmu: Fact::Known(true),
            may_perf: Fact::Known(false),
            tracepoints: Fact::Known(true),
            kernel_symbols: Fact::Known(true),
            schedstat: Fact::Known(true),
            io_uring_disabled: Fact::Known(0),
            quota_cpus: None,
            throttled_periods: Fact::Known(0),
            steal_share: Fact::Known(0.0),
            irqbalance: Fact::Known(false),
            loopback_rps: known("0"),
            namespaces: known("ip and tc"),
            load_average: Fact::Known(0.1),
            may_move_others: Fact::Known(true),
            realtime: Fact::Known(true),
        };
        (machine, environment)
    }

    /// Breaks a healthy machine and returns the findings that are not ok.
    pub(crate) fn broken(breaks: impl FnOnce(&mut Machine, &mut Environment)) -> Vec<Finding> {
        let (mut machine, mut environment) = healthy();
        breaks(&mut machine, &mut environment);
        // Loopback is a caveat of every machine.
        let faults =
            examine(&machine, &environment).into_iter().filter(|f| f.level > Level::Ok && f.name != "loopback");
        faults.collect()
    }

    /// The one fault that `breaks` causes.
    pub(crate) fn fault(breaks: impl FnOnce(&mut Machine, &mut Environment)) -> Finding {
        let faults = broken(breaks);
        let [fault] = &faults[..] else { panic!("one fault expected: {faults:?}") };
        assert!(!fault.seen.is_empty() && !fault.why.is_empty());
        fault.clone()
    }

    #[test]
    fn a_healthy_machine_has_no_fault() {
        assert_eq!(broken(|_, _| {}), []);
        let (machine, environment) = healthy();
        let findings = examine(&machine, &environment);
        assert_eq!(findings.len(), CHECKS.len());
        assert!(findings.iter().all(|f| !f.name.is_empty() && !f.seen.is_empty()));
        let mut names: Vec<&str> = findings.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len(), "every condition has a name of its own");
    }

    #[test]
    fn the_text_says_what_why_and_how() {
        let finding = fault(|_, e| e.perf_event_paranoid = Fact::Known(4));
        let text = text(&[finding]);
        assert_eq!(
            text,
            " ✗ counters     perf_event_paranoid = 4\n                no cycles, instructions or cache misses for unprivileged users\n                \
             fix now:  sudo sysctl -w kernel.perf_event_paranoid=\"1\"\n                \
             keep:     echo 'kernel.perf_event_paranoid = 1' | sudo tee /etc/sysctl.d/60-corecurve-kernel-perf_event_paranoid.conf\n \
             1 error, 0 caveats. What the errors name cannot be measured here, or not be believed.\n"
        );
    }

    #[test]
    fn a_machine_that_says_nothing_is_examined_without_a_crash() {
        let faults = broken(|_, e| {
            let none = || Fact::unknown("no such file");
            e.hypervisor = none();
            e.mitigations = Fact::unknown("no such file");
            (e.governor, e.clocksource, e.transparent_huge_pages, e.loopback_rps) = (none(), none(), none(), none());
            (e.turbo, e.smt, e.numa_balancing, e.pmu, e.irqbalance) =
                (Fact::unknown("x"), Fact::unknown("x"), Fact::unknown("x"), Fact::unknown("x"), Fact::unknown("x"));
            (e.somaxconn, e.throttled_periods) = (Fact::unknown("x"), Fact::unknown("x"));
            e.port_range = Fact::unknown("x");
            (e.perf_event_paranoid, e.io_uring_disabled) = (Fact::unknown("x"), Fact::unknown("x"));
            (e.may_move_others, e.realtime) = (Fact::unknown("x"), Fact::unknown("x"));
            (e.steal_share, e.load_average) = (Fact::unknown("x"), Fact::unknown("x"));
        });
        assert!(faults.len() >= 10);
        assert!(faults.iter().all(|f| f.level == Level::Caveat), "unknown is never an error: {faults:?}");
        assert!(faults.iter().all(|f| f.seen.contains("unknown")), "{faults:?}");
    }
}
