//! What each worker of the target did in the window, by the target's own counts: read before it and after it, never in it.
//!
//! The second reading follows the end of the window at once: when the last answers are in, load workers hang up.

use corecurve_core::{Nanos, Running, ServerStats, Shares};
use corecurve_machine::Link;
use corecurve_machine::clock::now;

/// How long before the window opens the first reading begins, if the warm-up is that long.
pub(super) const LEAD: Nanos = Nanos(100_000_000);
/// How long before the window opens it must be over.
const MARGIN: Nanos = Nanos(10_000_000);
/// Longest time the other one may take.
const PATIENCE: Nanos = Nanos(500_000_000);

/// The first reading.
#[derive(Debug)]
pub(super) struct Counting {
    at: u64,
    before: Result<ServerStats, String>,
}

impl Counting {
    /// Reads the counts, in time for a window that opens at `opens`; waits no longer than for the lead.
    pub(super) fn begin(running: &mut dyn Running, link: Option<&Link>, opens: u64) -> Counting {
        let at = now().0;
        let patience = Nanos(opens.saturating_sub(at + MARGIN.0)).min(LEAD);
        Counting { at, before: read(running, link, patience) }
    }

    /// Reads them again.
    pub(super) fn end(self, running: &mut dyn Running, link: Option<&Link>) -> Shares {
        let at = now().0;
        let before = match self.before {
            Ok(before) => before,
            Err(why) => return Shares::unknown(why),
        };
        match read(running, link, PATIENCE) {
            Ok(after) => Shares::between(&before, &after, Nanos(at.saturating_sub(self.at))),
            Err(why) => Shares::unknown(format!("after the window: {why}")),
        }
    }
}

fn read(running: &mut dyn Running, link: Option<&Link>, patience: Nanos) -> Result<ServerStats, String> {
    let Some(counts) = running.counts_per_worker() else {
        return Err("the target does not tell counts per worker".to_owned());
    };
    let told = match link {
        Some(link) => link.server.within(|| counts.read(patience)).unwrap_or_else(|problem| Err(problem.one_line())),
        None => counts.read(patience),
    };
    told.map_err(|why| format!("when asked for its counts per worker: {why}"))
}
