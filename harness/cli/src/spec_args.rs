//! From typed words to a [`Spec`]: every value is read, every mistake collected.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use corecurve_core::problem::printable;
use corecurve_core::{Nanos, Problem, Problems, Spec};

use crate::args::{MeasureArgs, SpecArgs};

/// The spec of a command: its file, if any, under its flags.
///
/// # Errors
/// Everything that is wrong with file and flags, at once.
pub fn spec(args: &MeasureArgs) -> Result<Spec, Problems> {
    read(args.spec.as_deref(), &args.what)
}

/// The spec of a file, if there is one, under some flags.
///
/// # Errors
/// Everything that is wrong with file and flags, at once.
pub fn read(file: Option<&Path>, what: &SpecArgs) -> Result<Spec, Problems> {
    let mut problems = Problems::default();
    let flags = flags(what, &mut problems);
    let base = match file {
        None => Spec::default(),
        Some(path) => match read_spec(path) {
            Ok(base) => base,
            Err(found) => {
                problems.0.extend(found.0);
                Spec::default()
            }
        },
    };
    problems.finish(flags.over(base))
}

fn read_spec(path: &Path) -> Result<Spec, Problems> {
    let shown = printable(&path.to_string_lossy());
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(format!("cannot read spec `{shown}`: {error}"))
            .help("name a TOML file; examples are in specs/ and shown by `corecurve list specs`")
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !size.is_file() {
        return Err(unreadable(&"not a regular file").into());
    }
    if size.len() > corecurve_core::spec::MAX_SPEC_BYTES as u64 {
        return Err(unreadable(&format!("{} bytes is too large, a spec is at most 1 MiB", size.len())).into());
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(&format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))?;
    Spec::parse(text.trim_start_matches('\u{feff}'), &shown)
}

/// Reads the flags; what cannot be read is left out and its problem remembered.
pub fn flags(args: &SpecArgs, problems: &mut Problems) -> Spec {
    let whole = |n: &Option<String>, flag: &str, problems: &mut Problems| -> Option<u64> {
        problems.take(n.as_deref().map(|text| whole_number(text, flag)).transpose()).flatten()
    };
    let time = |t: &Option<String>, flag: &str, problems: &mut Problems| -> Option<Nanos> {
        problems.take(t.as_deref().map(|text| at_flag(text.parse(), flag)).transpose()).flatten()
    };
    Spec {
        target: listed(&args.target),
        workload: listed(&args.workload),
        cores: args.cores.clone(),
        placement: listed(&args.placement),
        load_cores: whole(&args.load_cores, "load-cores", problems).map(|n| n as usize),
        server_cpus: args.server_cpus.clone(),
        load_cpus: args.load_cpus.clone(),
        slo: args.slo.clone(),
        rate: args.rate.clone(),
        arrival: args.arrival.clone(),
        connections: whole(&args.connections, "connections", problems).map(|n| n as usize),
        requests_per_connection: whole(&args.requests_per_connection, "requests-per-connection", problems),
        transport: args.transport.clone(),
        counters: args.counters.clone(),
        shield: args.shield.clone(),
        profile: args.profile.clone(),
        network: args.network.clone(),
        network_cap: args.network_cap.clone(),
        fault: args.fault.clone(),
        warmup: time(&args.warmup, "warmup", problems),
        window: time(&args.window, "window", problems),
        reps: whole(&args.reps, "reps", problems).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        budget: time(&args.budget, "budget", problems),
        quick: args.quick.then_some(true),
        seed: whole(&args.seed, "seed", problems),
        set: pairs(&args.set, "set", problems),
        vary: pairs(&args.vary, "vary", problems)
            .into_iter()
            .map(|(key, values)| (key, values.split(',').map(str::to_owned).collect()))
            .collect(),
        topology: args.topology.clone(),
        allow_shared_cores: args.allow_shared_cores.then_some(true),
        allow_remote: args.allow_remote.clone(),
        strict: args.strict.then_some(true),
    }
}

/// A plain whole number; `1e3`, signs and other digits than 0–9 are refused.
///
/// # Errors
/// Names flag and text.
pub fn whole_number(text: &str, flag: &str) -> Result<u64, Problem> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if plain => Ok(number),
        _ => Err(Problem::new(format!("--{flag}: `{}` is not a whole number", printable(text)))
            .help(format!("write digits only, e.g. `--{flag} 4`"))),
    }
}

/// Reads one flag's value and says which flag when it is wrong.
///
/// # Errors
/// The value's own problem, with the flag in front.
pub fn value<T: FromStr<Err = Problem>>(text: &str, flag: &str) -> Result<T, Problem> {
    at_flag(text.parse(), flag)
}

fn at_flag<T>(result: Result<T, Problem>, flag: &str) -> Result<T, Problem> {
    result.map_err(|problem| problem.at(format!("--{flag}")))
}

/// `a,b` and repeated flags are the same thing; `exec:` and `url:` names keep their commas.
fn listed(values: &[String]) -> Vec<String> {
    values
        .iter()
        .flat_map(|value| {
            let whole = value.starts_with("exec:") || value.starts_with("url:");
            if whole { vec![value.as_str()] } else { value.split(',').collect() }
        })
        .map(|name| name.trim().to_owned())
        .collect()
}

/// `key=value` pairs; a key given twice is a mistake.
pub fn pairs(values: &[String], flag: &str, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for text in values {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                if map.insert(key.trim().to_owned(), value.to_owned()).is_some() {
                    problems.0.push(
                        Problem::new(format!("--{flag}: `{}` is given twice", printable(key)))
                            .help("give each key once; use --vary KEY=A,B to go through several values"),
                    );
                }
            }
            _ => problems.0.push(
                Problem::new(format!("--{flag}: `{}` is not KEY=VALUE", printable(text)))
                    .help(format!("write e.g. `--{flag} workload.mean=200us`")),
            ),
        }
    }
    map
}
