//! The README's commands, run as a reader would type them.
//!
//! A fenced block says what is done with it after its language:
//! * ```` ```sh run ```` — each line is run and must end with exit code 0;
//! * ```` ```sh plan ```` — each line is run with `--dry-run` added, because in earnest it takes minutes;
//! * ```` ```console check ```` — what follows a `$ command` line must be its standard output, to the letter;
//! * anything else is not touched.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Block {
    line: usize,
    info: String,
    text: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn blocks() -> Vec<Block> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (i, line) in readme.lines().enumerate() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(info)) => {
                blocks.push(Block { line: i + 1, info: info.trim().to_owned(), text: Vec::new() });
                inside = true;
            }
            (true, Some("")) => inside = false,
            (true, _) => blocks.last_mut().unwrap().text.push(line.to_owned()),
            (false, None) => {}
        }
    }
    assert!(!inside, "the last block of README.md has no end");
    blocks
}

fn marked(info: &str) -> Vec<Block> {
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.info == info).collect();
    assert!(!blocks.is_empty(), "README.md has no ```{info} block");
    blocks
}

/// Runs a command line in a directory that looks like the repository's root, with `corecurve` on the path.
fn shell(command: &str, directory: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_corecurve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Specs are found as in the repository; results go elsewhere.
fn workplace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("specs"), directory.path().join("specs")).unwrap();
    std::os::unix::fs::symlink(root().join("servers"), directory.path().join("servers")).unwrap();
    directory
}

fn run_all(info: &str, ending: &str) {
    let directory = workplace();
    let mut ran = 0;
    for block in marked(info) {
        for line in block.text.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let command = line.split(" #").next().unwrap().trim_end();
            let output = shell(&format!("{command}{ending}"), directory.path());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "README.md:{}: `{command}`: {}\n{said}", block.line, output.status);
            ran += 1;
        }
    }
    assert!(ran > 0);
}

#[test]
fn quick_commands_work() {
    run_all("sh run", "");
}

#[test]
fn long_commands_have_a_plan() {
    run_all("sh plan", " --dry-run");
}

#[test]
fn shown_output_is_what_is_printed() {
    let directory = workplace();
    for block in marked("console check") {
        let mut lines = block.text.iter().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("README.md:{}: no `$ `", block.line));
            let mut shown = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                shown.push_str(line.trim_end());
                shown.push('\n');
            }
            let output = shell(command, directory.path());
            let printed: String =
                String::from_utf8_lossy(&output.stdout).lines().map(|line| format!("{}\n", line.trim_end())).collect();
            assert_eq!(printed.trim_end(), shown.trim_end(), "README.md:{}: `{command}`", block.line);
        }
    }
}

#[test]
fn files_named_in_links_exist() {
    let names = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    for name in names {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let elsewhere = link.contains("://") || link.is_empty();
            assert!(elsewhere || root().join(link).exists(), "{name} links to {link}, which does not exist");
        }
    }
}
