//! Findings about cores: how many there are, who else may have them, how fast they run.

use corecurve_core::CpuSet;

use super::Finding;
use crate::environment::{Environment, Fact};
use crate::machine::Machine;

/// Cores from which on a curve has enough points to be fitted.
const CORES_FOR_A_CURVE: usize = 8;

/// Enough cores for server, load and the rest.
pub(super) fn cores(machine: &Machine, _: &Environment) -> Finding {
    let usable = machine.usable_cores();
    let seen = format!("{usable} usable physical cores");
    match usable {
        0 | 1 => Finding::error(
            "cores",
            "1 usable physical core",
            "server and load would share it, so each slows the other; use `sim:` targets or a bigger machine",
        ),
        n if n < CORES_FOR_A_CURVE => Finding::caveat(
            "cores",
            seen,
            format!(
                "at most {} can serve while the others load: too few for a scaling curve; use `sim:` targets or a bigger machine for one",
                n - 1
            ),
        ),
        _ => Finding::ok("cores", seen),
    }
}

/// Whether the affinity mask or the cpuset takes CPUs away.
pub(super) fn affinity(machine: &Machine, _: &Environment) -> Finding {
    let taken: CpuSet = machine.topology.cpus().iter().filter(|cpu| !machine.allowed.contains(*cpu)).collect();
    if taken.is_empty() {
        return Finding::ok("affinity", "every CPU may be used");
    }
    Finding::caveat(
        "affinity",
        format!("CPUs {} may be used, {taken} may not", machine.allowed),
        "others may run on the remaining CPUs and share caches and memory with the run",
    )
}

/// Whether a control group rations CPU time.
pub(super) fn quota(machine: &Machine, environment: &Environment) -> Finding {
    let Some(quota) = environment.quota_cpus else { return Finding::ok("quota", "no CPU quota") };
    let throttled = match &environment.throttled_periods {
        Fact::Known(0) => String::new(),
        Fact::Known(periods) => format!(", throttled in {periods} periods so far"),
        Fact::Unknown { unknown } => format!(", throttling unknown ({unknown})"),
    };
    let seen = format!("CPU quota of {quota:.2} CPUs{throttled}");
    if quota < machine.allowed.len() as f64 {
        let why = "when the quota is used up every thread stands still until the next period: latency shows the quota, not the server";
        Finding::error("quota", seen, why)
            .fix("run outside of the limited control group, e.g. `docker run` without `--cpus`")
    } else {
        Finding::caveat(
            "quota",
            seen,
            "it covers the CPUs that may be used, but bursts of all of them together may still be throttled",
        )
    }
}

/// Whether a core's second hardware thread may be somebody else's.
pub(super) fn smt(machine: &Machine, environment: &Environment) -> Finding {
    let shared = machine.topology.pus.iter().filter(|pu| {
        !machine.allowed.contains(pu.cpu)
            && machine.topology.pus.iter().any(|other| other.core == pu.core && machine.allowed.contains(other.cpu))
    });
    let strangers: CpuSet = shared.map(|pu| pu.cpu).collect();
    if !strangers.is_empty() {
        return Finding::caveat(
            "smt",
            format!("CPUs {strangers} are second threads of usable cores, but not ours"),
            "whoever runs there takes part of the core without showing as load or steal",
        );
    }
    match &environment.smt {
        Fact::Unknown { unknown } if !machine.topology.has_smt() => Finding::caveat(
            "smt",
            format!("unknown ({unknown})"),
            "a virtual CPU may be half a core; nothing to do here",
        ),
        _ if machine.topology.has_smt() => {
            Finding::ok("smt", "on; second threads stay idle except with `--placement smt`")
        }
        _ => Finding::ok("smt", "off: one hardware thread per core"),
    }
}

/// Whether cores differ in kind.
pub(super) fn kinds(machine: &Machine, _: &Environment) -> Finding {
    let kinds = &machine.topology.kinds;
    if kinds.len() < 2 {
        return Finding::ok("kinds", "all cores are of one kind, as far as the machine says");
    }
    let named = |(n, kind): (usize, &crate::topology::CpuKind)| {
        let name = kind.name.clone().unwrap_or_else(|| format!("kind {n}"));
        format!("{name} on CPUs {}", kind.cpus)
    };
    let list: Vec<String> = kinds.iter().enumerate().map(named).collect();
    Finding::caveat(
        "kinds",
        format!("{} kinds of core: {}", kinds.len(), list.join(", ")),
        "a curve bends where it runs out of fast cores; compare core counts within one kind, or name CPUs with `--placement explicit`",
    )
}

/// Whether the frequency follows the load.
pub(super) fn governor(_: &Machine, environment: &Environment) -> Finding {
    match &environment.governor {
        Fact::Known(name) if name == "performance" => Finding::ok("governor", "performance"),
        Fact::Known(name) => {
            let why = "cores change their frequency with the load, so a lightly loaded server looks slow";
            Finding::caveat("governor", name.clone(), why)
                .fix("echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor")
                .keep("echo 'GOVERNOR=performance' | sudo tee /etc/default/cpufrequtils")
        }
        Fact::Unknown { unknown } => Finding::caveat(
            "governor",
            format!("unknown ({unknown})"),
            "numbers may drift with the frequency; nothing to do here",
        ),
    }
}

/// Whether a few busy cores run faster than many.
pub(super) fn turbo(_: &Machine, environment: &Environment) -> Finding {
    match &environment.turbo {
        Fact::Known(false) => Finding::ok("turbo", "off"),
        Fact::Known(true) => {
            let why = "few busy cores run faster than many: the curve bends for a reason that is not the server's";
            let intel = "/sys/devices/system/cpu/intel_pstate/no_turbo";
            let others = "/sys/devices/system/cpu/cpufreq/boost";
            Finding::caveat("turbo", "on", why)
                .fix(format!("if [ -e {intel} ]; then echo 1 | sudo tee {intel}; else echo 0 | sudo tee {others}; fi"))
        }
        Fact::Unknown { unknown } => Finding::caveat(
            "turbo",
            format!("unknown ({unknown})"),
            "few busy cores may run faster than many; nothing to do here",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, fault};
    use crate::doctor::Level;
    use crate::environment::Fact;
    use crate::topology::CpuKind;

    #[test]
    fn too_few_cores() {
        let two = broken(|m, _| m.allowed = "0-1".parse().unwrap());
        let names: Vec<(&str, Level)> = two.iter().map(|f| (f.name.as_str(), f.level)).collect();
        assert_eq!(names, [("cores", Level::Caveat), ("affinity", Level::Caveat)]);
        assert!(two[1].seen.contains("2-15 may not"), "{:?}", two[1]);
        let one = broken(|m, _| m.allowed = "3".parse().unwrap());
        assert_eq!((one[0].name.as_str(), one[0].level), ("cores", Level::Error));
    }

    #[test]
    fn a_quota_below_the_cpus_is_an_error_and_above_a_caveat() {
        let half = fault(|_, e| (e.quota_cpus, e.throttled_periods) = (Some(0.5), Fact::Known(7)));
        assert_eq!((half.name.as_str(), half.level), ("quota", Level::Error));
        assert!(half.seen.contains("0.50 CPUs") && half.seen.contains("7 periods"), "{}", half.seen);
        assert_eq!(fault(|_, e| e.quota_cpus = Some(64.0)).level, Level::Caveat);
    }

    #[test]
    fn a_stranger_on_the_second_thread() {
        let faults = broken(|m, _| {
            *m = crate::Machine::discover(&"core:16 pu:2".parse().unwrap()).unwrap();
            m.allowed = "0,2,4,6,8,10,12,14,16,18".parse().unwrap();
        });
        let smt = faults.iter().find(|f| f.name == "smt").unwrap();
        assert!(smt.seen.contains("CPUs 1,3,5,"), "{}", smt.seen);
        assert_eq!(broken(|m, _| *m = crate::Machine::discover(&"core:16 pu:2".parse().unwrap()).unwrap()), []);
    }

    #[test]
    fn hybrid_slow_and_boosted_cores() {
        let hybrid = fault(|m, _| {
            let kind = |name: &str, rank, cpus: &str| CpuKind {
                name: Some(name.to_owned()),
                rank: Some(rank),
                cpus: cpus.parse().unwrap(),
            };
            m.topology.kinds = vec![kind("Atom", 0, "8-15"), kind("Core", 1, "0-7")];
        });
        assert!(hybrid.seen.contains("Atom on CPUs 8-15"), "{}", hybrid.seen);
        let saving = fault(|_, e| e.governor = Fact::Known("powersave".to_owned()));
        assert!(saving.fix_now.unwrap().contains("performance") && saving.keep.is_some());
        assert!(fault(|_, e| e.turbo = Fact::Known(true)).fix_now.unwrap().contains("no_turbo"));
        let unknown = fault(|_, e| e.governor = Fact::unknown("no cpufreq"));
        assert!(unknown.seen.contains("no cpufreq") && unknown.fix_now.is_none());
    }
}
