//! What queueing theory predicts for a target that says what kind of queue it is.

use std::collections::BTreeMap;

use corecurve_core::{CellId, Purpose, QueueLaw};

use super::run_data::RunData;
use super::types::{OracleLine, SeriesKey};
use crate::oracle::sojourn_tail;

/// Shares of capacity at which the line is drawn: denser where it bends.
const SHARES: [f64; 18] =
    [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.88, 0.91, 0.94, 0.96, 0.98, 0.99];

/// The line of 99th percentiles; `None` for a mixture of service times, whose tail costs too much to invert often.
pub(super) fn oracle_line(law: &QueueLaw) -> Option<OracleLine> {
    let queue = match law {
        QueueLaw::Shared { servers: 1, .. } => "M/M/1".to_owned(),
        QueueLaw::Shared { servers, .. } => format!("M/M/{servers}, one shared queue"),
        QueueLaw::Partitioned { servers, .. } => format!("{servers} × M/M/1, one queue per core"),
        QueueLaw::Fixed { .. } => "M/D/1".to_owned(),
        QueueLaw::Linked { servers, .. } => format!("M/M/1 link before M/M/{servers}"),
        QueueLaw::Mixture { .. } => return None,
    };
    let capacity_per_s = law.capacity_per_s();
    let point = |share: &f64| p99_ns(law, share * capacity_per_s).map(|p99| [share * capacity_per_s, p99]);
    Some(OracleLine { queue, capacity_per_s, p99_ns: SHARES.iter().filter_map(point).collect() })
}

/// The laws, those of real servers with the mean time a request kept a core: utilisation over rate, where the rate was highest.
pub(super) fn measured_laws(run: &RunData, laws: &BTreeMap<CellId, QueueLaw>) -> BTreeMap<CellId, QueueLaw> {
    let measured = |(id, law): (&CellId, &QueueLaw)| {
        let cell = run.plan.cells.iter().find(|cell| cell.id == *id)?;
        if SeriesKey::of(cell).is_simulated() {
            return Some((id.clone(), law.clone()));
        }
        let usable = run.trials.iter().filter(|trial| {
            trial.cell == *id && trial.valid && trial.arrival.is_open() && trial.purpose != Purpose::Profile
        });
        let trial = usable.max_by(|a, b| a.achieved_per_s.total_cmp(&b.achieved_per_s))?;
        let mean_ns = trial.utilisation? * cell.cores as f64 * 1e9 / trial.achieved_per_s;
        (mean_ns > 0.0).then(|| (id.clone(), law.with_mean_ns(mean_ns)))
    };
    laws.iter().filter_map(measured).collect()
}

/// The 99th percentile of the sojourn time at a rate, nanoseconds, to a relative 10⁻⁶; `None` at or above capacity.
pub(super) fn p99_ns(law: &QueueLaw, rate_per_s: f64) -> Option<f64> {
    if matches!(law, QueueLaw::Mixture { .. }) || !(rate_per_s > 0.0 && rate_per_s < law.capacity_per_s()) {
        return None;
    }
    let over = |seconds: f64| sojourn_tail(law, rate_per_s, seconds) > 0.01;
    let mut high = law.no_load_ns() / 1e9;
    while over(high) {
        high *= 2.0;
        if high > 1e6 {
            return None;
        }
    }
    let mut low = 0.0;
    while high - low > 1e-6 * high {
        let middle = 0.5 * (low + high);
        if over(middle) { low = middle } else { high = middle }
    }
    Some(high * 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_server_s_law_has_the_service_time_it_was_seen_to_have() {
        use crate::findings::testing::{cell, run, trial};
        let cells = vec![cell("real", "thread-per-core", 2, false), cell("sim", "sim:mmc", 2, false)];
        let law = QueueLaw::Partitioned { mean_ns: 1.0, servers: 2 };
        let laws = BTreeMap::from(["real", "sim"].map(|id| (CellId(id.to_owned()), law.clone())));
        let mut data = run(cells.clone(), Vec::new());
        assert_eq!(measured_laws(&data, &laws).len(), 1, "without a trial nothing was seen");
        for (rate, busy) in [(1_000.0, 0.2), (8_000.0, 0.8)] {
            data.trials.push(corecurve_core::TrialRecord { utilisation: Some(busy), ..trial(&cells[0], 1, rate) });
        }
        let found = measured_laws(&data, &laws);
        assert!(
            (found[&CellId("real".to_owned())].no_load_ns() - 200_000.0).abs() < 1e-6,
            "1.6 CPUs over 8000 per second"
        );
        assert_eq!(found[&CellId("sim".to_owned())], law);
    }

    #[test]
    fn one_server_follows_the_textbook() {
        let law = QueueLaw::Shared { mean_ns: 200_000.0, servers: 1 };
        // P(T > t) = exp(−(μ−λ)t), so p99 = ln(100)/(μ−λ).
        let p99 = p99_ns(&law, 3_000.0).unwrap();
        assert!((p99 / (100f64.ln() / 2_000.0 * 1e9) - 1.0).abs() < 1e-5, "{p99}");
        assert_eq!(p99_ns(&law, 5_000.0), None);
        let line = oracle_line(&law).unwrap();
        assert_eq!(line.queue, "M/M/1");
        assert!(line.p99_ns.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1]));
    }
}
