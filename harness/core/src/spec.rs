//! [`Spec`]: what was asked, as typed on the command line or written in a TOML file. Every key is also a flag.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Problems, nearest};
use crate::units::{Nanos, time_text};

/// What the user asked for. Everything is optional; [`Spec::over`] lays one on another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Spec {
    /// Systems under test.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// What is asked of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workload: Vec<String>,
    /// Server core counts: `1,2,4..16`, `pow2` or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// Placements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placement: Vec<String>,
    /// Load cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_cores: Option<usize>,
    /// CPUs of the server, for the `explicit` placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpus: Option<String>,
    /// CPUs of the load generator, for the `explicit` placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_cpus: Option<String>,
    /// Objectives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slo: Vec<String>,
    /// Offered rate, for `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Arrival process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival: Option<String>,
    /// Connections over all load cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// Requests after which a connection is closed and opened anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<u64>,
    /// What load goes through: `auto`, `epoll` or `io_uring`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Whether other programs are kept off the server's CPUs: `auto`, `on` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shield: Option<String>,
    /// Whether the first repetition profiles the target: `auto`, `on` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What lies between load and server: `loopback` or `netns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Bandwidth of each direction, for `netns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_cap: Option<String>,
    /// What is counted beside each trial: `all`, `none` or names separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<String>,
    /// Faults put in on purpose: `mutex=50us`, `quota=0.5`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<String>,
    /// Fixed warm-up instead of a detected one.
    #[serde(with = "time_text", skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Nanos>,
    /// Measured window of each trial.
    #[serde(with = "time_text", skip_serializing_if = "Option::is_none")]
    pub window: Option<Nanos>,
    /// Repetitions, each on a restarted target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reps: Option<u32>,
    /// Time the whole run may take.
    #[serde(with = "time_text", skip_serializing_if = "Option::is_none")]
    pub budget: Option<Nanos>,
    /// Wider intervals, fewer repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick: Option<bool>,
    /// Master seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Settings of target and workload: `workload.mean = "200us"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Settings to go through: `workload.mean = ["100us", "200us"]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vary: BTreeMap<String, Vec<String>>,
    /// A made-up machine or an hwloc XML file, for plans only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// Let server and load share cores (every table and plot is then marked).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_shared_cores: Option<bool>,
    /// Hosts other than this machine that may be loaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_remote: Vec<String>,
    /// Treat caveats as invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Largest spec file read.
pub const MAX_SPEC_BYTES: usize = 1 << 20;

impl Spec {
    /// Reads a spec from TOML text; `name` is the file for messages.
    ///
    /// # Errors
    /// Syntax errors and wrong types with line and column; unknown keys with the nearest known one, all of them at once.
    pub fn parse(text: &str, name: &str) -> Result<Spec, Problems> {
        if text.len() > MAX_SPEC_BYTES {
            return Err(Problem::new(format!("{name}: {} bytes is too large for a spec", text.len()))
                .help("a spec is at most 1 MiB of TOML")
                .into());
        }
        let table: toml::Table =
            toml::from_str(text).map_err(|error| Problems::from(toml_problem(name, text, &error)))?;
        let mut problems = Problems::default();
        let known = Spec::keys();
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = nearest(key, &known)
                .map(|near| format!("did you mean `{near}`?"))
                .unwrap_or_else(|| format!("known keys: {}", known.join(", ")));
            let line =
                text.lines().position(|line| line.trim_start().trim_start_matches('[').starts_with(key.as_str()));
            let place = line.map_or(name.to_owned(), |line| format!("{name}:{}", line + 1));
            problems
                .0
                .push(Problem::new(format!("{place}: unknown key `{}`", crate::problem::printable(key))).help(near));
        }
        if !problems.0.is_empty() {
            return Err(problems);
        }
        toml::from_str(text).map_err(|error| toml_problem(name, text, &error).into())
    }

    /// Every key, which is also every flag.
    pub fn keys() -> Vec<&'static str> {
        vec![
            "target",
            "workload",
            "cores",
            "placement",
            "load-cores",
            "server-cpus",
            "load-cpus",
            "slo",
            "rate",
            "arrival",
            "connections",
            "requests-per-connection",
            "transport",
            "shield",
            "profile",
            "network",
            "network-cap",
            "counters",
            "fault",
            "warmup",
            "window",
            "reps",
            "budget",
            "quick",
            "seed",
            "set",
            "vary",
            "topology",
            "allow-shared-cores",
            "allow-remote",
            "strict",
        ]
    }

    /// This spec laid over `base`: what is given here wins.
    #[must_use]
    pub fn over(self, base: Spec) -> Spec {
        let list = |mine: Vec<String>, theirs: Vec<String>| if mine.is_empty() { theirs } else { mine };
        let mut set = base.set;
        set.extend(self.set);
        let mut vary = base.vary;
        vary.extend(self.vary);
        Spec {
            target: list(self.target, base.target),
            workload: list(self.workload, base.workload),
            cores: self.cores.or(base.cores),
            placement: list(self.placement, base.placement),
            load_cores: self.load_cores.or(base.load_cores),
            server_cpus: self.server_cpus.or(base.server_cpus),
            load_cpus: self.load_cpus.or(base.load_cpus),
            slo: list(self.slo, base.slo),
            rate: self.rate.or(base.rate),
            arrival: self.arrival.or(base.arrival),
            connections: self.connections.or(base.connections),
            requests_per_connection: self.requests_per_connection.or(base.requests_per_connection),
            transport: self.transport.or(base.transport),
            shield: self.shield.or(base.shield),
            profile: self.profile.or(base.profile),
            network: self.network.or(base.network),
            network_cap: self.network_cap.or(base.network_cap),
            counters: self.counters.or(base.counters),
            fault: list(self.fault, base.fault),
            warmup: self.warmup.or(base.warmup),
            window: self.window.or(base.window),
            reps: self.reps.or(base.reps),
            budget: self.budget.or(base.budget),
            quick: self.quick.or(base.quick),
            seed: self.seed.or(base.seed),
            set,
            vary,
            topology: self.topology.or(base.topology),
            allow_shared_cores: self.allow_shared_cores.or(base.allow_shared_cores),
            allow_remote: list(self.allow_remote, base.allow_remote),
            strict: self.strict.or(base.strict),
        }
    }

    /// As TOML text, for `spec.toml` of the run directory.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }
}

/// What is wrong with TOML text, with line and column; `name` is the file.
pub fn toml_problem(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(String::new(), |span| {
        let before = text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!(":{line}:{column}")
    });
    let token = error.span().and_then(|span| text.get(span)).map(|token| token.lines().next().unwrap_or_default());
    let token = token
        .filter(|token| !token.is_empty())
        .map_or(String::new(), |token| format!(" at `{}`", crate::problem::printable(token)));
    Problem::new(format!("{name}{place}: {}{token}", crate::problem::printable(error.message())))
        .help("see `corecurve sweep --help` for the keys and their forms; a spec is TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_reads_back_as_written() {
        let text =
            "target = [\"nginx\"]\ncores = \"1..4\"\nwindow = \"1500ms\"\n[set]\n\"workload.mean\" = \"200us\"\n";
        let spec = Spec::parse(text, "a.toml").unwrap();
        assert_eq!(spec.window, Some(Nanos(1_500_000_000)));
        assert_eq!(Spec::parse(&spec.to_toml(), "b.toml").unwrap(), spec);
    }

    #[test]
    fn all_unknown_keys_are_shown_at_once_with_line_and_suggestion() {
        let problems = Spec::parse("targte = [\"x\"]\ncores = \"1\"\nwndow = \"1s\"\n", "s.toml").unwrap_err();
        let shown = problems.to_string();
        assert!(
            shown.contains("s.toml:1: unknown key `targte`") && shown.contains("did you mean `target`?"),
            "{shown}"
        );
        assert!(shown.contains("s.toml:3: unknown key `wndow`"), "{shown}");
    }

    #[test]
    fn wrong_types_and_syntax_name_the_place() {
        for (text, place) in [
            ("cores = \"1\"\nreps = \"five\"\n", "s.toml:2:8"),
            ("cores = \n", "s.toml:1:"),
            ("window = \"10\"\n", "s.toml:1:"),
            ("seed = 99999999999999999999\n", "s.toml:1:"),
            ("reps = -1\n", "s.toml:1:"),
        ] {
            let shown = Spec::parse(text, "s.toml").unwrap_err().to_string();
            assert!(shown.contains(place), "{text}: {shown}");
        }
    }

    #[test]
    fn keys_list_is_complete() {
        let full = Spec {
            target: vec!["a".into()],
            workload: vec!["a".into()],
            placement: vec!["a".into()],
            slo: vec!["a".into()],
            allow_remote: vec!["a".into()],
            cores: Some("1".into()),
            load_cores: Some(1),
            server_cpus: Some("0".into()),
            load_cpus: Some("0".into()),
            rate: Some("1".into()),
            arrival: Some("a".into()),
            connections: Some(1),
            requests_per_connection: Some(1),
            transport: Some("a".into()),
            shield: Some("a".into()),
            profile: Some("a".into()),
            network: Some("a".into()),
            network_cap: Some("a".into()),
            counters: Some("a".into()),
            fault: vec!["a".into()],
            warmup: Some(Nanos::SECOND),
            window: Some(Nanos::SECOND),
            reps: Some(1),
            budget: Some(Nanos::SECOND),
            quick: Some(true),
            seed: Some(1),
            set: [("a".to_owned(), "b".to_owned())].into(),
            vary: [("a".to_owned(), vec!["b".to_owned()])].into(),
            topology: Some("a".into()),
            allow_shared_cores: Some(true),
            strict: Some(true),
        };
        let table: toml::Table = toml::from_str(&full.to_toml()).unwrap();
        let mut written: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut known = Spec::keys();
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known);
        assert_eq!(full.clone().over(Spec::default()), full);
        assert_eq!(Spec::default().over(full.clone()), full);
    }
}
