//! Files of a run directory: private, never through a symbolic link, and whole or not there at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use corecurve_core::Problem;

/// Says what could not be done with a path, why, and what to do.
pub(super) fn problem(doing: &str, path: &Path, error: &io::Error) -> Problem {
    let path = corecurve_core::problem::printable(&path.display().to_string());
    let help = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => "free some space, then `corecurve resume`: every finished trial is safe",
        Some(libc::EROFS | libc::EACCES | libc::EPERM) => "choose a directory you may write to with `--out DIR`",
        Some(libc::EIO) => {
            "the disk failed; finished trials are in the journal, `corecurve resume` reads what is readable"
        }
        Some(libc::ENOENT) => "check the path; a run directory holds plan.json and trials.jsonl",
        Some(libc::ELOOP) => "symbolic links are not followed inside a run directory",
        _ => "check the path and the disk",
    };
    Problem::new(format!("cannot {doing} {path}: {error}")).help(help)
}

/// Makes a directory that only its owner may enter.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a file that is not there yet.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens a regular file for reading, not through a link; a pipe, device or directory in its place is refused.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Reads a whole regular file of at most `limit` bytes as UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Problem> {
    let mut text = String::new();
    let read = open_regular(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    read.map_err(|e| problem("read", path, &e))?;
    if text.len() as u64 > limit {
        return Err(problem("read", path, &io::Error::other(format!("larger than {limit} bytes"))));
    }
    Ok(text)
}

/// Writes a file so that a reader sees the old one or the new one, whatever happens in between: a temporary file beside
/// it, synced, then renamed over it. A link in its place is replaced, not followed.
///
/// # Errors
/// When the directory cannot be written or the disk is full; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write_with(path, |file| file.write_all(bytes)).map_err(|e| problem("write", path, &e))
}

/// [`write_atomically`] for content that is made while it is written.
pub(super) fn write_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| io::Error::other("no file name"))?;
    let temporary =
        path.with_file_name(format!(".{name}.{}.{:x}", std::process::id(), corecurve_machine::clock::now().0));
    let mut file = create_new(&temporary)?;
    let written = write(&mut file).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Puts the names in a directory on disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_whole_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.json");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(read_text(&file, 10).unwrap(), "two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(read_text(&link, 1 << 20).unwrap_err().to_string().contains("links are not followed"));
        write_atomically(&link, b"three").unwrap();
        assert!(link.symlink_metadata().unwrap().is_file());
        assert!(read_text(&file, 2).unwrap_err().seen.contains("larger than 2 bytes"));
        assert!(read_text(dir.path(), 10).is_err());
        assert!(read_text(Path::new("/dev/zero"), 10).is_err());
    }

    #[test]
    fn a_full_disk_is_named_and_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        write_atomically(&file, b"old").unwrap();
        let full = |_: &mut File| Err(io::Error::from_raw_os_error(libc::ENOSPC));
        let error = write_with(&file, full).unwrap_err();
        assert!(problem("write", &file, &error).to_string().contains("corecurve resume"));
        assert_eq!(read_text(&file, 10).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
