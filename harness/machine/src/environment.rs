//! [`Environment`]: everything about the machine that can change a number, for `machine.json` and for [`crate::doctor`].
//!
//! A value that cannot be read is [`Fact::Unknown`] with the reason: an empty governor or a zero in the place of a
//! missing counter has misled readers before. The host's name is left out on purpose: run directories are shared.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::machine::Machine;
use crate::network;
use crate::procfs::{cgroup, cpu, limits, read_number, read_text};
use crate::realtime;

/// A value, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact<T> {
    /// It was not to be had.
    Unknown {
        /// Why: the file that is missing, the error that was given.
        unknown: String,
    },
    /// As the machine says.
    Known(T),
}

impl<T> Fact<T> {
    /// A missing value.
    pub fn unknown(reason: impl Into<String>) -> Fact<T> {
        Fact::Unknown { unknown: reason.into() }
    }

    /// The value, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::Unknown { .. } => None,
        }
    }

    /// The reason, if there is no value.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Fact::Known(_) => None,
            Fact::Unknown { unknown } => Some(unknown),
        }
    }
}

/// What a record of before it was looked at says.
impl<T> Default for Fact<T> {
    fn default() -> Fact<T> {
        Fact::unknown("not recorded")
    }
}

impl<T> From<Result<T, String>> for Fact<T> {
    fn from(result: Result<T, String>) -> Fact<T> {
        result.map_or_else(Fact::unknown, Fact::Known)
    }
}

/// The machine's state when the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this program, as it was built.
    pub corecurve_version: String,
    /// Compiler it was built with.
    pub rustc_version: Fact<String>,
    /// Kernel release.
    pub kernel: Fact<String>,
    /// Processor architecture.
    pub architecture: String,
    /// Processor model as it names itself.
    pub cpu_model: Fact<String>,
    /// Physical cores of the machine.
    pub cores: usize,
    /// Logical CPUs of the machine.
    pub cpus: usize,
    /// CPUs this process may use.
    pub allowed_cpus: String,
    /// Packages (sockets).
    pub packages: usize,
    /// NUMA nodes.
    pub nodes: usize,
    /// All memory, in bytes.
    pub memory_bytes: Fact<u64>,
    /// What the hypervisor is called, or `none`.
    pub hypervisor: Fact<String>,
    /// What the container runtime is called, or `none`.
    pub container: Fact<String>,
    /// Each CPU weakness the kernel knows and what it does about it.
    pub mitigations: Fact<BTreeMap<String, String>>,
    /// Frequency governors in force, without repeats.
    pub governor: Fact<String>,
    /// Whether cores may exceed their nominal frequency.
    pub turbo: Fact<bool>,
    /// Whether cores run more than one hardware thread.
    pub smt: Fact<bool>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub transparent_huge_pages: Fact<String>,
    /// Whether the kernel moves pages between nodes by itself.
    pub numa_balancing: Fact<bool>,
    /// The kernel's clock source.
    pub clocksource: Fact<String>,
    /// Smallest step of the clock, in nanoseconds.
    pub clock_step_ns: u64,
    /// Cost of one clock reading, in nanoseconds.
    pub clock_cost_ns: f64,
    /// Longest accept queue.
    pub somaxconn: Fact<u64>,
    /// Ports for outgoing connections, first and last.
    pub port_range: Fact<(u16, u16)>,
    /// Limit on open files in force; `None` is unlimited.
    pub nofile_soft: Option<u64>,
    /// How far it can be raised; `None` is unlimited.
    pub nofile_hard: Option<u64>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Fact<i64>,
    /// Whether the kernel offers hardware counters.
    pub pmu: Fact<bool>,
    /// Whether this process may count and sample whatever `perf_event_paranoid` says (`CAP_PERFMON`).
    #[serde(default)]
    pub may_perf: Fact<bool>,
    /// Whether the kernel's tracepoints can be read; unknown with the reason where not.
    #[serde(default)]
    pub tracepoints: Fact<bool>,
    /// Whether `/proc/kallsyms` shows addresses to this process (`kernel.kptr_restrict`).
    #[serde(default)]
    pub kernel_symbols: Fact<bool>,
    /// Whether threads have exact times (`schedstat`); unknown with the reason where not.
    #[serde(default)]
    pub schedstat: Fact<bool>,
    /// `kernel.io_uring_disabled`: 0 allowed, 1 privileged only, 2 never.
    pub io_uring_disabled: Fact<i64>,
    /// CPU quota of the control groups, in CPUs; `None` is none.
    pub quota_cpus: Option<f64>,
    /// Periods in which the quota stopped this group since it was made; unknown where the kernel does not count.
    pub throttled_periods: Fact<u64>,
    /// Share of CPU time since boot that the hypervisor gave to others, 0 to 1.
    pub steal_share: Fact<f64>,
    /// Whether the daemon that moves interrupts between cores runs.
    pub irqbalance: Fact<bool>,
    /// Packet steering mask of the loopback device; zero processes packets on the sending CPU.
    pub loopback_rps: Fact<String>,
    /// What network namespaces can be made with, or what is missing for them.
    pub namespaces: Fact<String>,
    /// Load average over the last minute.
    pub load_average: Fact<f64>,
    /// Whether this process may change where other users' programs run (`CAP_SYS_NICE`).
    #[serde(default)]
    pub may_move_others: Fact<bool>,
    /// Whether a thread of this process may run at real-time priority; unknown with the reason where not.
    #[serde(default)]
    pub realtime: Fact<bool>,
}

impl Environment {
    /// Reads it all. Versions are passed in: this crate does not know what program it is part of.
    ///
    /// Cost: some dozen small files.
    pub fn read(machine: &Machine, corecurve_version: &str, rustc_version: Option<&str>) -> Environment {
        let precision = clock::precision();
        let nofile = limits::open_files();
        let throttling = cgroup::throttling(Path::new("/"));
        Environment {
            corecurve_version: corecurve_version.to_owned(),
            rustc_version: rustc_version
                .map(str::to_owned)
                .ok_or_else(|| "the build did not record it".to_owned())
                .into(),
            kernel: word("/proc/sys/kernel/osrelease"),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu_model: cpu_model(),
            cores: machine.topology.cores(),
            cpus: machine.topology.pus.len(),
            allowed_cpus: machine.allowed.to_string(),
            packages: machine.topology.packages(),
            nodes: machine.topology.nodes.len(),
            memory_bytes: memory_bytes(),
            hypervisor: hypervisor(),
            container: container(),
            mitigations: mitigations(),
            governor: governor(),
            turbo: turbo(),
            smt: read_number("/sys/devices/system/cpu/smt/active").map(|n| n == 1).into(),
            transparent_huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
            numa_balancing: read_number("/proc/sys/kernel/numa_balancing").map(|n| n != 0).into(),
            clocksource: clock::source().into(),
            clock_step_ns: precision.step_ns,
            clock_cost_ns: precision.cost_ns,
            somaxconn: limits::somaxconn().into(),
            port_range: limits::ephemeral_ports().map(|range| (*range.start(), *range.end())).into(),
            nofile_soft: nofile.soft,
            nofile_hard: nofile.hard,
            perf_event_paranoid: read_number("/proc/sys/kernel/perf_event_paranoid").into(),
            pmu: pmu(),
            may_perf: may_perf(),
            tracepoints: tracepoints(),
            kernel_symbols: kernel_symbols(),
            schedstat: read_text("/proc/thread-self/schedstat").map(|_| true).into(),
            io_uring_disabled: read_number("/proc/sys/kernel/io_uring_disabled").into(),
            quota_cpus: machine.quota_cpus,
            throttled_periods: throttling
                .map(|t| t.periods)
                .ok_or_else(|| "no cpu.stat with nr_throttled in the control groups".to_owned())
                .into(),
            steal_share: steal_share(),
            irqbalance: irqbalance(),
            loopback_rps: word("/sys/class/net/lo/queues/rx-0/rps_cpus"),
            namespaces: network::means().into(),
            load_average: load_average(),
            may_move_others: may_move_others().into(),
            realtime: realtime::refusal().map_or(Ok(true), Err).into(),
        }
    }
}

/// A file's only line; an empty one is unknown.
fn word(path: &str) -> Fact<String> {
    let text = read_text(path).map(|text| text.trim().to_owned());
    text.and_then(|text| if text.is_empty() { Err(format!("{path} is empty")) } else { Ok(text) }).into()
}

/// Whether `CAP_SYS_NICE` is among the capabilities in force.
fn may_move_others() -> Result<bool, String> {
    const CAP_SYS_NICE: u32 = 23;
    let status = read_text("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.map(|mask| mask >> CAP_SYS_NICE & 1 == 1).ok_or_else(|| "no CapEff in /proc/self/status".to_owned())
}

/// `always [madvise] never` means `madvise`.
fn chosen(path: &str) -> Fact<String> {
    let bracketed = |text: String| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned());
    read_text(path).and_then(|text| bracketed(text).ok_or_else(|| format!("{path} marks no choice"))).into()
}

fn cpu_model() -> Fact<String> {
    read_text("/proc/cpuinfo").and_then(|text| parse_cpu_model(&text)).into()
}

/// The first model name; Arm and others have none and are described by their part numbers.
fn parse_cpu_model(text: &str) -> Result<String, String> {
    let value = |key: &str| {
        let named =
            |line: &str| line.split_once(':').filter(|(name, _)| name.trim() == key).map(|(_, v)| v.trim().to_owned());
        text.lines().find_map(named).filter(|value| !value.is_empty())
    };
    let arm = || Some(format!("implementer {} part {}", value("CPU implementer")?, value("CPU part")?));
    let model = value("model name").or_else(|| value("cpu model")).or_else(|| value("uarch")).or_else(arm);
    model.ok_or_else(|| "/proc/cpuinfo names no model".to_owned())
}

fn memory_bytes() -> Fact<u64> {
    let parse = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    read_text("/proc/meminfo")
        .and_then(|text| parse(text).ok_or_else(|| "/proc/meminfo has no MemTotal".to_owned()))
        .into()
}

/// Virtual machines show in the CPU's `hypervisor` flag; their maker in DMI or `/sys/hypervisor`, where there is one.
fn hypervisor() -> Fact<String> {
    let name =
        ["/sys/hypervisor/type", "/sys/class/dmi/id/sys_vendor"].into_iter().find_map(|path| read_text(path).ok());
    read_text("/proc/cpuinfo").map(|text| parse_hypervisor(&text, name.as_deref())).into()
}

fn parse_hypervisor(cpuinfo: &str, name: Option<&str>) -> String {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or("");
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    if flags.split_whitespace().any(|flag| flag == "hypervisor") {
        name.unwrap_or("present, unnamed").to_owned()
    } else {
        "none".to_owned()
    }
}

fn container() -> Fact<String> {
    let marks = [
        ("/.dockerenv", "docker"),
        ("/run/.containerenv", "podman"),
        ("/run/systemd/container", "systemd-nspawn or alike"),
    ];
    let by_file = marks.into_iter().find(|(path, _)| Path::new(path).exists()).map(|(_, name)| name);
    let by_variable = std::env::var("container").ok().filter(|name| !name.is_empty());
    let kubernetes = std::env::var_os("KUBERNETES_SERVICE_HOST").map(|_| "kubernetes");
    let name = by_variable.as_deref().or(kubernetes).or(by_file).unwrap_or("none");
    Fact::Known(name.to_owned())
}

fn mitigations() -> Fact<BTreeMap<String, String>> {
    let path = "/sys/devices/system/cpu/vulnerabilities";
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) => return Fact::unknown(format!("{path}: {e}")),
    };
    let one = |entry: std::fs::DirEntry| {
        let text = read_text(entry.path()).ok()?.trim().to_owned();
        (!text.is_empty()).then(|| (entry.file_name().to_string_lossy().into_owned(), text))
    };
    let all: BTreeMap<String, String> = entries.flatten().filter_map(one).collect();
    if all.is_empty() { Fact::unknown(format!("{path} is empty")) } else { Fact::Known(all) }
}

fn governor() -> Fact<String> {
    let path = "/sys/devices/system/cpu/cpufreq";
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) => return Fact::unknown(format!("no cpufreq ({path}: {e})")),
    };
    let one = |entry: std::fs::DirEntry| Some(read_text(entry.path().join("scaling_governor")).ok()?.trim().to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(one).filter(|name| !name.is_empty()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        Fact::unknown(format!("no cpufreq ({path} has no policy)"))
    } else {
        Fact::Known(names.join(", "))
    }
}

fn turbo() -> Fact<bool> {
    let intel = read_number("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|n| n == 0);
    let others = || read_number("/sys/devices/system/cpu/cpufreq/boost").map(|n| n == 1);
    intel.or_else(|_| others()).map_err(|_| "neither intel_pstate/no_turbo nor cpufreq/boost".to_owned()).into()
}

/// Core counters appear as an event source of their own: `cpu`, on hybrid machines `cpu_core`, on Arm `armv8_…`.
pub(crate) fn pmu() -> Fact<bool> {
    let path = "/sys/bus/event_source/devices";
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) => return Fact::unknown(format!("{path}: {e}")),
    };
    let is_core = |name: &str| matches!(name, "cpu" | "cpu_core" | "cpu_atom") || name.starts_with("armv");
    Fact::Known(entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_core)))
}

/// `CAP_PERFMON`, or `CAP_SYS_ADMIN` that had it before.
fn may_perf() -> Fact<bool> {
    const BITS: [u32; 2] = [38, 21];
    let status = match read_text("/proc/thread-self/status") {
        Ok(status) => status,
        Err(reason) => return Fact::unknown(reason),
    };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.map(|set| BITS.iter().any(|bit| set >> bit & 1 == 1)).ok_or_else(|| "no CapEff".to_owned()).into()
}

fn tracepoints() -> Fact<bool> {
    let event = |mount: &str| read_text(format!("{mount}/events/sched/sched_switch/id"));
    event("/sys/kernel/tracing")
        .or_else(|first| event("/sys/kernel/debug/tracing").map_err(|_| first))
        .map(|_| true)
        .into()
}

fn kernel_symbols() -> Fact<bool> {
    let file = match std::fs::File::open("/proc/kallsyms") {
        Ok(file) => file,
        Err(e) => return Fact::unknown(format!("/proc/kallsyms: {e}")),
    };
    // Per-CPU symbols at its beginning are near zero even where the rest is shown.
    let lines = std::io::BufRead::lines(std::io::BufReader::new(file)).map_while(Result::ok).take(1_000);
    let addresses = lines.filter_map(|line| u64::from_str_radix(line.split(' ').next()?, 16).ok());
    Fact::Known(addresses.max().unwrap_or(0) > 0)
}

fn steal_share() -> Fact<f64> {
    let stat = match cpu::read() {
        Ok(stat) => stat,
        Err(reason) => return Fact::unknown(reason),
    };
    let all = stat.0.values().fold(cpu::CpuTimes::default(), |sum, times| sum.plus(times));
    all.steal_share().ok_or_else(|| "/proc/stat counts no time".to_owned()).into()
}

fn irqbalance() -> Fact<bool> {
    let pids = crate::procfs::process::all();
    pids.map(|pids| pids.into_iter().any(|pid| crate::procfs::process::stat(pid).is_ok_and(|s| s.name == "irqbalance")))
        .into()
}

fn load_average() -> Fact<f64> {
    let path = "/proc/loadavg";
    let parse = |text: String| text.split_whitespace().next()?.parse::<f64>().ok();
    read_text(path).and_then(|text| parse(text).ok_or_else(|| format!("{path} is not understood"))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read_and_reads_back() {
        let machine = Machine::discover(&crate::TopologySource::Live).unwrap();
        let mut environment = Environment::read(&machine, "0.0.0", None);
        // Fractions that text holds exactly: the comparison below is about fields, not about rounding.
        (environment.clock_cost_ns, environment.steal_share) = (24.5, Fact::Known(0.25));
        (environment.load_average, environment.quota_cpus) = (Fact::Known(1.5), None);
        assert_eq!(environment.cpus, machine.topology.pus.len());
        assert!(environment.rustc_version.reason().is_some());
        assert!(environment.kernel.known().is_some_and(|kernel| !kernel.is_empty()));
        let text = serde_json::to_string(&environment).unwrap();
        let back: Environment = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        for empty in [":\"\"", "null,\"governor", "{}"] {
            assert!(!text.contains(empty), "{empty} in {text}");
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert!(!text.contains(&format!("\"{}\"", host.trim())));
    }

    #[test]
    fn a_missing_value_keeps_its_reason() {
        let fact: Fact<u64> = Fact::unknown("no such file");
        let text = serde_json::to_string(&fact).unwrap();
        assert_eq!(text, r#"{"unknown":"no such file"}"#);
        assert_eq!(serde_json::from_str::<Fact<u64>>(&text).unwrap(), fact);
        assert_eq!(serde_json::from_str::<Fact<u64>>("5").unwrap(), Fact::Known(5));
        assert!(word("/no/such/file").reason().unwrap().contains("/no/such/file"));
    }

    #[test]
    fn odd_processors_have_a_name() {
        assert_eq!(parse_cpu_model("model name\t: AMD \"EPYC\"\n").unwrap(), "AMD \"EPYC\"");
        let arm = "processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(parse_cpu_model(arm).unwrap(), "implementer 0x41 part 0xd0c");
        assert!(parse_cpu_model("model name\t:\n").is_err());
        assert_eq!(parse_hypervisor("flags\t: fpu hypervisor\n", Some("KVM\n")), "KVM");
        assert_eq!(parse_hypervisor("flags\t: fpu hypervisor\n", None), "present, unnamed");
        assert_eq!(parse_hypervisor("flags\t: fpu\n", Some("Dell Inc.")), "none");
    }
}
