//! [`SIMS`]: every simulation, in one table. `list`, help, spec validation and the docs come from it.

use corecurve_core::{Nanos, Problem, QueueLaw, Settings, VirtualServer};

use crate::bounded::Bounded;
use crate::hysteresis::{Hysteresis, Marks};
use crate::linked::Linked;
use crate::partitioned::{Partitioned, Route};
use crate::restart::SlowRestart;
use crate::service::{Law, mixture, parse_mixture};
use crate::settings::{Setting, Values};
use crate::station::Station;
use crate::target::SimTarget;

/// Builds a simulation from its settings for so many cores from a seed.
pub type Build = fn(&Values, usize, u64) -> Result<Box<dyn VirtualServer>, Problem>;

/// A kind of simulation.
#[derive(Clone, Copy, Debug)]
pub struct SimKind {
    /// The name the user gives, with `sim:`.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What it can be told.
    pub settings: &'static [Setting],
    /// Where its closed form comes from; `None` when it has none.
    pub source: Option<&'static str>,
    /// Builds it for so many cores from a seed.
    pub build: Build,
    /// The law it follows on so many cores under Poisson arrivals.
    pub law: fn(&Values, usize) -> Result<Option<QueueLaw>, Problem>,
}

const MEAN: Setting = Setting { key: "mean", default: "200us", help: "mean service time of one core" };
const HIST: Setting = Setting {
    key: "hist",
    default: "",
    help: "service times with their weights, instead of exponential ones of `mean`",
};
const SLOW: Setting = Setting { key: "slow", default: "2", help: "how many times longer services take while slow" };

/// Every simulation.
pub static SIMS: &[SimKind] = &[
    SimKind {
        name: "sim:mm1",
        summary: "M/M/1: one server whatever the cores, exponential services",
        settings: &[MEAN],
        source: Some("P(T>t) = e^-(mu-lambda)t; Kleinrock 1975, eq. 5.118"),
        build: |values, _, seed| Ok(Box::new(Station::new(1, exponential(values)?, seed))),
        law: |values, _| Ok(Some(QueueLaw::Shared { mean_ns: mean_ns(values)?, servers: 1 })),
    },
    SimKind {
        name: "sim:mmc",
        summary: "M/M/c: all cores take from one shared queue; M/G/c with `hist`",
        settings: &[MEAN, HIST],
        source: Some("Erlang C with the sojourn tail of M/M/c; Gross & Harris 1998, section 2.3"),
        build: |values, cores, seed| Ok(Box::new(Station::new(cores, services(values)?, seed))),
        law: |values, cores| {
            let law = QueueLaw::Shared { mean_ns: mean_ns(values)?, servers: cores };
            Ok(is_exponential(values).then_some(law))
        },
    },
    SimKind {
        name: "sim:partitioned",
        summary: "a queue of its own for every core; arrivals go to one at random or by connection hash",
        settings: &[
            MEAN,
            HIST,
            Setting {
                key: "route",
                default: "random",
                help: "`random` for each operation, or `hash` of its connection",
            },
            Setting { key: "connections", default: "256", help: "connections that `route=hash` spreads" },
        ],
        source: Some("as many independent M/M/1 queues, each with its share of the arrivals"),
        build: |values, cores, seed| Ok(Box::new(Partitioned::new(cores, services(values)?, route(values)?, seed))),
        law: |values, cores| {
            let law = QueueLaw::Partitioned { mean_ns: mean_ns(values)?, servers: cores };
            Ok((matches!(route(values)?, Route::Random) && is_exponential(values)).then_some(law))
        },
    },
    SimKind {
        name: "sim:md1",
        summary: "M/D/1: one server, every service the same",
        settings: &[MEAN],
        source: Some("waiting time of M/D/1; Franx 2001"),
        build: |values, _, seed| Ok(Box::new(Station::new(1, Law::Fixed(time_mean(values)?.0), seed))),
        law: |values, _| Ok(Some(QueueLaw::Fixed { mean_ns: mean_ns(values)? })),
    },
    SimKind {
        name: "sim:mg1",
        summary: "M/G/1: one server, service times from a list",
        settings: &[Setting { key: "hist", default: "100us:0.9,1ms:0.1", help: "service times with their weights" }],
        source: Some("Pollaczek-Khinchine as a compound geometric sum, by Panjer's recursion"),
        build: |values, _, seed| Ok(Box::new(Station::new(1, mixture(&parse_mixture(values, "hist")?), seed))),
        law: |values, _| Ok(Some(QueueLaw::Mixture { services: parse_mixture(values, "hist")? })),
    },
    SimKind {
        name: "sim:usl",
        summary: "one shared queue; capacity follows the universal scalability law in the number of cores",
        settings: &[
            Setting { key: "gamma", default: "5000", help: "capacity of one core, operations per second" },
            Setting { key: "sigma", default: "0.05", help: "contention" },
            Setting { key: "kappa", default: "0.001", help: "coherency" },
        ],
        source: Some("M/M/c with c/X(c) as mean service time, X(c) = gamma c / (1 + sigma(c-1) + kappa c(c-1))"),
        build: |values, cores, seed| Ok(Box::new(Station::new(cores, Law::Exp(usl_mean_ns(values, cores)?), seed))),
        law: |values, cores| Ok(Some(QueueLaw::Shared { mean_ns: usl_mean_ns(values, cores)?, servers: cores })),
    },
    SimKind {
        name: "sim:cap",
        summary: "M/M/c behind a link: capacity is the lower of the two, however many cores there are",
        settings: &[MEAN, Setting { key: "cap", default: "40k", help: "operations per second the link carries" }],
        source: Some("independent sojourns in tandem: Burke 1956, Reich 1963"),
        build: |values, cores, seed| Ok(Box::new(Linked::new(cores, exponential(values)?, link_ns(values)?, seed))),
        law: |values, cores| {
            let (mean_ns, link_ns) = (mean_ns(values)?, link_ns(values)?);
            Ok(Some(QueueLaw::Linked { mean_ns, servers: cores, link_ns }))
        },
    },
    SimKind {
        name: "sim:bounded",
        summary: "M/M/1/K: one server with room for K operations; what finds it full is never answered",
        settings: &[MEAN, Setting { key: "room", default: "64", help: "operations in the system at most" }],
        source: None,
        build: |values, _, seed| {
            let room = values.count("room", 1..=1_000_000)? as usize;
            Ok(Box::new(Bounded::new(exponential(values)?, room, seed)))
        },
        law: |_, _| Ok(None),
    },
    SimKind {
        name: "sim:hysteresis",
        summary: "turns slow when its backlog passes a mark and stays slow until it has been calm for a while",
        settings: &[
            MEAN,
            SLOW,
            Setting { key: "high", default: "4ms", help: "a wait above this makes it slow" },
            Setting { key: "low", default: "200us", help: "a wait above this keeps it slow" },
            Setting { key: "hold", default: "50ms", help: "calm time after which it recovers" },
        ],
        source: None,
        build: |values, cores, seed| {
            let time = |key| values.time(key, Nanos(1)).map(|time| time.0);
            let marks = Marks { high: time("high")?, low: time("low")?, hold: time("hold")? };
            if marks.low >= marks.high {
                return Err(values.bad("low", "is not below `high`").help("e.g. `low=200us` with `high=4ms`"));
            }
            let law = exponential(values)?;
            Ok(Box::new(Hysteresis::new(cores, law, values.number("slow", 1.0..=1e3)?, marks, seed)))
        },
        law: |_, _| Ok(None),
    },
    SimKind {
        name: "sim:slow-restart",
        summary: "M/M/c that is slow after a start and recovers",
        settings: &[MEAN, SLOW, Setting { key: "recovery", default: "500ms", help: "time until it is at full pace" }],
        source: Some("M/M/c once recovered"),
        build: |values, cores, seed| {
            let recovery = values.time("recovery", Nanos(1))?.0;
            let law = exponential(values)?;
            Ok(Box::new(SlowRestart::new(cores, law, values.number("slow", 1.0..=1e3)?, recovery, seed)))
        },
        law: |values, cores| Ok(Some(QueueLaw::Shared { mean_ns: mean_ns(values)?, servers: cores })),
    },
];

/// The simulation of this name with these settings.
///
/// # Errors
/// Unknown names and keys, with the nearest known one; unusable values.
pub fn sim_target(name: &str, settings: &Settings) -> Result<SimTarget, Problem> {
    let kind = SIMS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        Problem::unknown("target", name, SIMS.iter().map(|kind| kind.name), "See `corecurve list targets`")
    })?;
    SimTarget::new(kind, settings)
}

fn time_mean(values: &Values) -> Result<Nanos, Problem> {
    values.time("mean", Nanos(100))
}

fn mean_ns(values: &Values) -> Result<f64, Problem> {
    Ok(time_mean(values)?.0 as f64)
}

fn exponential(values: &Values) -> Result<Law, Problem> {
    Ok(Law::Exp(mean_ns(values)?))
}

/// Exponential, unless there is a list.
fn services(values: &Values) -> Result<Law, Problem> {
    if is_exponential(values) { exponential(values) } else { Ok(mixture(&parse_mixture(values, "hist")?)) }
}

fn is_exponential(values: &Values) -> bool {
    values.text("hist").is_empty()
}

fn link_ns(values: &Values) -> Result<f64, Problem> {
    Ok(1e9 / values.rate("cap")?.per_s())
}

fn route(values: &Values) -> Result<Route, Problem> {
    let connections = values.count("connections", 1..=1_000_000_000)?;
    match values.word("route", &["random", "hash"])? {
        "hash" => Ok(Route::Connection(connections)),
        _ => Ok(Route::Random),
    }
}

/// Mean service time of one core such that `cores` of them carry X(cores).
fn usl_mean_ns(values: &Values, cores: usize) -> Result<f64, Problem> {
    let n = cores.max(1) as f64;
    let (sigma, kappa) = (values.number("sigma", 0.0..=1.0)?, values.number("kappa", 0.0..=1.0)?);
    let gamma = values.rate("gamma")?.per_s();
    Ok(1e9 / gamma * (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::{CpuId, Placed, Running, Seat, Start, Target};

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn running(name: &str, given: &[(&str, &str)], cores: usize, seed: u64) -> Box<dyn Running> {
        let server = (0..cores).map(|cpu| Seat { cpu: CpuId(cpu as u32), node: None }).collect();
        let start = Start {
            placed: Placed { server, ..Placed::default() },
            seed,
            settings: Settings::new(),
            scratch: std::path::PathBuf::new(),
        };
        sim_target(name, &settings(given)).unwrap().start(&start).unwrap()
    }

    fn completions(running: &mut dyn Running, seed: u64) -> Vec<Option<Nanos>> {
        let server = running.virtual_server().unwrap();
        server.begin_trial(seed);
        (0..500).map(|id| server.complete(Nanos(id * 50_000), id)).collect()
    }

    #[test]
    fn every_simulation_starts_with_its_defaults_and_repeats_bit_for_bit() {
        for kind in SIMS {
            let mut first = running(kind.name, &[], 4, 9);
            let mut second = running(kind.name, &[], 4, 9);
            let seen = completions(first.as_mut(), 1);
            assert_eq!(seen, completions(second.as_mut(), 1), "{}", kind.name);
            assert_eq!(first.endpoint(), corecurve_core::Endpoint::Virtual);
            assert!(seen.iter().enumerate().all(|(i, done)| done.is_none_or(|d| d.0 >= i as u64 * 50_000)));
            let busy = first.virtual_server().unwrap().utilisation(Nanos(499 * 50_000));
            assert!((0.2..=1.0).contains(&busy), "{}: {busy}", kind.name);
            if kind.name != "sim:md1" {
                assert_ne!(seen, completions(second.as_mut(), 2), "{}: the seed matters", kind.name);
            }
            first.stop().unwrap();
        }
    }

    #[test]
    fn laws_follow_settings_and_cores() {
        let law = |name: &str, given: &[(&str, &str)], cores| sim_target(name, &settings(given)).unwrap().law(cores);
        assert_eq!(law("sim:mm1", &[], 8).unwrap(), Some(QueueLaw::Shared { mean_ns: 200_000.0, servers: 1 }));
        assert_eq!(
            law("sim:partitioned", &[("mean", "1ms")], 8).unwrap(),
            Some(QueueLaw::Partitioned { mean_ns: 1_000_000.0, servers: 8 })
        );
        assert_eq!(law("sim:partitioned", &[("route", "hash")], 8).unwrap(), None);
        let usl = law("sim:usl", &[("gamma", "1000"), ("sigma", "0.1"), ("kappa", "0")], 11).unwrap().unwrap();
        assert!((usl.capacity_per_s() - 1000.0 * 11.0 / 2.0).abs() < 1e-6);
        let cap = law("sim:cap", &[("cap", "7k")], 64).unwrap().unwrap();
        assert!((cap.capacity_per_s() - 7_000.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_fix() {
        for (name, given, token) in [
            ("sim:partitoned", &[][..], "did you mean `sim:partitioned`"),
            ("sim:mm1", &[("meen", "1ms")], "mean"),
            ("sim:mm1", &[("mean", "5")], "no unit"),
            ("sim:mm1", &[("mean", "0ms")], "out of range"),
            ("sim:mg1", &[("hist", "1ms")], "without `:`"),
            ("sim:mg1", &[("hist", "1ms:x")], "weight"),
            ("sim:mg1", &[("hist", "1:0.5")], "no unit"),
            ("sim:usl", &[("sigma", "NaN")], "number"),
            ("sim:cap", &[("cap", "0")], "out of range"),
            ("sim:partitioned", &[("route", "hsah")], "did you mean `hash`"),
            ("sim:bounded", &[("room", "0")], "count"),
            ("sim:hysteresis", &[("low", "5ms")], "not below"),
        ] {
            let problem = sim_target(name, &settings(given)).unwrap_err();
            assert!(problem.to_string().contains(token), "{name} {given:?}: {problem}");
        }
    }
}
