//! [`ExternalTarget`]: a server that a recipe says how to start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use corecurve_core::problem::printable;
use corecurve_core::{CpuSet, Placed, Problem, Running, Settings, Start, Target};
use corecurve_machine::ExecPolicy;

use super::recipe::Recipe;
use super::server_process::{Expected, ServerProcess};
use super::{command, port, template};
use crate::child::{Guarded, GuardianExe, Job, LaunchError};

/// Time between SIGTERM and SIGKILL unless the recipe says otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// A third-party server.
#[derive(Clone, Debug)]
pub struct ExternalTarget {
    name: String,
    recipe: Recipe,
    base: PathBuf,
    settings: Settings,
    guardian: GuardianExe,
}

impl ExternalTarget {
    /// The target `name` of a recipe. A relative program path counts from `base`.
    ///
    /// # Errors
    /// Settings that the recipe does not have, or that hold control characters; a `root` that is no directory.
    pub fn new(
        name: &str,
        recipe: Recipe,
        base: &Path,
        settings: &Settings,
        guardian: GuardianExe,
    ) -> Result<ExternalTarget, Problem> {
        let mut all = recipe.settings.clone();
        for (key, value) in settings {
            if !recipe.settings.contains_key(key) {
                let known = recipe.settings.keys().map(String::as_str);
                return Err(Problem::unknown(
                    &format!("setting of target {}:", recipe.name),
                    key,
                    known,
                    "See `corecurve list targets`",
                ));
            }
            all.insert(key.clone(), checked(key, value)?);
        }
        Ok(ExternalTarget { name: name.to_owned(), recipe, base: base.to_owned(), settings: all, guardian })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The command and working directory as they would be started on `cores` cores, for `--dry-run`; placeholders that
    /// are only known at the start stay as they are.
    pub fn shown_command(&self) -> (Vec<String>, String) {
        (self.recipe.command.clone(), self.recipe.directory.clone().unwrap_or_else(|| "{dir}".to_owned()))
    }

    /// What the program says about its version: the first line of `version`'s output. Cost: two process starts.
    pub fn version(&self) -> Option<String> {
        let scratch = scratch()?;
        let job = self.job(&self.recipe.version, &scratch, &scratch, ExecPolicy::default(), &Placed::default()).ok()?;
        let mut guarded = Guarded::launch(&self.guardian, &job).ok()?;
        let deadline = std::time::Instant::now() + Duration::from_secs(3);
        while guarded.listen(deadline).is_ok_and(|exit| exit.is_none()) && std::time::Instant::now() < deadline {}
        let _ = guarded.stop();
        let read = |name: &str| std::fs::read_to_string(scratch.join(name)).unwrap_or_default();
        let said = read("stdout.log") + &read("stderr.log");
        let _ = std::fs::remove_dir_all(&scratch);
        said.lines().find(|line| !line.trim().is_empty()).map(printable)
    }

    fn values(&self, on: &Start, port: u16, dir: &str) -> Result<BTreeMap<String, String>, Problem> {
        let workers = on.placed.server.len().to_string();
        let reserved = [
            ("port", port.to_string()),
            ("cores", workers.clone()),
            ("workers", workers),
            ("cpus", on.placed.server_cpus().to_string()),
            ("dir", dir.to_owned()),
        ];
        let mut values: BTreeMap<String, String> = reserved.map(|(key, value)| (key.to_owned(), value)).into();
        let mut settings = self.settings.clone();
        for (key, value) in &on.settings {
            if settings.contains_key(key) {
                settings.insert(key.clone(), checked(key, value)?);
            }
        }
        let expanded: Vec<_> =
            settings.into_iter().map(|(key, value)| (key, template::expand(&value, &values))).collect();
        values.extend(expanded);
        Ok(values)
    }

    fn job(
        &self,
        argv: &[String],
        logs: &Path,
        directory: &Path,
        policy: ExecPolicy,
        placed: &Placed,
    ) -> Result<Job, Problem> {
        let program = argv.first().ok_or_else(|| Problem::new("the command is empty"))?;
        let program = command::find(program, &self.base, self.recipe.package.as_deref())?;
        let mut argv = argv.to_vec();
        argv[0] = utf8(&program)?.to_owned();
        let passed = self.recipe.environment.iter().map(String::as_str).chain(["PATH"]);
        let environment = passed.filter_map(|key| Some((key.to_owned(), std::env::var(key).ok()?))).collect();
        let grace_ms = self.grace().as_millis() as u64;
        Ok(Job {
            argv,
            environment,
            directory: directory.to_owned(),
            policy,
            own_cpus: placed.housekeeping.clone(),
            clear: placed.clear.clone(),
            logs: logs.to_owned(),
            grace_ms,
        })
    }

    fn grace(&self) -> Duration {
        self.recipe.grace.map_or(GRACE, Duration::from)
    }
}

impl Target for ExternalTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem> {
        let port = match self.recipe.port {
            Some(port) => port::expect_free(port).map(|()| port)?,
            None => port::free()?,
        };
        let values = self.values(on, port, utf8(&on.scratch)?)?;
        let expand = |text: &str| template::expand(text, &values);
        for file in &self.recipe.file {
            write_file(&on.scratch, &expand(&file.path), &expand(&file.text))?;
        }
        let argv: Vec<String> = self.recipe.command.iter().map(|argument| expand(argument)).collect();
        let directory =
            self.recipe.directory.as_deref().map_or_else(|| on.scratch.clone(), |path| self.base.join(expand(path)));
        let policy = exec_policy(on);
        let job = self.job(&argv, &on.scratch, &directory, policy, &on.placed)?;
        let guarded = launch(&self.guardian, &job).map_err(|problem| problem.at(&self.name))?;
        let expected = Expected {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            ready: &self.recipe.ready,
            foreground: self.recipe.foreground.as_deref(),
            grace: self.grace(),
            notes: Vec::new(),
            tells_counts: false,
        };
        let server = ServerProcess::when_ready(guarded, &expected).map_err(|problem| problem.at(&self.name))?;
        Ok(Box::new(server))
    }
}

/// Launches a job; a refusal names the program.
pub(super) fn launch(guardian: &GuardianExe, job: &Job) -> Result<Guarded, Problem> {
    Guarded::try_launch(guardian, job).map_err(|error| match error {
        LaunchError::Refused { errno, why } => {
            command::refused(job.argv.first().map_or("", String::as_str), errno, &why)
        }
        LaunchError::Other(problem) => problem,
    })
}

/// The server's CPUs, and its nodes where the placement chose among several.
pub(super) fn exec_policy(on: &Start) -> ExecPolicy {
    let machine_nodes = std::fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default();
    let several = machine_nodes.parse::<CpuSet>().is_ok_and(|nodes| nodes.len() > 1);
    ExecPolicy { cpus: on.placed.server_cpus(), nodes: if several { on.placed.server_nodes() } else { Vec::new() } }
}

/// A setting's value, made safe: it becomes part of configuration files.
fn checked(key: &str, value: &str) -> Result<String, Problem> {
    if let Some(strange) = value.chars().find(|c| c.is_control() || *c == '"') {
        return Err(Problem::new(format!("setting `{}` holds {strange:?}", printable(key)))
            .help("use a value without quotes and control characters"));
    }
    if key != "root" {
        return Ok(value.to_owned());
    }
    let path = Path::new(value).canonicalize().ok().filter(|path| path.is_dir());
    let path = path.ok_or_else(|| {
        Problem::new(format!("`root` is `{}`, which is no directory", printable(value)))
            .help("name a directory that the server may read")
    })?;
    utf8(&path).map(str::to_owned)
}

fn utf8(path: &Path) -> Result<&str, Problem> {
    path.to_str().ok_or_else(|| {
        Problem::new(format!("the path {} is not UTF-8", path.display())).help("use a directory with a plain name")
    })
}

fn write_file(scratch: &Path, path: &str, text: &str) -> Result<(), Problem> {
    let path = scratch.join(path);
    let directories =
        path.parent().map_or(Ok(()), |parent| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let written = directories
        .and_then(|()| options.open(&path))
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|e| {
        Problem::new(format!("{} cannot be written: {e}", path.display())).help("check the run directory and the disk")
    })
}

/// A directory of one's own among the system's temporary ones.
fn scratch() -> Option<PathBuf> {
    let unique = corecurve_core::rng::mix(corecurve_machine::clock::now().0, u64::from(std::process::id()));
    let path = std::env::temp_dir().join(format!("corecurve-{unique:016x}"));
    std::fs::DirBuilder::new().mode(0o700).create(&path).ok()?;
    Some(path)
}
