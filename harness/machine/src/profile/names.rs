//! Names of system calls, and quantiles of wake-ups.

use std::collections::BTreeMap;

use corecurve_core::{Nanos, Wakeups};

/// System calls by name: `looks` by number, spread over the `total` that were made.
pub(super) fn by_name(looks: &BTreeMap<u32, u64>, total: u64) -> BTreeMap<String, u64> {
    let looked: u64 = looks.values().sum();
    let mut named = BTreeMap::new();
    if looked == 0 {
        if total > 0 {
            named.insert("too few to tell".to_owned(), total);
        }
        return named;
    }
    for (number, looks) in looks {
        let count = u64::try_from(u128::from(*looks) * u128::from(total) / u128::from(looked)).unwrap_or(u64::MAX);
        let name =
            syscalls::Sysno::new(*number as usize).map_or_else(|| format!("#{number}"), |call| call.name().to_owned());
        named.insert(name, count);
    }
    named
}

/// Median and 99th percentile of delays, in nanoseconds.
pub(super) fn wakeups(mut delays: Vec<u64>) -> Wakeups {
    delays.sort_unstable();
    let rank = |share: f64| {
        let rank = (delays.len() as f64 * share).ceil() as usize;
        Nanos(delays.get(rank.saturating_sub(1)).copied().unwrap_or(0))
    };
    Wakeups { count: delays.len() as u64, p50_ns: rank(0.5), p99_ns: rank(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_stand_for_all_calls() {
        let read = syscalls::Sysno::read as u32;
        let named = by_name(&BTreeMap::from([(read, 3), (9_999, 1)]), 400);
        assert_eq!(named, BTreeMap::from([("read".to_owned(), 300), ("#9999".to_owned(), 100)]));
        assert_eq!(by_name(&BTreeMap::new(), 5)["too few to tell"], 5);
        assert!(by_name(&BTreeMap::new(), 0).is_empty());
    }

    #[test]
    fn quantiles_are_ranks() {
        let found = wakeups((1..=200).rev().collect());
        assert_eq!((found.count, found.p50_ns, found.p99_ns), (200, Nanos(100), Nanos(198)));
        assert_eq!(wakeups(Vec::new()), Wakeups::default());
    }
}
