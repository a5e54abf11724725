//! No path leads out of the root: generated variants of every known trick.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use common::{app, exchange, take_reply};
use corecurve_servers::Limits;

const SECRET: &str = "THE-SECRET-OUTSIDE-THE-ROOT";

/// Ways to write `..`.
const UPS: &[&str] = &[
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..%00",
    "...",
    "....",
    "..;",
    "%c0%ae%c0%ae",
    "%e0%80%ae.",
    "%uff0e.",
    "..%20",
    "%2e%2e%2e",
    ".%00.",
    "..%0d%0a",
];
/// Ways to write `/`.
const SLASHES: &[&str] = &["/", "//", "%2f", "%2F", "\\", "%5c", "%5C", "%252f", "%c0%af", "/./", "/%2e/", "%00/"];
/// What stands before.
const STARTS: &[&str] =
    &["", "/", "/sub/", "/sub/deeper/", "/link/", "/./", "/http:/", "/file:/", "http://a/", "http://a"];
/// What is wanted.
const ENDS: &[&str] = &["secret", "secret%00.html", "secret/", "secret%20", "outside/secret", "root/../secret"];

#[test]
fn thousands_of_paths_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    std::fs::create_dir_all(root.join("sub/deeper")).unwrap();
    std::fs::create_dir(outside.path().join("outside")).unwrap();
    for secret in ["secret", "outside/secret"] {
        std::fs::write(outside.path().join(secret), SECRET).unwrap();
    }
    std::fs::write(root.join("public"), "public").unwrap();
    symlink(outside.path(), root.join("link")).unwrap();
    symlink("../../secret", root.join("sub/deeper-link")).unwrap();

    let mut paths = BTreeSet::new();
    for start in STARTS {
        for up in UPS {
            for slash in SLASHES {
                for depth in 1..4 {
                    for end in ENDS {
                        paths.insert(format!("{start}{}{end}", format!("{up}{slash}").repeat(depth)));
                    }
                }
            }
        }
    }
    let absolute = outside.path().join("secret");
    for extra in [
        absolute.display().to_string(),
        format!("/{}", absolute.display()),
        format!("http://a{}", absolute.display()),
        "/link/secret".into(),
        "/sub/deeper-link".into(),
        "/proc/self/root/etc/passwd".into(),
    ] {
        paths.insert(extra);
    }
    assert!(paths.len() >= 2_000, "{} paths", paths.len());

    let mut app = app(Some(&root));
    for path in &paths {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut outcome = exchange(&mut app, Limits::default(), [request.as_bytes()]);
        let reply = take_reply(&mut outcome.output, false).unwrap_or_else(|| panic!("{path}: no reply"));
        assert!(matches!(reply.status, 400 | 404 | 414), "{path}: {}", reply.status);
        assert!(!reply.text().contains(SECRET), "{path}");
    }
    // The same harness does find what is public, so the refusals above mean something.
    let mut outcome = exchange(&mut app, Limits::default(), [b"GET /public HTTP/1.1\r\nHost: a\r\n\r\n".as_slice()]);
    assert_eq!(take_reply(&mut outcome.output, false).unwrap().text(), "public");
}
