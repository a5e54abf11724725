//! [`TopologySource`]: which machine is meant, the live one, a described one or a recorded one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corecurve_core::Problem;
use corecurve_core::problem::printable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the topology comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TopologySource {
    /// The machine this process runs on.
    #[default]
    Live,
    /// A made-up machine in hwloc's synthetic notation, e.g. `numa:2 l3:2 core:8 pu:2`:
    /// each level says how many of it are inside *one* of the level before.
    Synthetic(String),
    /// A machine recorded by `lstopo machine.xml`.
    Xml(PathBuf),
}

/// Levels a description may name, with hwloc's name for each. Friendly names come first: help lists them.
const LEVELS: [(&str, &str); 17] = [
    ("package", "package"),
    ("die", "die"),
    ("numa", "numa"),
    ("group", "group"),
    ("l5", "l5"),
    ("l4", "l4"),
    ("l3", "l3"),
    ("l2", "l2"),
    ("l1", "l1"),
    ("core", "core"),
    ("pu", "pu"),
    ("pack", "package"),
    ("socket", "package"),
    ("node", "numa"),
    ("numanode", "numa"),
    ("thread", "pu"),
    ("l1d", "l1d"),
];

/// How many of [`LEVELS`] help shows; the rest are other spellings.
const SHOWN_LEVELS: usize = 11;

/// The largest made-up machine, in logical CPUs: enough for any real one, small enough to build in a blink.
pub const MAX_SYNTHETIC_CPUS: u64 = 4_096;

/// What a description looks like, for help.
const EXAMPLE: &str = "write levels from the outside in, e.g. `numa:2 l3:2 core:8 pu:2` (2 nodes, each with 2 L3s, each with 8 cores of 2 threads)";

impl TopologySource {
    /// Whether it is the machine this process runs on.
    pub fn is_live(&self) -> bool {
        *self == TopologySource::Live
    }
}

impl fmt::Display for TopologySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopologySource::Live => f.write_str("live"),
            TopologySource::Synthetic(text) => f.write_str(text),
            TopologySource::Xml(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for TopologySource {
    type Err = Problem;
    fn from_str(text: &str) -> Result<TopologySource, Problem> {
        let trimmed = text.trim();
        let is_xml = Path::new(trimmed).extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
        if trimmed == "live" {
            Ok(TopologySource::Live)
        } else if is_xml || Path::new(trimmed).is_file() {
            Ok(TopologySource::Xml(PathBuf::from(trimmed)))
        } else if trimmed.contains(':') {
            synthetic(trimmed).map(TopologySource::Synthetic)
        } else {
            Err(Problem::new(format!("topology `{}` is neither a description nor a file", printable(trimmed)))
                .help(format!("{EXAMPLE}, or name a file written by `lstopo machine.xml`")))
        }
    }
}

/// Checks a description token by token and returns it in hwloc's spelling, with a last `pu:1` where none is given.
fn synthetic(text: &str) -> Result<String, Problem> {
    let mut levels = Vec::new();
    let mut cpus = 1u64;
    let mut last = "";
    for token in text.split_whitespace() {
        if last == "pu" {
            return Err(bad(token, "comes after `pu`, the innermost level"));
        }
        // `[numa]` hangs a node on the level before it: hwloc's own notation, passed through.
        if let Some(attached) = token.strip_prefix('[') {
            match attached.split(['(', ']']).next() {
                Some("numa" | "NUMANode") if token.ends_with(']') && !last.is_empty() => levels.push(token.to_owned()),
                _ => return Err(bad(token, "is no attached memory; write `[numa]` after a level")),
            }
            continue;
        }
        let (name, rest) = token.split_once(':').ok_or_else(|| bad(token, "has no count, e.g. `core:8`"))?;
        let (count, attributes) = rest.split_at(rest.find('(').unwrap_or(rest.len()));
        let known = LEVELS.iter().find(|(friendly, _)| friendly.eq_ignore_ascii_case(name));
        let (_, level) = known.ok_or_else(|| unknown_level(name, token))?;
        cpus = match count.parse::<u64>() {
            Ok(n) if n > 0 && count.bytes().all(|b| b.is_ascii_digit()) => cpus.saturating_mul(n),
            _ => return Err(bad(token, "needs a whole number above 0 after the colon")),
        };
        if cpus > MAX_SYNTHETIC_CPUS {
            return Err(bad(token, &format!("makes more than {MAX_SYNTHETIC_CPUS} CPUs")));
        }
        if !attributes.is_empty() && !attributes.ends_with(')') {
            return Err(bad(token, "opens a bracket that it does not close"));
        }
        levels.push(format!("{level}:{count}{attributes}"));
        last = level;
    }
    if last != "pu" {
        levels.push("pu:1".to_owned());
    }
    Ok(levels.join(" "))
}

fn bad(token: &str, why: &str) -> Problem {
    Problem::new(format!("topology level `{}` {why}", printable(token))).help(EXAMPLE)
}

fn unknown_level(name: &str, token: &str) -> Problem {
    let shown = LEVELS.iter().take(SHOWN_LEVELS).map(|(friendly, _)| *friendly);
    Problem::unknown("topology level", name, shown, EXAMPLE).at(format!("`{}`", printable(token)))
}

impl Serialize for TopologySource {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TopologySource {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<TopologySource, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|p: Problem| serde::de::Error::custom(p.one_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (text, meant) in [
            ("numa:2 l3:2 core:8 pu:2", "numa:2 l3:2 core:8 pu:2"),
            ("  NUMA:2  Core:4 ", "numa:2 core:4 pu:1"),
            ("socket:2 node:1 core:2 thread:2", "package:2 numa:1 core:2 pu:2"),
            ("package:1 [numa] core:2 pu:1", "package:1 [numa] core:2 pu:1"),
            ("numa:2(memory=1GB) core:2", "numa:2(memory=1GB) core:2 pu:1"),
        ] {
            let source: TopologySource = text.parse().unwrap();
            assert_eq!(source, TopologySource::Synthetic(meant.to_owned()), "{text}");
            assert_eq!(source.to_string().parse::<TopologySource>().unwrap(), source);
        }
        assert!("live".parse::<TopologySource>().unwrap().is_live());
        assert_eq!("no/such.xml".parse::<TopologySource>().unwrap(), TopologySource::Xml("no/such.xml".into()));
    }

    #[test]
    fn nonsense_is_refused_by_the_token() {
        for (text, token) in [
            ("numa:0 core:2", "numa:0"),
            ("numa:2 kore:2", "kore:2"),
            ("numa:2 core", "core"),
            ("core:2 pu:2 numa:2", "numa:2"),
            ("core:99999", "core:99999"),
            ("core:99999999999999999999999", "core:99999999999999999999999"),
            ("core:-1", "core:-1"),
            ("core:+1", "core:+1"),
            ("core:٣", "core:٣"),
            ("numa:2(memory core:2", "numa:2(memory"),
            ("[numa] core:2", "[numa]"),
            ("core:", "core:"),
            ("elsewhere", "elsewhere"),
            ("", ""),
        ] {
            let problem = text.parse::<TopologySource>().unwrap_err();
            assert!(problem.seen.contains(&format!("`{token}`")), "{text}: {problem}");
            assert!(problem.help.is_some(), "{text}");
        }
        let slip = "numa:2 cor:2".parse::<TopologySource>().unwrap_err();
        assert!(slip.to_string().contains("did you mean `core`"), "{slip}");
    }
}
