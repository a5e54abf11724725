//! Packets received per CPU: `/proc/net/softnet_stat`.
//!
//! `processed` is counted on the CPU that takes a packet through the network stack, once for each packet, after steering. The
//! `NET_RX` row of `/proc/softirqs` counts wake-ups instead: many packets share one, and a CPU that only hands packets to
//! another has them, too.

use std::collections::BTreeMap;

use corecurve_core::{CpuId, CpuSet};

use super::read_text;

/// Packets processed by each CPU since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processed(pub BTreeMap<CpuId, u32>);

impl Processed {
    /// Packets that `cpus` have processed since `earlier`. The kernel's counters have 32 bits and wrap.
    pub fn since(&self, earlier: &Processed, cpus: &CpuSet) -> u64 {
        let grown = |cpu| Some(u64::from(self.0.get(&cpu)?.wrapping_sub(*earlier.0.get(&cpu)?)));
        cpus.iter().filter_map(grown).sum()
    }
}

/// One line per CPU, hexadecimal: processed first, the CPU's number thirteenth (before Linux 5.10 lines are in the CPUs' order).
pub fn parse(text: &str) -> Processed {
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let line = |(at, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cpu = words.get(12).map_or(Some(at as u32), |word| number(word))?;
        Some((CpuId(cpu), number(words.first()?)?))
    };
    Processed(text.lines().enumerate().filter_map(line).collect())
}

/// Reads it.
///
/// # Errors
/// The reason when it cannot be read.
pub fn read() -> Result<Processed, String> {
    Ok(parse(&read_text("/proc/net/softnet_stat")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_meet_their_cpus() {
        let zeros = "00000000 ".repeat(11);
        let text = format!("0000000a {zeros}00000000 00000000\nffffffff {zeros}00000003 00000000\nodd\n");
        let before = parse(&text);
        assert_eq!(before.0, BTreeMap::from([(CpuId(0), 10), (CpuId(3), u32::MAX)]));
        let after = parse(&text.replace("ffffffff", "00000005").replace("0000000a", "0000000b"));
        let cpus = |text: &str| text.parse().unwrap();
        assert_eq!(after.since(&before, &cpus("3")), 6, "the counter wrapped");
        assert_eq!(after.since(&before, &cpus("0-7")), 7);
        assert_eq!(after.since(&before, &cpus("1")), 0);
        assert_eq!(parse("01 00\n02 00\n").0, BTreeMap::from([(CpuId(0), 1), (CpuId(1), 2)]));
        assert!(!read().unwrap().0.is_empty());
    }
}
