//! `--network netns` as a user meets it: proven where it may be had, refused with a reason where not.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use corecurve_core::{BitRate, NetworkKind, TrialRecord};
use corecurve_machine::network;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

fn corecurve(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corecurve")).args(arguments).current_dir(directory).output().unwrap()
}

fn trials(output: &Output) -> Vec<TrialRecord> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with("{\"event\":\"trial\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

const RUN: [&str; 12] =
    ["run", "-c", "1", "--rate", "2k", "--window", "500ms", "--warmup", "100ms", "--connections", "8", "--json"];

/// A run's shield narrows this process too while it is up: whoever counts CPUs does it while no other test measures.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this machine can show a placement at all; if not, it is told.
fn able() -> bool {
    let cpus = corecurve_machine::allowed::affinity().unwrap().len();
    let refusal = network::refusal(None);
    if cpus < 2 || refusal.is_some() {
        eprintln!("not run: {cpus} CPUs, {refusal:?}");
    }
    cpus >= 2 && refusal.is_none()
}

#[test]
fn receiving_is_proven_to_be_where_it_was_declared() {
    let _alone = alone();
    if !able() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let third = Path::new("/usr/sbin/nginx").is_file().then_some("nginx");
    for target in ["thread-per-core"].into_iter().chain(third) {
        let arguments = [&RUN[..], &["-t", target, "--network", "netns", "--network-cap", "1gbit"]].concat();
        let output = corecurve(&arguments, directory.path());
        let found = trials(&output);
        let [trial] = &found[..] else { panic!("{target}: {}", String::from_utf8_lossy(&output.stderr)) };
        let record = trial.network.unwrap();
        assert_eq!((record.network.kind, record.network.cap), (NetworkKind::Netns, Some(BitRate(1_000_000_000))));
        assert!(record.server_received_share.unwrap() >= 0.95, "{target}: {record:?}");
        assert!(record.load_received_share.unwrap() >= 0.95, "{target}: {record:?}");
        assert!(trial.counts.ok > 900, "{target}: {:?}", trial.counts);
        assert!(!trial.caveats.iter().any(|caveat| caveat.starts_with("loopback")), "{:?}", trial.caveats);
    }
}

#[test]
fn loopback_tells_its_share_with_every_number() {
    let _alone = alone();
    if corecurve_machine::allowed::affinity().unwrap().len() < 2 {
        eprintln!("not run: one CPU receives for both");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let output = corecurve(&[&RUN[..], &["-t", "thread-per-core"]].concat(), directory.path());
    let found = trials(&output);
    let [trial] = &found[..] else { panic!("{}", String::from_utf8_lossy(&output.stderr)) };
    let record = trial.network.unwrap();
    assert_eq!((record.network.kind, record.server_received_share), (NetworkKind::Loopback, None));
    let caveats: Vec<_> = trial.caveats.iter().filter(|caveat| caveat.starts_with("loopback")).collect();
    let share = format!(" {:.0} % of", record.load_received_share.unwrap() * 100.0);
    assert!(caveats.len() == 1 && caveats[0].contains(&share) && caveats[0].contains("netns"), "{caveats:?}");
}

#[test]
fn without_privileges_it_is_refused_and_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let run = || corecurve(&[&RUN[..], &["-t", "thread-per-core", "--network", "netns"]].concat(), directory.path());
    // What a thread gives up, the processes it starts can no longer get.
    let output = std::thread::scope(|scope| {
        let without = || {
            for capability in [CapabilitySet::SYS_ADMIN, CapabilitySet::NET_ADMIN] {
                // An ordinary user has nothing to give up, and may not.
                let _ = remove_capability_from_bounding_set(capability);
            }
            run()
        };
        scope.spawn(without).join().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{said}");
    for word in ["--network netns", "CAP_SYS_ADMIN", "--network loopback"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn what_runs_already_cannot_be_put_into_a_namespace() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&RUN[..], &["-t", "url:http://127.0.0.1:9/", "--network", "netns"]].concat();
    let output = corecurve(&arguments, directory.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("runs already") && said.contains("exec:FILE.toml"), "{said}");
}
