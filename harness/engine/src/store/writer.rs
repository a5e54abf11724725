//! [`Store`]: a run directory in use, made or taken up again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use corecurve_core::{CapacityRecord, CellId, Plan, Problem, Profile, Turn};
use serde_json::Value;

use super::entry::Entry;
use super::files::{create_new, make_directory, problem, sync_directory, write_atomically, write_with};
use super::journal::Journal;
use super::lock::Lock;
use super::run::{Key, Origin, StoredRun, check_plan, read};

/// What a new run directory is made from.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Where runs are kept; `latest` in it will point to the new one.
    pub results: PathBuf,
    /// The directory itself, instead of a dated one in `results`. It must not exist, or be empty.
    pub dir: Option<PathBuf>,
    /// A short name, part of the dated directory's.
    pub slug: String,
    /// What was asked, as TOML.
    pub spec_toml: String,
    /// What will be done.
    pub plan: &'a Plan,
    /// What it is done on: a JSON object.
    pub machine: Value,
    /// The command line, one element per argument.
    pub command: Vec<String>,
}

/// A run directory in use by this process, and by no other.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    journal: Journal,
    log: File,
    done: Vec<Turn>,
    next_attempts: BTreeMap<Key, u32>,
    /// Cells whose generator capacity is on disk.
    measured: Vec<CellId>,
    _lock: Lock,
}

impl Store {
    /// Makes a run directory and everything in it that is known before the first trial. Only its owner may read it.
    ///
    /// # Errors
    /// When the plan is unfit, the directory holds something already, or the disk refuses.
    pub fn create(new: &NewRun<'_>) -> Result<Store, Problem> {
        check_plan(new.plan)?;
        let started = jiff::Timestamp::now();
        let dir = match &new.dir {
            Some(dir) => named_directory(dir)?,
            None => dated_directory(&new.results, &new.slug, started)?,
        };
        let lock = Lock::take(&dir)?;
        let origin = Origin {
            slug: new.slug.clone(),
            command: new.command.clone(),
            started: Some(format!("{started:.0}")),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut machine = new.machine.clone();
        if let Value::Object(fields) = &mut machine {
            fields.insert("run".to_owned(), json(&origin)?);
        } else {
            return Err(Problem::new("the description of the machine is no JSON object"));
        }
        write_atomically(&dir.join("spec.toml"), new.spec_toml.as_bytes())?;
        write_atomically(&dir.join("machine.json"), &pretty(&machine)?)?;
        let hist = dir.join("hist");
        make_directory(&hist).map_err(|e| problem("create", &hist, &e))?;
        let log = dir.join("log.txt");
        let log = create_new(&log).map_err(|e| problem("create", &log, &e))?;
        let journal = Journal::create(&dir)?;
        // Last, because it is what makes a directory a run: whenever we are killed, there is a whole one or none.
        write_atomically(&dir.join("plan.json"), &pretty(&json(new.plan)?)?)?;
        sync_directory(&dir).map_err(|e| problem("write", &dir, &e))?;
        point_latest(&new.results, &dir);
        Ok(Store {
            dir,
            journal,
            log,
            done: Vec::new(),
            next_attempts: BTreeMap::new(),
            measured: Vec::new(),
            _lock: lock,
        })
    }

    /// Takes up a run where it was left: finished repetitions stay, the one in progress will be begun again.
    ///
    /// # Errors
    /// When it is in use (names the holder), no run directory, unreadable, or written by a newer version.
    pub fn resume(dir: &Path) -> Result<(Store, StoredRun), Problem> {
        let plan = dir.join("plan.json");
        std::fs::symlink_metadata(&plan).map_err(|e| problem("read", &plan, &e))?;
        let lock = Lock::take(dir)?;
        let (run, contents) = read(dir)?;
        let journal = Journal::reopen(dir, &contents)?;
        let path = dir.join("log.txt");
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.append(true).create(true), 0o600);
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let log = options.open(&path).map_err(|e| problem("open", &path, &e))?;
        let hist = dir.join("hist");
        match make_directory(&hist) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(problem("create", &hist, &e)),
            _ => {}
        }
        let (done, next_attempts) = (run.done.clone(), run.next_attempts.clone());
        let measured = run.capacities.iter().map(|capacity| capacity.cell.clone()).collect();
        let mut store = Store { dir: dir.to_owned(), journal, log, done, next_attempts, measured, _lock: lock };
        store.log("resumed");
        for note in &contents.notes {
            store.log(note);
        }
        Ok((store, run))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Finished repetitions, in the order they were finished.
    pub fn done(&self) -> &[Turn] {
        &self.done
    }

    /// Whether a repetition is finished.
    pub fn is_done(&self, turn: Turn) -> bool {
        self.done.contains(&turn)
    }

    /// How many times a repetition was begun before and left records behind.
    pub fn attempt(&self, turn: Turn) -> u32 {
        self.next_attempts.get(&(turn.cell, turn.rep)).copied().unwrap_or(0)
    }

    /// Whether the generator's capacity for a cell is on disk.
    pub fn knows_capacity(&self, cell: &CellId) -> bool {
        self.measured.contains(cell)
    }

    /// Puts a capacity on disk.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn keep_capacity(&mut self, capacity: &CapacityRecord) -> Result<(), Problem> {
        self.append(&Entry::Capacity { capacity: Box::new(capacity.clone()) })?;
        self.measured.push(capacity.cell.clone());
        Ok(())
    }

    /// Puts an entry on disk. Returns once it is there.
    ///
    /// # Errors
    /// When the disk refuses; the journal stays readable and takes nothing more.
    pub fn append(&mut self, entry: &Entry) -> Result<(), Problem> {
        self.journal.append(entry)
    }

    /// Marks a repetition as finished by its `attempt`, which left so many trials and answers.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn finish(&mut self, cell: &CellId, turn: Turn, attempt: u32, trials: u32, mats: u32) -> Result<(), Problem> {
        self.append(&Entry::TurnDone { cell: cell.clone(), rep: turn.rep, attempt, trials, mats })?;
        self.done.push(turn);
        self.next_attempts.insert((turn.cell, turn.rep), attempt + 1);
        Ok(())
    }

    /// Marks a repetition as one that could not be finished. [`Store::resume`] will try it again.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn fail(&mut self, cell: &CellId, turn: Turn, attempt: u32, why: &str) -> Result<(), Problem> {
        self.append(&Entry::TurnFailed { cell: cell.clone(), rep: turn.rep, attempt, why: why.to_owned() })?;
        self.next_attempts.insert((turn.cell, turn.rep), attempt + 1);
        Ok(())
    }

    /// Writes `hist/<cell>.<rep>.<trial>.hlog` through `write`; one of an earlier attempt is replaced.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_hist(
        &self,
        cell: &CellId,
        rep: u32,
        trial: u32,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Problem> {
        super::entry::check_cell_id(cell)?;
        let path = self.dir.join("hist").join(format!("{cell}.{rep}.{trial}.hlog"));
        let buffered = |file: &mut File| {
            let mut writer = io::BufWriter::new(file);
            write(&mut writer)?;
            writer.flush()
        };
        write_with(&path, buffered).map_err(|e| problem("write", &path, &e))
    }

    /// Writes `profile/<cell>.<rep>.<trial>.json` and `.folded`; those of an earlier attempt are replaced.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_profile(&self, profile: &Profile) -> Result<(), Problem> {
        super::profiles::write(&self.dir, profile)
    }

    /// Adds a line to `log.txt`. A log that cannot be written stops nothing.
    pub fn log(&mut self, text: &str) {
        let text = text.lines().collect::<Vec<_>>().join("\n    ");
        let _ = writeln!(self.log, "{:.3} {text}", jiff::Timestamp::now());
    }

    /// An empty directory for one start of a target; what an earlier one left there is removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn scratch(&self) -> Result<PathBuf, Problem> {
        let path = self.scratch_path();
        self.clear_scratch();
        make_directory(&path).map_err(|e| problem("create", &path, &e))?;
        // Configuration of servers names this path, and they run in directories of their own.
        path.canonicalize().map_err(|e| problem("find", &path, &e))
    }

    /// Removes the scratch directory.
    pub fn clear_scratch(&self) {
        let _ = std::fs::remove_dir_all(self.scratch_path());
    }

    fn scratch_path(&self) -> PathBuf {
        self.dir.join("scratch")
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|e| Problem::new(format!("cannot be written as JSON: {e}")))
}

fn pretty(value: &Value) -> Result<Vec<u8>, Problem> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| Problem::new(format!("cannot be written as JSON: {e}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A directory the user named: made, or found empty.
fn named_directory(dir: &Path) -> Result<PathBuf, Problem> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|e| problem("create", parent, &e))?;
    }
    match make_directory(dir) {
        Ok(()) => Ok(dir.to_owned()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let mut inside = std::fs::read_dir(dir).map_err(|e| problem("open", dir, &e))?;
            match inside.next() {
                None => Ok(dir.to_owned()),
                Some(_) => Err(Problem::new(format!("{} exists and is not empty", dir.display()))
                    .help("name a new directory, or continue the run in it with `corecurve resume DIR`; without a plan.json nothing was measured in it")),
            }
        }
        Err(e) => Err(problem("create", dir, &e)),
    }
}

/// `results/20261123T072922Z-nginx`, with a number behind it when two begin in the same second.
fn dated_directory(results: &Path, slug: &str, started: jiff::Timestamp) -> Result<PathBuf, Problem> {
    std::fs::create_dir_all(results).map_err(|e| problem("create", results, &e))?;
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let slug: String = slug.chars().take(40).map(safe).collect();
    let slug = slug.trim_matches('-');
    let name = format!("{}-{}", started.strftime("%Y%m%dT%H%M%SZ"), if slug.is_empty() { "run" } else { slug });
    for number in 1..=1_000 {
        let dir = results.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
        match make_directory(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(problem("create", &dir, &e)),
        }
    }
    Err(Problem::new(format!("{} has a thousand runs called {name}", results.display())))
}

/// Points `results/latest` to `dir`. A convenience: a file system without links, or a real file of that name, stops nothing.
fn point_latest(results: &Path, dir: &Path) {
    let latest = results.join("latest");
    if latest.symlink_metadata().is_ok_and(|found| !found.is_symlink()) || std::fs::create_dir_all(results).is_err() {
        return;
    }
    let target = match dir.file_name() {
        Some(name) if dir.parent() == Some(results) => PathBuf::from(name),
        _ => dir.canonicalize().unwrap_or_else(|_| dir.to_owned()),
    };
    let temporary = results.join(format!(".latest.{}", std::process::id()));
    let linked = std::os::unix::fs::symlink(&target, &temporary);
    if linked.and_then(|()| std::fs::rename(&temporary, &latest)).is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
