//! The files that a workload expects: made below the target's static root before it starts.
//!
//! They live in the start's scratch directory and go with it, so every start finds them fresh and nothing is left. A root that
//! the user gave is not written to: what is missing there is named.

use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use corecurve_core::{Problem, Running, Start, Target};
use corecurve_http::{MODIFIED_S, SiteFile};

/// The setting that names a target's static root.
const ROOT: &str = "root";

/// A target that finds the files of its workload when it starts.
pub struct Furnished {
    target: Box<dyn Target>,
    files: Vec<SiteFile>,
    /// The directory the user named.
    given: Option<PathBuf>,
}

impl Furnished {
    /// `target` with these files below its root; `given` is the root if the user named one.
    pub fn new(target: Box<dyn Target>, files: Vec<SiteFile>, given: Option<&str>) -> Furnished {
        Furnished { target, files, given: given.map(PathBuf::from) }
    }

    fn furnish(&self, on: &Start) -> Result<Start, Problem> {
        let mut on = on.clone();
        if let Some(root) = &self.given {
            expect(root, &self.files)?;
            return Ok(on);
        }
        let root = on.scratch.join("site");
        make(&root, &self.files).map_err(|error| {
            Problem::new(format!("cannot make the files of the workload in {}: {error}", root.display()))
                .help("is there room on the disk? The run directory can be put elsewhere with --out")
        })?;
        open_way(&root)?;
        on.settings.insert(ROOT.to_owned(), root.to_string_lossy().into_owned());
        Ok(on)
    }
}

impl Target for Furnished {
    fn name(&self) -> &str {
        self.target.name()
    }

    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem> {
        self.target.start(&self.furnish(on)?)
    }

    fn is_virtual(&self) -> bool {
        self.target.is_virtual()
    }
}

/// Whether every file is there with its length. Contents are checked by the answers.
fn expect(root: &Path, files: &[SiteFile]) -> Result<(), Problem> {
    let is_there = |file: &&SiteFile| fs::metadata(root.join(&file.path)).is_ok_and(|found| found.len() == file.len);
    match files.iter().find(|file| !is_there(file)) {
        None => Ok(()),
        Some(file) => Err(Problem::new(format!("`{}` has no {} of {} bytes", root.display(), file.path, file.len))
            .help("leave `target.root` out: the files of the workload are then made for the run")),
    }
}

fn make(root: &Path, files: &[SiteFile]) -> std::io::Result<()> {
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S));
    fs::create_dir_all(root)?;
    for file in files {
        let path = root.join(&file.path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut written = File::create(&path)?;
        file.pieces().try_for_each(|piece| written.write_all(&piece))?;
        written.set_times(times)?;
    }
    // Or the kernel would write them to the disk while we measure.
    rustix::fs::syncfs(File::open(root)?)?;
    Ok(())
}

/// Lets others than us reach the root: servers that are started by the superuser change to a user of their own. The
/// run's own directories may be passed through, not looked into; those above are the user's and stay as they are.
fn open_way(root: &Path) -> Result<(), Problem> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for directory in root.ancestors().skip(1).take(2) {
        let changed = fs::metadata(directory).and_then(|found| {
            let mode = found.permissions().mode() | 0o011;
            fs::set_permissions(directory, fs::Permissions::from_mode(mode))
        });
        changed.map_err(|error| Problem::new(format!("cannot open {} to the server: {error}", directory.display())))?;
    }
    Ok(())
}
