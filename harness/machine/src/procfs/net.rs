//! Counters of the network stack: `/proc/net/netstat`, `/proc/net/snmp` and, by device, `/proc/net/dev`. They cover the whole
//! network namespace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters by `Group.Name`, e.g. `TcpExt.ListenOverflows`, since the namespace began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetCounters(pub BTreeMap<String, i64>);

impl NetCounters {
    /// One counter; `None` where this kernel has none of that name.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }

    /// What was added since `earlier`, only counters that changed.
    #[must_use]
    pub fn since(&self, earlier: &NetCounters) -> NetCounters {
        let grew = |(name, now): (&String, &i64)| {
            let grown = now.wrapping_sub(earlier.get(name)?);
            (grown != 0).then(|| (name.clone(), grown))
        };
        NetCounters(self.0.iter().filter_map(grew).collect())
    }

    /// Connections refused a place because the accept queue was full; each also counts in `ListenDrops`.
    pub fn listen_overflows(&self) -> Option<i64> {
        self.get("TcpExt.ListenOverflows")
    }

    /// Connections dropped while they were set up, for whatever reason.
    pub fn listen_drops(&self) -> Option<i64> {
        self.get("TcpExt.ListenDrops")
    }

    /// Segments sent again.
    pub fn retransmitted(&self) -> Option<i64> {
        self.get("Tcp.RetransSegs")
    }
}

/// Reads pairs of lines, names then values, each starting with the group: `Tcp: A B` then `Tcp: 1 2`.
pub fn parse(text: &str) -> NetCounters {
    let mut counters = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let [names, values] = pair else { continue };
        let (Some((group, names)), Some((same, values))) = (names.split_once(':'), values.split_once(':')) else {
            continue;
        };
        if group != same {
            continue;
        }
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                counters.insert(format!("{group}.{name}"), value);
            }
        }
    }
    NetCounters(counters)
}

/// What a device has received since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes, headers included.
    pub bytes: u64,
    /// Packets; one can be as large as many of the wire's.
    pub packets: u64,
}

impl Traffic {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        Traffic {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            packets: self.packets.saturating_sub(earlier.packets),
        }
    }
}

/// What a device received, from `/proc/net/dev`: the first numbers of its line.
pub fn received(text: &str, device: &str) -> Option<Traffic> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
    Some(Traffic { bytes: numbers.next()??, packets: numbers.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_meet_their_values() {
        let text = "Tcp: MaxConn RetransSegs\nTcp: -1 5\nTcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\nodd: x\n";
        let before = parse(text);
        assert_eq!((before.get("Tcp.MaxConn"), before.retransmitted()), (Some(-1), Some(5)));
        assert_eq!((before.listen_overflows(), before.listen_drops()), (Some(3), Some(4)));
        let after = parse("TcpExt: ListenOverflows ListenDrops\nTcpExt: 10 4\n");
        assert_eq!(after.since(&before).0, BTreeMap::from([("TcpExt.ListenOverflows".to_owned(), 7)]));
        assert_eq!(parse("A: x\nB: 1\n"), NetCounters::default());
        assert_eq!(parse("nonsense"), NetCounters::default());
    }

    #[test]
    fn a_devices_traffic_is_found() {
        let text =
            "Inter-|   Receive\n face |bytes    packets errs\n    lo:       1       2    0\ncc-load: 1734 24 0 0\n";
        assert_eq!(received(text, "lo"), Some(Traffic { bytes: 1, packets: 2 }));
        assert_eq!(received(text, "cc-load"), Some(Traffic { bytes: 1_734, packets: 24 }));
        assert_eq!(received(text, "cc"), None);
        assert_eq!(received("", "lo"), None);
        let later = Traffic { bytes: 5, packets: 3 }.since(&Traffic { bytes: 1, packets: 9 });
        assert_eq!(later, Traffic { bytes: 4, packets: 0 }, "a counter that ran backwards is zero");
    }
}
