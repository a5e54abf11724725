//! Packets received per CPU: `/proc/net/softnet_stat`.
//!
//! `processed` is counted on the CPU that takes a packet through the network stack, once for each packet, after steering. The
//! `NET_RX` row of `/proc/softirqs` counts wake-ups instead: many packets share one, and a CPU that only hands packets to
//! another has them, too.

use std::collections::BTreeMap;

use corecurve_core::CpuId;

/// What one CPU received since boot. The kernel's counters have 32 bits and wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Packets taken through the network stack.
    pub processed: u32,
    /// Packets dropped because its backlog was full.
    pub dropped: u32,
    /// Times it stopped with packets left, because its budget or time was used up.
    pub squeezed: u32,
}

impl Received {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Received) -> Received {
        Received {
            processed: self.processed.wrapping_sub(earlier.processed),
            dropped: self.dropped.wrapping_sub(earlier.dropped),
            squeezed: self.squeezed.wrapping_sub(earlier.squeezed),
        }
    }
}

/// One line per CPU, hexadecimal: processed, dropped and squeezed first, the CPU's number thirteenth (before Linux 5.10 lines
/// are in the CPUs' order).
pub fn parse(text: &str) -> BTreeMap<CpuId, Received> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let line = |(at, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cpu = words.get(12).map_or(Some(at as u32), |word| number(word))?;
        let column = |at: usize| number(words.get(at)?);
        Some((CpuId(cpu), Received { processed: column(0)?, dropped: column(1)?, squeezed: column(2)? }))
    };
    text.lines().enumerate().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_meet_their_cpus() {
        let zeros = "00000000 ".repeat(9);
        let text = format!(
            "0000000a 00000001 00000002 {zeros}00000000 00000000\nffffffff 00000000 00000000 {zeros}00000003 00000000\nodd\n"
        );
        let before = parse(&text);
        let wrapped = Received { processed: u32::MAX, ..Received::default() };
        let first = Received { processed: 10, dropped: 1, squeezed: 2 };
        assert_eq!(before, BTreeMap::from([(CpuId(0), first), (CpuId(3), wrapped)]));
        let after = parse(&text.replace("ffffffff", "00000005").replace("0000000a", "0000000b"));
        let since = |cpu: u32| after[&CpuId(cpu)].since(&before[&CpuId(cpu)]);
        assert_eq!(since(3).processed, 6, "the counter wrapped");
        assert_eq!(since(0), Received { processed: 1, ..Received::default() });
        let old = parse("01 00 00\n02 00 00\n");
        assert_eq!(old.keys().map(|cpu| cpu.0).collect::<Vec<_>>(), [0, 1]);
    }
}
