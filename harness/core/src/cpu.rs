//! CPUs and sets of them, as the kernel numbers and writes them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::Problem;

/// A logical CPU (one hardware thread), by the kernel's number (hwloc: the PU's OS index).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuId(pub u32);

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A NUMA node, by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of CPUs, written as the kernel's cpulist: `0-3,8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuSet(pub BTreeSet<CpuId>);

impl CpuSet {
    /// Number of CPUs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `cpu` is in the set.
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.0.contains(&cpu)
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> CpuSet {
        CpuSet(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| next.0 == last.0 + 1) {
                last = next;
            }
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for CpuSet {
    type Err = Problem;
    /// Reads `0-3,8` and the kernel's strided form `4-7:2/4` (2 of every 4, from 4 to 7).
    fn from_str(text: &str) -> Result<CpuSet, Problem> {
        let bad = |why: &str| {
            Problem::new(format!("`{}` is not a list of CPUs: {why}", crate::problem::printable(text)))
                .help("write CPU numbers and ranges, e.g. `0-3,8`")
        };
        let number = |s: &str| match s.parse::<u32>() {
            Ok(n) if n < 65_536 && s.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
            _ => Err(bad(&format!("`{}` is no CPU number below 65536", crate::problem::printable(s)))),
        };
        let mut set = BTreeSet::new();
        for part in text.trim().split(',') {
            let (range, stride) = part.split_once(':').map_or((part, None), |(r, s)| (r, Some(s)));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(bad(&format!("`{part}` runs backwards")));
            }
            let (used, group) = match stride.map(|s| s.split_once('/')) {
                None => (1, 1),
                Some(Some((used, group))) => (number(used)?, number(group)?),
                Some(None) => return Err(bad(&format!("`{part}` has a stride without `/`"))),
            };
            if group == 0 || used == 0 {
                return Err(bad(&format!("`{part}` has an empty stride")));
            }
            set.extend((first..=last).filter(|n| (n - first) % group < used).map(CpuId));
        }
        Ok(CpuSet(set))
    }
}

impl Serialize for CpuSet {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CpuSet {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<CpuSet, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() {
            return Ok(CpuSet::default());
        }
        text.parse().map_err(|p: Problem| serde::de::Error::custom(p.one_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_and_print() {
        for (text, shown) in
            [("0-3,8", "0-3,8"), ("3,1,2", "1-3"), ("0-1,4-7:2/4", "0-1,4-5"), ("0-11:1/4", "0,4,8"), ("7", "7")]
        {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "3-1", "0,,1", "0-", "-1", "a", "0-99999999", "1:2", "0-3:0/0", "+1", "٣"] {
            assert!(text.parse::<CpuSet>().is_err(), "{text}");
        }
    }
}
