//! Profiles beside the trials: `profile/<cell>.<rep>.<trial>.json`, and the same stacks as folded text for other tools.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use corecurve_core::problem::printable;
use corecurve_core::{Problem, Profile, Purpose, SCHEMA, TrialRecord};
use corecurve_machine::profile::folded;

use super::entry::check_cell_id;
use super::files::{make_directory, problem, read_text, sync_directory, write_with};

/// Where they are.
const DIRECTORY: &str = "profile";
/// Largest profile read.
const LIMIT: u64 = 256 << 20;

/// Puts a profile on disk, whole or not at all; one of an earlier attempt is replaced.
pub(super) fn write(run: &Path, profile: &Profile) -> Result<(), Problem> {
    check_cell_id(&profile.cell)?;
    let directory = run.join(DIRECTORY);
    match make_directory(&directory) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(problem("create", &directory, &e)),
        _ => {}
    }
    let json = serde_json::to_vec(profile).map_err(|e| Problem::new(format!("a profile cannot be written: {e}")))?;
    for (extension, bytes) in [("folded", folded(profile).into_bytes()), ("json", json)] {
        let path = path(run, profile, extension);
        write_with(&path, |file| file.write_all(&bytes)).map_err(|e| problem("write", &path, &e))?;
    }
    sync_directory(&directory).map_err(|e| problem("write", &directory, &e))
}

fn path(run: &Path, profile: &Profile, extension: &str) -> PathBuf {
    run.join(DIRECTORY).join(format!("{}.{}.{}.{extension}", profile.cell, profile.rep, profile.trial))
}

/// The profiles of these trials, in their order. One that is torn, of another trial or of a newer version is noted and
/// left out; a run without the directory (a baseline, a run of before there were profiles) has none.
pub(super) fn read(run: &Path, trials: &[TrialRecord], notes: &mut Vec<String>) -> Vec<Profile> {
    if !run.join(DIRECTORY).is_dir() {
        return Vec::new();
    }
    let profiled = trials.iter().filter(|trial| trial.purpose == Purpose::Profile);
    let one = |trial: &TrialRecord| match read_one(run, trial) {
        Ok(profile) => Some(profile),
        Err(why) => {
            notes.push(format!(
                "the profile of `{}` repetition {} trial {} is left out: {why}",
                trial.cell, trial.rep, trial.trial
            ));
            None
        }
    };
    profiled.filter_map(one).collect()
}

fn read_one(run: &Path, trial: &TrialRecord) -> Result<Profile, String> {
    let named = Profile { cell: trial.cell.clone(), rep: trial.rep, trial: trial.trial, ..Profile::default() };
    let text = read_text(&path(run, &named, "json"), LIMIT).map_err(|problem| printable(&problem.seen))?;
    let profile: Profile =
        serde_json::from_str(&text).map_err(|e| format!("damaged ({})", printable(&e.to_string())))?;
    if profile.schema > SCHEMA {
        return Err("a newer version of corecurve wrote it".to_owned());
    }
    if (&profile.cell, profile.rep, profile.trial) != (&trial.cell, trial.rep, trial.trial) {
        return Err("it is of another trial".to_owned());
    }
    if !is_whole(&profile) {
        return Err("damaged (a stack names a function that is not there)".to_owned());
    }
    Ok(profile)
}

/// Whether every frame names a function.
fn is_whole(profile: &Profile) -> bool {
    let sites = [&profile.futex_waits, &profile.kernel_lock_waits].into_iter().flatten().flat_map(|waits| &waits.sites);
    let frames = profile.stacks.iter().map(|stack| &stack.frames).chain(sites.map(|site| &site.frames));
    frames.flatten().all(|frame| (*frame as usize) < profile.functions.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entry::tests::trial;
    use corecurve_core::{CellId, Function, Stack};

    fn profile() -> Profile {
        Profile {
            schema: SCHEMA,
            cell: CellId("00-x".into()),
            rep: 0,
            trial: 3,
            functions: vec![Function { name: "main".into(), module: "x".into(), source: None }],
            stacks: vec![Stack { frames: vec![0], count: 5 }],
            samples: 5,
            ..Profile::default()
        }
    }

    fn profiled() -> TrialRecord {
        TrialRecord {
            cell: CellId("00-x".into()),
            rep: 0,
            trial: 3,
            purpose: Purpose::Profile,
            ..trial("00-x", 0, 0, 3)
        }
    }

    fn read_back(dir: &Path) -> (Vec<Profile>, Vec<String>) {
        let mut notes = Vec::new();
        let other = TrialRecord { purpose: Purpose::Confirm, trial: 2, ..profiled() };
        (read(dir, &[other, profiled()], &mut notes), notes)
    }

    #[test]
    fn a_profile_reads_back_with_folded_text_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_back(dir.path()), (Vec::new(), Vec::new()));
        write(dir.path(), &profile()).unwrap();
        write(dir.path(), &profile()).unwrap();
        assert_eq!(read_back(dir.path()), (vec![profile()], Vec::new()));
        let folded = std::fs::read_to_string(dir.path().join("profile/00-x.0.3.folded")).unwrap();
        assert_eq!(folded, "main 5\n");
        assert_eq!(std::fs::read_dir(dir.path().join("profile")).unwrap().count(), 2);
    }

    #[test]
    fn a_torn_file_is_noted_wherever_it_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &profile()).unwrap();
        let path = dir.path().join("profile/00-x.0.3.json");
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (found, notes) = read_back(dir.path());
            assert!(found.is_empty() && notes.len() == 1 && notes[0].contains("00-x"), "{length}: {notes:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_back(dir.path()).1.len(), 1);
    }

    #[test]
    fn a_file_of_another_trial_or_with_a_wild_index_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &profile()).unwrap();
        let path = dir.path().join("profile/00-x.0.3.json");
        for (change, why) in [
            (Profile { trial: 4, ..profile() }, "another trial"),
            (Profile { stacks: vec![Stack { frames: vec![1], count: 1 }], ..profile() }, "not there"),
            (Profile { schema: SCHEMA + 1, ..profile() }, "newer"),
        ] {
            std::fs::write(&path, serde_json::to_vec(&change).unwrap()).unwrap();
            let (found, notes) = read_back(dir.path());
            assert!(found.is_empty() && notes[0].contains(why), "{notes:?}");
        }
    }
}
