//! Where runs and baselines are: names on the command line to directories on disk.

use std::fs;
use std::path::{Path, PathBuf};

use corecurve_core::Problem;
use corecurve_core::problem::printable;

/// Where runs are kept unless `--out` says otherwise.
pub const RESULTS: &str = "results";
/// The files that make a run; what is derived from them is not kept in a baseline.
const RECORDS: [&str; 4] = ["spec.toml", "plan.json", "machine.json", "trials.jsonl"];

/// The directory of a run: a path, `latest`, the name of a directory in `results`, or a baseline.
///
/// # Errors
/// When there is none, with what was looked for.
pub fn find(name: &str) -> Result<PathBuf, Problem> {
    let results = Path::new(RESULTS);
    let candidates = [PathBuf::from(name), results.join(name), results.join("baselines").join(name)];
    let found = candidates.into_iter().find(|dir| !name.is_empty() && dir.join("plan.json").is_file());
    found.ok_or_else(|| {
        Problem::new(format!("`{}` is no run", printable(name))).help(
            "name a run directory (it holds plan.json and trials.jsonl), `latest`, or a baseline saved with --save-baseline",
        )
    })
}

/// Keeps the records of a run under a name.
///
/// # Errors
/// Names that are not plain, and whatever the disk says.
pub fn save_baseline(run: &Path, name: &str) -> Result<PathBuf, Problem> {
    check_baseline_name(name)?;
    let dir = Path::new(RESULTS).join("baselines").join(name);
    let failed = |error: std::io::Error| Problem::new(format!("cannot save baseline `{name}`: {error}"));
    fs::create_dir_all(&dir).map_err(failed)?;
    for file in RECORDS {
        fs::copy(run.join(file), dir.join(file)).map_err(failed)?;
    }
    Ok(dir)
}

/// A baseline's name becomes a directory, so it is a plain word.
///
/// # Errors
/// Names with anything but letters, digits, `.`, `_`, `-`, or that begin with a dot.
pub fn check_baseline_name(name: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Problem::new(format!("--save-baseline: `{}` is not a plain name", printable(name)))
            .help("use letters, digits, `.`, `_` and `-`, e.g. `main`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_have_plain_names() {
        assert!(check_baseline_name("main-2026.11").is_ok());
        for name in ["", "../x", ".hidden", "a/b", "a b", "x\n", &"y".repeat(65)] {
            assert!(check_baseline_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_no_run_is_said_to_be_none() {
        assert!(find("no-such-run").unwrap_err().to_string().contains("no-such-run"));
        assert!(find("").is_err());
    }
}
