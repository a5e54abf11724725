//! Copies of a server as processes, and the process that holds them.
//!
//! The holder keeps the port, starts one child for each copy and tells it over its standard input what to serve; the child
//! says on its standard output when it listens. A line on the input asks for the counts; its end, which comes with the end of the
//! holder however that ends, tells the child to stop.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use corecurve_core::server_stats::Part;
use corecurve_core::{Problem, Seat, ServerStats};
use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::worker::sit_on_any;
use crate::config::ServeConfig;
use crate::engine::Limits;

/// The word with which the command line is called to be a copy.
pub const COPY_WORD: &str = "__server-copy";
/// How long a copy may take to end once its input has.
const PATIENCE: Duration = Duration::from_secs(4);
const NAP: Duration = Duration::from_millis(2);

/// How to start a process that calls [`copy_main`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// What a copy is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    architecture: String,
    addr: SocketAddr,
    seats: Vec<Seat>,
    settings: std::collections::BTreeMap<String, String>,
    root: Option<PathBuf>,
    limits: Limits,
    part: Part,
}

/// What a copy says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "copy", rename_all = "kebab-case")]
enum Word {
    Listens { notes: Vec<String> },
    Refuses { seen: String, help: Option<String> },
    Counts { counts: ServerStats },
}

/// The processes of one server.
#[derive(Debug)]
pub(crate) struct Processes {
    copies: Mutex<Vec<Copy>>,
    /// Bound and not listening: nobody else gets the port while copies come and go.
    _reserved: Socket,
}

#[derive(Debug)]
struct Copy {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The last it said.
    counts: ServerStats,
}

impl Processes {
    /// Starts a process for each slice and waits until all listen on `addr`. Also gives what they say must be known.
    ///
    /// # Errors
    /// When a process cannot be started, or what one of them refuses. The others are gone by then.
    pub fn start(
        config: &ServeConfig,
        slices: &[Vec<Seat>],
        addr: SocketAddr,
        reserved: Socket,
    ) -> Result<(Processes, Vec<String>), Problem> {
        let launcher = config.launcher.as_ref().ok_or_else(|| {
            Problem::new("procs: this program cannot start its own copies").help("use `corecurve serve --procs`")
        })?;
        let mut settings = config.settings.clone();
        settings.retain(|name, _| name != "copies" && name != "procs");
        let mut copies = Vec::with_capacity(slices.len());
        for (number, seats) in slices.iter().enumerate() {
            let order = Order {
                architecture: config.architecture.clone(),
                addr,
                seats: seats.clone(),
                settings: settings.clone(),
                root: config.root.clone(),
                limits: config.limits,
                part: Part { number, of: slices.len() },
            };
            copies.push(Copy::launch(launcher, &order)?);
        }
        let mut notes = Vec::new();
        for copy in &mut copies {
            match copy.hear()? {
                Word::Listens { notes: more } => notes.extend(more),
                Word::Refuses { seen, help } => return Err(Problem { seen, help }),
                Word::Counts { .. } => return Err(Problem::new("a copy of the server spoke out of turn")),
            }
        }
        notes.dedup();
        Ok((Processes { copies: Mutex::new(copies), _reserved: reserved }, notes))
    }

    /// The counts of all copies; of one that has died, the last it said.
    pub fn counts(&self) -> ServerStats {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        for copy in &mut *copies {
            copy.ask();
        }
        ServerStats::sum(copies.iter().map(|copy| &copy.counts))
    }

    /// Ends all copies, with time for requests in progress.
    ///
    /// # Errors
    /// When one of them had to be killed or had died.
    pub fn stop(&mut self) -> Result<ServerStats, Problem> {
        let copies = self.copies.get_mut().unwrap_or_else(PoisonError::into_inner);
        for copy in &mut *copies {
            copy.input = None;
        }
        let mut wrong = Vec::new();
        for copy in &mut *copies {
            if let Ok(Word::Counts { counts }) = copy.hear() {
                copy.counts = counts;
            }
            if !copy.ends() {
                wrong.push(copy.child.id().to_string());
            }
        }
        if wrong.is_empty() {
            return Ok(ServerStats::sum(copies.iter().map(|copy| &copy.counts)));
        }
        Err(Problem::new(format!("copies of the server did not end as they should: process {}", wrong.join(", ")))
            .help("they may have been killed from outside, or panicked; see their messages above"))
    }
}

impl Copy {
    /// Starts a copy that is on its seats from its first instruction, so that all its memory is near them: a process
    /// inherits CPUs and memory policy from the thread that starts it.
    fn launch(launcher: &Launcher, order: &Order) -> Result<Copy, Problem> {
        let seated = || sit_on_any(&order.seats).and_then(|()| Copy::launch_here(launcher, order));
        std::thread::scope(|scope| scope.spawn(seated).join())
            .unwrap_or_else(|_| Err(Problem::new("the thread that starts a copy of the server died")))
    }

    fn launch_here(launcher: &Launcher, order: &Order) -> Result<Copy, Problem> {
        let failed = |error: std::io::Error| {
            Problem::new(format!("cannot start a copy of the server ({}): {error}", launcher.program.display()))
                .help("raise the limit of processes (`ulimit -u`) or use fewer copies")
        };
        let mut child = Command::new(&launcher.program)
            .args(&launcher.args)
            .env("CORECURVE_SERVER_COPY", "1")
            // Ctrl-C is for the holder, who lets requests in progress finish.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Problem::new("a copy of the server has no pipes"));
        };
        let mut line = serde_json::to_string(order).map_err(|error| failed(error.into()))?;
        line.push('\n');
        input.write_all(line.as_bytes()).map_err(failed)?;
        Ok(Copy { child, input: Some(input), output: BufReader::new(output), counts: ServerStats::default() })
    }

    /// The next thing it says; lines that are something else's are passed over.
    fn hear(&mut self) -> Result<Word, Problem> {
        let mut line = String::new();
        while self.output.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Ok(word) = serde_json::from_str(&line) {
                return Ok(word);
            }
            line.clear();
        }
        Err(Problem::new("a copy of the server died").help("its last message is above"))
    }

    fn ask(&mut self) {
        let asked = self.input.as_mut().is_some_and(|input| input.write_all(b"counts\n").is_ok());
        if asked && let Ok(Word::Counts { counts }) = self.hear() {
            self.counts = counts;
        }
    }

    /// Waits for its end; whether it ended well.
    fn ends(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            std::thread::sleep(NAP);
        }
        false
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // It has ended already, or must now.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process was started to be a copy.
pub fn is_copy_call() -> bool {
    std::env::args().nth(1).is_some_and(|word| word == COPY_WORD)
}

/// The main function of a copy: does what its input says and returns when that ends.
///
/// # Errors
/// When the input cannot be read or the output not be written to. What the server refuses is told to the holder.
pub fn copy_main() -> std::io::Result<()> {
    let mut lines = std::io::stdin().lines();
    let order: Order = serde_json::from_str(&lines.next().transpose()?.unwrap_or_default())?;
    let server = match crate::registry::join(&order.config(), order.addr, order.part) {
        Ok(server) => server,
        Err(Problem { seen, help }) => return say(&Word::Refuses { seen, help }),
    };
    say(&Word::Listens { notes: server.notes().to_vec() })?;
    for asked in lines {
        asked?;
        say(&Word::Counts { counts: server.stats() })?;
    }
    let counts = server.stop().map_err(|problem| std::io::Error::other(problem.one_line()))?;
    say(&Word::Counts { counts })
}

impl Order {
    fn config(&self) -> ServeConfig {
        let mut config = ServeConfig::new(&self.architecture, []);
        config.addr = self.addr;
        config.seats.clone_from(&self.seats);
        config.settings.clone_from(&self.settings);
        config.root.clone_from(&self.root);
        config.limits = self.limits;
        // The holder was asked.
        config.allow_remote = true;
        config
    }
}

fn say(word: &Word) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    // A line of its own, whatever was written before it.
    writeln!(out, "\n{}", serde_json::to_string(word)?)?;
    out.flush()
}
