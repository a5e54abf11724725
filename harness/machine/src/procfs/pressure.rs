//! Pressure stall information: how long somebody waited for a CPU, memory or a disk.

use corecurve_core::Nanos;
use serde::{Deserialize, Serialize};

use super::read_text;

/// Stall time since boot of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Nanos,
    /// All tasks waited; `None` where the kernel does not say.
    pub full: Option<Nanos>,
}

/// Reads `/proc/pressure/RESOURCE`; `None` when it is no such text.
pub fn parse(text: &str) -> Option<Pressure> {
    let total = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let micros: u64 = line.split_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()?;
        Some(Nanos::MICRO * micros)
    };
    Some(Pressure { some: total("some")?, full: total("full") })
}

/// Reads the pressure on `resource`: `cpu`, `memory` or `io`.
///
/// # Errors
/// The reason when the kernel keeps none.
pub fn read(resource: &str) -> Result<Pressure, String> {
    let path = format!("/proc/pressure/{resource}");
    parse(&read_text(&path)?).ok_or_else(|| format!("{path} is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read() {
        let text =
            "some avg10=0.01 avg60=0.25 avg300=0.61 total=8004058\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        assert_eq!(parse(text), Some(Pressure { some: Nanos(8_004_058_000), full: Some(Nanos(5_000)) }));
        let old = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(parse(old), Some(Pressure { some: Nanos(1_000), full: None }));
        for text in ["", "some", "some total=x", "something total=1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
