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
    let mat = mats.iter().find(|mat| matches!(mat.kind, MatKind::Regular | MatKind::NotConverged) && mat.valid)?;
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use corecurve_core::{CpuId, Quantiles, Seat};

    pub(crate) fn settings() -> SearchSettings {
        SearchSettings {
            width: 0.02,
            budget: Nanos::SECOND * 60,
            window_min: Nanos::SECOND,
            window_max: Nanos::SECOND * 7,
            warmup: None,
            warmup_max: Nanos::SECOND,
            reps: 1,
            rate_cap: None,
            confirmations: 0,
        }
    }

    pub(crate) fn mat(kind: MatKind, rate: f64) -> Mat {
        Mat {
            slo: "p99<5ms".parse().unwrap(),
            limit_ns: Nanos(5_000_000),
            kind,
            mat_per_s: Some(rate),
            ci95: None,
            trials: 9,
            latency_ns: Quantiles::default(),
            utilisation: None,
            valid: kind == MatKind::Regular,
            invalid_reasons: Vec::new(),
            caveats: Vec::new(),
        }
    }

    fn cell(load: u32, connections: Option<usize>) -> Cell {
        let mut cell = crate::capacity::tests::cell(load);
        cell.connections = connections;
        cell
    }

    #[test]
    fn the_first_answer_of_the_target_s_own_is_tried_with_fewer_threads_or_more_connections() {
        let mats = [mat(MatKind::GeneratorLimited, 9_000.0), mat(MatKind::Regular, 1_000.0)];
        for (load, connections, threads, others) in
            [(2, None, 1, Some(40)), (3, Some(9), 2, Some(40)), (9, None, 6, Some(40)), (1, None, 1, Some(80))]
        {
            let cell = cell(load, connections);
            let pair = pair(&cell, &settings(), &mats).unwrap();
            assert_eq!(pair.request.load, Load::Open(Rate(1_000.0)));
            assert_eq!((pair.request.window, pair.request.purpose), (Nanos(3_500_000_000), Purpose::Perturb));
            let other = pair.other.of(&cell, 40);
            assert_eq!((other.placed.load.len(), other.connections), (threads, others), "{load} {connections:?}");
            assert_eq!(other.placed.load[0], Seat { cpu: CpuId(1), node: None });
        }
    }

    #[test]
    fn without_a_target_s_answer_or_another_way_to_load_there_is_no_check() {
        let limited = [mat(MatKind::GeneratorLimited, 9_000.0)];
        assert_eq!(pair(&cell(4, None), &settings(), &limited), None);
        assert_eq!(pair(&cell(1, Some(64)), &settings(), &[mat(MatKind::Regular, 1.0)]), None);
    }
}
