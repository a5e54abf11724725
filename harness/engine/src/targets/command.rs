//! Finding the program of a command before anything is started.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use corecurve_core::Problem;
use corecurve_core::problem::printable;

/// Where servers are installed, even when an ordinary user's PATH does not say so.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The absolute path of `program`: looked up in PATH and the system directories when it is a plain word, relative to
/// `base` when it has a slash.
///
/// # Errors
/// Not there (with the package that installs it), or not executable.
pub(super) fn find(program: &str, base: &Path, package: Option<&str>) -> Result<PathBuf, Problem> {
    let shown = printable(program);
    let missing = || {
        let problem = Problem::new(format!("`{shown}` is not installed: no such program"));
        match package {
            Some(package) => problem.help(format!("install it, e.g. `apt-get install {package}`")),
            None => {
                problem.help("check the first element of `command`; a relative path counts from the recipe's directory")
            }
        }
    };
    if program.contains('/') {
        let path = base.join(program);
        return match executable(&path) {
            Found::Yes => Ok(path),
            Found::Not(why) => Err(cannot_start(&path, why)),
            Found::Missing => Err(missing()),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut seen = None;
    for directory in std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)) {
        let path = directory.join(program);
        match executable(&path) {
            Found::Yes => return Ok(path),
            Found::Not(why) => seen = seen.or(Some((path, why))),
            Found::Missing => {}
        }
    }
    Err(seen.map_or_else(missing, |(path, why)| cannot_start(&path, why)))
}

enum Found {
    Yes,
    Not(Unfit),
    Missing,
}

/// Why a file cannot be started, and what to do.
type Unfit = (&'static str, &'static str);

fn executable(path: &Path) -> Found {
    match path.metadata() {
        Err(_) => Found::Missing,
        Ok(found) if found.is_dir() => Found::Not(("it is a directory", "name the program inside it")),
        Ok(_) if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() => {
            Found::Not(("it is not executable", "`chmod +x` it, or name another program"))
        }
        Ok(_) => unfit_content(path).map_or(Found::Yes, Found::Not),
    }
}

/// The system's `execvp` hands a file of unknown kind to a shell. There is no shell here, so its kind is looked at first.
fn unfit_content(path: &Path) -> Option<Unfit> {
    let head = |path: &Path| {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(20).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    // A program that may be run but not read is left to the system to judge.
    let bytes = head(path)?;
    if bytes.starts_with(b"#!") {
        return None;
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Some(("it is no program", "a script needs a `#!` line; a configuration file is not a command"));
    }
    // Word size and byte order, then the processor.
    let kind = |bytes: &[u8]| Some((bytes.get(4..6)?.to_vec(), bytes.get(18..20)?.to_vec()));
    let own = head(Path::new("/proc/self/exe")).and_then(|own| kind(&own))?;
    (kind(&bytes)? != own).then_some(("it was built for another kind of machine", "build or install it for this one"))
}

fn cannot_start(path: &Path, (why, help): Unfit) -> Problem {
    Problem::new(format!("{} cannot be started: {why}", printable(&path.display().to_string()))).help(help)
}

/// Says why the system refused a program that looked right.
pub(super) fn refused(program: &str, errno: Option<i32>, why: &str) -> Problem {
    let help = match errno {
        Some(libc::ENOENT) => "its interpreter or loader is missing, or the working directory is gone",
        Some(libc::EACCES) => "check the permissions of the program and of every directory above it",
        Some(libc::EAGAIN | libc::ENOMEM) => "the machine is out of processes or memory",
        _ => "check the program and its working directory",
    };
    Problem::new(format!("`{}` could not be started: {}", printable(program), printable(why))).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_or_named_with_a_fix() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find("sh", dir.path(), None).unwrap().is_absolute());
        let problem = find("no-such-server", dir.path(), Some("nginx")).unwrap_err().to_string();
        assert!(problem.contains("no-such-server") && problem.contains("apt-get install nginx"), "{problem}");
        std::fs::write(dir.path().join("text"), "hello").unwrap();
        let problem = find("./text", dir.path(), None).unwrap_err().to_string();
        assert!(problem.contains("not executable") && problem.contains("chmod"), "{problem}");
        assert!(find("./gone", dir.path(), None).unwrap_err().seen.contains("./gone"));
        assert!(find("/", dir.path(), None).unwrap_err().seen.contains("directory"));
    }
}
