//! `machine.json`: what the run was measured on, and the command that made it.

use corecurve_machine::{Machine, environment::Environment};
use serde_json::{Value, json};

/// Topology, limits and environment.
pub fn machine_record(machine: &Machine) -> Value {
    let environment = environment(machine);
    json!({ "schema": corecurve_core::SCHEMA, "corecurve": env!("CARGO_PKG_VERSION"), "machine": machine, "environment": environment })
}

/// The host as it is now.
pub fn environment(machine: &Machine) -> Environment {
    Environment::read(machine, env!("CARGO_PKG_VERSION"), option_env!("CORECURVE_RUSTC"))
}

/// The command line as it could be typed again: the program by name, not by path.
pub fn command_line() -> Vec<String> {
    let arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("corecurve".to_owned()).chain(arguments).collect()
}
