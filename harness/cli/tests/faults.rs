//! Faults that are put in from outside of the servers: what they do is seen, and nothing of them stays.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use corecurve_core::{Event, TrialRecord};
use corecurve_machine::procfs::process;

fn corecurve(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corecurve"));
    let usual = ["run", "-t", "thread-per-core", "--allow-shared-cores", "--shield", "off", "--json", "--seed", "3"];
    command.args(usual).args(["--connections", "4", "--warmup", "50ms"]).args(arguments);
    command.args(["--out", dir.join("out").to_str().unwrap()]).current_dir(dir).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    corecurve(dir.path(), arguments).output().unwrap()
}

fn trial(arguments: &[&str]) -> TrialRecord {
    let output = output(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("\"event\":\"trial\""));
    let line = line.unwrap_or_else(|| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    let Event::Trial(record) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
    *record
}

fn expect_caveat(record: &TrialRecord, fault: &str) {
    let expected = format!("fault injected: {fault}");
    assert!(record.caveats.contains(&expected), "{:?}", record.caveats);
}

#[test]
fn a_generator_that_sleeps_sends_late() {
    let record = trial(&["--rate", "2k", "--window", "500ms", "--fault", "generator-sleep=5ms"]);
    expect_caveat(&record, "generator-sleep=5ms");
    // A quarter of all operations come due in a sleep, and a fifth of these in its first millisecond.
    let lag = record.send_lag_ns.p99.finite().unwrap();
    assert!(lag.0 > 3_000_000, "{lag}");
}

#[test]
fn faults_of_the_servers_and_their_settings_are_put_in_and_told() {
    let record = trial(&["--rate", "100", "--window", "300ms", "--fault", "delay=3ms", "--fault", "backlog=1"]);
    expect_caveat(&record, "delay=3ms;backlog=1");
    assert!(record.service_ns.p50.finite().unwrap().0 >= 3_000_000, "{:?}", record.service_ns);
}

#[test]
fn unknown_faults_are_refused_with_the_nearest_and_impossible_ones_with_the_reason() {
    for (fault, token) in [
        ("cpu-hoog", "did you mean `cpu-hog`"),
        ("admit=2", "thread-per-connection"),
        ("mutex=50", "no unit"),
        ("memory-bandwidth=1@x", "memory-bandwidth"),
    ] {
        let output = output(&["--rate", "100", "--fault", fault]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(token), "{fault}: {said}");
    }
}

/// Processes below `pid` that take CPU time from the server.
fn antagonists(pid: u32) -> Vec<process::Identity> {
    let below = process::descendants(pid).unwrap_or_default().into_iter();
    let is_one = |pid: &u32| process::command(*pid).is_ok_and(|command| command.contains("__antagonist"));
    below.filter(is_one).filter_map(|pid| process::Identity::of(pid).ok()).collect()
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_hog_burns_its_share_and_dies_with_the_harness() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--rate", "50", "--window", "60s", "--fault", "cpu-hog=0.2"];
    let mut command = corecurve(dir.path(), &arguments);
    let mut harness = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let hog = wait_for("hog", || antagonists(harness.0.id()).pop());
    let threads = || process::threads(hog.pid).unwrap().len();
    wait_for("hog's thread", || (threads() > 1).then_some(()));
    let spent = || -> u64 {
        let of = |tid: u32| {
            let text = std::fs::read_to_string(format!("/proc/{}/task/{tid}/schedstat", hog.pid)).unwrap();
            text.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        process::threads(hog.pid).unwrap().into_iter().map(of).sum()
    };
    let (before, began) = (spent(), Instant::now());
    std::thread::sleep(Duration::from_millis(800));
    let share = (spent() - before) as f64 / began.elapsed().as_nanos() as f64;
    assert!((0.05..0.30).contains(&share), "{share}");
    harness.0.kill().unwrap();
    wait_for("end of the hog", || (!hog.is_alive()).then_some(()));
}

#[test]
fn a_quota_stops_the_target_and_its_group_goes_with_it() {
    let arguments = ["-w", "work", "--rate", "500", "--window", "1s", "--fault", "quota=0.05"];
    let output = output(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(2) && said.contains("quota") {
        // Where control groups are not to be had that is told with the plan, and there is nothing more to see.
        assert!(said.contains("control group") && said.contains("help"), "{said}");
        return;
    }
    let record = trial(&arguments);
    expect_caveat(&record, "quota=0.05");
    // A tenth of a second of work is asked for per second, and half of that allowed.
    let used = record.utilisation.unwrap();
    assert!(used < 0.08, "{used}");
    for entry in std::fs::read_dir("/sys/fs/cgroup/cpu").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let owner = name.strip_prefix("corecurve-").and_then(|name| name.split('-').next()?.parse::<u32>().ok());
        assert!(owner.is_none_or(|pid| process::stat(pid).is_ok()), "{name} was left behind");
    }
}
