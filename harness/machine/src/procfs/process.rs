//! Processes: who exists, who started whom, and whether a pid still means the same process.

use std::collections::BTreeMap;

use corecurve_core::{CpuId, Nanos, Pid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use serde::{Deserialize, Serialize};

use super::read_text;

/// A process that a recycled pid cannot be mistaken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process.
    pub pid: Pid,
    /// When it started, in ticks since boot.
    pub start_ticks: u64,
}

impl Identity {
    /// Who `pid` is now.
    ///
    /// # Errors
    /// The reason when there is no such process.
    pub fn of(pid: Pid) -> Result<Identity, String> {
        Ok(Identity { pid, start_ticks: stat(pid)?.start_ticks })
    }

    /// Whether it still runs. A zombie does not: it has ended and only waits to be reaped.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks && !matches!(stat.state, 'Z' | 'X'))
    }
}

/// The parts of `/proc/PID/stat` that are used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatLine {
    /// The process or thread.
    pub pid: Pid,
    /// Its name, which may hold spaces and brackets.
    pub name: String,
    /// `R`unning, `S`leeping, `D`isk sleep, s`T`opped, `Z`ombie, …
    pub state: char,
    /// The parent process; 0 for none.
    pub parent: Pid,
    /// Time in user code, in ticks.
    pub user_ticks: u64,
    /// Time in the kernel, in ticks.
    pub system_ticks: u64,
    /// When it started, in ticks since boot.
    pub start_ticks: u64,
    /// The CPU it last ran on.
    pub last_cpu: Option<CpuId>,
    /// Page faults served without reading.
    pub minor_faults: u64,
    /// Page faults that had to read.
    pub major_faults: u64,
}

impl StatLine {
    /// `None` when the text is no such line.
    pub fn parse(text: &str) -> Option<StatLine> {
        // The name is in brackets and may itself hold brackets, so the last closing one counts.
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(open + 1..close)?.to_owned();
        let pid = text.get(..open)?.trim().parse().ok()?;
        let words: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
        // Field numbers of proc(5) count from 1 and the state is field 3.
        let field = |number: usize| words.get(number - 3).copied();
        let number = |number: usize| field(number)?.parse::<u64>().ok();
        Some(StatLine {
            pid,
            name,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            start_ticks: number(22)?,
            last_cpu: field(39).and_then(|cpu| cpu.parse().ok()).map(CpuId),
            minor_faults: number(10)?,
            major_faults: number(12)?,
        })
    }
}

/// Reads `/proc/PID/stat`.
///
/// # Errors
/// The reason when there is no such process.
pub fn stat(pid: Pid) -> Result<StatLine, String> {
    let path = format!("/proc/{pid}/stat");
    StatLine::parse(&read_text(&path)?).ok_or_else(|| format!("{path} is not understood"))
}

/// CPU time that all threads of `pid`, those that have ended included, used so far, exact; `None` when it is gone.
pub fn cpu_time(pid: Pid) -> Option<Nanos> {
    let clock = clock_getcpuclockid(nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    let time = clock_gettime(clock).ok()?;
    Some(Nanos(u64::try_from(time.tv_sec()).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec()).ok()?))
}

/// Threads of `pid`, ascending.
///
/// # Errors
/// The reason when there is no such process.
pub fn threads(pid: Pid) -> Result<Vec<Pid>, String> {
    numbered(&format!("/proc/{pid}/task"))
}

/// Every process there is, ascending.
///
/// # Errors
/// The reason when `/proc` cannot be read.
pub fn all() -> Result<Vec<Pid>, String> {
    numbered("/proc")
}

fn numbered(directory: &str) -> Result<Vec<Pid>, String> {
    let entries = std::fs::read_dir(directory).map_err(|e| format!("{directory}: {e}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut pids: Vec<Pid> = names.collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Every process that `pid` started, and those that they started, nearest first; not `pid` itself.
///
/// A process whose parent has ended belongs to init or to a subreaper and is found under that one.
/// Cost: reads one file per process of the machine.
///
/// # Errors
/// The reason when `/proc` cannot be read.
pub fn descendants(pid: Pid) -> Result<Vec<Pid>, String> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for process in all()? {
        // A process that ended since is nobody's child any more.
        if let Ok(stat) = stat(process) {
            children.entry(stat.parent).or_default().push(process);
        }
    }
    Ok(reachable(pid, &children))
}

fn reachable(root: Pid, children: &BTreeMap<Pid, Vec<Pid>>) -> Vec<Pid> {
    let mut found: Vec<Pid> = Vec::new();
    let mut frontier = vec![root];
    while !frontier.is_empty() {
        let next = frontier.iter().filter_map(|parent| children.get(parent)).flatten().copied();
        // Pids are recycled while `/proc` is read, so a loop is possible and must end.
        frontier = next.filter(|child| *child != root && !found.contains(child)).collect();
        frontier.dedup();
        found.extend(&frontier);
    }
    found
}

/// The command line of `pid`, words separated by spaces; its name in brackets when it has none.
///
/// # Errors
/// The reason when there is no such process.
pub fn command(pid: Pid) -> Result<String, String> {
    let text = read_text(format!("/proc/{pid}/cmdline"))?;
    let words: Vec<&str> = text.split('\0').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { Ok(format!("[{}]", stat(pid)?.name)) } else { Ok(words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn hostile_names_do_not_shift_the_fields() {
        let tail =
            "S 1 42 42 0 -1 4194304 100 0 0 0 11 22 0 0 20 0 5 0 9999 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 3 0";
        for name in ["nginx", "a b", "x) S 1 (y", ")", ""] {
            let line = StatLine::parse(&format!("42 ({name}) {tail}")).unwrap();
            assert_eq!((line.pid, line.name.as_str(), line.state, line.parent), (42, name, 'S', 1));
            assert_eq!((line.user_ticks, line.system_ticks, line.start_ticks), (11, 22, 9_999));
            assert_eq!((line.minor_faults, line.major_faults), (100, 0));
            assert_eq!(line.last_cpu, Some(CpuId(3)));
        }
        for text in ["", "42", "42 (", ")42(", "x (y) S 1", "42 (a) S"] {
            assert_eq!(StatLine::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_child_is_a_descendant_until_it_ends() {
        let mut child =
            Command::new("sh").args(["-c", "sleep 60 & echo; wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let shell = child.id();
        // The line proves that the grandchild has been started.
        let mut line = [0u8; 1];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let family = descendants(std::process::id()).unwrap();
        assert!(family.contains(&shell));
        let grandchildren = descendants(shell).unwrap();
        let [grandchild] = grandchildren[..] else { panic!("{grandchildren:?}") };
        let identity = Identity::of(grandchild).unwrap();
        assert!(identity.is_alive());
        assert!(Identity::of(shell).unwrap().is_alive());
        let killed = |pid: Pid| {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        };
        killed(grandchild);
        killed(shell);
        child.wait().unwrap();
        assert!(!descendants(std::process::id()).unwrap().contains(&shell));
        assert!(!Identity { pid: shell, start_ticks: 0 }.is_alive());
    }

    #[test]
    fn a_loop_of_recycled_pids_ends() {
        let children = BTreeMap::from([(1, vec![2]), (2, vec![3]), (3, vec![2, 1])]);
        assert_eq!(reachable(1, &children), [2, 3]);
    }

    #[test]
    fn this_process_has_a_command() {
        assert!(command(std::process::id()).unwrap().contains("corecurve_machine"));
        assert!(command(u32::MAX).is_err());
    }
}
