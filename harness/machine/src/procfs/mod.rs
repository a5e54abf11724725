//! What the kernel tells in `/proc`, `/sys/fs/cgroup` and resource limits.
//!
//! Each reader is a pure parser over text plus a thin function that fetches the text. Parsers never panic: a line
//! they do not understand is skipped, a value that is missing is `None` or an error that says what was missing.

pub mod cgroup;
pub mod cpu;
pub mod diag;
pub mod limits;
pub mod net;
pub mod pressure;
pub mod process;
pub mod softirq;
pub mod softnet;
pub mod tcp;
pub mod thread;

use std::path::Path;

use corecurve_core::Nanos;

/// Reads a whole small file; the error names it.
pub(crate) fn read_text(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    // Names of threads and commands need not be UTF-8.
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first word of `file` as a number; the error names it.
pub(crate) fn read_number(path: impl AsRef<Path>) -> Result<i64, String> {
    let path = path.as_ref();
    let text = read_text(path)?;
    let word = text.split_whitespace().next().unwrap_or("");
    word.parse().map_err(|_| format!("{}: `{word}` is no number", path.display()))
}

/// Kernel ticks as time. `per_second` is what [`ticks_per_second`] says.
pub(crate) fn ticks(count: u64, per_second: u64) -> Nanos {
    Nanos(u64::try_from(u128::from(count) * 1_000_000_000 / u128::from(per_second.max(1))).unwrap_or(u64::MAX))
}

/// Ticks per second of the times in `/proc/stat` and `/proc/PID/stat`: 100 on every Linux built so far.
pub fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}
