//! [`ServeTarget`]: a built-in architecture, served by `corecurve serve` in a process of its own, so that it shares
//! nothing with the load generator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use corecurve_core::problem::printable;
use corecurve_core::{Problem, Running, Settings, Start, Target};
use serde::Deserialize;

use super::external::{exec_policy, launch};
use super::recipe::Ready;
use super::server_process::{Expected, ServerProcess};
use crate::child::{GuardianExe, Job};

/// Longest a server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A built-in architecture.
#[derive(Clone, Debug)]
pub struct ServeTarget {
    name: String,
    exe: PathBuf,
    settings: Settings,
    guardian: GuardianExe,
}

/// The line with which a server says that it is ready; fields that do not matter here are passed over.
#[derive(Debug, Deserialize)]
struct ReadyLine {
    event: String,
    addr: SocketAddr,
    /// What must be known about its numbers.
    #[serde(default)]
    notes: Vec<String>,
}

impl ServeTarget {
    /// The architecture `name`, started as `exe serve --target name …` under `guardian`.
    pub fn new(name: &str, exe: &Path, settings: &Settings, guardian: GuardianExe) -> ServeTarget {
        ServeTarget { name: name.to_owned(), exe: exe.to_owned(), settings: settings.clone(), guardian }
    }

    /// The command for a placement: workers take the seats in their order.
    fn argv(&self, on: &Start) -> Result<Vec<String>, Problem> {
        let exe = self.exe.to_str().ok_or_else(|| Problem::new("the path of this executable is not UTF-8"))?;
        let cpus: Vec<String> = on.placed.server.iter().map(|seat| seat.cpu.to_string()).collect();
        let fixed = ["serve", "--target", &self.name, "--port", "0", "--server-cpus", &cpus.join(",")];
        let mut argv: Vec<String> = std::iter::once(exe).chain(fixed).map(str::to_owned).collect();
        let mut settings = self.settings.clone();
        settings.extend(on.settings.clone());
        for (key, value) in settings {
            argv.push("--set".to_owned());
            argv.push(format!("{key}={value}"));
        }
        Ok(argv)
    }
}

impl Target for ServeTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem> {
        let path = std::env::var("PATH").map(|path| ("PATH".to_owned(), path));
        let job = Job {
            argv: self.argv(on)?,
            environment: path.into_iter().collect(),
            directory: on.scratch.clone(),
            policy: exec_policy(on),
            own_cpus: on.placed.housekeeping.clone(),
            clear: on.placed.clear.clone(),
            logs: on.scratch.clone(),
            grace_ms: GRACE.as_millis() as u64,
        };
        let at = |problem: Problem| problem.at(&self.name);
        let mut guarded = launch(&self.guardian, &job).map_err(at)?;
        let line = guarded.first_line(Instant::now() + PATIENCE).map_err(at)?;
        let said = serde_json::from_str(&line).ok().filter(|said: &ReadyLine| said.event == "ready");
        let said = said.ok_or_else(|| {
            Problem::new(format!("{}: the server said `{}` instead of that it is ready", self.name, printable(&line)))
                .help("the executable may have been replaced while it was running; start again")
        })?;
        let ready = Ready { path: "/plaintext".to_owned(), ..Ready::default() };
        let expected = Expected {
            address: said.addr,
            ready: &ready,
            foreground: None,
            grace: GRACE,
            notes: said.notes,
            tells_counts: true,
        };
        Ok(Box::new(ServerProcess::when_ready(guarded, &expected).map_err(at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::{CpuId, Placed, Seat};

    #[test]
    fn the_command_names_seats_in_order_and_every_setting() {
        let seat = |cpu| Seat { cpu: CpuId(cpu), node: None };
        let on = Start {
            placed: Placed { server: vec![seat(4), seat(0), seat(2)], ..Placed::default() },
            seed: 1,
            settings: [("b".to_owned(), "3".to_owned())].into(),
            scratch: PathBuf::from("/"),
        };
        let settings = [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let target =
            ServeTarget::new("single-loop", Path::new("/bin/corecurve"), &settings, GuardianExe::new("/bin/corecurve"));
        assert_eq!(
            target.argv(&on).unwrap().join(" "),
            "/bin/corecurve serve --target single-loop --port 0 --server-cpus 4,0,2 --set a=1 --set b=3"
        );
    }
}
