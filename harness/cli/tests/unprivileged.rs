//! Without any right to look closely a run works, and its record says what is missing and how to get it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use corecurve_core::{Counters, Event, TrialRecord};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// A user without any capability.
const NOBODY: u32 = 65_534;

/// Runs corecurve as that user, with `perf_event_open` refused as under the highest `perf_event_paranoid`: the sysctl itself is
/// the whole machine's, and mainline kernels know no level at which it refuses everything. Where this test is not root it
/// is without capabilities already.
fn run(dir: &Path, args: &[&str]) -> Output {
    let root = rustix::process::geteuid().is_root();
    // The way to where it was built may be closed to others.
    let program = dir.join("corecurve");
    // By a process of its own: a child that another test starts meanwhile would hold the file open for writing.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_corecurve")).arg(&program).status().unwrap();
    assert!(copied.success());
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    command.args(args).current_dir(dir).stdin(Stdio::null()).env("TMPDIR", dir);
    if root {
        chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    // A filter holds for the thread that applies it and for what that starts.
    std::thread::spawn(move || {
        forbid(libc::SYS_perf_event_open, libc::EACCES);
        command.output().unwrap()
    })
    .join()
    .unwrap()
}

/// From now on the calling thread's system calls of this number fail.
fn forbid(call: i64, error: i32) {
    let rules = BTreeMap::from([(call, Vec::new())]);
    let refused = SeccompAction::Errno(error as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).unwrap();
}

fn records(output: &Output) -> Vec<TrialRecord> {
    // 3: the machine was too busy for a valid trial, which is not what is asked here.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{:?} {said}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let events = text.lines().filter(|line| line.contains("\"event\":\"trial\""));
    let record = |line: &str| match serde_json::from_str(line).unwrap() {
        Event::Trial(record) => *record,
        other => panic!("{other:?}"),
    };
    events.map(record).collect()
}

const SERVER: [&str; 8] =
    ["-t", "thread-per-core", "-w", "plaintext", "--allow-shared-cores", "--quiet", "--json", "--out"];

fn is_complete(counters: &Counters) {
    assert!(!counters.threads.is_empty() && !counters.cpus.is_empty() && !counters.network.is_empty());
    assert!(counters.accept_queue.is_some() && counters.unread.is_some() && counters.loopback_bytes.is_some());
    let refused = counters.missing.iter().find(|missing| missing.what == "performance events").unwrap();
    assert!(refused.why.contains("refused") && refused.why.contains("perf_event_paranoid"), "{refused:?}");
    let help = refused.help.as_ref().unwrap();
    assert!(help.contains("sysctl") && help.contains("CAP_PERFMON"), "{help}");
    assert!(counters.threads.iter().all(|thread| thread.hardware.is_none()));
}

#[test]
fn a_run_without_rights_counts_what_it_may_and_says_what_it_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let rate = ["out", "--rate", "500", "--window", "500ms"];
    let output = run(dir.path(), &[&["run"], &SERVER[..], &rate].concat());
    let records = records(&output);
    assert_eq!(records.len(), 1);
    assert!(records[0].utilisation.is_some_and(|share| share > 0.0), "{:?}", records[0].caveats);
    is_complete(records[0].counters.as_ref().unwrap());
}

#[test]
fn so_does_a_search() {
    let dir = tempfile::tempdir().unwrap();
    let search = ["out", "--slo", "p99<20ms", "--budget", "4s", "--quick"];
    let output = run(dir.path(), &[&["mat"], &SERVER[..], &search].concat());
    let records = records(&output);
    assert!(!records.is_empty());
    records.iter().for_each(|record| is_complete(record.counters.as_ref().unwrap()));
}

#[test]
fn counters_that_are_switched_off_are_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let rate = ["out", "--rate", "500", "--window", "300ms", "--counters", "cpus,link"];
    let record = records(&run(dir.path(), &[&["run"], &SERVER[..], &rate].concat())).remove(0);
    let counters = record.counters.unwrap();
    let names: Vec<&str> = counters.collectors.iter().map(|cost| cost.collector.as_str()).collect();
    assert_eq!(names, ["cpus", "link"]);
    assert!(counters.why_missing("threads").unwrap().contains("switched off"));
    assert_eq!(record.utilisation, None);
    assert!(record.caveats.iter().any(|caveat| caveat.contains("switched off")), "{:?}", record.caveats);
}
