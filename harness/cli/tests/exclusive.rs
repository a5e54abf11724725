//! One run measures at a time on one machine; the next waits and says for whom.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use corecurve_machine::Exclusive;

fn run(target: &str, shield: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corecurve"));
    command.args(["run", "-t", target, "-c", "1", "--rate", "100", "--window", "200ms", "--warmup", "100ms"]);
    command.args(["--allow-shared-cores", "--shield", shield, "--quiet"]);
    command
}

#[test]
fn a_run_waits_for_another_and_what_needs_no_machine_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let held = Exclusive::wait(|_| {}).unwrap();
    for (target, shield) in [("sim:mmc", "auto"), ("thread-per-core", "off")] {
        let output = run(target, shield).current_dir(directory.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("another run") && !output.stdout.is_empty(), "{target}: {said}");
    }
    let mut waiting = run("thread-per-core", "auto")
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let me = format!("(process {})", std::process::id());
    assert!(line.contains("another run") && line.contains(&me) && line.contains("--shield off"), "{line}");
    assert_eq!(waiting.try_wait().unwrap(), None, "it waits");
    drop(held);
    assert!(!waiting.wait_with_output().unwrap().stdout.is_empty(), "and then it measures");
}
