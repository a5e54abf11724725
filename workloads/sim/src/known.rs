//! [`KNOWN`]: simulated targets with an SLO at which the MAT is known in closed form: the truth the search is held to.

use corecurve_core::Settings;

/// One queue and SLO with a known answer.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is called in the table.
    pub name: &'static str,
    /// The simulation.
    pub sim: &'static str,
    /// Its settings.
    pub settings: &'static [(&'static str, &'static str)],
    /// Server cores.
    pub cores: usize,
    /// The SLO.
    pub slo: &'static str,
}

/// Every known answer. Capacities are near 5,000 per second whatever the cores, so that a ten-second trial of the plain
/// search holds the same number of operations everywhere. Shared
/// queues are asked at seven or eight times the mean: at ten, sixteen servers run at 96.8 % of capacity, where a queue forgets
/// only every 4,000 operations and an interval of 4 % takes ten million of them; at five, most of what is over the limit
/// is so without any queue.
pub static KNOWN: &[Known] = &[
    Known { name: "M/M/1", sim: "sim:mm1", settings: &[("mean", "200us")], cores: 1, slo: "p99<10x" },
    Known { name: "M/M/1, absolute", sim: "sim:mm1", settings: &[("mean", "200us")], cores: 1, slo: "p99<5ms" },
    Known { name: "M/M/4 shared", sim: "sim:mmc", settings: &[("mean", "800us")], cores: 4, slo: "p99<8x" },
    Known { name: "M/M/16 shared", sim: "sim:mmc", settings: &[("mean", "3200us")], cores: 16, slo: "p99<7x" },
    Known {
        name: "16 partitioned",
        sim: "sim:partitioned",
        settings: &[("mean", "3200us")],
        cores: 16,
        slo: "p99<10x",
    },
    Known { name: "M/D/1", sim: "sim:md1", settings: &[("mean", "200us")], cores: 1, slo: "p99<10x" },
    Known { name: "M/G/1", sim: "sim:mg1", settings: &[("hist", "100us:0.9,1ms:0.1")], cores: 1, slo: "p99<5ms" },
    Known {
        name: "USL, 8 cores",
        sim: "sim:usl",
        settings: &[("gamma", "1000"), ("sigma", "0.05"), ("kappa", "0.002")],
        cores: 8,
        slo: "p99<7x",
    },
    Known {
        name: "link cap, 8 cores",
        sim: "sim:cap",
        settings: &[("mean", "800us"), ("cap", "5k")],
        cores: 8,
        slo: "p99<8x",
    },
];

impl Known {
    /// The settings as a target takes them.
    pub fn settings(&self) -> Settings {
        self.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_target;

    #[test]
    fn every_known_answer_has_a_law_and_an_slo() {
        for known in KNOWN {
            let law = sim_target(known.sim, &known.settings()).unwrap().law(known.cores).unwrap().unwrap();
            let capacity = law.capacity_per_s();
            assert!((3_000.0..8_000.0).contains(&capacity), "{}: {capacity}", known.name);
            known.slo.parse::<corecurve_core::Slo>().unwrap();
        }
    }
}
