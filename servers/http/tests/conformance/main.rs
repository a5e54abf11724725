//! One list of cases that every architecture must pass, over real sockets: at one and two workers, and as copies.
//!
//! The list ([`cases`]) names each case; the rows ([`row`]) come from the registry, so that a new architecture is held to it by
//! being there. An architecture that refuses to start here says why, and that is shown.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod case;
mod connections;
mod files;
mod fragments;
mod lives;
mod pipelines;
mod refusals;
mod row;

use std::collections::BTreeSet;

use case::{Case, Check};
use common::{be_a_copy, config_of, copied, say};
use corecurve_servers::{ARCHITECTURES, Architecture, ServeConfig};

/// What a copy is when this test program is started once more. Does nothing otherwise.
#[test]
fn copy_process() {
    be_a_copy();
}

/// Every case there is.
fn cases() -> Vec<Case> {
    // The waits of the first overlap with the work of the others.
    let parts = [
        lives::cases(),
        refusals::cases(),
        fragments::cases(),
        pipelines::cases(),
        connections::cases(),
        bodies::cases(),
        files::cases(),
    ];
    parts.into_iter().flatten().collect()
}

#[test]
fn the_list_is_long_and_its_names_are_unique() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "a name is given twice");
    for kind in
        ["refused", "cut in two", "byte by byte", "a pipeline of", "too large", "half-closed", "slow", "the end"]
    {
        let of_kind = names.iter().filter(|name| name.starts_with(kind)).count();
        assert!(of_kind >= 2, "{of_kind} cases of {kind}");
    }
}

/// Tries `cases` on every architecture, as `configure` has it started, and shows what was tried and what was refused.
fn every_architecture(how: &str, cases: &[&Case], configure: impl Fn(&Architecture) -> ServeConfig) {
    let outside = tempfile::tempdir().unwrap();
    let root = files::lay_out(outside.path());
    let mut failures = Vec::new();
    let mut passed = 0;
    for architecture in ARCHITECTURES {
        let mut config = configure(architecture);
        config.root = Some(root.clone());
        match row::run(architecture, &config, cases) {
            row::Outcome::Refused(problem) => {
                let help = problem.help.unwrap_or_default();
                say(&format!("conformance, {how}: {} NOT CHECKED: {}; {help}", architecture.name, problem.seen));
            }
            row::Outcome::Ran(failed) => {
                passed += usize::from(failed.is_empty());
                failures.extend(failed.iter().map(|case| format!("{}, {how}: {case}", architecture.name)));
            }
        }
    }
    let (of, count) = (ARCHITECTURES.len(), cases.len());
    say(&format!("conformance, {how}: {passed} of {of} architectures passed all of {count} cases"));
    assert!(passed > 0 && failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn with_one_worker() {
    every_architecture("1 worker", &cases().iter().collect::<Vec<_>>(), |known| config_of(known.name, 1));
}

#[test]
fn with_two_workers() {
    every_architecture("2 workers", &cases().iter().collect::<Vec<_>>(), |known| config_of(known.name, 2));
}

/// Cases whose servers are alone count connections and workers; `copies.rs` does that for copies.
fn of_any_server(cases: &[Case]) -> Vec<&Case> {
    cases.iter().filter(|case| matches!(case.check, Check::Together(_))).collect()
}

#[test]
fn as_two_copies() {
    every_architecture("2 copies", &of_any_server(&cases()), |known| copied(config_of(known.name, 2), 2, false));
}

#[test]
fn as_two_processes() {
    every_architecture("2 processes", &of_any_server(&cases()), |known| copied(config_of(known.name, 2), 2, true));
}

/// Looking for events in a loop must not keep a worker from seeing the end.
#[test]
fn a_spinning_server_stops_although_clients_never_do() {
    let spins = |known: &&Architecture| known.settings.iter().any(|setting| setting.name == "spin");
    let spinning: Vec<&Architecture> = ARCHITECTURES.iter().filter(spins).collect();
    assert!(!spinning.is_empty());
    for architecture in spinning {
        let mut config = config_of(architecture.name, 2);
        config.settings.insert("spin".to_owned(), "200us".to_owned());
        let case = [&case::alone("spinning", |_| {}, lives::end_under_load)];
        if let row::Outcome::Ran(failed) = row::run(architecture, &config, &case) {
            assert!(failed.is_empty(), "{}: {failed:?}", architecture.name);
        }
    }
}
