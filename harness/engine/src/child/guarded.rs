//! The harness's side: a target in the care of a guardian.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use corecurve_core::{Pid, Problem};
use corecurve_machine::Shield;
use corecurve_machine::procfs::process::Identity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::cgroup;
use super::family;
use super::job::{Exit, GUARDIAN_ARG, Job, Report, STOP};
use super::spawn::spawn_guardian;
use crate::signals;

/// Longest a guardian may take to start a target.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Longest a guardian may take after SIGKILL is sent, its own patience and a little more.
const GONE_PATIENCE: Duration = Duration::from_secs(12);
/// Time between two looks at a family that no control group holds.
const FAMILY_LOOK: Duration = Duration::from_secs(2);
/// Longest wait without looking whether the user wants to stop now.
const SLICE: Duration = Duration::from_millis(50);

/// The executable that is run as a guardian: one whose `main` calls [`super::guardian_main`] when it is started so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardianExe {
    /// Path of the executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl GuardianExe {
    /// `program`, called with [`GUARDIAN_ARG`].
    pub fn new(program: impl Into<PathBuf>) -> GuardianExe {
        GuardianExe { program: program.into(), arguments: vec![GUARDIAN_ARG.into()] }
    }

    /// The executable that is running now.
    ///
    /// # Errors
    /// When the system does not say which one it is.
    pub fn current() -> Result<GuardianExe, Problem> {
        let program = std::env::current_exe()
            .map_err(|e| Problem::new(format!("the path of this executable is unknown: {e}")).help("mount /proc"))?;
        Ok(GuardianExe::new(program))
    }
}

/// How a target was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// It, or something it started, did not end on SIGTERM in time and was killed.
    pub forced: bool,
}

/// A running target and the guardian that answers for it. Dropping it kills the target.
#[derive(Debug)]
pub struct Guarded {
    guardian: Child,
    control: Option<ChildStdin>,
    reports: Reports,
    pid: Pid,
    cgroup: Option<PathBuf>,
    shield: Option<Shield>,
    line: Option<String>,
    exit: Option<Exit>,
    gone: Option<(bool, Vec<Pid>)>,
    seen: Vec<Identity>,
    looked: Option<Instant>,
    grace: Duration,
    cleared: bool,
}

/// Why a target could not be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LaunchError {
    /// The system refused the command.
    Refused { errno: Option<i32>, why: String },
    /// Something else.
    Other(Problem),
}

impl From<LaunchError> for Problem {
    fn from(error: LaunchError) -> Problem {
        match error {
            LaunchError::Refused { why, .. } => Problem::new(why),
            LaunchError::Other(problem) => problem,
        }
    }
}

impl Guarded {
    /// Starts a guardian and lets it start `job`. Returns as soon as the target runs; it need not be ready yet.
    /// Cost: two process starts, a few milliseconds.
    ///
    /// # Errors
    /// When the guardian or the command cannot be started.
    pub fn launch(exe: &GuardianExe, job: &Job) -> Result<Guarded, Problem> {
        Guarded::try_launch(exe, job).map_err(Problem::from)
    }

    pub(crate) fn try_launch(exe: &GuardianExe, job: &Job) -> Result<Guarded, LaunchError> {
        // Should the guardian be killed, its orphans come to us.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        let mut guarded = Guarded::spawn(exe, job).map_err(|e| {
            LaunchError::Other(
                Problem::new(format!("the guardian `{}` could not be started: {e}", exe.program.display()))
                    .help("the executable may have been replaced while it was running; start again"),
            )
        })?;
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match guarded.reports.next(deadline) {
                Next::Report(Report::Started { pid, cgroup, shield }) => {
                    guarded.pid = pid;
                    guarded.cgroup = cgroup;
                    guarded.shield = shield;
                    return Ok(guarded);
                }
                Next::Report(Report::Refused { errno, why }) => return Err(LaunchError::Refused { errno, why }),
                Next::Report(other) => guarded.take(other),
                Next::Nothing | Next::End => {
                    let why = "the guardian ended or hung before it started the target";
                    return Err(LaunchError::Other(Problem::new(why).help("see guardian.log in the run's scratch")));
                }
            }
        }
    }

    fn spawn(exe: &GuardianExe, job: &Job) -> io::Result<Guarded> {
        let log = std::fs::File::create(job.logs.join("guardian.log"))?;
        let mut command = Command::new(&exe.program);
        command.args(&exe.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Not called after the harness, so that `pkill -f` of the harness leaves the guardian to do its work.
        std::os::unix::process::CommandExt::arg0(&mut command, "cc-guardian");
        let mut guardian = spawn_guardian(&mut command)?;
        let (mut control, reports) = match (guardian.stdin.take(), guardian.stdout.take()) {
            (Some(control), Some(reports)) => (control, Reports::new(reports)?),
            _ => return Err(io::Error::other("no pipes")),
        };
        let mut line = serde_json::to_vec(job).map_err(io::Error::other)?;
        line.push(b'\n');
        // A guardian that is gone already is noticed when its reports end.
        let _ = control.write_all(&line);
        Ok(Guarded {
            guardian,
            control: Some(control),
            reports,
            pid: 0,
            cgroup: None,
            shield: None,
            line: None,
            exit: None,
            gone: None,
            seen: Vec::new(),
            looked: None,
            grace: Duration::from_millis(job.grace_ms),
            cleared: false,
        })
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Line { line } => self.line = Some(line),
            Report::Exited(exit) => self.exit = Some(exit),
            Report::Gone { forced, left } => self.gone = Some((forced, left)),
            Report::Started { .. } | Report::Refused { .. } => {}
        }
    }

    /// The process that was started.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The guardian.
    pub fn guardian_pid(&self) -> Pid {
        self.guardian.id()
    }

    /// The started process and everything it started, the started one first. Cost: reads one file per process of the machine.
    pub fn family(&self) -> Vec<Pid> {
        let mut family = family::descendants(self.guardian.id());
        family.retain(|pid| *pid != self.pid);
        if self.exit.is_none() {
            family.insert(0, self.pid);
        }
        family
    }

    /// What keeps others off the target's CPUs, if anything does.
    pub fn shield(&self) -> Option<&Shield> {
        self.shield.as_ref()
    }

    /// Takes in what the guardian has said, waiting for news until `deadline`; the process's end, if it has come.
    ///
    /// # Errors
    /// When the guardian is gone or the user wants to stop now.
    pub(crate) fn listen(&mut self, deadline: Instant) -> Result<Option<&Exit>, Problem> {
        match self.reports.next(deadline) {
            Next::Report(report) => self.take(report),
            Next::Nothing => {}
            Next::End if self.gone.is_some() => {}
            Next::End => {
                self.clear();
                return Err(Problem::new("the target's guardian was killed, and the target with it")
                    .help("do not kill `cc-guardian`; it ends by itself"));
            }
        }
        if signals::stop_now() {
            return Err(Problem::new("stopped at once, as asked"));
        }
        Ok(self.exit.as_ref())
    }

    /// Whether the started process still runs; takes in all news first. Cost: a system call, and every two seconds a
    /// look at the family where no control group holds it.
    ///
    /// # Errors
    /// How it ended, with its last lines, or that the guardian is gone.
    pub fn check(&mut self) -> Result<(), Problem> {
        while self.reports.is_ready() && self.gone.is_none() {
            self.listen(Instant::now())?;
        }
        if let Some(exit) = &self.exit {
            return Err(ended(exit));
        }
        if self.cgroup.is_none() && self.looked.is_none_or(|looked| looked.elapsed() > FAMILY_LOOK) {
            self.looked = Some(Instant::now());
            self.remember_family();
        }
        Ok(())
    }

    /// Adds to the processes seen so far: those of a guardian that is dying right now are no longer found under it.
    fn remember_family(&mut self) {
        self.seen.retain(Identity::is_alive);
        for identity in self.family().into_iter().filter_map(|pid| Identity::of(pid).ok()) {
            if !self.seen.contains(&identity) {
                self.seen.push(identity);
            }
        }
    }

    /// The first line the target writes to its standard output.
    ///
    /// # Errors
    /// When it ends first, or says nothing before `deadline`.
    pub fn first_line(&mut self, deadline: Instant) -> Result<String, Problem> {
        loop {
            if let Some(line) = &self.line {
                return Ok(line.clone());
            }
            if let Some(exit) = self.listen(deadline.min(Instant::now() + SLICE))? {
                return Err(ended(exit));
            }
            if Instant::now() >= deadline {
                return Err(Problem::new("the target said nothing in time"));
            }
        }
    }

    /// Asks the target to end, kills what does not, and returns when nothing of it is left.
    ///
    /// # Errors
    /// Names the processes that could not be killed.
    pub fn stop(mut self) -> Result<Ended, Problem> {
        if let Some(control) = &mut self.control {
            let _ = control.write_all(format!("{STOP}\n").as_bytes());
        }
        let deadline = Instant::now() + self.grace + GONE_PATIENCE;
        while self.gone.is_none() && Instant::now() < deadline {
            if self.listen(deadline.min(Instant::now() + SLICE)).is_err() {
                break;
            }
        }
        self.clear();
        match &self.gone {
            Some((forced, left)) if left.is_empty() => Ok(Ended { forced: *forced }),
            Some((_, left)) => Err(Problem::new(format!("processes {left:?} of the target could not be killed"))
                .help("they are in uninterruptible sleep; see `ps -o pid,stat,wchan,args`")),
            // The guardian was killed or hung: everything it had is cleared by us.
            None => Ok(Ended { forced: true }),
        }
    }

    /// Ends the guardian, and whatever it may have left. After this nothing of the target lives.
    fn clear(&mut self) {
        if std::mem::replace(&mut self.cleared, true) {
            return;
        }
        drop(self.control.take());
        let deadline = Instant::now() + if self.gone.is_some() { Duration::from_secs(1) } else { GONE_PATIENCE };
        while matches!(self.guardian.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.guardian.kill();
                let _ = self.guardian.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        while self.gone.is_none() {
            match self.reports.next(Instant::now()) {
                Next::Report(report) => self.take(report),
                Next::Nothing | Next::End => break,
            }
        }
        if self.gone.is_none() && self.pid != 0 {
            self.clear_strays();
            if let Some(shield) = self.shield.take() {
                shield.lower();
            }
        }
    }

    /// Kills what a killed guardian left to us: the target's control group, its session, and the processes seen before.
    fn clear_strays(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(path) = &self.cgroup {
                cgroup::kill(path);
            }
            let strays: Vec<Pid> = family::children().into_iter().filter(|pid| self.is_stray(*pid)).collect();
            if strays.is_empty() || Instant::now() > deadline {
                break;
            }
            for stray in strays {
                family::signal(stray, Signal::KILL);
                family::reap(stray);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(path) = &self.cgroup {
            cgroup::remove(path);
        }
    }

    /// Whether a child of ours came from this guardian, and not from another or from elsewhere in the harness.
    fn is_stray(&self, pid: Pid) -> bool {
        let grouped = self.cgroup.as_ref().is_some_and(|path| cgroup::holds(path, pid));
        let seen = || self.seen.iter().any(|one| one.pid == pid && Identity::of(one.pid).is_ok_and(|now| now == *one));
        grouped || family::session(pid) == Some(self.guardian.id()) || seen()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What there is to say about a target that ended by itself.
pub(crate) fn ended(exit: &Exit) -> Problem {
    if exit.is_daemon() {
        return Problem::new("the target started in background, out of the harness's hands")
            .help("add the option that keeps it in the foreground (`-D`, `daemon off;`, `--no-daemon`, …)");
    }
    let problem = Problem::new(format!("the target {exit}"));
    if exit.tail.is_empty() {
        return problem.help("it wrote nothing");
    }
    let lines: Vec<String> =
        exit.tail.iter().map(|line| format!("    {}", corecurve_core::problem::printable(line))).collect();
    problem.help(format!("its last lines were\n{}", lines.join("\n")))
}

/// The guardian's reports, line by line, with a deadline.
#[derive(Debug)]
struct Reports {
    pipe: ChildStdout,
    buffer: Vec<u8>,
}

/// What [`Reports::next`] found.
enum Next {
    Report(Report),
    Nothing,
    End,
}

impl Reports {
    fn new(pipe: ChildStdout) -> io::Result<Reports> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Reports { pipe, buffer: Vec::new() })
    }

    /// Whether [`Reports::next`] would return at once, with a report or with the end.
    fn is_ready(&self) -> bool {
        self.buffer.contains(&b'\n') || self.wait(Duration::ZERO)
    }

    fn wait(&self, at_most: Duration) -> bool {
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        let mut fds = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
    }

    /// The next report; lines that are none are passed over.
    fn next(&mut self, deadline: Instant) -> Next {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Ok(report) = serde_json::from_slice(&line) {
                    return Next::Report(report);
                }
                continue;
            }
            let mut bytes = [0u8; 8_192];
            match self.pipe.read(&mut bytes) {
                Ok(0) => return Next::End,
                Ok(n) => self.buffer.extend_from_slice(&bytes[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || !self.wait(left) && Instant::now() >= deadline {
                        return Next::Nothing;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::End,
            }
        }
    }
}
