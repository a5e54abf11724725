//! Static files under a root, with no way out of it.
//!
//! The kernel does the checking: `openat2` with `RESOLVE_BENEATH`, `RESOLVE_NO_MAGICLINKS` and
//! `RESOLVE_NO_SYMLINKS` resolves every component below the root's descriptor or fails, so there is no
//! race between a check and its use. Only regular files are served, and they are opened with `O_NONBLOCK`,
//! so that a FIFO in the root cannot stop a worker. Paths that name `.`, `..` or an empty component are
//! refused before the kernel is asked, because one resource should have one name.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use corecurve_core::Problem;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};

use crate::engine::reply::TEXT;
use crate::engine::{Head, Reply, Status, Tail};

/// Up to this size a file is read and leaves in one write with its head; above it is sent by `sendfile`.
const COPIED_BYTES: u64 = 16 << 10;

/// The directory whose files are served.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
}

impl Root {
    /// Opens the directory. It is resolved once: renaming it later changes nothing.
    ///
    /// # Errors
    /// When it cannot be opened as a directory, or the kernel lacks `openat2` (before Linux 5.6).
    pub fn open(path: &Path) -> Result<Root, Problem> {
        let shown = path.display();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
            Problem::new(format!("cannot serve files from `{shown}`: {error}")).help("name a directory that exists")
        })?;
        let root = Root { directory };
        rustix::fs::openat2(&root.directory, c".", flags, Mode::empty(), ResolveFlags::BENEATH).map_err(|error| {
            Problem::new(format!("cannot confine file access to `{shown}`: openat2: {error}"))
                .help("serving files needs Linux 5.6 or newer and a sandbox that allows openat2")
        })?;
        Ok(root)
    }

    /// Opens the regular file a decoded path names.
    fn file(&self, path: &[u8]) -> Option<(File, Stat)> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), resolve).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        FileType::from_raw_mode(stat.st_mode).is_file().then(|| (File::from(file), stat))
    }
}

/// Answers with a file, or 404.
pub(super) fn answer(root: Option<&Root>, head: &Head<'_>, reply: &mut Reply<'_>) {
    let found = root.zip(decode_path(head.path)).and_then(|(root, path)| root.file(&path));
    let Some((file, stat)) = found else {
        return reply.send(Status::NOT_FOUND, TEXT, b"there is nothing at this path\n");
    };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    let etag = format!("\"{size:x}-{:x}.{:x}\"", stat.st_mtime, stat.st_mtime_nsec);
    let last_modified = httpdate::fmt_http_date(modified);
    let fields = [("ETag", etag.as_str()), ("Last-Modified", last_modified.as_str())];
    let content_type = content_type(head.path);
    if is_fresh(head, &etag, modified) {
        return reply.send_head(Status::NOT_MODIFIED, content_type, &fields, size);
    }
    if size > COPIED_BYTES {
        let tail = Tail::File { file, offset: 0, left: size };
        return reply.send_tail(Status::OK, content_type, &fields, size, tail);
    }
    // What is read is what is announced, even if the file shrinks meanwhile.
    let mut body = [0u8; COPIED_BYTES as usize];
    let mut filled = 0;
    while filled < size as usize {
        match file.read_at(&mut body[filled..size as usize], filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return reply.send(Status::INTERNAL, TEXT, b"the file cannot be read\n"),
        }
    }
    reply.send_with(Status::OK, content_type, &fields, &body[..filled]);
}

/// Whether the client's copy is still good (RFC 9110 section 13.2.2: If-None-Match goes first).
fn is_fresh(head: &Head<'_>, etag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = head.if_none_match {
        let tags = tags.split(|&b| b == b',').map(<[u8]>::trim_ascii);
        return tags.map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag)).any(|tag| tag == b"*" || tag == etag.as_bytes());
    }
    let since = head.if_modified_since.and_then(|text| str::from_utf8(text).ok());
    since.and_then(|text| httpdate::parse_http_date(text).ok()).is_some_and(|since| modified <= since)
}

/// The path relative to the root, percent-decoded; `None` if it names nothing that could be served.
fn decode_path(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.strip_prefix('/')?.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |b: u8| char::from(b).to_digit(16);
        let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
        // A slash that was hidden from whoever checked the path before us stays a fault, and so does NUL.
        match value as u8 {
            b'/' | b'\\' => return None,
            byte if byte.is_ascii_control() => return None,
            byte => decoded.push(byte),
        }
    }
    let is_plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    decoded.split(|&b| b == b'/').all(is_plain).then_some(decoded)
}

/// By the name's ending; unknown ones are bytes, and a browser is never asked to guess.
fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "log" | "md" | "toml" => TEXT,
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_decode_or_are_refused() {
        assert_eq!(decode_path("/a%20b/c.txt").unwrap(), b"a b/c.txt");
        assert_eq!(decode_path("/%c3%a9").unwrap(), "é".as_bytes());
        for path in [
            "/",
            "//a",
            "/a/",
            "/../a",
            "/a/../b",
            "/%2e%2e/a",
            "/..%2fa",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%5cb",
            "/./a",
            "*",
        ] {
            assert_eq!(decode_path(path), None, "{path}");
        }
    }
}
