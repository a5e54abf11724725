//! The table of HTTP workloads. `list`, help and the validation of settings are generated from it.

use corecurve_core::{Problem, Problems, Settings};

use crate::kinds;
use crate::mix::Mix;
use crate::needs::{Needs, Suggests};
use crate::site::SiteFile;
use crate::values::Values;
use crate::workload::HttpWorkload;

/// One workload, as `corecurve list workloads` shows it.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadKind {
    /// The name after `-w`.
    pub name: &'static str,
    /// One line: what is asked.
    pub summary: &'static str,
    /// One sentence: what a number from this workload does not say.
    pub not_shown: &'static str,
    /// The architectures whose known weakness it shows, by their names; empty when it is not made for one.
    pub exposes: &'static [&'static str],
    /// What a server must have to answer it.
    pub needs: Needs,
    /// How the load should be made unless the user says otherwise.
    pub suggests: Suggests,
    /// The settings it takes.
    pub settings: &'static [SettingKind],
    /// From settings to what is asked.
    pub build: fn(&mut Values) -> Option<Mix>,
}

/// One setting of a workload, given as `--set workload.KEY=VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct SettingKind {
    /// The key, without `workload.`.
    pub key: &'static str,
    /// The value when it is not given; empty means "none".
    pub default: &'static str,
    /// What it means, its unit and its range.
    pub help: &'static str,
}

/// Every HTTP workload. A new one is a file in `kinds/` and a line here.
pub const WORKLOADS: &[WorkloadKind] = &[
    kinds::plaintext::KIND,
    kinds::echo::KIND,
    kinds::bytes::KIND,
    kinds::work::KIND,
    kinds::static_file::KIND,
    kinds::get::KIND,
    kinds::tcp::KIND,
    kinds::keepalive::KIND,
    kinds::k_per_conn::KIND,
    kinds::bimodal::KIND,
    kinds::large::KIND,
    kinds::web99_static::KIND,
    kinds::lifo_trap::KIND,
    kinds::elephant::KIND,
    kinds::elephant_bytes::KIND,
    kinds::blocker::KIND,
    kinds::support_like::KIND,
    kinds::pipelined::KIND,
];

/// The workload `name` with its settings checked, ready to be made for each load worker.
///
/// # Errors
/// An unknown name or setting (with the nearest known one) or a value that does not parse. Several
/// problems come as one whose text holds them all; [`HttpFactory::new`] keeps them apart.
pub fn http_workload(name: &str, settings: &Settings) -> Result<HttpFactory, Problem> {
    HttpFactory::new(name, settings).map_err(joined)
}

fn joined(problems: Problems) -> Problem {
    let mut problems = problems.0;
    if problems.len() == 1 {
        return problems.remove(0);
    }
    let seen: Vec<&str> = problems.iter().map(|problem| problem.seen.as_str()).collect();
    let help: Vec<&str> = problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    Problem::new(seen.join("; ")).help(help.join("; "))
}

/// A workload whose settings are known to be good; makes one [`HttpWorkload`] per load worker.
#[derive(Clone, Debug)]
pub struct HttpFactory {
    kind: &'static WorkloadKind,
    mix: Mix,
    authority: String,
}

/// The `Host` of a target that was not given one.
const LOOPBACK: &str = "127.0.0.1";

impl HttpFactory {
    /// The workload `name` with its settings checked.
    ///
    /// # Errors
    /// All problems at once: unknown name, unknown settings, values that do not parse.
    pub fn new(name: &str, settings: &Settings) -> Result<HttpFactory, Problems> {
        let kind = WORKLOADS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let names = WORKLOADS.iter().map(|kind| kind.name);
            Problem::unknown("workload", name, names, "See `corecurve list workloads`")
        })?;
        let mut values = Values::new(kind, settings);
        let mix = (kind.build)(&mut values);
        let problems = values.into_problems();
        match mix {
            Some(mix) if problems.0.is_empty() => Ok(HttpFactory { kind, mix, authority: LOOPBACK.to_owned() }),
            _ => Err(problems),
        }
    }

    /// The workload's row in [`WORKLOADS`].
    pub fn kind(&self) -> &'static WorkloadKind {
        self.kind
    }

    /// The files that must be below the target's static root, unless it answers their paths some other way.
    pub fn files(&self) -> &[SiteFile] {
        &self.mix.files
    }

    /// Asks this `HOST` or `HOST:PORT` (the `Host` header) instead of `127.0.0.1`. Characters that no authority
    /// can hold are dropped.
    #[must_use]
    pub fn at(mut self, authority: &str) -> HttpFactory {
        self.authority = authority.chars().filter(char::is_ascii_graphic).collect();
        self
    }

    /// The workload for load worker `worker` of a trial with `seed`. All that is ever allocated for it is
    /// allocated here.
    ///
    /// Workers differ only in the operation ids the engine gives them, so `worker` changes nothing today.
    pub fn make(&self, worker: usize, seed: u64) -> HttpWorkload {
        let _ = worker;
        HttpWorkload::new(&self.mix, seed, &self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_row_builds_from_its_defaults_and_explains_itself() {
        for kind in WORKLOADS {
            let given = if kind.name == "get" { settings(&[("path", "/")]) } else { Settings::new() };
            let factory = HttpFactory::new(kind.name, &given).unwrap();
            assert_eq!(factory.kind().name, kind.name);
            assert!(!kind.summary.is_empty() && kind.not_shown.ends_with('.'), "{}", kind.name);
            assert!(kind.settings.iter().all(|setting| !setting.help.is_empty()), "{}", kind.name);
        }
        let mut names: Vec<_> = WORKLOADS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORKLOADS.len(), "two workloads share a name");
    }

    #[test]
    fn slips_of_the_hand_are_named_with_the_nearest_word() {
        for (name, given, seen, help) in [
            ("plantext", &[][..], "unknown workload `plantext`", "did you mean `plaintext`?"),
            ("work", &[("meen", "1ms")][..], "unknown setting `workload.meen`", "did you mean `workload.mean`?"),
            ("plaintext", &[("size", "1k")][..], "unknown setting `workload.size`", "`plaintext` takes no settings"),
            ("work", &[("mean", "200")][..], "workload.mean: time `200` has no unit", "200ms"),
            ("work", &[("mean", "0ns")][..], "workload.mean: `0ns` is out of range", "from 1us to 1s"),
            ("work", &[("mean", "11s")][..], "workload.mean: `11s` is out of range", "from 1us to 1s"),
            ("work", &[("dist", "expo")][..], "workload.dist: unknown distribution `expo`", "did you mean `exp`?"),
            ("work", &[("seed", "-1")][..], "workload.seed: `-1` is not a seed", "whole number"),
            ("bytes", &[("size", "1.5")][..], "workload.size: `1.5` is not a count", "whole number"),
            ("bytes", &[("size", "2000M")][..], "workload.size: `2000M` is out of range", "from 0 to"),
            ("echo", &[("size", "0x10")][..], "workload.size: `0x10` is not a count", "whole number"),
            ("get", &[][..], "workload.path is not given", "--set workload.path=/"),
            (
                "get",
                &[("path", "index.html")][..],
                "workload.path: `index.html` does not start with `/`",
                "/index.html",
            ),
            ("get", &[("path", "/a b")][..], "workload.path: `/a b` holds a character", "%20"),
            ("get", &[("path", "/\r\nX: y")][..], "holds a character", "percent"),
            ("get", &[("path", "/"), ("status", "99")][..], "workload.status: `99` is not a status", "200 to 599"),
            ("get", &[("path", "/"), ("method", "POST")][..], "workload.method: unknown method `POST`", "GET, HEAD"),
        ] {
            let problem = http_workload(name, &settings(given)).unwrap_err();
            assert!(problem.seen.contains(seen), "{name} {given:?}: {problem}");
            assert!(problem.help.as_deref().unwrap_or_default().contains(help), "{name} {given:?}: {problem}");
        }
    }

    #[test]
    fn all_problems_come_at_once() {
        let given = settings(&[("mean", "200"), ("dist", "gaus"), ("sede", "1")]);
        let problems = HttpFactory::new("work", &given).unwrap_err();
        assert_eq!(problems.0.len(), 3, "{problems}");
        let one = http_workload("work", &given).unwrap_err();
        for token in ["`200`", "`gaus`", "workload.sede"] {
            assert!(one.seen.contains(token), "{one}");
        }
    }
}
