//! Starting, watching and killing real processes. This executable has no test harness of its own, because it plays
//! many parts: guardian, server, harness that is killed. Run it with words to choose tests by name.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by a panic and tells its name")]

mod faults;
mod helper;
mod killed;
mod roles;
mod servers;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    (
        "servers::each_starts_on_its_cpus_answers_and_leaves_nothing",
        servers::each_starts_on_its_cpus_answers_and_leaves_nothing,
    ),
    ("servers::a_static_root_is_served", servers::a_static_root_is_served),
    ("servers::they_listen_on_loopback_alone", servers::they_listen_on_loopback_alone),
    ("servers::versions_are_told", servers::versions_are_told),
    ("faults::programs_that_cannot_start_are_named_at_once", faults::programs_that_cannot_start_are_named_at_once),
    (
        "faults::a_server_that_ends_at_once_shows_its_last_lines",
        faults::a_server_that_ends_at_once_shows_its_last_lines,
    ),
    ("faults::a_taken_port_names_its_holder", faults::a_taken_port_names_its_holder),
    ("faults::a_stranger_on_the_port_is_never_measured", faults::a_stranger_on_the_port_is_never_measured),
    ("faults::a_silent_server_is_given_up_in_time", faults::a_silent_server_is_given_up_in_time),
    ("faults::a_wrong_answer_is_not_ready", faults::a_wrong_answer_is_not_ready),
    ("faults::a_killed_server_is_noticed_with_its_signal", faults::a_killed_server_is_noticed_with_its_signal),
    ("faults::workers_of_a_killed_master_are_cleared", faults::workers_of_a_killed_master_are_cleared),
    ("faults::a_deaf_server_is_killed_after_its_grace", faults::a_deaf_server_is_killed_after_its_grace),
    ("faults::a_daemon_is_refused_and_killed", faults::a_daemon_is_refused_and_killed),
    ("faults::a_torrent_of_output_blocks_nobody", faults::a_torrent_of_output_blocks_nobody),
    ("killed::the_harness", killed::the_harness),
    ("killed::the_guardian", killed::the_guardian),
    ("killed::both_at_once", killed::both_at_once),
];

fn main() -> ExitCode {
    if corecurve_engine::child::is_guardian_call() {
        return corecurve_engine::child::guardian_main().into();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = roles::play(&words) {
        return code;
    }
    helper::adopt_orphans();
    let chosen = |name: &str| {
        let mut filters = words.iter().filter(|word| !word.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|word| name.contains(word.as_str()))
    };
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| chosen(name)) {
        let result = catch_unwind(|| {
            test();
            helper::expect_no_orphans();
        });
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        failed += u32::from(result.is_err());
        helper::kill_orphans();
    }
    println!("{failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
