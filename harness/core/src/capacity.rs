//! [`CapacityRecord`]: what the load generator itself can do, measured against a server that has nothing to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{Cell, CellId, Settings};
use crate::transport::TransportKind;

/// The generator's capacity for one workload over one transport on given load cores.
///
/// G_max is the rate at which operations complete in a closed loop against the null server: the cheapest server that
/// speaks this workload's bytes over real sockets. It counts one round trip of everything the generator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityRecord {
    /// Format version.
    pub schema: u32,
    /// The cell whose workload, transport and load CPUs were used.
    pub cell: CellId,
    /// The server that stood for none.
    pub null_server: String,
    /// Workload name.
    pub workload: String,
    /// The workload's settings.
    pub workload_settings: Settings,
    /// What load went through.
    pub transport: TransportKind,
    /// Requests after which connections were closed and opened anew.
    pub requests_per_connection: Option<u64>,
    /// Load cores.
    pub load_cores: usize,
    /// Cores of the null server.
    pub server_cores: usize,
    /// Operations in flight.
    pub depth: u32,
    /// Windows measured; the numbers are those of the window with the median rate.
    pub rounds: u32,
    /// Length of each, seconds.
    pub window_s: f64,
    /// G_max: operations completed per second, all load cores together.
    pub g_max_per_s: f64,
    /// Smallest and largest over the windows.
    pub range_per_s: [f64; 2],
    /// Operations per second of CPU time of a load thread: what one load core can offer.
    pub per_core_per_s: f64,
    /// Busy share of the load cores, 0 to 1.
    pub load_busy: f64,
    /// Busy share of the null server's cores, 0 to 1; `None` where it could not be read.
    pub server_busy: Option<f64>,
    /// Which side had nothing left.
    pub saturated: Saturated,
    /// Whether the numbers may be used.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// What must travel with them.
    pub caveats: Vec<String>,
}

/// Which side of a capacity measurement had nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saturated {
    /// The load cores: G_max is the generator's ceiling.
    Generator,
    /// The null server and the load cores alike: G_max is the generator's ceiling.
    Both,
    /// The null server's cores: G_max is a lower bound of the generator's ceiling.
    NullServer,
    /// Neither: both waited for each other, and G_max is a lower bound.
    Neither,
}

/// Busy share from which a side counts as saturated.
const SATURATED: f64 = 0.95;

impl Saturated {
    /// Read off the busy shares.
    pub fn of(load_busy: f64, server_busy: Option<f64>) -> Saturated {
        match (load_busy >= SATURATED, server_busy.is_some_and(|busy| busy >= SATURATED)) {
            (true, false) => Saturated::Generator,
            (true, true) => Saturated::Both,
            (false, true) => Saturated::NullServer,
            (false, false) => Saturated::Neither,
        }
    }

    /// Whether the generator had time left, so that G_max is a lower bound.
    pub fn is_lower_bound(self) -> bool {
        matches!(self, Saturated::NullServer | Saturated::Neither)
    }
}

impl fmt::Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Saturated::Generator => "the generator was saturated",
            Saturated::Both => "generator and null server were saturated alike",
            Saturated::NullServer => "the null server was saturated, so this is a lower bound",
            Saturated::Neither => "neither side was saturated, so this is a lower bound",
        })
    }
}

impl CapacityRecord {
    /// G_max of one load core.
    pub fn g_max_per_core(&self) -> f64 {
        self.g_max_per_s / self.load_cores.max(1) as f64
    }

    /// Whether it was measured with what a cell loads with: workload, transport and number of load cores.
    pub fn speaks_of(&self, cell: &Cell) -> bool {
        self.workload == cell.workload
            && self.workload_settings == cell.workload_settings
            && self.transport == cell.transport.unwrap_or_default()
            && self.requests_per_connection == cell.requests_per_connection
            && self.load_cores == cell.placed.load.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_side_is_named_and_decides_what_g_max_is() {
        for (load, server, expected, lower) in [
            (0.99, Some(0.6), Saturated::Generator, false),
            (0.99, Some(0.99), Saturated::Both, false),
            (0.7, Some(0.99), Saturated::NullServer, true),
            (0.7, Some(0.6), Saturated::Neither, true),
            (0.97, None, Saturated::Generator, false),
            (0.7, None, Saturated::Neither, true),
        ] {
            let seen = Saturated::of(load, server);
            assert_eq!((seen, seen.is_lower_bound()), (expected, lower), "{load} {server:?}");
            assert_eq!(seen.to_string().contains("lower bound"), lower);
        }
    }
}
