//! Findings about the kernel's clock, limits and counters.

use super::Finding;
use crate::environment::{Environment, Fact};
use crate::machine::Machine;

/// Clock sources that are read without a system call.
const QUICK_CLOCKS: [&str; 5] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource"];
/// Coarsest clock step that a histogram in microseconds can bear, in nanoseconds.
const STEP_LIMIT_NS: u64 = 1_000;
/// Dearest clock reading the load worker can afford several times per request, in nanoseconds.
const COST_LIMIT_NS: f64 = 250.0;
/// Open files that thousands of connections on both sides need.
const OPEN_FILES_WANTED: u64 = 65_536;
/// Outgoing ports below which a run without keep-alive soon has none left.
const PORTS_WANTED: u32 = 20_000;
/// Seconds a closed connection keeps its port (`TCP_TIMEWAIT_LEN`).
const TIME_WAIT_S: u32 = 60;
/// Accept queue that a burst of connections needs.
const ACCEPT_QUEUE_WANTED: u64 = 1_024;
/// Highest `perf_event_paranoid` at which a user may count in his own processes.
const PARANOID_LIMIT: i64 = 2;

/// Whether time can be read often and finely.
pub(super) fn clock(_: &Machine, environment: &Environment) -> Finding {
    let (step, cost) = (environment.clock_step_ns, environment.clock_cost_ns);
    let name = match &environment.clocksource {
        Fact::Known(name) => name.clone(),
        Fact::Unknown { unknown } => format!("unknown ({unknown})"),
    };
    let seen = format!("{name}, step {step} ns, {cost:.0} ns per reading");
    let quick = QUICK_CLOCKS.contains(&name.as_str());
    if quick && step <= STEP_LIMIT_NS && cost <= COST_LIMIT_NS {
        return Finding::ok("clock", seen);
    }
    let finding = Finding::caveat(
        "clock",
        seen,
        "reading the clock is slow or coarse, and each request is stamped several times",
    );
    if quick || environment.clocksource.known().is_none() {
        return finding;
    }
    finding.fix("echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource")
}

/// Whether pages change their size while we measure.
pub(super) fn huge_pages(_: &Machine, environment: &Environment) -> Finding {
    let file = "/sys/kernel/mm/transparent_hugepage/enabled";
    match &environment.transparent_huge_pages {
        Fact::Known(mode) if mode == "always" => {
            let why = "the kernel joins and splits pages in the measured window, at moments of its own choice";
            Finding::caveat("huge-pages", "transparent huge pages: always", why)
                .fix(format!("echo madvise | sudo tee {file}"))
                .keep(format!("echo 'w {file} - - - - madvise' | sudo tee /etc/tmpfiles.d/corecurve-thp.conf"))
        }
        Fact::Known(mode) => Finding::ok("huge-pages", format!("transparent huge pages: {mode}")),
        Fact::Unknown { unknown } => Finding::caveat(
            "huge-pages",
            format!("unknown ({unknown})"),
            "the kernel may join and split pages while we measure",
        ),
    }
}

/// Whether enough connections can be open.
pub(super) fn open_files(_: &Machine, environment: &Environment) -> Finding {
    match environment.nofile_hard {
        Some(hard) if hard < OPEN_FILES_WANTED => Finding::caveat(
            "open-files",
            format!("at most {hard} open files per process"),
            format!("a run with more than about {} connections will be refused", hard.saturating_sub(100)),
        )
        .fix(format!("sudo prlimit --pid $$ --nofile={OPEN_FILES_WANTED}:{OPEN_FILES_WANTED}"))
        .keep(format!("echo '* - nofile {OPEN_FILES_WANTED}' | sudo tee /etc/security/limits.d/60-corecurve.conf")),
        Some(hard) => Finding::ok("open-files", format!("up to {hard} per process; the harness raises its own limit")),
        None => Finding::ok("open-files", "unlimited"),
    }
}

/// Whether connections run out of ports.
pub(super) fn ports(_: &Machine, environment: &Environment) -> Finding {
    let (first, last) = match &environment.port_range {
        Fact::Known(range) => *range,
        Fact::Unknown { unknown } => {
            return Finding::caveat("ports", format!("unknown ({unknown})"), "connections may run out of ports");
        }
    };
    let count = u32::from(last.saturating_sub(first)) + 1;
    let seen = format!("{count} outgoing ports ({first}-{last})");
    if count >= PORTS_WANTED {
        return Finding::ok("ports", seen);
    }
    let rate = count / TIME_WAIT_S;
    let why = format!(
        "without keep-alive only about {rate} new connections per second and source address can be made for long"
    );
    Finding::caveat("ports", seen, why).sysctl("net.ipv4.ip_local_port_range", "1024 65535")
}

/// Whether a burst of connections fits.
pub(super) fn accept_queue(_: &Machine, environment: &Environment) -> Finding {
    match &environment.somaxconn {
        Fact::Known(longest) if *longest < ACCEPT_QUEUE_WANTED => {
            let why = "a burst of connections overflows the accept queue and waits a second for the next try";
            Finding::caveat("accept-queue", format!("at most {longest} connections wait to be accepted"), why)
                .sysctl("net.core.somaxconn", "4096")
        }
        Fact::Known(longest) => Finding::ok("accept-queue", format!("up to {longest} connections wait to be accepted")),
        Fact::Unknown { unknown } => {
            Finding::caveat("accept-queue", format!("unknown ({unknown})"), "a burst of connections may overflow it")
        }
    }
}

/// Whether the CPU's own counters can be read.
pub(super) fn counters(_: &Machine, environment: &Environment) -> Finding {
    match (&environment.pmu, &environment.perf_event_paranoid) {
        (Fact::Known(false), _) => Finding::caveat(
            "counters",
            "this machine offers no hardware counters",
            "no cycles, instructions or cache misses; verdicts rest on CPU time, probes and the kernel's own counters; bare metal has \
             them, and a virtual machine whose host passes its PMU through (QEMU: -cpu host,pmu=on)",
        ),
        (_, Fact::Known(level)) if *level > PARANOID_LIMIT && environment.may_perf.known() != Some(&true) => {
            Finding::error(
                "counters",
                format!("perf_event_paranoid = {level}"),
                "no cycles, instructions or cache misses for unprivileged users",
            )
            .sysctl("kernel.perf_event_paranoid", "1")
        }
        (Fact::Unknown { unknown }, _) | (_, Fact::Unknown { unknown }) => Finding::caveat(
            "counters",
            format!("unknown ({unknown})"),
            "cycles, instructions and cache misses may be missing",
        ),
        (Fact::Known(true), Fact::Known(level)) => {
            Finding::ok("counters", format!("hardware counters, perf_event_paranoid = {level}"))
        }
    }
}

/// Whether targets may use `io_uring`.
pub(super) fn io_uring(_: &Machine, environment: &Environment) -> Finding {
    match &environment.io_uring_disabled {
        Fact::Known(0) => Finding::ok("io_uring", "allowed"),
        Fact::Known(level) => {
            let who = if *level == 1 { "for unprivileged processes" } else { "for everybody" };
            let seen = format!("switched off {who} (io_uring_disabled = {level})");
            Finding::caveat("io_uring", seen, "targets that need it are skipped, never run on epoll instead")
                .sysctl("kernel.io_uring_disabled", "0")
        }
        Fact::Unknown { unknown } => Finding::caveat(
            "io_uring",
            format!("unknown ({unknown})"),
            "targets that need it will say so themselves; kernels before 6.6 have no such switch",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, fault};
    use crate::doctor::Level;
    use crate::environment::Fact;

    #[test]
    fn slow_and_coarse_clocks() {
        let slow = fault(|_, e| e.clocksource = Fact::Known("hpet".to_owned()));
        assert!(slow.seen.contains("hpet") && slow.fix_now.unwrap().contains("echo tsc"));
        assert!(fault(|_, e| e.clock_step_ns = 4_000_000).seen.contains("step 4000000 ns"));
        assert_eq!(fault(|_, e| e.clock_cost_ns = 900.0).fix_now, None);
        assert_eq!(broken(|_, e| e.clocksource = Fact::Known("arch_sys_counter".to_owned())), []);
    }

    #[test]
    fn limits_that_end_a_run_early() {
        assert!(fault(|_, e| e.nofile_hard = Some(20_000)).why.contains("19900 connections"));
        assert_eq!(broken(|_, e| e.nofile_hard = None), []);
        let ports = fault(|_, e| e.port_range = Fact::Known((40_000, 40_100)));
        assert!(ports.seen.contains("101 outgoing ports") && ports.why.contains("about 1 new"), "{ports:?}");
        assert_eq!(fault(|_, e| e.somaxconn = Fact::Known(128)).name, "accept-queue");
        assert!(fault(|_, e| e.transparent_huge_pages = Fact::Known("always".to_owned())).keep.is_some());
    }

    #[test]
    fn counters_that_are_absent_differ_from_counters_that_are_forbidden() {
        let absent = fault(|_, e| e.pmu = Fact::Known(false));
        assert_eq!((absent.level, absent.fix_now), (Level::Caveat, None));
        let forbidden = fault(|_, e| e.perf_event_paranoid = Fact::Known(3));
        assert_eq!(forbidden.level, Level::Error);
        assert!(forbidden.fix_now.is_some());
    }

    #[test]
    fn io_uring_switched_off() {
        assert!(fault(|_, e| e.io_uring_disabled = Fact::Known(2)).seen.contains("everybody"));
        assert!(fault(|_, e| e.io_uring_disabled = Fact::Known(1)).seen.contains("unprivileged"));
    }
}
