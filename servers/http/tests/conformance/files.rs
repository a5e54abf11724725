//! Static files: served whole, with validators, and nothing outside the root.

use std::os::unix::fs::symlink;
use std::path::Path;

use corecurve_servers::handler::pattern_byte;

use crate::case::{Case, Stand, together};
use crate::common::Reply;

const SECRET: &str = "SECRET-OUTSIDE-THE-ROOT";
const BIG: u64 = 3_000_000;

/// The directory to serve, in one that holds a secret beside it.
pub fn lay_out(outside: &Path) -> std::path::PathBuf {
    let root = outside.join("root");
    std::fs::create_dir_all(root.join("sub dir")).unwrap();
    std::fs::write(outside.join("secret"), SECRET).unwrap();
    std::fs::write(root.join("sub dir/page.html"), "<p>hi").unwrap();
    std::fs::write(root.join("big"), (0..BIG).map(pattern_byte).collect::<Vec<u8>>()).unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    symlink(outside.join("secret"), root.join("link")).unwrap();
    symlink("big", root.join("inner-link")).unwrap();
    symlink(outside, root.join("linked-dir")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    root
}

/// Paths that lead nowhere, and why one might think they do.
const NOWHERE: &[(&str, &str)] = &[
    ("a link out of the root", "/link"),
    ("a link inside the root", "/inner-link"),
    ("a linked directory", "/linked-dir/secret"),
    ("a named pipe", "/fifo"),
    ("a directory", "/sub%20dir"),
    ("a directory with a slash", "/sub%20dir/"),
    ("the root", "/"),
    ("an absolute path", "/%2fetc/passwd"),
    ("two slashes", "//etc/passwd"),
    ("dots", "/../secret"),
    ("dots after a directory", "/sub%20dir/../../secret"),
    ("escaped dots", "/%2e%2e/secret"),
    ("an escaped slash", "/..%2fsecret"),
    ("twice escaped dots", "/%252e%252e/secret"),
    ("overlong dots", "/%c0%ae%c0%ae/secret"),
    ("an escaped backslash", "/..%5csecret"),
    ("NUL", "/empty%00.html"),
    ("the server's own files", "/proc/self/environ"),
    ("a file as a directory", "/big/"),
];

fn ask(stand: &Stand, path: &str, fields: &str) -> Reply {
    let mut client = stand.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.reply()
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = NOWHERE
        .iter()
        .map(|(what, path)| {
            together(format!("no file: {what}"), move |stand| {
                let reply = ask(stand, path, "");
                assert!(matches!(reply.status, 400 | 404), "{}", reply.status);
                assert!(!reply.text().contains(SECRET));
            })
        })
        .collect();
    cases.extend([
        together("a file has its type", |stand| {
            let page = ask(stand, "/sub%20dir/page.html", "");
            assert_eq!((page.status, page.text()), (200, "<p>hi"));
            assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
        }),
        together("a large file arrives whole", |stand| {
            let body = ask(stand, "/big", "").body;
            assert!(body.len() as u64 == BIG && body.iter().zip(0..).all(|(b, i)| *b == pattern_byte(i)));
        }),
        together("an empty file", |stand| {
            let reply = ask(stand, "/empty", "");
            assert_eq!((reply.status, reply.body.len()), (200, 0));
        }),
        together("HEAD of a file", |stand| {
            let mut client = stand.connect();
            client.send("HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.reply_to(true).field("content-length"), Some("3000000"));
            assert_eq!(client.get("/empty").status, 200);
        }),
        together("a file that has not changed, by its tag", |stand| {
            let etag = ask(stand, "/sub%20dir/page.html", "").field("etag").unwrap().to_owned();
            let fresh = ask(stand, "/sub%20dir/page.html", &format!("If-None-Match: {etag}\r\n"));
            assert_eq!((fresh.status, fresh.field("content-length")), (304, Some("5")));
            let other = ask(stand, "/sub%20dir/page.html", "If-None-Match: \"other\"\r\n");
            assert_eq!(other.status, 200);
        }),
        together("a file that has not changed, by its time", |stand| {
            let modified = ask(stand, "/big", "").field("last-modified").unwrap().to_owned();
            assert_eq!(ask(stand, "/big", &format!("If-Modified-Since: {modified}\r\n")).status, 304);
            let before = "If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n";
            assert_eq!(ask(stand, "/empty", before).status, 200);
        }),
        together("more ranges than anyone needs", |stand| {
            let ranges = format!("Range: bytes={}\r\n", vec!["0-"; 1_000].join(","));
            assert_eq!(ask(stand, "/big", &ranges).body.len() as u64, BIG);
        }),
        together("more tags than a head holds", |stand| {
            let tags = format!("If-None-Match: {}\r\n", "\"a\",".repeat(16_000));
            assert_eq!(ask(stand, "/big", &tags).status, 431);
        }),
        together("a file that shrinks while it is sent ends the connection", |stand| {
            let name = format!("shrinks-{}", stand.addr.port());
            let path = stand.root.join(&name);
            let n = 256u64 << 20;
            std::fs::File::create(&path).unwrap().set_len(n).unwrap();
            let mut client = stand.connect();
            client.send(format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
            // The reply is far longer than the socket buffers, so the server is in the middle of it now.
            assert!(client.stream.peek(&mut [0; 64]).unwrap() > 0);
            std::fs::File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
            assert!((client.rest().len() as u64) < n);
            stand.assert_alive();
        }),
    ]);
    cases
}
