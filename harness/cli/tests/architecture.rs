//! The structure of the workspace, read from its own files: who may depend on whom, and habits that a reader relies on.
//!
//! Standard library only, and nothing of the harness: this test must hold whatever the code does.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every crate with the crates of this workspace it may depend on, and those that its tests may use besides.
const EDGES: [(&str, &[&str], &[&str]); 9] = [
    ("corecurve-core", &[], &[]),
    ("corecurve-machine", &["corecurve-core"], &[]),
    ("corecurve-engine", &["corecurve-core", "corecurve-machine"], &[]),
    // The search is proved on queues whose answer is known.
    ("corecurve-analysis", &["corecurve-core"], &["corecurve-sim"]),
    ("corecurve-report", &["corecurve-core", "corecurve-analysis"], &[]),
    ("corecurve-http", &["corecurve-core"], &[]),
    ("corecurve-sim", &["corecurve-core"], &[]),
    ("corecurve-servers", &["corecurve-core", "corecurve-machine"], &[]),
    (
        "corecurve",
        &[
            "corecurve-core",
            "corecurve-machine",
            "corecurve-engine",
            "corecurve-analysis",
            "corecurve-report",
            "corecurve-http",
            "corecurve-sim",
            "corecurve-servers",
        ],
        &[],
    ),
];

/// The only files that may hold `unsafe`, each with a reason beside every use.
const UNSAFE_FILES: [&str; 6] = [
    "harness/engine/src/child/spawn.rs",
    "harness/engine/src/client/ring/buffers.rs",
    "harness/engine/src/client/ring/queue.rs",
    "harness/machine/src/mempolicy.rs",
    "harness/machine/src/realtime.rs",
    "servers/http/src/runtime/ring.rs",
];

/// Crates whose library code may write to standard output.
const SPEAKERS: [&str; 2] = ["harness/cli/", "harness/report/"];

/// A file longer than this is two files.
const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below the workspace's source directories for which `wanted` holds, as path from the root and text.
fn files(wanted: fn(&str) -> bool) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["harness", "workloads", "servers"].iter().map(|name| root.join(name)).collect();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "target" {
                open.push(path);
            } else if path.is_file() && wanted(name) {
                let shown = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

fn sources() -> Vec<(String, String)> {
    files(|name| name.ends_with(".rs"))
}

/// The tables of a manifest: name of the table, keys before the first `.` or `=`.
fn tables(manifest: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            table = name.trim_matches(['[', ']']).to_owned();
            // `[dependencies.name]` is `name` among the dependencies.
            if let Some((outer, key)) = table.clone().split_once('.') {
                tables.entry(outer.to_owned()).or_default().insert(key.to_owned());
            }
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim().split('.').next().unwrap_or_default();
            tables.entry(table.clone()).or_default().insert(key.to_owned());
        }
    }
    tables
}

/// Package name, manifest path and tables of every crate of the workspace (the peers are a workspace of their own).
fn crates() -> Vec<(String, String, BTreeMap<String, BTreeSet<String>>)> {
    files(|name| name == "Cargo.toml")
        .into_iter()
        .filter(|(path, _)| !path.starts_with("servers/peers/"))
        .map(|(path, text)| {
            let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"').to_owned();
            (name, path, tables(&text))
        })
        .collect()
}

fn ours<'a>(tables: &'a BTreeMap<String, BTreeSet<String>>, kinds: &[&str]) -> BTreeSet<&'a str> {
    let of_kind = tables.iter().filter(|(table, _)| {
        let last = table.rsplit('.').next().unwrap_or_default();
        kinds.contains(&table.as_str()) || kinds.contains(&last)
    });
    of_kind.flat_map(|(_, keys)| keys).map(String::as_str).filter(|key| key.starts_with("corecurve")).collect()
}

#[test]
fn dependencies_point_one_way() {
    let crates = crates();
    let names: BTreeSet<&str> = crates.iter().map(|(name, ..)| name.as_str()).collect();
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, known, "a crate came or went: say in EDGES what it may depend on");
    for (name, path, tables) in &crates {
        let (_, allowed, in_tests) = EDGES.iter().find(|(known, ..)| known == name).unwrap();
        for edge in ours(tables, &["dependencies", "build-dependencies"]) {
            assert!(allowed.contains(&edge), "{path}: {name} must not depend on {edge}");
        }
        for edge in ours(tables, &["dev-dependencies"]) {
            assert!(allowed.contains(&edge) || in_tests.contains(&edge), "{path}: tests of {name} must not use {edge}");
        }
    }
}

#[test]
fn an_edge_that_is_not_used_is_not_there() {
    let sources = sources();
    for (name, path, tables) in crates() {
        let folder = path.trim_end_matches("Cargo.toml");
        for edge in ours(&tables, &["dependencies", "dev-dependencies"]) {
            let word = edge.replace('-', "_");
            let used = sources.iter().any(|(file, text)| file.starts_with(folder) && text.contains(&word));
            assert!(used, "{path}: {name} names {edge} and does not use it");
        }
    }
}

#[test]
fn only_the_binary_knows_a_command_line() {
    for (name, path, tables) in crates() {
        let clap = tables.values().flatten().find(|key| key.starts_with("clap"));
        assert!(name == "corecurve" || clap.is_none(), "{path}: {} belongs in binaries", clap.unwrap());
    }
}

#[test]
fn unsafe_stays_in_named_files_with_reasons() {
    let word = concat!("un", "safe");
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let uses = words(&code_of(&text)).filter(|found| *found == word).count();
        if uses > 0 {
            assert!(UNSAFE_FILES.contains(&path.as_str()), "{path} holds {word} and is not in UNSAFE_FILES");
            assert!(text.matches("// SAFETY:").count() > 0, "{path} gives no reason");
            seen.insert(path);
        }
    }
    let listed: BTreeSet<String> = UNSAFE_FILES.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(seen, listed, "UNSAFE_FILES lists a file that needs it no more");
}

#[test]
fn only_cli_and_report_speak() {
    for (path, text) in sources() {
        let tests = path.ends_with("/tests.rs") || !path.contains("/src/") || path.contains("/tests/");
        let library = !tests && !SPEAKERS.iter().any(|speaker| path.starts_with(speaker));
        let code = code_of(&text);
        let code = code.split(concat!("#[cfg", "(test)]")).next().unwrap();
        let loud = ["println", "print", "dbg"].into_iter().find(|name| calls(code, name));
        assert!(!library || loud.is_none(), "{path}: {}! belongs in cli and report", loud.unwrap());
    }
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    for (path, text) in sources() {
        let code = code_of(&text);
        for name in ["todo", "unimplemented"] {
            assert!(!calls(&code, name), "{path}: {name}! is a promise, not code");
        }
        assert!(!code.contains(concat!("#[", "ignore")), "{path}: a test that does not run tests nothing");
        assert!(path.ends_with("/main.rs") || !code.contains("process::exit"), "{path}: only main ends the process");
    }
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn documents_name_no_machine() {
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for home in ["/root/", "/home/"] {
            assert!(!text.contains(home), "{name} names a path of one machine");
        }
    }
}

/// Whether `code` calls the macro `name`.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}!"))
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Rust source without comments and without the inside of strings.
fn code_of(source: &str) -> String {
    let bytes: Vec<char> = source.chars().collect();
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let mut code = String::new();
    let mut i = 0;
    while i < bytes.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..bytes.len()).find(|j| at(*j) == '\n').unwrap_or(bytes.len()),
            ('/', '*') => end_of_block(&bytes, i),
            ('"', _) => end_of_string(&bytes, i),
            ('r', '"' | '#') if starts_literal(&code) => end_of_raw(&bytes, i),
            // A character, not a lifetime: closed within two places, or escaped.
            ('\'', '\\') => (i + 3..bytes.len()).find(|j| at(*j) == '\'').map_or(bytes.len(), |j| j + 1),
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            (c, _) => {
                code.push(c);
                i + 1
            }
        };
        i = end.max(i + 1);
    }
    code
}

/// Whether an `r` after `code` can begin a raw string: not inside a word, but after the `b` of a byte string.
fn starts_literal(code: &str) -> bool {
    let code = code.strip_suffix('b').unwrap_or(code);
    !code.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn end_of_block(text: &[char], from: usize) -> usize {
    let (mut depth, mut i) = (0_usize, from);
    while i < text.len() {
        match (text[i], text.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    i
}

fn end_of_string(text: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < text.len() && text[i] != '"' {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw(text: &[char], from: usize) -> usize {
    let hashes = text[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if text.get(open) != Some(&'"') {
        return from + 1; // r#word, an identifier
    }
    let closes =
        |i: &usize| text[*i] == '"' && text[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (open + 1..text.len()).find(closes).map_or(text.len(), |i| i + 1 + hashes)
}

#[test]
fn the_reader_of_source_sees_code_only() {
    let source = r##"a /* b /* c */ d */ e // f
        "g \" // h" i r#"j " k"# 'l' '\'' '"' fn m<'n>(o: &'n str) { p!("q") } br#"r " s"# r#type"##;
    let code = code_of(source);
    let seen: Vec<&str> = words(&code).filter(|word| !word.is_empty()).collect();
    assert_eq!(seen, ["a", "e", "i", "fn", "m", "n", "o", "n", "str", "p", "b", "type"], "{code}");
    assert!(calls("x; print!(1)", "print") && !calls("eprint!(1)", "print") && !calls("println!(1)", "print"));
}
