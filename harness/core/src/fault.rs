//! [`Fault`]: a weakness put into server, host or generator on purpose, so that whoever names bottlenecks can be tested.
//!
//! The words live here. What they do lives where it is done: in the servers, the engine and the network.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cpu::CpuSet;
use crate::network::BitRate;
use crate::problem::{Problem, printable};
use crate::units::{Nanos, exact_time, parse_count};

/// Where a fault is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultPlace {
    /// In the handler of our own servers, by their setting `fault`.
    Handler,
    /// In a setting of our own servers.
    Setting,
    /// In the load workers.
    Load,
    /// In a process beside the target.
    Host,
    /// In the control group of the target.
    Target,
    /// In the link between load and server.
    Link,
}

impl FaultPlace {
    /// As lists show it.
    pub fn label(self) -> &'static str {
        match self {
            FaultPlace::Handler | FaultPlace::Setting => "in our own servers",
            FaultPlace::Load => "in the load generator",
            FaultPlace::Host => "in a process beside the target",
            FaultPlace::Target => "on the target's control group",
            FaultPlace::Link => "on the link between load and server",
        }
    }
}

/// One row of the registry.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FaultKind {
    /// Its name in `--fault NAME=ARG`.
    pub name: &'static str,
    /// The form of its argument.
    pub argument: &'static str,
    /// The argument when none is given.
    pub default: &'static str,
    /// Where it is put in.
    pub place: FaultPlace,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What should be seen of it.
    pub seen: &'static str,
    /// The verdict it should lead to.
    pub verdict: &'static str,
}

/// Every fault, in the order lists show them.
pub const FAULTS: &[FaultKind] = &[
    FaultKind {
        name: "mutex",
        argument: "TIME[,sleep]",
        default: "50us",
        place: FaultPlace::Handler,
        summary: "one lock around the handling of every request, held at least so long by working, or sleeping",
        seen: "with `sleep` the CPU idles while connections wait; throughput stays at one request per hold on any number of cores",
        verdict: "lock",
    },
    FaultKind {
        name: "admit",
        argument: "N",
        default: "1",
        place: FaultPlace::Handler,
        summary: "at most so many requests are handled at once, the others wait (thread-per-connection)",
        seen: "throughput stays at N per service time while the CPU idles, however many connections there are",
        verdict: "admission",
    },
    FaultKind {
        name: "syscalls",
        argument: "N",
        default: "64",
        place: FaultPlace::Handler,
        summary: "so many cheap system calls more in every request",
        seen: "system time per request grows; user time does not",
        verdict: "network-stack",
    },
    FaultKind {
        name: "false-sharing",
        argument: "N",
        default: "1000",
        place: FaultPlace::Handler,
        summary: "every worker raises a counter of its own so often per request, all counters in one cache line",
        seen: "CPU per request grows with the number of cores, in the function that counts",
        verdict: "memory",
    },
    FaultKind {
        name: "delay",
        argument: "TIME[,sleep]",
        default: "10us",
        place: FaultPlace::Handler,
        summary: "so much work more in every request, outside of any lock; or so much sleep",
        seen: "the MAT of a CPU-bound server falls by d/(T+d), that of any other not at all",
        verdict: "cpu",
    },
    FaultKind {
        name: "backlog",
        argument: "N",
        default: "1",
        place: FaultPlace::Setting,
        summary: "an accept queue of this length (the setting `backlog`)",
        seen: "ListenOverflows, and latencies of a second and more where connections are reopened",
        verdict: "accept-queue",
    },
    FaultKind {
        name: "quota",
        argument: "CPUS",
        default: "0.5",
        place: FaultPlace::Target,
        summary: "the target may use the time of so many CPUs, by a quota of its control group",
        seen: "throttled periods in cpu.stat and a p99 of tens of milliseconds",
        verdict: "scheduler",
    },
    FaultKind {
        name: "cpu-hog",
        argument: "SHARE",
        default: "0.5",
        place: FaultPlace::Host,
        summary: "a process pinned to each of the server's CPUs burns that share of it",
        seen: "CPU time of others on the server's CPUs, and run delay",
        verdict: "host",
    },
    FaultKind {
        name: "memory-bandwidth",
        argument: "N[@CPUS]",
        default: "1",
        place: FaultPlace::Host,
        summary: "so many threads stream through memory on these CPUs, or those that nobody measures on",
        seen: "CPU per request of a server that misses its caches grows",
        verdict: "memory",
    },
    FaultKind {
        name: "cache",
        argument: "MIB[@CPUS]",
        default: "16",
        place: FaultPlace::Host,
        summary: "a thread walks at random over so much memory on these CPUs, or those that nobody measures on",
        seen: "CPU per request of a server that lives in the last-level cache grows",
        verdict: "memory",
    },
    FaultKind {
        name: "generator-sleep",
        argument: "TIME",
        default: "2ms",
        place: FaultPlace::Load,
        summary: "every load worker sleeps so long, fifty times a second",
        seen: "send lag; trials are invalid for the generator's sake",
        verdict: "generator",
    },
    FaultKind {
        name: "link-cap",
        argument: "RATE",
        default: "20mbit",
        place: FaultPlace::Link,
        summary: "as `--network netns --network-cap RATE`",
        seen: "bytes per second stay at the cap while the CPU idles",
        verdict: "link",
    },
];

/// Time between two sleeps of a load worker under `generator-sleep`.
pub const GENERATOR_SLEEP_EVERY: Nanos = Nanos(20_000_000);
/// The longest time any fault may add to a request, or a worker sleep.
const LONGEST: Nanos = Nanos(100_000_000);

/// How a time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// At least so long.
    pub time: Nanos,
    /// Whether by sleeping, not by working.
    pub sleeps: bool,
}

/// Threads beside the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beside {
    /// Threads, or mebibytes: what the fault's argument counts.
    pub amount: u64,
    /// Where; empty takes the CPUs that neither serve nor load.
    pub cpus: CpuSet,
}

/// A thousandth of a CPU, so that shares can be compared and written exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MilliCpus(pub u32);

impl MilliCpus {
    /// In CPUs.
    pub fn cpus(self) -> f64 {
        f64::from(self.0) / 1e3
    }
}

/// A fault with its argument. Written as `NAME=ARG`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fault {
    /// `mutex`.
    Mutex(Hold),
    /// `admit`.
    Admit(usize),
    /// `syscalls`.
    Syscalls(u32),
    /// `false-sharing`.
    FalseSharing(u32),
    /// `delay`.
    Delay(Hold),
    /// `backlog`.
    Backlog(usize),
    /// `quota`.
    Quota(MilliCpus),
    /// `cpu-hog`.
    CpuHog(MilliCpus),
    /// `memory-bandwidth`.
    MemoryBandwidth(Beside),
    /// `cache`.
    Cache(Beside),
    /// `generator-sleep`.
    GeneratorSleep(Nanos),
    /// `link-cap`.
    LinkCap(BitRate),
}

impl Fault {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Mutex(_) => "mutex",
            Fault::Admit(_) => "admit",
            Fault::Syscalls(_) => "syscalls",
            Fault::FalseSharing(_) => "false-sharing",
            Fault::Delay(_) => "delay",
            Fault::Backlog(_) => "backlog",
            Fault::Quota(_) => "quota",
            Fault::CpuHog(_) => "cpu-hog",
            Fault::MemoryBandwidth(_) => "memory-bandwidth",
            Fault::Cache(_) => "cache",
            Fault::GeneratorSleep(_) => "generator-sleep",
            Fault::LinkCap(_) => "link-cap",
        }
    }

    /// Its row in [`FAULTS`]. A test holds the two together.
    pub fn kind(&self) -> Option<&'static FaultKind> {
        FAULTS.iter().find(|kind| kind.name == self.name())
    }

    /// Where it is put in.
    pub fn place(&self) -> FaultPlace {
        self.kind().map_or(FaultPlace::Handler, |kind| kind.place)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name())?;
        match self {
            Fault::Mutex(hold) | Fault::Delay(hold) => {
                write!(f, "{}{}", exact_time(hold.time), if hold.sleeps { ",sleep" } else { "" })
            }
            Fault::Admit(n) | Fault::Backlog(n) => write!(f, "{n}"),
            Fault::Syscalls(n) | Fault::FalseSharing(n) => write!(f, "{n}"),
            Fault::Quota(cpus) | Fault::CpuHog(cpus) => write!(f, "{}", cpus.cpus()),
            Fault::MemoryBandwidth(beside) | Fault::Cache(beside) if beside.cpus.is_empty() => {
                write!(f, "{}", beside.amount)
            }
            Fault::MemoryBandwidth(beside) | Fault::Cache(beside) => write!(f, "{}@{}", beside.amount, beside.cpus),
            Fault::GeneratorSleep(time) => write!(f, "{}", exact_time(*time)),
            Fault::LinkCap(rate) => write!(f, "{rate}"),
        }
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> String {
        fault.to_string()
    }
}

impl TryFrom<String> for Fault {
    type Error = Problem;
    fn try_from(text: String) -> Result<Fault, Problem> {
        text.parse()
    }
}

impl FromStr for Fault {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Fault, Problem> {
        let (name, argument) = match text.trim().split_once('=') {
            Some((name, argument)) => (name.trim(), Some(argument.trim())),
            None => (text.trim(), None),
        };
        let kind = FAULTS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let known = FAULTS.iter().map(|kind| kind.name);
            Problem::unknown("fault", name, known, "See `corecurve list faults`")
        })?;
        read(name, argument.unwrap_or(kind.default)).map_err(|problem| {
            let form = format!("write `{name}={}`, e.g. `{name}={}`", kind.argument, kind.default);
            Problem { help: Some(form), ..problem.at(name) }
        })
    }
}

fn read(name: &str, text: &str) -> Result<Fault, Problem> {
    Ok(match name {
        "mutex" => Fault::Mutex(hold(text)?),
        "delay" => Fault::Delay(hold(text)?),
        "admit" => Fault::Admit(count(text, 100_000)? as usize),
        "backlog" => Fault::Backlog(count(text, 1_000_000)? as usize),
        "syscalls" => Fault::Syscalls(count(text, 100_000)? as u32),
        "false-sharing" => Fault::FalseSharing(count(text, 1_000_000)? as u32),
        "quota" => Fault::Quota(milli_cpus(text, 1_024_000)?),
        "cpu-hog" => Fault::CpuHog(milli_cpus(text, 1_000)?),
        "memory-bandwidth" => Fault::MemoryBandwidth(beside(text, 1_024)?),
        "cache" => Fault::Cache(beside(text, 65_536)?),
        "generator-sleep" => Fault::GeneratorSleep(time(text)?),
        // The one name that is left.
        _ => Fault::LinkCap(text.parse()?),
    })
}

fn time(text: &str) -> Result<Nanos, Problem> {
    let time: Nanos = text.parse()?;
    if time == Nanos::ZERO || time > LONGEST {
        return Err(Problem::new(format!("`{}` is out of range, which is above 0 to {LONGEST}", printable(text))));
    }
    Ok(time)
}

fn hold(text: &str) -> Result<Hold, Problem> {
    match text.split_once(',') {
        None => Ok(Hold { time: time(text)?, sleeps: false }),
        Some((text, how)) if how.trim() == "sleep" => Ok(Hold { time: time(text)?, sleeps: true }),
        Some((_, how)) => Err(Problem::unknown("way", how, ["sleep"], "")),
    }
}

fn count(text: &str, most: u64) -> Result<u64, Problem> {
    match parse_count(text)? {
        n if (1..=most).contains(&n) => Ok(n),
        _ => Err(Problem::new(format!("`{}` is out of range, which is 1 to {most}", printable(text)))),
    }
}

fn milli_cpus(text: &str, most: u32) -> Result<MilliCpus, Problem> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let milli = text.parse::<f64>().ok().filter(|_| plain).map(|cpus| (cpus * 1e3).round());
    match milli {
        // The kernel takes no quota below a hundredth.
        Some(milli) if (10.0..=f64::from(most)).contains(&milli) => Ok(MilliCpus(milli as u32)),
        _ => Err(Problem::new(format!(
            "`{}` is no number of CPUs from 0.01 to {}",
            printable(text),
            f64::from(most) / 1e3
        ))),
    }
}

fn beside(text: &str, most: u64) -> Result<Beside, Problem> {
    let (amount, cpus) = match text.split_once('@') {
        Some((amount, cpus)) => (amount, cpus.parse()?),
        None => (text, CpuSet::default()),
    };
    Ok(Beside { amount: count(amount, most)?, cpus })
}

/// Several faults as one text, `mutex=50us,sleep;delay=10us`: the value of a server's setting. Commas separate as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultList(pub Vec<Fault>);

impl FaultList {
    /// What a text says that asks for no fault.
    pub const NONE: &'static str = "none";
}

impl fmt::Display for FaultList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(FaultList::NONE);
        }
        let each: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&each.join(";"))
    }
}

impl FromStr for FaultList {
    type Err = Problem;
    fn from_str(text: &str) -> Result<FaultList, Problem> {
        if text.trim() == FaultList::NONE {
            return Ok(FaultList::default());
        }
        let mut texts: Vec<String> = Vec::new();
        for piece in text.split([';', ',']) {
            match texts.last_mut() {
                Some(before) if piece.trim() == "sleep" => *before += ",sleep",
                _ => texts.push(piece.to_owned()),
            }
        }
        let list = texts.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>, Problem>>()?;
        expect_distinct(&list)?;
        Ok(FaultList(list))
    }
}

/// What must travel with every number measured under these faults; `None` if there are none.
pub fn caveat(faults: &[Fault]) -> Option<String> {
    (!faults.is_empty()).then(|| format!("fault injected: {}", FaultList(faults.to_vec())))
}

/// Refuses a fault that is asked for twice: which of the two arguments would count?
///
/// # Errors
/// Names it.
pub fn expect_distinct(faults: &[Fault]) -> Result<(), Problem> {
    let twice = |(at, fault): (usize, &Fault)| faults[..at].iter().any(|other| other.name() == fault.name());
    match faults.iter().enumerate().find(|(at, fault)| twice((*at, fault))) {
        None => Ok(()),
        Some((_, fault)) => {
            Err(Problem::new(format!("fault `{}` is given twice", fault.name())).help("give each fault once"))
        }
    }
}

/// The faults as a Markdown table.
pub fn markdown_table() -> String {
    let mut table = "| fault | default | where | what it does | what should be seen | verdict |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for FaultKind { name, argument, default, place, summary, seen, verdict } in FAULTS {
        let place = place.label();
        table += &format!("| `{name}={argument}` | `{default}` | {place} | {summary} | {seen} | `{verdict}` |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_by_its_default_and_written_as_it_is_read() {
        for kind in FAULTS {
            let fault: Fault = kind.name.parse().unwrap();
            assert_eq!((fault.name(), fault.to_string()), (kind.name, format!("{}={}", kind.name, kind.default)));
            assert_eq!(fault.kind().unwrap().name, kind.name);
            assert!(!kind.summary.contains('|') && !kind.seen.contains('|'), "{}", kind.name);
        }
        for text in ["mutex=1500us,sleep", "delay=2ms", "memory-bandwidth=2@3-4", "cache=64@7", "quota=1.5"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn slips_are_recognised_and_senseless_arguments_refused() {
        assert!("mutx".parse::<Fault>().unwrap_err().one_line().contains("did you mean `mutex`"));
        for (text, token) in [
            ("mutex=50", "mutex"),
            ("mutex=50us,slep", "TIME[,sleep]"),
            ("delay=0us", "out of range"),
            ("delay=1s", "out of range"),
            ("cpu-hog=1.5", "0.01 to 1"),
            ("quota=0.001", "0.01"),
            ("quota=NaN", "NaN"),
            ("admit=0", "out of range"),
            ("syscalls=-1", "-1"),
            ("memory-bandwidth=1@x", "x"),
            ("link-cap=fast", "fast"),
        ] {
            let problem = text.parse::<Fault>().unwrap_err().one_line();
            assert!(problem.contains(token), "{text}: {problem}");
        }
    }

    #[test]
    fn lists_are_separated_by_semicolons_or_commas() {
        let list: FaultList = "mutex=50us,sleep,delay=10us;syscalls=4".parse().unwrap();
        assert_eq!(list.to_string(), "mutex=50us,sleep;delay=10us;syscalls=4");
        assert_eq!(list.to_string().parse::<FaultList>().unwrap(), list);
        assert_eq!("none".parse::<FaultList>().unwrap(), FaultList::default());
        assert!("delay=1us;delay=2us".parse::<FaultList>().unwrap_err().seen.contains("twice"));
        assert!("sleep".parse::<FaultList>().is_err());
    }

    #[test]
    fn the_documented_table_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->");
        let (before, rest) = text.split_once(begin).unwrap();
        let (documented, after) = rest.split_once(end).unwrap();
        let table = markdown_table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else {
            assert!(documented == table, "docs/faults.md is behind; run this test with UPDATE_DOCS=1:\n{table}");
        }
    }
}
