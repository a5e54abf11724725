//! Findings about what surrounds the cores: memory nodes, hypervisor, neighbours, interrupts.

use super::Finding;
use crate::environment::{Environment, Fact};
use crate::machine::Machine;

/// Share of stolen time above which the validity rules reject a trial.
const STEAL_LIMIT: f64 = 0.01;
/// Load average above which something else is running.
const LOAD_LIMIT: f64 = 0.5;

/// Cores from which on other programs have one of their own beside one for the server and one for load.
const CORES_FOR_ALL: usize = 3;

/// Whether other programs can be kept off the CPUs that are measured.
pub(super) fn shield(machine: &Machine, environment: &Environment) -> Finding {
    let why = "a program that runs for 1 % of the time takes the server's CPU for milliseconds at a time, which a tight SLO \
               takes for the server's latency";
    let caveat = |seen: String| Finding::caveat("shield", seen, why);
    let few = machine.usable_cores() < CORES_FOR_ALL;
    match (&environment.may_move_others, &environment.realtime) {
        (Fact::Unknown { unknown }, _) => caveat(format!("unknown ({unknown})")),
        (Fact::Known(false), _) => {
            caveat("other users' programs cannot be kept off the measured CPUs: no CAP_SYS_NICE".to_owned())
                .fix("sudo corecurve …")
        }
        (_, Fact::Unknown { unknown }) if few => {
            caveat(format!("on {} cores other programs stay on the server's: {unknown}", machine.usable_cores()))
        }
        _ => Finding::ok("shield", "other programs are kept off the measured CPUs while a target runs"),
    }
}

/// Nodes, and whether each has memory.
pub(super) fn numa(machine: &Machine, _: &Environment) -> Finding {
    let nodes = &machine.topology.nodes;
    let memoryless: Vec<String> = nodes.iter().filter(|n| n.is_memoryless()).map(|n| n.id.to_string()).collect();
    if !memoryless.is_empty() {
        return Finding::caveat(
            "numa",
            format!("{} nodes, of which {} without memory", nodes.len(), memoryless.join(", ")),
            "cores there always reach to another node; numa-local and numa-remote leave them out",
        );
    }
    match nodes.len() {
        0 | 1 => Finding::ok("numa", "1 node: every byte is local; numa-remote does not apply"),
        n => Finding::ok("numa", format!("{n} nodes, each with memory as far as the machine says")),
    }
}

/// Whether the kernel moves pages while we measure.
pub(super) fn balancing(machine: &Machine, environment: &Environment) -> Finding {
    match &environment.numa_balancing {
        Fact::Known(true) if machine.topology.nodes.len() > 1 => {
            let why =
                "the kernel unmaps pages to see who touches them and moves them between nodes, in the measured window";
            Finding::caveat("balancing", "automatic NUMA balancing is on", why).sysctl("kernel.numa_balancing", "0")
        }
        Fact::Unknown { unknown } if machine.topology.nodes.len() > 1 => {
            Finding::caveat("balancing", format!("unknown ({unknown})"), "the kernel may move pages between nodes")
        }
        _ => Finding::ok("balancing", "no automatic NUMA balancing between nodes"),
    }
}

/// Whether there is a hypervisor below.
pub(super) fn virtual_machine(_: &Machine, environment: &Environment) -> Finding {
    match &environment.hypervisor {
        Fact::Known(name) if name == "none" => Finding::ok("virtual", "bare metal, as far as the CPU says"),
        Fact::Known(name) => Finding::caveat(
            "virtual",
            format!("virtual machine (hypervisor: {name})"),
            "virtual CPUs move and pause without notice, and the topology is what the hypervisor chooses to show",
        ),
        Fact::Unknown { unknown } => Finding::caveat(
            "virtual",
            format!("unknown ({unknown})"),
            "a hypervisor may move and pause CPUs without notice",
        ),
    }
}

/// Whether the hypervisor takes time away.
pub(super) fn steal(_: &Machine, environment: &Environment) -> Finding {
    match &environment.steal_share {
        Fact::Known(share) if *share > STEAL_LIMIT => Finding::caveat(
            "steal",
            format!("{:.1} % of CPU time since boot went to other guests", share * 100.0),
            "trials with more than 1 % stolen time are rejected; expect repeats, or use a dedicated host",
        ),
        Fact::Known(share) => Finding::ok("steal", format!("{:.2} % of CPU time since boot", share * 100.0)),
        Fact::Unknown { unknown } => {
            Finding::caveat("steal", format!("unknown ({unknown})"), "time taken by other guests would not be seen")
        }
    }
}

/// Whether something else is running.
pub(super) fn load(_: &Machine, environment: &Environment) -> Finding {
    match &environment.load_average {
        Fact::Known(load) if *load > LOAD_LIMIT => Finding::caveat(
            "load",
            format!("load average {load:.2} over the last minute"),
            "something else is running and takes caches, memory bandwidth or cores; `top` shows what",
        ),
        Fact::Known(load) => Finding::ok("load", format!("load average {load:.2} over the last minute")),
        Fact::Unknown { unknown } => {
            Finding::caveat("load", format!("unknown ({unknown})"), "something else may be running")
        }
    }
}

/// What the kernel does about CPU weaknesses; no fault, but part of every number.
pub(super) fn mitigations(_: &Machine, environment: &Environment) -> Finding {
    match &environment.mitigations {
        Fact::Known(all) => {
            let starting = |word: &str| all.values().filter(|state| state.starts_with(word)).count();
            let (mitigated, vulnerable) = (starting("Mitigation"), starting("Vulnerable"));
            let unaffected = starting("Not affected");
            Finding::ok(
                "mitigations",
                format!(
                    "{mitigated} weaknesses mitigated, {vulnerable} left open, {unaffected} absent; compare only with the same"
                ),
            )
        }
        Fact::Unknown { unknown } => Finding::caveat(
            "mitigations",
            format!("unknown ({unknown})"),
            "mitigations change the cost of system calls; do not compare with other machines",
        ),
    }
}

/// Whether interrupts may be moved onto our cores.
pub(super) fn interrupts(_: &Machine, environment: &Environment) -> Finding {
    match &environment.irqbalance {
        Fact::Known(true) => Finding::caveat(
            "interrupts",
            "irqbalance is running",
            "it moves interrupts onto cores while they are measured",
        )
        .fix("sudo systemctl stop irqbalance")
        .keep("sudo systemctl disable irqbalance"),
        Fact::Known(false) => Finding::ok("interrupts", "irqbalance is not running"),
        Fact::Unknown { unknown } => Finding::caveat(
            "interrupts",
            format!("unknown ({unknown})"),
            "a daemon may move interrupts onto measured cores",
        ),
    }
}

/// The caveat of every run on one host: who pays for the network stack.
pub(super) fn loopback(_: &Machine, environment: &Environment) -> Finding {
    let steered = |mask: &String| mask.chars().any(|c| !matches!(c, '0' | ','));
    let seen = match &environment.loopback_rps {
        Fact::Known(mask) if steered(mask) => format!("packets on lo are steered by the mask {mask}"),
        Fact::Known(_) => "packets on lo are received on the CPU that sends them".to_owned(),
        Fact::Unknown { unknown } => format!("packet steering on lo is unknown ({unknown})"),
    };
    Finding::caveat(
        "loopback",
        seen,
        "part of the server's network stack runs on load cores and the other way round, so CPU per request is split differently than over a wire",
    )
}

/// Whether load and server can have a network of their own.
pub(super) fn netns(_: &Machine, environment: &Environment) -> Finding {
    match &environment.namespaces {
        Fact::Known(means) => Finding::ok("netns", format!("`--network netns` can be had: {means}")),
        Fact::Unknown { unknown } => Finding::caveat(
            "netns",
            format!("`--network netns` cannot be had: {unknown}"),
            "load goes over loopback, where each side does part of the other's receive work",
        )
        .fix("sudo apt-get install iproute2, and run corecurve with sudo"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fault, healthy};
    use crate::doctor::{Level, examine};
    use crate::environment::{Environment, Fact};
    use crate::machine::Machine;

    #[test]
    fn nodes_without_memory_and_pages_that_move() {
        let memoryless = fault(|m, _| m.topology.nodes[1].memory_bytes = Some(0));
        assert!(memoryless.seen.contains("of which 1 without memory"), "{}", memoryless.seen);
        let balancing = fault(|_, e| e.numa_balancing = Fact::Known(true));
        assert_eq!(balancing.fix_now.as_deref(), Some("sudo sysctl -w kernel.numa_balancing=\"0\""));
        // With one node there is nothing to balance.
        let (mut machine, mut environment) = healthy();
        machine.topology.nodes.truncate(1);
        environment.numa_balancing = Fact::Known(true);
        let findings = examine(&machine, &environment);
        assert!(findings.iter().all(|f| f.name != "balancing" || f.level == Level::Ok));
    }

    #[test]
    fn hypervisors_neighbours_and_interrupts() {
        assert!(fault(|_, e| e.hypervisor = Fact::Known("KVM".to_owned())).seen.contains("KVM"));
        assert!(fault(|_, e| e.steal_share = Fact::Known(0.034)).seen.contains("3.4 %"));
        assert!(fault(|_, e| e.load_average = Fact::Known(2.0)).seen.contains("2.00"));
        assert!(fault(|_, e| e.irqbalance = Fact::Known(true)).fix_now.unwrap().contains("stop irqbalance"));
        assert_eq!(fault(|_, e| e.mitigations = Fact::unknown("x")).name, "mitigations");
    }

    #[test]
    fn others_that_cannot_be_kept_off_are_told_with_the_reason() {
        assert!(fault(|_, e| e.may_move_others = Fact::Known(false)).fix_now.unwrap().contains("sudo"));
        // With cores to spare nobody needs to be at real-time priority.
        let (machine, mut environment) = healthy();
        environment.realtime = Fact::unknown("kernel 5.4");
        let shield = |machine: &Machine, environment: &Environment| {
            let findings = examine(machine, environment);
            findings.into_iter().find(|f| f.name == "shield").unwrap()
        };
        assert_eq!(shield(&machine, &environment).level, Level::Ok);
        let machine = machine.limited_to(&"0,1".parse().unwrap()).unwrap();
        assert!(
            shield(&machine, &environment).seen.contains("on 2 cores other programs stay on the server's: kernel 5.4")
        );
    }

    #[test]
    fn namespaces_that_cannot_be_had_are_named_with_what_is_missing() {
        let finding = fault(|_, e| e.namespaces = Fact::unknown("CAP_NET_ADMIN is missing"));
        assert!(finding.name == "netns" && finding.seen.contains("CAP_NET_ADMIN") && finding.fix_now.is_some());
    }

    #[test]
    fn loopback_is_always_a_caveat_and_tells_what_is_steered() {
        let seen = |mask: &str| {
            let (machine, mut environment) = healthy();
            environment.loopback_rps = Fact::Known(mask.to_owned());
            let findings = examine(&machine, &environment);
            let finding = findings.into_iter().find(|f| f.name == "loopback").unwrap();
            assert_eq!(finding.level, Level::Caveat);
            finding.seen
        };
        assert!(seen("00000000,00000000").contains("CPU that sends them"));
        assert!(seen("00000000,0000000f").contains("steered by the mask"));
    }
}
