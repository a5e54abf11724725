//! Findings about what tells why a server is as fast as it is: performance events, tracepoints, symbols, scheduler times.

use super::Finding;
use crate::environment::{Environment, Fact};
use crate::machine::Machine;

/// `perf_event_paranoid` at which a user sees user code only; where nothing at all is allowed, the finding `counters` says so.
const USER_CODE_ONLY: i64 = 2;

/// Whether kernel code shows in counters and profiles.
pub(super) fn perf_events(_: &Machine, environment: &Environment) -> Finding {
    let name = "perf-events";
    match (&environment.perf_event_paranoid, environment.may_perf.known()) {
        (_, Some(true)) => {
            Finding::ok(name, "privileged (CAP_PERFMON): user and kernel code can be counted and sampled")
        }
        (Fact::Known(USER_CODE_ONLY), _) => Finding::caveat(
            name,
            "perf_event_paranoid = 2: user code only",
            "a server spends most of its time in the kernel, which counters and profiles do not show then",
        )
        .sysctl("kernel.perf_event_paranoid", "1"),
        (Fact::Known(level), _) => Finding::ok(name, format!("perf_event_paranoid = {level}")),
        // The finding `counters` says that it is not known.
        (Fact::Unknown { unknown }, _) => Finding::ok(name, format!("not privileged ({unknown})")),
    }
}

/// Whether waiting can be followed through the kernel's tracepoints.
pub(super) fn tracepoints(_: &Machine, environment: &Environment) -> Finding {
    match &environment.tracepoints {
        Fact::Known(_) => Finding::ok("tracepoints", "tracefs can be read"),
        Fact::Unknown { unknown } => Finding::caveat(
            "tracepoints",
            format!("unknown ({unknown})"),
            "locks, wake-ups and system calls cannot be told apart without the kernel's tracepoints",
        )
        .fix("sudo mount -t tracefs -o mode=755 nodev /sys/kernel/tracing || sudo mount -o remount,mode=755 /sys/kernel/tracing")
        .keep("echo 'nodev /sys/kernel/tracing tracefs mode=755 0 0' | sudo tee -a /etc/fstab"),
    }
}

/// Whether functions of the kernel have names in a profile.
pub(super) fn kernel_symbols(_: &Machine, environment: &Environment) -> Finding {
    let why = "functions of the kernel have no names in a profile";
    match &environment.kernel_symbols {
        Fact::Known(true) => Finding::ok("symbols", "addresses of the kernel's functions can be read"),
        Fact::Known(false) => Finding::caveat("symbols", "the kernel hides its addresses (kptr_restrict)", why)
            .sysctl("kernel.kptr_restrict", "0"),
        Fact::Unknown { unknown } => Finding::caveat("symbols", format!("unknown ({unknown})"), why),
    }
}

/// Whether threads have exact times.
pub(super) fn schedstat(_: &Machine, environment: &Environment) -> Finding {
    match &environment.schedstat {
        Fact::Known(_) => Finding::ok("schedstat", "exact CPU time and run delay of each thread"),
        Fact::Unknown { unknown } => Finding::caveat(
            "schedstat",
            format!("unknown ({unknown})"),
            "CPU time of threads is known by ticks only and how long they waited for a CPU not at all; the kernel needs CONFIG_SCHED_INFO",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, fault};
    use crate::environment::Fact;

    #[test]
    fn privilege_counts_more_than_paranoia() {
        let fault = fault(|_, e| e.perf_event_paranoid = Fact::Known(2));
        assert_eq!((fault.name.as_str(), fault.fix_now.is_some()), ("perf-events", true));
        for level in [2, 3] {
            let privileged = broken(|_, e| {
                (e.perf_event_paranoid, e.may_perf) = (Fact::Known(level), Fact::Known(true));
            });
            assert_eq!(privileged, []);
        }
    }

    #[test]
    fn what_is_hidden_is_said_with_what_shows_it() {
        let hidden = fault(|_, e| e.kernel_symbols = Fact::Known(false));
        assert!(hidden.seen.contains("kptr_restrict") && hidden.fix_now.unwrap().contains("kptr_restrict"));
        let refused = fault(|_, e| e.tracepoints = Fact::unknown("permission denied"));
        assert!(refused.seen.contains("permission denied") && refused.fix_now.unwrap().contains("tracefs"));
        assert_eq!(fault(|_, e| e.schedstat = Fact::unknown("no such file")).name, "schedstat");
    }
}
