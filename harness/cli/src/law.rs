//! Which queue a cell is, where that is known: of simulations exactly, of our own servers under requests of a known shape.

use corecurve_core::{Cell, QueueLaw, ServiceShape};
use corecurve_servers::{ARCHITECTURES, QueueDiscipline};

use crate::catalog::Catalog;

/// The queueing law of a cell. That of a real server is right in its shape alone: the analysis gives it the time a request was
/// seen to keep a core.
pub fn law(cell: &Cell) -> Option<QueueLaw> {
    if Catalog::is_virtual(&cell.target) {
        return corecurve_sim::sim_target(&cell.target, &cell.target_settings).ok()?.law(cell.cores).ok()?;
    }
    let architecture = ARCHITECTURES.iter().find(|row| row.name == cell.target)?;
    let servers = if architecture.has_one_worker { 1 } else { cell.cores };
    of_shape(architecture.queue_discipline, shape(cell)?, servers).filter(|_| !cell.placed.shared)
}

/// The shape of service times a workload asks for, if it keeps a core for them.
fn shape(cell: &Cell) -> Option<ServiceShape> {
    let given = |key: &str| cell.workload_settings.get(key).map(String::as_str);
    match cell.workload.as_str() {
        "bimodal" => Some(ServiceShape::Bimodal),
        "work" if given("how").is_none_or(|how| how == "spin") => given("dist").unwrap_or("exp").parse().ok(),
        _ => None,
    }
}

/// A mean that is replaced by what is measured.
const MEAN_NS: f64 = 100_000.0;

fn of_shape(discipline: QueueDiscipline, shape: ServiceShape, servers: usize) -> Option<QueueLaw> {
    use QueueDiscipline::{AlmostShared, OsScheduled, Partitioned, Shared, Single};
    match (discipline, shape, servers) {
        (OsScheduled, ..) => None,
        (_, ServiceShape::Exp, 1) | (Shared, ServiceShape::Exp, _) => {
            Some(QueueLaw::Shared { mean_ns: MEAN_NS, servers })
        }
        (Partitioned, ServiceShape::Exp, _) => Some(QueueLaw::Partitioned { mean_ns: MEAN_NS, servers }),
        (_, ServiceShape::Fixed, 1) => Some(QueueLaw::Fixed { mean_ns: MEAN_NS }),
        (_, ServiceShape::Bimodal, 1) => {
            let short = MEAN_NS / 1.495;
            Some(QueueLaw::Mixture { services: vec![(short, 0.995), (100.0 * short, 0.005)] })
        }
        (Single | Shared | Partitioned | AlmostShared, ..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_is_that_of_discipline_and_shape() {
        let of = |discipline, shape, servers| of_shape(discipline, shape, servers);
        assert_eq!(
            of(QueueDiscipline::Partitioned, ServiceShape::Exp, 4),
            Some(QueueLaw::Partitioned { mean_ns: MEAN_NS, servers: 4 })
        );
        assert_eq!(
            of(QueueDiscipline::Partitioned, ServiceShape::Exp, 1),
            of(QueueDiscipline::Shared, ServiceShape::Exp, 1),
            "one queue is one queue"
        );
        assert_eq!(of(QueueDiscipline::OsScheduled, ServiceShape::Exp, 1), None, "nearer to sharing the processor");
        assert_eq!(of(QueueDiscipline::Partitioned, ServiceShape::Bimodal, 2), None, "no closed form");
        let one = of(QueueDiscipline::Single, ServiceShape::Bimodal, 1).unwrap();
        assert!((one.no_load_ns() / MEAN_NS - 1.0).abs() < 1e-9);
    }
}
