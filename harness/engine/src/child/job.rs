//! What the harness and a guardian say to each other: one JSON object per line, over two pipes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use corecurve_core::{CpuSet, Pid};
use corecurve_machine::{ExecPolicy, Shield};
use serde::{Deserialize, Serialize};

/// The hidden first argument that makes the executable a guardian.
pub const GUARDIAN_ARG: &str = "__guardian";

/// The line that asks a guardian to stop its target; the end of the pipe says the same without patience.
pub(super) const STOP: &str = "stop";

/// What a guardian starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The command, an absolute path first. There is no shell.
    pub argv: Vec<String>,
    /// The whole environment of the target.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: PathBuf,
    /// Affinity and memory policy, in force before the target's first instruction.
    pub policy: ExecPolicy,
    /// CPUs of the guardian itself; empty leaves them as they are.
    pub own_cpus: CpuSet,
    /// CPUs that others are kept off while the target runs; empty leaves everybody where they are.
    pub clear: CpuSet,
    /// Directory for `stdout.log` and `stderr.log`, each kept up to 1 MiB.
    pub logs: PathBuf,
    /// Milliseconds between SIGTERM and SIGKILL when asked to stop.
    pub grace_ms: u64,
}

/// What a guardian says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub(super) enum Report {
    /// The target runs.
    /// The harness gets the shield too, for the case that the guardian is killed.
    Started { pid: Pid, cgroup: Option<PathBuf>, shield: Option<Shield> },
    /// The target could not be started.
    Refused { errno: Option<i32>, why: String },
    /// The first line of its standard output.
    Line { line: String },
    /// The process that was started has ended.
    Exited(Exit),
    /// Nothing of the target is left, or what could not be killed.
    Gone { forced: bool, left: Vec<Pid> },
}

/// How the started process ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Exit code, if it ended by itself.
    pub code: Option<i32>,
    /// Signal, if one ended it.
    pub signal: Option<i32>,
    /// The kernel killed something for lack of memory meanwhile.
    pub out_of_memory: bool,
    /// Processes it left behind.
    pub survivors: Vec<Pid>,
    /// The last lines it wrote, standard error before standard output.
    pub tail: Vec<String>,
}

impl Exit {
    /// Whether it went into the background: it ended well and left others behind.
    pub fn is_daemon(&self) -> bool {
        self.code == Some(0) && !self.survivors.is_empty()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "ended with code {code}")?,
            (None, Some(signal)) => write!(f, "was killed by signal {signal}{}", signal_name(signal))?,
            (None, None) => write!(f, "ended")?,
        }
        if self.out_of_memory && self.signal == Some(libc::SIGKILL) {
            write!(f, "; the kernel ran out of memory (OOM)")?;
        }
        Ok(())
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        let exit = |code, signal, out_of_memory| Exit { code, signal, out_of_memory, ..Exit::default() }.to_string();
        assert_eq!(exit(Some(1), None, false), "ended with code 1");
        assert_eq!(exit(None, Some(9), false), "was killed by signal 9 (SIGKILL)");
        assert!(exit(None, Some(9), true).contains("OOM"));
        assert!(!exit(None, Some(11), true).contains("OOM"));
        assert!(Exit { code: Some(0), survivors: vec![7], ..Exit::default() }.is_daemon());
        assert!(!Exit { code: Some(1), survivors: vec![7], ..Exit::default() }.is_daemon());
    }
}
