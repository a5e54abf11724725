//! `copies` and `procs`: several servers of the same architecture side by side, each on its own slice of the cores.
//!
//! Threads or processes, one server over all cores or one per last-level cache: factors like any other, and independent
//! of the architecture. The copies share the port by SO_REUSEPORT, so the kernel's hash deals connections out among all
//! their listeners, and nothing moves between them afterwards.

use std::str::FromStr;

use corecurve_core::{NodeId, Problem, Seat};
use corecurve_machine::{Topology, TopologySource};

use crate::config::{Count, ServeConfig, Setting, reads};

pub(crate) const COPIES: Setting = Setting {
    name: "copies",
    default: "1",
    summary: "servers side by side, each on its slice of the cores: a number, per-llc or per-node",
    check: reads::<Copies>,
};
pub(crate) const PROCS: Setting = Setting {
    name: "procs",
    default: "false",
    summary: "true: each copy is a process, or each worker where there is one copy",
    check: reads::<Switch>,
};

/// How many copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    Number(usize),
    PerLlc,
    PerNode,
}

impl FromStr for Copies {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Copies, Problem> {
        match text {
            "per-llc" => Ok(Copies::PerLlc),
            "per-node" => Ok(Copies::PerNode),
            _ => text.parse().map(|Count(number)| Copies::Number(number)).map_err(|problem: Problem| {
                Problem::new(problem.seen).help("write a number of copies, `per-llc` or `per-node`")
            }),
        }
    }
}

/// Yes or no in a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Switch(bool);

impl FromStr for Switch {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Switch, Problem> {
        match text {
            "true" => Ok(Switch(true)),
            "false" => Ok(Switch(false)),
            _ => Err(Problem::unknown("value", text, ["true", "false"], "")),
        }
    }
}

/// Whether the copies are processes.
///
/// # Errors
/// When the setting cannot be read.
pub(crate) fn are_processes(config: &ServeConfig) -> Result<bool, Problem> {
    config.setting::<Switch>(&PROCS).map(|Switch(on)| on)
}

/// The seats of each copy, in the order of the placement.
///
/// # Errors
/// More copies than seats, or a machine that does not say where its caches or nodes are.
pub(crate) fn slices(config: &ServeConfig) -> Result<Vec<Vec<Seat>>, Problem> {
    let seats = &config.seats;
    match config.setting::<Copies>(&COPIES)? {
        Copies::Number(1) if are_processes(config)? => Ok(seats.iter().map(|seat| vec![*seat]).collect()),
        Copies::Number(copies) if copies > seats.len() => {
            Err(Problem::new(format!("copies: {copies} copies on {} cores would leave some without any", seats.len()))
                .help("use at most as many copies as cores"))
        }
        Copies::Number(copies) => Ok((0..copies)
            .map(|copy| seats[copy * seats.len() / copies..(copy + 1) * seats.len() / copies].to_vec())
            .collect()),
        Copies::PerLlc => {
            let topology = Topology::read(&TopologySource::Live)?;
            by(seats, "last-level cache", |seat| topology.pu(seat.cpu)?.l3)
        }
        Copies::PerNode => {
            let topology = Topology::read(&TopologySource::Live)?;
            by(seats, "NUMA node", |seat| topology.pu(seat.cpu)?.node.map(|NodeId(node)| node as usize))
        }
    }
}

/// Seats that have the same `place` together.
fn by(seats: &[Seat], what: &str, place: impl Fn(&Seat) -> Option<usize>) -> Result<Vec<Vec<Seat>>, Problem> {
    let mut slices: Vec<(usize, Vec<Seat>)> = Vec::new();
    for seat in seats {
        let place = place(seat).ok_or_else(|| {
            Problem::new(format!("copies: the machine does not say which {what} CPU {} belongs to", seat.cpu))
                .help("give a number of copies")
        })?;
        match slices.iter_mut().find(|(known, _)| *known == place) {
            Some((_, slice)) => slice.push(*seat),
            None => slices.push((place, vec![*seat])),
        }
    }
    Ok(slices.into_iter().map(|(_, slice)| slice).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::CpuId;

    fn cut(cpus: u32, settings: &[(&str, &str)]) -> Result<Vec<Vec<u32>>, Problem> {
        let mut config = ServeConfig::new("single-loop", (0..cpus).map(CpuId));
        config.settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(slices(&config)?.iter().map(|slice| slice.iter().map(|seat| seat.cpu.0).collect()).collect())
    }

    #[test]
    fn slices_are_neighbours_and_nearly_equal() {
        assert_eq!(cut(3, &[]).unwrap(), [vec![0, 1, 2]]);
        assert_eq!(cut(5, &[("copies", "2")]).unwrap(), [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(cut(3, &[("procs", "true")]).unwrap(), [[0], [1], [2]]);
        assert_eq!(cut(4, &[("procs", "true"), ("copies", "2")]).unwrap(), [[0, 1], [2, 3]]);
        assert!(cut(3, &[("copies", "4")]).unwrap_err().one_line().contains("4 copies on 3 cores"));
        assert!(cut(3, &[("copies", "some")]).unwrap_err().one_line().contains("per-llc"));
    }

    #[test]
    fn seats_of_one_place_stay_together_in_their_order() {
        let seats: Vec<Seat> = (0..6).map(|cpu| Seat { cpu: CpuId(cpu), node: None }).collect();
        let slices = by(&seats, "cache", |seat| Some(usize::from(seat.cpu.0 % 3 == 0))).unwrap();
        let cpus: Vec<Vec<u32>> = slices.iter().map(|slice| slice.iter().map(|seat| seat.cpu.0).collect()).collect();
        assert_eq!(cpus, [vec![0, 3], vec![1, 2, 4, 5]]);
        assert!(by(&seats, "cache", |_| None).unwrap_err().one_line().contains("which cache CPU 0"));
    }
}
