//! The perturbation check: an answer must not depend on who asks. At the MAT one window is measured as the search did it
//! and one with another number of load threads, or where there is but one load core, with other connections.

use corecurve_core::{Cell, Load, Mat, MatKind, Nanos, Purpose, Rate, SearchSettings, TrialRequest};

/// Most connections a perturbed trial is given.
const MOST_CONNECTIONS: usize = 2_048;

/// The two trials of a check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// What is asked of both.
    pub request: TrialRequest,
    /// The cell with the load made otherwise.
    pub other: Other,
}

/// How the load is made otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Other {
    /// With so many load threads, the first of the seats.
    Threads(usize),
    /// With so many times the connections.
    ConnectionsTimes(usize),
}

/// The check of a search's answers: at the first that is the target's own. `None` without one, and for a workload with a
/// single load core whose number of connections is part of what it asks.
pub(crate) fn pair(cell: &Cell, settings: &SearchSettings, mats: &[Mat]) -> Option<Pair> {
    let mat = mats.iter().find(|mat| mat.kind == MatKind::Regular && mat.valid)?;
    let rate = mat.mat_per_s?;
    let other = match cell.placed.load.len() {
        // The search had half as many more.
        threads @ 2.. => Other::Threads((threads * 2 / 3).max(1)),
        _ if cell.connections.is_none() => Other::ConnectionsTimes(2),
        _ => return None,
    };
    let request = TrialRequest {
        purpose: Purpose::Perturb,
        load: Load::Open(Rate(rate)),
        window: settings.perturb_window(),
        limits: vec![mat.limit_ns],
        fresh_target: false,
    };
    Some(Pair { request, other })
}

impl Other {
    /// The cell, loaded otherwise; `usual` is how many connections the first trial had.
    pub(crate) fn of(&self, cell: &Cell, usual: usize) -> Cell {
        let mut cell = cell.clone();
        match self {
            Other::Threads(threads) => {
                cell.placed.load.truncate(*threads);
                cell.connections = Some(usual);
            }
            Other::ConnectionsTimes(times) => cell.connections = Some((usual * times).min(MOST_CONNECTIONS)),
        }
        cell
    }
}

/// Time a check takes.
pub fn expected(settings: &SearchSettings) -> Nanos {
    (settings.perturb_window() + settings.warmup.unwrap_or(settings.warmup_max)) * 2
}
