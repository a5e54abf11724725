//! The example specs: each parses, becomes a plan, and explains every key it uses.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use corecurve_core::Spec;

fn specs() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").canonicalize().unwrap();
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

#[test]
fn every_example_parses() {
    for (path, text) in specs() {
        if let Err(problems) = Spec::parse(&text, &path.display().to_string()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn every_key_of_an_example_says_what_it_means() {
    for (path, text) in specs() {
        assert!(text.starts_with("# "), "{} does not say what it is for", path.display());
        let mut list_is_open = false;
        let mut above = "";
        for (i, line) in text.lines().enumerate() {
            let is_key = !list_is_open && line.contains(" = ") && !line.starts_with('#');
            let explained = line.contains('#') || (line.ends_with('[') && above.starts_with("# "));
            assert!(!is_key || explained, "{}:{}: `{line}` is not explained", path.display(), i + 1);
            let says_default = format!("{above}{line}").contains("default");
            assert!(!is_key || says_default, "{}:{}: `{line}` does not say the default", path.display(), i + 1);
            list_is_open = line.ends_with('[') || (list_is_open && !line.starts_with(']'));
            above = line;
        }
    }
}

#[test]
fn every_example_becomes_a_plan() {
    for (path, _) in specs() {
        let output = Command::new(env!("CARGO_BIN_EXE_corecurve"))
            .arg("sweep")
            .arg(&path)
            .args(["--topology", "numa:2 core:16 pu:1", "--dry-run"])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{said}", path.display(), output.status);
        assert!(!output.stdout.is_empty(), "{}: no plan was shown", path.display());
    }
}

#[test]
fn every_example_is_listed() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_corecurve")).args(["list", "specs"]).stdin(Stdio::null()).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    for (path, _) in specs() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(listed.contains(name), "`corecurve list specs` does not show {name}:\n{listed}");
    }
}
