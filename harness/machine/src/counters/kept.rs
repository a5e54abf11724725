//! [`Kept`]: a file of the kernel's that is opened before the window and read at its two ends.
//!
//! Opening a file of `/proc` takes longer than reading it, and understanding the text can wait until the window is over.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes made room for beforehand: most of these files are smaller.
const ROOM: usize = 4 << 10;

/// An open file with its text at the first end and at the other.
#[derive(Debug)]
pub(super) struct Kept {
    name: String,
    file: File,
    before: Reading,
    after: Reading,
}

#[derive(Debug)]
struct Reading {
    bytes: Vec<u8>,
    outcome: Result<(), String>,
}

impl Reading {
    fn none() -> Reading {
        Reading { bytes: Vec::with_capacity(ROOM), outcome: Err("was not read".to_owned()) }
    }

    fn take(&mut self, file: &File) {
        self.bytes.clear();
        self.outcome = self.fill(file).map_err(|error| error.to_string());
    }

    fn fill(&mut self, file: &File) -> std::io::Result<()> {
        let mut filled = 0;
        loop {
            self.bytes.resize(self.bytes.len().max(filled + ROOM), 0);
            let read = file.read_at(self.bytes.get_mut(filled..).unwrap_or_default(), filled as u64)?;
            filled += read;
            if read == 0 {
                self.bytes.truncate(filled);
                return Ok(());
            }
        }
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let text = || String::from_utf8_lossy(&self.bytes).into_owned();
        self.outcome.as_ref().map(|()| text()).map_err(|why| format!("{name}: {why}"))
    }
}

impl Kept {
    /// Opens it.
    pub fn open(path: impl AsRef<Path>) -> Result<Kept, String> {
        let name = path.as_ref().display().to_string();
        let file = File::open(&path).map_err(|error| format!("{name}: {error}"))?;
        Ok(Kept { name, file, before: Reading::none(), after: Reading::none() })
    }

    /// Reads it at the first end.
    pub fn begin(&mut self) {
        self.before.take(&self.file);
    }

    /// Reads it at the other end.
    pub fn end(&mut self) {
        self.after.take(&self.file);
    }

    /// The text at the first end.
    pub fn before(&self) -> Result<String, String> {
        self.before.text(&self.name)
    }

    /// The text at the other end.
    pub fn after(&self) -> Result<String, String> {
        self.after.text(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_and_long_files_read_whole() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "one").unwrap();
        let mut kept = Kept::open(&path).unwrap();
        assert!(kept.before().unwrap_err().contains("was not read"));
        kept.begin();
        let long = "two".repeat(5_000);
        std::fs::write(&path, &long).unwrap();
        kept.end();
        assert_eq!((kept.before().unwrap().as_str(), kept.after().unwrap()), ("one", long));
        assert!(Kept::open("/nowhere").unwrap_err().contains("/nowhere"));
    }

    #[test]
    fn the_kernels_files_are_read_anew() {
        let mut kept = Kept::open("/proc/stat").unwrap();
        kept.begin();
        let whole = |text: String| text.lines().any(|line| line.starts_with("softirq")) && text.starts_with("cpu ");
        kept.end();
        assert!(whole(kept.before().unwrap()) && whole(kept.after().unwrap()));
    }

    #[test]
    fn a_file_of_a_process_that_went_says_so() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut kept = Kept::open(format!("/proc/{}/stat", child.id())).unwrap();
        child.wait().unwrap();
        kept.begin();
        assert!(kept.before().is_err());
    }
}
