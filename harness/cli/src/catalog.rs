//! Everything that can be named on the command line, gathered from the registries of the crates that own it.

use std::path::PathBuf;

use corecurve_core::{Problem, Settings, Target};
use corecurve_engine::targets;
use corecurve_http::{HttpFactory, WORKLOADS};
use corecurve_servers::registry::{self, ARCHITECTURES};
use corecurve_servers::{Architecture, COMMON_SETTINGS, ServeConfig};

/// What every recipe in `servers/targets` is configured for.
const THIRD_PARTY_WORKLOADS: [&str; 3] = ["plaintext", "static", "get"];
const SEE_TARGETS: &str = "See `corecurve list targets`";

/// The registries, seen as one.
#[derive(Debug)]
pub struct Catalog {
    /// This binary, which is also the built-in servers.
    exe: PathBuf,
}

/// One line of `corecurve list`.
#[derive(Debug, serde::Serialize)]
pub struct Listed {
    /// What the user types.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// The group it is shown in.
    pub group: &'static str,
    /// Its settings, `key=default`.
    pub settings: Vec<String>,
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

    /// Whether a target answers a workload. Third-party recipes serve `/plaintext` and files, not our own endpoints.
    ///
    /// # Errors
    /// Names what the target does answer.
    pub fn serves(&self, target: &str, workload: &str) -> Result<(), Problem> {
        let third_party = targets::external_targets().iter().any(|known| known.name == target);
        if !third_party || THIRD_PARTY_WORKLOADS.contains(&workload) || self.knows_workload(workload).is_err() {
            return Ok(());
        }
        Err(Problem::new(format!("`{target}` does not answer workload `{workload}`"))
            .help(format!("third-party servers answer {}", THIRD_PARTY_WORKLOADS.join(", "))))
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
        if ARCHITECTURES.iter().any(|architecture| architecture.name == name) {
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
        });
        let external = targets::external_targets().into_iter().map(|target| Listed {
            name: target.name,
            summary: target.summary,
            group: "third-party servers",
            settings: vec![],
            factors: vec![],
        });
        let sims = corecurve_sim::SIMS.iter().map(|sim| Listed {
            name: sim.name.to_owned(),
            summary: sim.summary.to_owned(),
            group: "queues in virtual time, with a known answer",
            settings: sim.settings.iter().map(|s| format!("{}={}", s.key, s.default)).collect(),
            factors: vec![],
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
            settings: vec![],
            factors: vec![],
        });
        built_in.chain(external).chain(sims).chain(own).collect()
    }

    /// Every workload.
    pub fn workloads() -> Vec<Listed> {
        let listed = |kind: &corecurve_http::WorkloadKind| Listed {
            name: kind.name.to_owned(),
            summary: kind.summary.to_owned(),
            group: "HTTP/1.1",
            settings: kind.settings.iter().map(|s| format!("{}={}", s.key, s.default)).collect(),
            factors: vec![],
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
        ("shown by", architecture.exposed_by),
    ];
    facts.map(|(name, value)| (name, value.to_owned())).into()
}
