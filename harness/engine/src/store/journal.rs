//! The journal's lines: `{"crc32":"1a2b3c4d","record":{…}}`, the CRC over the record's bytes as written.
//!
//! CRC-32 sees every flip of one, two or three bits and every burst up to 32 bits in lines of the length written here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use corecurve_core::{Problem, SCHEMA};
use serde::Deserialize;

use super::entry::Entry;
use super::files::{create_new, open_regular, problem};

/// The journal's file name.
pub(super) const JOURNAL: &str = "trials.jsonl";
const HEAD: &[u8] = b"{\"crc32\":\"";
const MIDDLE: &[u8] = b"\",\"record\":";
const CRC_DIGITS: usize = 8;
/// Longest line read: a trial of thousands of intervals is far below.
const LINE_LIMIT: u64 = 16 << 20;
/// Most damaged records that are each named.
const NAMED: usize = 20;

/// The line of an entry.
pub(super) fn line(entry: &Entry) -> Result<Vec<u8>, Problem> {
    if let Some(flaw) = entry.flaw() {
        return Err(Problem::new(format!("a record that must not be written: {flaw}"))
            .help("this is a fault of corecurve; please report it with the run directory"));
    }
    let record = serde_json::to_vec(entry).map_err(|e| Problem::new(format!("a record cannot be written: {e}")))?;
    let crc = format!("{:08x}", crc32fast::hash(&record));
    Ok([HEAD, crc.as_bytes(), MIDDLE, &record, b"}\n"].concat())
}

/// The record's bytes in a line without its newline, if their CRC is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(HEAD)?;
    let (crc, rest) = rest.split_at_checked(CRC_DIGITS)?;
    let record = rest.strip_prefix(MIDDLE)?.strip_suffix(b"}")?;
    (crc == format!("{:08x}", crc32fast::hash(record)).as_bytes()).then_some(record)
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The sound entries, in the order written.
    pub entries: Vec<Entry>,
    /// What was wrong with the others.
    pub notes: Vec<String>,
    /// Bytes of the sound part: everything but a torn tail.
    pub sound_bytes: u64,
    /// The last line is whole but its newline is missing.
    pub unterminated: bool,
}

/// Reads a journal. Damage is skipped and noted; a torn last line is normal after a crash.
///
/// # Errors
/// When the file cannot be read, or was written by a newer version.
pub(super) fn read(path: &Path) -> Result<Contents, Problem> {
    let file = open_regular(path).map_err(|e| problem("read", path, &e))?;
    parse(BufReader::with_capacity(1 << 18, file), path)
}

/// [`read`] from anywhere; `path` is for messages.
fn parse(mut reader: impl BufRead, path: &Path) -> Result<Contents, Problem> {
    let mut contents = Contents::default();
    let mut damaged = 0;
    for number in 1u64.. {
        let mut line = Vec::new();
        let read = io::Read::take(&mut reader, LINE_LIMIT).read_until(b'\n', &mut line);
        if read.map_err(|e| problem("read", path, &e))? == 0 {
            break;
        }
        let terminated = line.pop_if(|byte| *byte == b'\n').is_some();
        if line.len() as u64 + u64::from(terminated) >= LINE_LIMIT {
            contents.notes.push(format!("record {number}: longer than {LINE_LIMIT} bytes; the rest is not read"));
            break;
        }
        match decode(&line)? {
            Ok(entry) => {
                contents.entries.push(entry);
                contents.unterminated = !terminated;
            }
            Err(_) if !terminated => {
                contents.notes.push(format!("1 partial record at the end ignored ({} bytes)", line.len()));
                break;
            }
            Err(why) => {
                damaged += 1;
                if damaged <= NAMED {
                    contents.notes.push(format!("record {number} skipped: {why}"));
                }
            }
        }
        contents.sound_bytes += line.len() as u64 + u64::from(terminated);
    }
    if damaged > NAMED {
        contents.notes.push(format!("{} more records skipped", damaged - NAMED));
    }
    Ok(contents)
}

/// The entry in a line, or why it is skipped; refuses the journal when the line is sound but newer than this version.
fn decode(line: &[u8]) -> Result<Result<Entry, String>, Problem> {
    let Some(record) = checked(line) else { return Ok(Err("its CRC is wrong".to_owned())) };
    if let Some(schema) = schema(record)
        && schema > u64::from(SCHEMA)
    {
        return Err(newer(schema));
    }
    let entry: Entry = match serde_json::from_slice(record) {
        Ok(entry) => entry,
        Err(e) => return Ok(Err(format!("it is no record ({})", corecurve_core::problem::printable(&e.to_string())))),
    };
    Ok(entry.flaw().map_or(Ok(entry), Err))
}

/// The format version a record names.
fn schema(record: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Inner {
        schema: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Outer {
        trial: Option<Inner>,
        mat: Option<Inner>,
    }
    let outer: Outer = serde_json::from_slice(record).ok()?;
    outer.trial.or(outer.mat)?.schema
}

/// The refusal of what a newer version wrote.
pub(super) fn newer(schema: u64) -> Problem {
    Problem::new(format!("the run was written in format {schema}; this version reads up to {SCHEMA}"))
        .help("use the version of corecurve that made it, or a newer one")
}

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    broken: Option<Problem>,
}

impl Journal {
    /// A new, empty journal.
    pub fn create(dir: &Path) -> Result<Journal, Problem> {
        let path = dir.join(JOURNAL);
        let file = create_new(&path).map_err(|e| problem("create", &path, &e))?;
        Ok(Journal { file, path, length: 0, broken: None })
    }

    /// The journal of an earlier call, after its torn tail, which nobody was told of, has been cut off.
    pub fn reopen(dir: &Path, contents: &Contents) -> Result<Journal, Problem> {
        let path = dir.join(JOURNAL);
        let reopened = open_regular(&path).and_then(|_| {
            let mut options = std::fs::OpenOptions::new();
            let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let mut file = std::os::unix::fs::OpenOptionsExt::custom_flags(options.append(true), flags).open(&path)?;
            let mut length = contents.sound_bytes;
            file.set_len(length)?;
            if contents.unterminated {
                file.write_all(b"\n")?;
                length += 1;
            }
            file.sync_data()?;
            Ok((file, length))
        });
        let (file, length) = reopened.map_err(|e| problem("open", &path, &e))?;
        Ok(Journal { file, path, length, broken: None })
    }

    /// Appends an entry; returns once it is on disk.
    ///
    /// # Errors
    /// When it cannot be written. What was there before stays readable, and nothing is written after it.
    pub fn append(&mut self, entry: &Entry) -> Result<(), Problem> {
        if let Some(problem) = &self.broken {
            return Err(problem.clone());
        }
        let line = line(entry)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(e) => {
                // A torn line would swallow the next one.
                let _ = self.file.set_len(self.length);
                let problem = problem("write", &self.path, &e);
                self.broken = Some(problem.clone());
                Err(problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::trial;
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn ten_trials() -> (Vec<Entry>, Vec<u8>) {
        let entries: Vec<Entry> =
            (0..10).map(|number| Entry::Trial { trial: Box::new(trial("00-a", 0, 0, number)) }).collect();
        let bytes = entries.iter().flat_map(|entry| line(entry).unwrap()).collect();
        (entries, bytes)
    }

    fn read_bytes(bytes: &[u8]) -> Contents {
        parse(bytes, Path::new("j")).unwrap()
    }

    #[test]
    fn every_truncation_keeps_every_whole_record() {
        let (entries, bytes) = ten_trials();
        for length in 0..=bytes.len() {
            let contents = read_bytes(&bytes[..length]);
            // A record is whole once its closing brace is there, with or without the newline.
            let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            let whole = ends.filter(|end| *end <= length).count();
            assert_eq!(contents.entries, entries[..whole], "{length}");
            let torn = length > 0 && !contents.unterminated && bytes[length - 1] != b'\n';
            assert_eq!(contents.notes.iter().any(|note| note.contains("1 partial")), torn, "{length}");
        }
    }

    #[test]
    fn ten_thousand_flipped_bits_never_change_a_value() {
        let (entries, bytes) = ten_trials();
        let mut rng = corecurve_core::Rng::seed_from_u64(36);
        for _ in 0..10_000 {
            let (at, bit) = (rng.random_range(0..bytes.len()), rng.random_range(0..8));
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let contents = read_bytes(&flipped);
            assert!(contents.entries.iter().all(|entry| entries.contains(entry)), "{at}.{bit}");
            assert!(contents.entries.is_sorted_by_key(|entry| entries.iter().position(|e| e == entry)), "{at}.{bit}");
            // A flip in a record costs that record; one that joins two lines costs both; the last newline costs none.
            assert!((8..=10).contains(&contents.entries.len()), "{at}.{bit}: {}", contents.entries.len());
            if contents.entries.len() < 10 {
                let number = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                let named =
                    contents.notes.iter().any(|n| n.contains(&format!("record {number} ")) || n.contains("1 partial"));
                assert!(named, "{at}.{bit}: {:?}", contents.notes);
            }
        }
    }

    #[test]
    fn a_journal_goes_on_after_any_tear() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL);
        let (entries, bytes) = ten_trials();
        let next = Entry::Note { text: "after".to_owned() };
        for length in (0..=bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let before = read(&path).unwrap();
            Journal::reopen(dir.path(), &before).unwrap().append(&next).unwrap();
            let after = read(&path).unwrap();
            assert_eq!(after.entries.last(), Some(&next), "{length}");
            assert_eq!(after.entries[..after.entries.len() - 1], entries[..before.entries.len()], "{length}");
            assert!(after.notes.is_empty(), "{length}: {:?}", after.notes);
        }
    }

    #[test]
    fn a_failed_write_keeps_what_was_there_and_stops() {
        let (entries, _) = ten_trials();
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path()).unwrap();
        journal.append(&entries[0]).unwrap();
        let good = std::mem::replace(&mut journal.file, File::options().write(true).open("/dev/full").unwrap());
        let first = journal.append(&entries[1]).unwrap_err();
        assert!(first.to_string().contains("corecurve resume"), "{first}");
        journal.file = good;
        assert_eq!(journal.append(&entries[1]).unwrap_err(), first);
        assert_eq!(read(&dir.path().join(JOURNAL)).unwrap().entries, entries[..1]);
    }

    #[test]
    fn newer_formats_are_refused_and_strange_ones_skipped() {
        let wrap = |record: &str| {
            let crc = format!("{:08x}", crc32fast::hash(record.as_bytes()));
            [HEAD, crc.as_bytes(), MIDDLE, record.as_bytes(), b"}\n"].concat()
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        std::fs::write(&path, wrap(r#"{"kind":"trial","trial":{"schema":7,"colour":"new"}}"#)).unwrap();
        assert!(read(&path).unwrap_err().seen.contains("format 7"));
        for record in [
            r#"{"kind":"trial","trial":{"schema":1}}"#,
            r#"{"kind":"dance"}"#,
            "[]",
            "",
            r#"{"kind":"turn-done","cell":"../../x","rep":0,"attempt":0,"trials":0,"mats":0}"#,
            r#"{"kind":"turn-done","cell":"a","rep":-1,"attempt":0,"trials":0,"mats":0}"#,
        ] {
            let contents = read_bytes(&wrap(record));
            assert!(contents.entries.is_empty() && contents.notes.len() == 1, "{record}: {contents:?}");
        }
        let mut unfinished = trial("00-a", 0, 0, 0);
        unfinished.window_s = f64::NAN;
        assert!(line(&Entry::Trial { trial: Box::new(unfinished) }).unwrap_err().seen.contains("NaN"));
    }
}
