//! Everything that can be named on the command line, gathered from the registries of the crates that own it.

use std::path::PathBuf;

use corecurve_core::{Problem, Settings, Target};
use corecurve_engine::targets;
use corecurve_http::{HttpFactory, Needs, WORKLOADS, WorkloadKind};
use corecurve_servers::registry::{self, ARCHITECTURES};
use corecurve_servers::{Architecture, COMMON_SETTINGS, ServeConfig};

const SEE_TARGETS: &str = "See `corecurve list targets`";

/// The registries, seen as one.
#[derive(Debug)]
pub struct Catalog {
    /// This binary, which is also the built-in servers.
    exe: PathBuf,
}

/// One line of `corecurve list`.
#[derive(Debug, Default, serde::Serialize)]
pub struct Listed {
    /// What the user types.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// The group it is shown in.
    pub group: &'static str,
    /// Its settings, `key=default`.
    pub settings: Vec<String>,
    /// For a workload: how the load is made unless flags say otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suggests: String,
    /// For a workload: the architectures whose weakness it shows.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub exposes: &'static [&'static str],
    /// For a workload: what its numbers do not say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub not_shown: &'static str,
    /// For a fault: what should be seen of it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub seen: &'static str,
    /// For a fault or a probe: the verdict it should lead to.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub verdict: &'static str,
    /// What it differs in from its neighbours, name and value; empty where that has not been said.
    #[serde(skip_serializing_if = "Factors::is_empty")]
    pub factors: Factors,
}

/// Names and values, in the order tables show them.
pub type Factors = Vec<(&'static str, String)>;

impl Catalog {
    /// Finds this binary.
    ///
    /// # Errors
    /// When the kernel does not say where it is.
    pub fn new() -> Result<Catalog, Problem> {
        let exe = std::env::current_exe().map_err(|error| {
            Problem::new(format!("cannot find my own executable: {error}")).help("is /proc mounted?")
        })?;
        Ok(Catalog { exe })
    }

    /// Whether a target lives in virtual time and takes no cores of this machine.
    pub fn is_virtual(target: &str) -> bool {
        target.starts_with("sim:")
    }

    /// Whether load for a target goes through sockets.
    pub fn has_sockets(target: &str) -> bool {
        !Catalog::is_virtual(target) && target != "null"
    }

    /// Whether a target is one of our own architectures.
    pub fn is_built_in(target: &str) -> bool {
        ARCHITECTURES.iter().any(|architecture| architecture.name == target)
    }

    /// Whether a target is a process that we start, and so can be told where files are and can be shielded.
    pub fn is_started_here(target: &str) -> bool {
        !Catalog::is_virtual(target) && target != "null" && !target.starts_with("url:")
    }

    /// Whether a target of that name exists.
    ///
    /// # Errors
    /// The nearest known name.
    pub fn knows_target(&self, name: &str) -> Result<(), Problem> {
        if name.starts_with("exec:")
            || name.starts_with("url:")
            || self.target_names().iter().any(|known| known == name)
        {
            return Ok(());
        }
        let names = self.target_names();
        Err(Problem::unknown("target", name, names.iter().map(String::as_str), SEE_TARGETS))
    }

    /// Whether a workload of that name exists.
    ///
    /// # Errors
    /// The nearest known name.
    pub fn knows_workload(&self, name: &str) -> Result<(), Problem> {
        let mut names = WORKLOADS.iter().map(|kind| kind.name);
        match names.any(|known| known == name) {
            true => Ok(()),
            false => Err(Problem::unknown(
                "workload",
                name,
                WORKLOADS.iter().map(|kind| kind.name),
                "See `corecurve list workloads`",
            )),
        }
    }

    /// Whether a target answers a workload. Third-party recipes serve `/plaintext` and, those with a root, files; not
    /// the handlers of our own servers.
    ///
    /// # Errors
    /// Names what the target does answer.
    pub fn serves(&self, target: &str, workload: &str) -> Result<(), Problem> {
        let Some(third_party) = targets::external_targets().into_iter().find(|known| known.name == target) else {
            return Ok(());
        };
        let has_root = third_party.settings.iter().any(|(key, _)| key == "root");
        let served = |kind: &&WorkloadKind| match kind.needs {
            Needs::Greeting | Needs::OwnPath => true,
            Needs::Files => has_root,
            Needs::Handlers => false,
        };
        let asked = WORKLOADS.iter().find(|kind| kind.name == workload);
        if asked.is_none_or(|kind| served(&kind)) {
            return Ok(());
        }
        let names: Vec<&str> = WORKLOADS.iter().filter(served).map(|kind| kind.name).collect();
        Err(Problem::new(format!("`{target}` does not answer workload `{workload}`"))
            .help(format!("it answers {}", names.join(", "))))
    }

    /// Whether target and workload take these settings.
    ///
    /// # Errors
    /// The setting that is wrong. Unknown names are left to [`Catalog::knows_target`] and [`Catalog::knows_workload`].
    pub fn check(
        &self,
        target: &str,
        target_settings: &Settings,
        workload: &str,
        workload_settings: &Settings,
        allow_remote: &[String],
    ) -> Result<(), Problem> {
        if self.knows_target(target).is_ok() {
            self.target(target, target_settings, allow_remote)?;
        }
        if self.knows_workload(workload).is_ok() && !Catalog::is_virtual(target) {
            self.workload(workload, workload_settings)?;
        }
        Ok(())
    }

    /// The target of that name.
    ///
    /// # Errors
    /// Unknown names, wrong settings, unreadable `exec:` files, forbidden hosts.
    pub fn target(&self, name: &str, settings: &Settings, allow_remote: &[String]) -> Result<Box<dyn Target>, Problem> {
        if Catalog::is_virtual(name) {
            return Ok(Box::new(corecurve_sim::sim_target(name, settings)?));
        }
        if let Some(file) = name.strip_prefix("exec:") {
            return targets::exec_target(file, settings);
        }
        if let Some(url) = name.strip_prefix("url:") {
            return targets::url_target(url, settings, allow_remote);
        }
        if name == "null" {
            return Ok(targets::null_target());
        }
        if Catalog::is_built_in(name) {
            let config = ServeConfig { settings: settings.clone(), ..ServeConfig::new(name, []) };
            registry::check(&config)?;
            return Ok(targets::serve_target(name, &self.exe, settings));
        }
        targets::external_target(name, settings)
    }

    /// The workload of that name.
    ///
    /// # Errors
    /// Unknown names and wrong settings.
    pub fn workload(&self, name: &str, settings: &Settings) -> Result<HttpFactory, Problem> {
        corecurve_http::http_workload(name, settings)
    }

    /// The settings every built-in architecture takes, a line for each.
    pub fn shared_settings() -> impl Iterator<Item = String> {
        COMMON_SETTINGS.iter().map(|setting| format!("{}={}  {}", setting.name, setting.default, setting.summary))
    }

    fn target_names(&self) -> Vec<String> {
        self.targets().into_iter().map(|listed| listed.name).collect()
    }

    /// Every target, in the order `list` shows them.
    pub fn targets(&self) -> Vec<Listed> {
        let built_in = ARCHITECTURES.iter().map(|architecture| Listed {
            name: architecture.name.to_owned(),
            summary: architecture.summary.to_owned(),
            group: "built-in architectures on one HTTP engine",
            settings: architecture.settings.iter().map(|s| format!("{}={}", s.name, s.default)).collect(),
            factors: factors(architecture),
            ..Listed::default()
        });
        let external = targets::external_targets().into_iter().map(|target| Listed {
            name: target.name,
            summary: target.summary,
            group: "third-party servers",
            settings: target.settings.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            ..Listed::default()
        });
        let sims = corecurve_sim::SIMS.iter().map(|sim| Listed {
            name: sim.name.to_owned(),
            summary: sim.summary.to_owned(),
            group: "queues in virtual time, with a known answer",
            settings: sim.settings.iter().map(|s| format!("{}={}", s.key, s.default)).collect(),
            ..Listed::default()
        });
        let own = [
            ("exec:FILE.toml", "your own server, started as FILE.toml says"),
            ("url:http://127.0.0.1:8080/", "a server that is already running"),
            ("null", "nothing: the harness's own ceiling"),
        ];
        let own = own.map(|(name, summary)| Listed {
            name: name.to_owned(),
            summary: summary.to_owned(),
            group: "yours, and none",
            ..Listed::default()
        });
        built_in.chain(external).chain(sims).chain(own).collect()
    }

    /// Every workload.
    pub fn workloads() -> Vec<Listed> {
        let listed = |kind: &WorkloadKind| Listed {
            name: kind.name.to_owned(),
            summary: kind.summary.to_owned(),
            group: "HTTP/1.1",
            settings: kind.settings.iter().map(|s| format!("{}={}", s.key, s.default)).collect(),
            suggests: kind.suggests.to_string(),
            exposes: kind.exposes,
            not_shown: kind.not_shown,
            ..Listed::default()
        };
        WORKLOADS.iter().map(listed).collect()
    }
}

fn factors(architecture: &Architecture) -> Factors {
    let facts = [
        ("accept", architecture.accept_path.label()),
        ("queue", architecture.queue_discipline.label()),
        ("scheduling", architecture.scheduling.label()),
        ("I/O", architecture.io.label()),
        ("fails by", architecture.failure_mode),
    ];
    let shown_by = [("shown by", architecture.shown_by())];
    facts.map(|(name, value)| (name, value.to_owned())).into_iter().chain(shown_by).collect()
}
