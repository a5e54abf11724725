//! Limits that end a run early when they are not seen beforehand: open files, ephemeral ports, accept queues.

use std::ops::RangeInclusive;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{read_number, read_text};

/// The limit on open files; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFiles {
    /// In force now.
    pub soft: Option<u64>,
    /// As far as it can be raised without privilege.
    pub hard: Option<u64>,
}

/// This process's limit on open files.
pub fn open_files() -> OpenFiles {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    OpenFiles { soft: current, hard: maximum }
}

/// Raises the limit on open files to the hard limit, for this process and those it starts from now on.
///
/// # Errors
/// The reason when the kernel refuses.
pub fn raise_open_files() -> Result<OpenFiles, String> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|e| format!("the limit on open files could not be raised: {e}"))?;
    Ok(open_files())
}

/// Reads two numbers, first and last.
pub fn parse_port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(|word| word.parse::<u16>().ok());
    let (first, last) = (words.next()??, words.next()??);
    (first <= last).then_some(first..=last)
}

/// Ports the kernel gives to outgoing connections. Each address pair can have so many at once, and a closed one
/// stays taken for a minute.
///
/// # Errors
/// The reason when the kernel does not say.
pub fn ephemeral_ports() -> Result<RangeInclusive<u16>, String> {
    let path = "/proc/sys/net/ipv4/ip_local_port_range";
    parse_port_range(&read_text(path)?).ok_or_else(|| format!("{path} is not understood"))
}

/// The longest accept queue a listener may ask for.
///
/// # Errors
/// The reason when the kernel does not say.
pub fn somaxconn() -> Result<u64, String> {
    let value = read_number("/proc/sys/net/core/somaxconn")?;
    u64::try_from(value).map_err(|_| format!("net.core.somaxconn is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_read() {
        assert_eq!(parse_port_range("32768\t60999\n"), Some(32_768..=60_999));
        for text in ["", "1", "2 1", "1 70000", "a b"] {
            assert_eq!(parse_port_range(text), None, "{text}");
        }
        assert!(!ephemeral_ports().unwrap().is_empty());
        assert!(somaxconn().unwrap() > 0);
    }

    #[test]
    fn open_files_rise_to_the_hard_limit() {
        let raised = raise_open_files().unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(open_files(), raised);
    }
}
