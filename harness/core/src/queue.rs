//! [`QueueLaw`]: a queue by its law, so that a simulation can say what it is and the closed form can be looked up.

use serde::{Deserialize, Serialize};

/// A queue fed by Poisson arrivals, served first come first served. Means are in nanoseconds, as a real number
/// so that a derived mean (a core's share of a USL capacity) is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueLaw {
    /// M/M/c: one queue for all servers, exponential services.
    Shared {
        /// Mean service time, nanoseconds.
        mean_ns: f64,
        /// Servers.
        servers: usize,
    },
    /// As many M/M/1 queues as servers, each arrival going to one of them at random.
    Partitioned {
        /// Mean service time, nanoseconds.
        mean_ns: f64,
        /// Servers, each with a queue of its own.
        servers: usize,
    },
    /// M/D/1: one server, every service as long as the other.
    Fixed {
        /// Service time, nanoseconds.
        mean_ns: f64,
    },
    /// M/G/1: one server, service times drawn from a list.
    Mixture {
        /// Service time in nanoseconds and its probability; the probabilities add up to one.
        services: Vec<(f64, f64)>,
    },
    /// An M/M/1 link in front of an M/M/c server: the lower capacity of the two is the capacity.
    Linked {
        /// Mean service time of a server, nanoseconds.
        mean_ns: f64,
        /// Servers.
        servers: usize,
        /// Mean time on the link, nanoseconds.
        link_ns: f64,
    },
}

impl QueueLaw {
    /// Mean sojourn time when nothing queues, nanoseconds: the `x` of a relative SLO.
    pub fn no_load_ns(&self) -> f64 {
        match self {
            QueueLaw::Shared { mean_ns, .. } | QueueLaw::Partitioned { mean_ns, .. } | QueueLaw::Fixed { mean_ns } => {
                *mean_ns
            }
            QueueLaw::Mixture { services } => services.iter().map(|(ns, share)| ns * share).sum(),
            QueueLaw::Linked { mean_ns, link_ns, .. } => mean_ns + link_ns,
        }
    }

    /// The same queue with services of another mean, all times scaled alike.
    pub fn with_mean_ns(&self, mean_ns: f64) -> QueueLaw {
        let by = mean_ns / self.no_load_ns();
        match self.clone() {
            QueueLaw::Shared { mean_ns, servers } => QueueLaw::Shared { mean_ns: mean_ns * by, servers },
            QueueLaw::Partitioned { mean_ns, servers } => QueueLaw::Partitioned { mean_ns: mean_ns * by, servers },
            QueueLaw::Fixed { mean_ns } => QueueLaw::Fixed { mean_ns: mean_ns * by },
            QueueLaw::Mixture { services } => {
                QueueLaw::Mixture { services: services.into_iter().map(|(ns, share)| (ns * by, share)).collect() }
            }
            QueueLaw::Linked { mean_ns, servers, link_ns } => {
                QueueLaw::Linked { mean_ns: mean_ns * by, servers, link_ns: link_ns * by }
            }
        }
    }

    /// The arrival rate above which the queue grows without bound, per second.
    pub fn capacity_per_s(&self) -> f64 {
        match self {
            QueueLaw::Shared { mean_ns, servers } | QueueLaw::Partitioned { mean_ns, servers } => {
                *servers as f64 * 1e9 / mean_ns
            }
            QueueLaw::Fixed { .. } | QueueLaw::Mixture { .. } => 1e9 / self.no_load_ns(),
            QueueLaw::Linked { mean_ns, servers, link_ns } => (*servers as f64 * 1e9 / mean_ns).min(1e9 / link_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_that_of_the_narrowest_part() {
        assert_eq!(QueueLaw::Shared { mean_ns: 200_000.0, servers: 4 }.capacity_per_s(), 20_000.0);
        let linked = QueueLaw::Linked { mean_ns: 200_000.0, servers: 4, link_ns: 100_000.0 };
        assert_eq!((linked.capacity_per_s(), linked.no_load_ns()), (10_000.0, 300_000.0));
        let mixture = QueueLaw::Mixture { services: vec![(100_000.0, 0.9), (1_000_000.0, 0.1)] };
        assert!((mixture.capacity_per_s() - 1e9 / 190_000.0).abs() < 1e-9);
    }
}
