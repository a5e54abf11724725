//! A target's output: kept up to a limit, read to the end, so that no target ever blocks on a full pipe.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of one stream that are kept in its log.
pub(super) const KEPT: u64 = 1 << 20;
/// Lines of the tail.
pub(super) const TAIL_LINES: usize = 20;
/// Bytes of a line in the tail, and of the first line.
const LINE_BYTES: usize = 4_096;

/// One stream of a target.
#[derive(Debug)]
pub(super) struct Capture<R> {
    pipe: Option<R>,
    log: Option<File>,
    seen: u64,
    tail: VecDeque<Vec<u8>>,
    line: Vec<u8>,
    first: Option<Vec<u8>>,
}

impl<R: Read + AsFd> Capture<R> {
    /// Reads `pipe` without blocking and keeps what it says in `log`.
    pub fn new(pipe: R, log: &Path) -> io::Result<Capture<R>> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let log = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(log)?;
        Ok(Capture { pipe: Some(pipe), log: Some(log), seen: 0, tail: VecDeque::new(), line: Vec::new(), first: None })
    }

    /// What to wait on, while the stream is open.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, at most 1 MiB, so that a torrent does not keep the guardian from its other duties.
    pub fn pump(&mut self) {
        let mut buffer = [0u8; 64 << 10];
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    self.end();
                }
                Ok(n) => self.take(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = usize::try_from(KEPT.saturating_sub(self.seen)).unwrap_or(usize::MAX).min(bytes.len());
        self.seen += bytes.len() as u64;
        if room > 0 {
            self.write(&bytes[..room]);
        }
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LINE_BYTES {
                self.line.push(*byte);
            }
        }
    }

    /// A log that cannot be written must not stop the target from being watched.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(log) = &mut self.log
            && log.write_all(bytes).is_err()
        {
            self.log = None;
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.first.is_none() {
            self.first = Some(line.clone());
        }
        self.tail.push_back(line);
        if self.tail.len() > TAIL_LINES {
            self.tail.pop_front();
        }
    }

    /// Notes in the log how much was not kept.
    pub fn end(&mut self) {
        if self.seen > KEPT {
            let note = format!("\n[{} bytes more were written and not kept]\n", self.seen - KEPT);
            self.write(note.as_bytes());
        }
        self.log = None;
    }

    /// The first whole line.
    pub fn first(&self) -> Option<String> {
        self.first.as_ref().map(|line| String::from_utf8_lossy(line).into_owned())
    }

    /// The last lines, the unfinished one included.
    pub fn tail(&self) -> Vec<String> {
        let unfinished = (!self.line.is_empty()).then_some(&self.line);
        let text = |line: &Vec<u8>| {
            let shown = &line[..line.len().min(500)];
            String::from_utf8_lossy(shown).into_owned()
        };
        let lines: Vec<String> = self.tail.iter().chain(unfinished).map(text).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_to_the_end_and_kept_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("stderr.log");
        let (reader, mut writer) = io::pipe().unwrap();
        let mut capture = Capture::new(reader, &log).unwrap();
        let feeder = std::thread::spawn(move || {
            let line = [b"x".repeat(99), b"\n".to_vec()].concat();
            writer.write_all(b"first\n").unwrap();
            for _ in 0..30_000 {
                writer.write_all(&line).unwrap();
            }
            writer.write_all(b"last words").unwrap();
        });
        while capture.fd().is_some() {
            capture.pump();
        }
        feeder.join().unwrap();
        let kept = std::fs::read(&log).unwrap();
        assert_eq!(capture.seen, 6 + 3_000_000 + 10);
        assert!(kept.len() as u64 > KEPT && (kept.len() as u64) < KEPT + 100, "{}", kept.len());
        let note = format!("[{} bytes more were written and not kept]", capture.seen - KEPT);
        assert!(String::from_utf8_lossy(&kept).contains(&note));
        assert_eq!(capture.first().as_deref(), Some("first"));
        let tail = capture.tail();
        assert_eq!((tail.len(), tail.last().map(String::as_str)), (TAIL_LINES, Some("last words")));
    }
}
