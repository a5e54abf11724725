//! What to serve, where and on which CPUs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corecurve_core::problem::printable;
use corecurve_core::{CpuId, Nanos, Problem, Seat};
use serde::Serialize;

use crate::copies::{COPIES, PROCS};
use crate::engine::Limits;
use crate::faults::FAULT;
use crate::runtime::procs::Launcher;

/// Everything a server needs to start.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// A name from [`crate::registry::ARCHITECTURES`].
    pub architecture: String,
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// One seat per worker. The same CPU may be named twice.
    pub seats: Vec<Seat>,
    /// `--set` values: those of the architecture and those of [`COMMON_SETTINGS`].
    pub settings: BTreeMap<String, String>,
    /// Directory of static files; `None` serves none.
    pub root: Option<PathBuf>,
    /// Bounds on what clients may ask.
    pub limits: Limits,
    /// Whether an address other than loopback is allowed.
    pub allow_remote: bool,
    /// How to start copies of this program, for `procs=true`; `None` refuses that.
    pub launcher: Option<Launcher>,
}

impl ServeConfig {
    /// A server on a free loopback port with one worker per CPU and defaults for the rest.
    pub fn new(architecture: &str, cpus: impl IntoIterator<Item = CpuId>) -> ServeConfig {
        ServeConfig {
            architecture: architecture.to_owned(),
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            seats: cpus.into_iter().map(|cpu| Seat { cpu, node: None }).collect(),
            settings: BTreeMap::new(),
            root: None,
            limits: Limits::default(),
            allow_remote: false,
            launcher: None,
        }
    }

    /// The value of a setting, or its default.
    ///
    /// # Errors
    /// When the text given is not of the type.
    pub(crate) fn setting<T: FromStr<Err = Problem>>(&self, setting: &Setting) -> Result<T, Problem> {
        let text = self.settings.get(setting.name).map_or(setting.default, String::as_str);
        text.parse().map_err(|problem: Problem| problem.at(setting.name))
    }

    /// Refuses settings that neither the architecture nor the server knows, and values they do not take.
    pub(crate) fn check_settings(&self, own: &[Setting]) -> Result<(), Problem> {
        let known = || own.iter().chain(COMMON_SETTINGS).map(|setting| setting.name);
        if let Some(name) = self.settings.keys().find(|name| known().all(|known| known != name.as_str())) {
            let what = format!("setting of {}", self.architecture);
            return Err(Problem::unknown(&what, name, known(), "See `corecurve list targets`"));
        }
        let all = own.iter().chain(COMMON_SETTINGS);
        let mut given = all.filter_map(|setting| Some((setting, self.settings.get(setting.name)?)));
        given.try_for_each(|(setting, text)| (setting.check)(text).map_err(|problem| problem.at(setting.name)))
    }

    /// Where static files come from: the setting if there is one.
    pub(crate) fn effective_root(&self) -> Option<PathBuf> {
        self.settings.get(ROOT.name).map(PathBuf::from).or_else(|| self.root.clone())
    }

    /// The limits with the settings applied.
    pub(crate) fn effective_limits(&self) -> Result<Limits, Problem> {
        let mut limits = self.limits;
        let given = |setting: &Setting| self.settings.contains_key(setting.name);
        if given(&IDLE_TIMEOUT) {
            limits.idle_timeout = self.setting::<Positive>(&IDLE_TIMEOUT)?.0;
        }
        if given(&HEAD_TIMEOUT) {
            limits.head_timeout = self.setting::<Positive>(&HEAD_TIMEOUT)?.0;
        }
        if given(&MAX_CONNECTIONS) {
            limits.connections = self.setting::<Count>(&MAX_CONNECTIONS)?.0;
        }
        if limits.fields > Limits::MAX_FIELDS {
            return Err(Problem::new(format!("limit of {} header fields is too high", limits.fields))
                .help(format!("at most {} fields can be allowed", Limits::MAX_FIELDS)));
        }
        Ok(limits)
    }
}

/// A named value an architecture understands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setting {
    /// Its name after `--set`.
    pub name: &'static str,
    /// Its value when it is not set.
    pub default: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether a text is a value of it.
    #[serde(skip)]
    pub check: fn(&str) -> Result<(), Problem>,
}

/// The check of a setting whose values are of type `T`.
pub(crate) fn reads<T: FromStr<Err = Problem>>(text: &str) -> Result<(), Problem> {
    text.parse::<T>().map(drop)
}

/// The settings every architecture understands.
pub const COMMON_SETTINGS: &[Setting] =
    &[BACKLOG, IDLE_TIMEOUT, HEAD_TIMEOUT, MAX_CONNECTIONS, ROOT, COPIES, PROCS, FAULT];

/// Length of the accept queue.
pub(crate) const BACKLOG: Setting = Setting {
    name: "backlog",
    default: "4096",
    summary: "accept queue length per listener; the kernel caps it",
    check: reads::<Count>,
};
const IDLE_TIMEOUT: Setting = Setting {
    name: "idle-timeout",
    default: "60s",
    summary: "closes a connection without progress for so long",
    check: reads::<Positive>,
};
const HEAD_TIMEOUT: Setting = Setting {
    name: "head-timeout",
    default: "10s",
    summary: "408 for a request head that takes longer",
    check: reads::<Positive>,
};
const MAX_CONNECTIONS: Setting = Setting {
    name: "max-connections",
    default: "10000",
    summary: "open connections before new ones are turned away; per process with procs",
    check: reads::<Count>,
};

const ROOT: Setting = Setting {
    name: "root",
    default: "none",
    summary: "directory whose files are served (as `serve --root`)",
    check: is_directory,
};

fn is_directory(text: &str) -> Result<(), Problem> {
    if Path::new(text).is_dir() {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` is not a directory", printable(text)))
        .help("name the directory whose files should be served"))
}

/// A whole number of at least 1 in a setting.
pub(crate) struct Count(pub usize);

impl FromStr for Count {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Count, Problem> {
        match corecurve_core::units::parse_count(text)? {
            n @ 1..=1_000_000 => Ok(Count(n as usize)),
            _ => Err(Problem::new(format!("`{}` is out of range", printable(text))).help("write 1 to 1000000")),
        }
    }
}

/// A time of at least a millisecond in a setting.
struct Positive(Nanos);

impl FromStr for Positive {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Positive, Problem> {
        let time: Nanos = text.parse()?;
        if time < Nanos::MILLI {
            return Err(Problem::new(format!("`{}` is too short", printable(text))).help("write at least 1ms"));
        }
        Ok(Positive(time))
    }
}
