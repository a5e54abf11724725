//! What lies between load generator and server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::{Problem, printable};

/// The way packets take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// The loopback device: a packet is received on the CPU that sends it.
    #[default]
    Loopback,
    /// Two network namespaces joined by a veth pair: a packet is received on a core of the side it goes to.
    Netns,
}

impl NetworkKind {
    /// All of them.
    pub const ALL: [NetworkKind; 2] = [NetworkKind::Loopback, NetworkKind::Netns];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            NetworkKind::Loopback => "loopback",
            NetworkKind::Netns => "netns",
        }
    }
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for NetworkKind {
    type Err = Problem;
    fn from_str(text: &str) -> Result<NetworkKind, Problem> {
        NetworkKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Problem::unknown(
                "network",
                text,
                NetworkKind::ALL.map(NetworkKind::name),
                "`netns` has each side receive on its own cores",
            )
        })
    }
}

/// A network decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Network {
    /// The way.
    pub kind: NetworkKind,
    /// Bits per second that go through in each direction at most; `None` is as many as the CPUs move.
    #[serde(default, rename = "cap_bit_per_s", skip_serializing_if = "Option::is_none")]
    pub cap: Option<BitRate>,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cap {
            Some(cap) => write!(f, "{}, at most {cap} each way", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

/// Where a trial's packets went and who received them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// The network.
    #[serde(flatten)]
    pub network: Network,
    /// Share of what arrived for the server that was received on the server's cores, 0 to 1; `None` where it is not known.
    pub server_received_share: Option<f64>,
    /// Share of the load generator's connections whose answers were received on the load cores, 0 to 1.
    pub load_received_share: Option<f64>,
}

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BitRate(pub u64);

/// The units a bit rate is written in, the largest first.
const UNITS: [(&str, u64); 4] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];
/// Lowest and highest cap: below, a single packet takes a fifth of a second; above, no machine's memory keeps up.
const RANGE: std::ops::RangeInclusive<f64> = 64e3..=1e12;

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS.into_iter().find(|(_, size)| self.0.is_multiple_of(*size)).unwrap_or(("bit", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for BitRate {
    type Err = Problem;
    fn from_str(text: &str) -> Result<BitRate, Problem> {
        let problem = |why: &str| {
            Problem::new(format!("`{}` is no bandwidth: {why}", printable(text)))
                .help("write bits per second from 64kbit to 1000gbit, e.g. `100mbit` or `2.5gbit`")
        };
        let lower = text.to_ascii_lowercase();
        let found = UNITS.into_iter().find_map(|(unit, size)| Some((lower.strip_suffix(unit)?, size)));
        let (number, size) = found.ok_or_else(|| problem("it has no unit"))?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = number.parse::<f64>().ok().filter(|_| plain).ok_or_else(|| problem("it has no number"))?;
        let rate = number * size as f64;
        if !RANGE.contains(&rate) {
            return Err(problem("it is out of range"));
        }
        Ok(BitRate(rate.round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_slips_are_told() {
        for kind in NetworkKind::ALL {
            assert_eq!(kind.name().parse::<NetworkKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let problem = "netsn".parse::<NetworkKind>().unwrap_err();
        assert!(problem.help.unwrap().contains("did you mean `netns`?"));
    }

    #[test]
    fn bandwidths_are_read_as_tc_writes_them() {
        for (text, bits, shown) in [
            ("1gbit", 1_000_000_000, "1gbit"),
            ("2.5Gbit", 2_500_000_000, "2500mbit"),
            ("100mbit", 100_000_000, "100mbit"),
            ("64kbit", 64_000, "64kbit"),
            ("100001bit", 100_001, "100001bit"),
        ] {
            let rate: BitRate = text.parse().unwrap();
            assert_eq!((rate, rate.to_string().as_str()), (BitRate(bits), shown));
        }
        for text in
            ["", "gbit", "1", "1g", "1gbps", "-1gbit", "1e3gbit", "nanbit", "infbit", "63kbit", "1001gbit", "1.2.3mbit"]
        {
            let problem = text.parse::<BitRate>().unwrap_err().to_string();
            assert!(problem.contains("no bandwidth") && problem.contains("100mbit"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_record_is_flat_and_reads_back() {
        let network = Network { kind: NetworkKind::Netns, cap: Some(BitRate(1_000_000)) };
        let record = NetworkRecord { network, server_received_share: None, load_received_share: Some(1.0) };
        let json = serde_json::to_value(record).unwrap();
        assert_eq!((&json["kind"], &json["cap_bit_per_s"]), (&"netns".into(), &1_000_000.into()));
        assert_eq!(serde_json::from_value::<NetworkRecord>(json).unwrap(), record);
        assert_eq!(network.to_string(), "netns, at most 1mbit each way");
        assert_eq!(serde_json::to_string(&Network::default()).unwrap(), "{\"kind\":\"loopback\"}");
    }
}
