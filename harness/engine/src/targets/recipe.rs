//! [`Recipe`]: how to start a server on given cores, as written in `servers/targets/*.toml` or in a file of the user's own.

use std::collections::BTreeMap;

use corecurve_core::problem::printable;
use corecurve_core::spec::toml_problem;
use corecurve_core::units::time_text;
use corecurve_core::{Nanos, Problem, Problems};
use serde::Deserialize;

use super::template;

/// Largest recipe read.
pub(super) const MAX_RECIPE_BYTES: u64 = 1 << 20;
const SEE: &str = "see servers/targets/nginx.toml for a whole recipe";

/// How to start a server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// Name of the target.
    pub name: String,
    /// One line for `list`.
    pub summary: String,
    /// The command, one element per argument, with placeholders. It must stay in the foreground. There is no shell.
    pub command: Vec<String>,
    /// What keeps it in the foreground, for the message when it goes into the background.
    #[serde(default)]
    pub foreground: Option<String>,
    /// The Debian package that installs the command.
    #[serde(default)]
    pub package: Option<String>,
    /// A command that prints its version.
    #[serde(default)]
    pub version: Vec<String>,
    /// How its workers share requests.
    #[serde(default)]
    pub discipline: Discipline,
    /// Environment variables it may see. `PATH` is always passed on.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Working directory; the scratch directory unless given.
    #[serde(default)]
    pub directory: Option<String>,
    /// A port it cannot be told to leave; a free one unless given.
    #[serde(default)]
    pub port: Option<u16>,
    /// Time between SIGTERM and SIGKILL.
    #[serde(default, with = "time_text")]
    pub grace: Option<Nanos>,
    /// When it is ready.
    #[serde(default)]
    pub ready: Ready,
    /// Files written into the scratch directory before the start.
    #[serde(default)]
    pub file: Vec<FileTemplate>,
    /// Settings (`--set target.KEY=…`) with their defaults; each is a placeholder.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// How workers share requests: what the sharing model of a verdict starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discipline {
    /// Each worker has connections of its own.
    #[default]
    Partitioned,
    /// Any worker may take any request.
    Shared,
}

/// One correct reply, after which a server counts as ready.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Ready {
    /// The path asked for.
    pub path: String,
    /// The status of a correct reply.
    pub status: u16,
    /// The whole body of a correct reply, when it matters.
    pub body: Option<String>,
    /// How long to wait for it.
    #[serde(with = "time_text")]
    pub deadline: Option<Nanos>,
}

impl Default for Ready {
    fn default() -> Ready {
        Ready { path: "/".to_owned(), status: 200, body: None, deadline: None }
    }
}

impl Ready {
    /// How long to wait, 10 s unless given.
    pub fn patience(&self) -> std::time::Duration {
        self.deadline.unwrap_or(Nanos(10_000_000_000)).into()
    }
}

/// A file made before the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileTemplate {
    /// Where, below the scratch directory.
    pub path: String,
    /// What, with placeholders.
    pub text: String,
}

const KEYS: [&str; 14] = [
    "name",
    "summary",
    "command",
    "foreground",
    "package",
    "version",
    "discipline",
    "environment",
    "directory",
    "port",
    "grace",
    "ready",
    "file",
    "settings",
];
const READY_KEYS: [&str; 4] = ["path", "status", "body", "deadline"];
const FILE_KEYS: [&str; 2] = ["path", "text"];

impl Recipe {
    /// Reads a recipe; `name` is the file for messages.
    ///
    /// # Errors
    /// Syntax and types with line and column, unknown keys with the nearest known one, unknown placeholders, paths
    /// that leave the scratch directory: all that can be found in one pass.
    pub fn parse(text: &str, name: &str) -> Result<Recipe, Problems> {
        let syntax = |error: &toml::de::Error| Problems::from(toml_problem(name, text, error).help(SEE));
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        let mut problems = Problems::default();
        unknown_keys(&table, &KEYS, name, &mut problems);
        if let Some(toml::Value::Table(ready)) = table.get("ready") {
            unknown_keys(ready, &READY_KEYS, &format!("{name}: [ready]"), &mut problems);
        }
        for file in
            table.get("file").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table)
        {
            unknown_keys(file, &FILE_KEYS, &format!("{name}: [[file]]"), &mut problems);
        }
        if let Some(toml::Value::String(command)) = table.get("command") {
            problems.0.push(
                Problem::new(format!("{name}: the command `{}` is one string", printable(command)))
                    .help("write one element per argument, e.g. command = [\"nginx\", \"-c\", \"{dir}/nginx.conf\"]; there is no shell"),
            );
        }
        problems.finish(())?;
        let recipe: Recipe = toml::from_str(text).map_err(|error| syntax(&error))?;
        recipe.check(name)?;
        Ok(recipe)
    }

    /// What the types do not say.
    fn check(&self, name: &str) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let mut wrong = |wrong: bool, seen: &str, help: &str| {
            if wrong {
                problems.0.push(Problem::new(format!("{name}: {seen}")).help(help));
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let bad_name = self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain);
        wrong(bad_name, "`name` is no plain word", "use up to 40 letters, digits, `-`, `_` and `.`");
        wrong(self.command.is_empty(), "`command` is empty", "name the program first, then its arguments");
        wrong(self.port == Some(0), "`port` is 0", "leave `port` out and use the {port} placeholder to get a free one");
        wrong(!self.ready.path.starts_with('/'), "`ready.path` does not start with `/`", "e.g. path = \"/plaintext\"");
        wrong(!(100..=599).contains(&self.ready.status), "`ready.status` is no HTTP status", "e.g. status = 200");
        let bare = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        wrong(!bare(&self.ready.path), "`ready.path` holds a space or control character", "encode it as %20 and so on");
        let names_port =
            || self.command.iter().chain(self.file.iter().map(|file| &file.text)).any(|text| text.contains("{port}"));
        wrong(
            self.port.is_none() && !names_port(),
            "neither command nor files say {port}",
            "pass the port on with the {port} placeholder, or state a fixed one with `port = 8080`",
        );
        for key in self.settings.keys() {
            let clash = template::RESERVED.contains(&key.as_str()) || !template::is_word(key);
            wrong(
                clash,
                &format!("setting `{}` cannot be a placeholder", printable(key)),
                "use another word of a-z, 0-9, `-` and `_`",
            );
        }
        for file in &self.file {
            let path = std::path::Path::new(&file.path);
            let below = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            let seen = format!("file path `{}` is not below the scratch directory", printable(&file.path));
            wrong(
                !below || file.path.is_empty(),
                &seen,
                "give a relative path without `..`, e.g. path = \"nginx.conf\"",
            );
        }
        let known: Vec<&str> = template::RESERVED.into_iter().chain(self.settings.keys().map(String::as_str)).collect();
        for text in self.templates() {
            problems.0.extend(template::unknown(text, &known).into_iter().map(|problem| problem.at(name)));
        }
        problems.finish(())
    }

    /// Every text that may hold placeholders.
    fn templates(&self) -> impl Iterator<Item = &str> {
        let files = self.file.iter().flat_map(|file| [&file.path, &file.text]);
        let texts = self.command.iter().chain(&self.directory).chain(files).chain(self.settings.values());
        texts.map(String::as_str)
    }
}

fn unknown_keys(table: &toml::Table, known: &[&str], place: &str, problems: &mut Problems) {
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        problems.0.push(Problem::unknown("key", key, known.iter().copied(), SEE).at(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"mine\"\nsummary = \"my server\"\ncommand = [\"./server\", \"--port={port}\"]\n";

    #[test]
    fn a_short_recipe_gets_defaults() {
        let recipe = Recipe::parse(GOOD, "mine.toml").unwrap();
        assert_eq!(recipe.ready, Ready { path: "/".into(), status: 200, body: None, deadline: None });
        assert_eq!(recipe.ready.patience().as_secs(), 10);
        assert_eq!(recipe.discipline, Discipline::Partitioned);
        let full = format!("{GOOD}grace = \"250ms\"\n[ready]\ndeadline = \"3s\"\n[settings]\nroot = \"{{dir}}/www\"\n");
        let recipe = Recipe::parse(&full, "mine.toml").unwrap();
        assert_eq!((recipe.grace, recipe.ready.patience().as_secs()), (Some(Nanos(250_000_000)), 3));
    }

    #[test]
    fn every_mistake_is_named() {
        let cases = [
            ("name = \n", "m.toml:1:"),
            ("name = \"x\"\nsummary = \"\"\ncomand = []\n", "did you mean `command`"),
            (&format!("{GOOD}[ready]\nstats = 200\n"), "did you mean `status`"),
            (&format!("{GOOD}[[file]]\npath = \"a\"\ntxt = \"b\"\n"), "did you mean `text`"),
            ("name = \"x\"\nsummary = \"\"\ncommand = \"nginx -g\"\n", "no shell"),
            ("name = \"x\"\nsummary = \"\"\ncommand = [\"a\"]\n", "{port}"),
            ("name = \"x y\"\nsummary = \"\"\ncommand = [\"{port}\"]\n", "plain word"),
            ("name = \"x\"\nsummary = \"\"\ncommand = [\"{prot}\", \"{port}\"]\n", "did you mean `port`"),
            (&format!("{GOOD}port = 0\n"), "`port` is 0"),
            (&format!("{GOOD}port = 70000\n"), "m.toml:4:"),
            (&format!("{GOOD}[ready]\npath = \"x\"\n"), "start with `/`"),
            (&format!("{GOOD}[ready]\npath = \"/a\\r\\nHost: x\"\n"), "control character"),
            (&format!("{GOOD}[ready]\nstatus = 42\n"), "no HTTP status"),
            (&format!("{GOOD}[ready]\ndeadline = \"10\"\n"), "no unit"),
            (&format!("{GOOD}[[file]]\npath = \"../a\"\ntext = \"\"\n"), "`../a`"),
            (&format!("{GOOD}[[file]]\npath = \"/etc/passwd\"\ntext = \"\"\n"), "/etc/passwd"),
            (&format!("{GOOD}[settings]\nport = \"1\"\n"), "setting `port`"),
        ];
        for (text, token) in cases {
            let problems = Recipe::parse(text, "m.toml").unwrap_err().to_string();
            assert!(problems.contains(token) && problems.contains("help:"), "{text}: {problems}");
        }
        let both = Recipe::parse("nam = 1\nsumary = 2\n", "m.toml").unwrap_err();
        assert_eq!(both.0.len(), 2, "{both}");
    }

    #[test]
    fn the_list_of_keys_is_complete() {
        let full = format!(
            "{GOOD}foreground = \"\"\npackage = \"\"\nversion = []\ndiscipline = \"shared\"\nenvironment = []\ndirectory = \"/\"\nport = 1\ngrace = \"1s\"\n[ready]\npath = \"/\"\nstatus = 200\nbody = \"\"\ndeadline = \"1s\"\n[[file]]\npath = \"a\"\ntext = \"\"\n[settings]\n"
        );
        let table: toml::Table = toml::from_str(&full).unwrap();
        let (mut written, mut known): (Vec<&str>, Vec<&str>) =
            (table.keys().map(String::as_str).collect(), KEYS.to_vec());
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known);
        assert_eq!(Recipe::parse(&full, "m.toml").unwrap().port, Some(1));
    }
}
