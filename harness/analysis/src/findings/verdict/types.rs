//! [`Verdict`]: what stops a cell, with the evidence for and against every cause that was considered.

use corecurve_core::{CellId, Slo};
use serde::{Deserialize, Serialize};

/// What limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The load generator: the number is not the target's (D0).
    Generator,
    /// The machine under both: another program, the hypervisor (D1).
    Host,
    /// The target serves only so many requests at once (D2).
    Admission,
    /// The link between load and server (D3).
    Link,
    /// Connections wait to be accepted (D4).
    AcceptQueue,
    /// Some workers or cores are full while others are not (D5).
    Imbalance,
    /// The kernel's scheduler or a quota keeps runnable work waiting (D6).
    Scheduler,
    /// A lock (D7).
    Lock,
    /// The kernel's work for each request (D8).
    NetworkStack,
    /// Memory: its bandwidth, a shared cache, or lines that travel between cores (D9 to D11).
    Memory,
    /// The latency limit is reached while cores are free: what a queue of this discipline does (D12).
    Queueing,
    /// All cores busy, evenly, at an unchanged cost per request: healthy (D13).
    Cpu,
    /// None of these (D14).
    Unknown,
}

impl Cause {
    /// Every cause, in the order in which they are asked about.
    pub const ALL: [Cause; 13] = [
        Cause::Generator,
        Cause::Host,
        Cause::Admission,
        Cause::Link,
        Cause::AcceptQueue,
        Cause::Imbalance,
        Cause::Scheduler,
        Cause::Lock,
        Cause::NetworkStack,
        Cause::Memory,
        Cause::Queueing,
        Cause::Cpu,
        Cause::Unknown,
    ];

    /// The name in records and tables; faults and probes use the same.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Generator => "generator",
            Cause::Host => "host",
            Cause::Admission => "admission",
            Cause::Link => "link",
            Cause::AcceptQueue => "accept-queue",
            Cause::Imbalance => "imbalance",
            Cause::Scheduler => "scheduler",
            Cause::Lock => "lock",
            Cause::NetworkStack => "network-stack",
            Cause::Memory => "memory",
            Cause::Queueing => "queueing",
            Cause::Cpu => "cpu",
            Cause::Unknown => "unknown",
        }
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Cause::Generator => "the load generator gave out first",
            Cause::Host => "the machine took CPU time from the server",
            Cause::Admission => "the server handles only so many requests at once",
            Cause::Link => "the link is full",
            Cause::AcceptQueue => "connections wait to be accepted",
            Cause::Imbalance => "some workers are full while others are not",
            Cause::Scheduler => "runnable work is kept waiting for a CPU",
            Cause::Lock => "requests wait for a lock",
            Cause::NetworkStack => "the kernel's work for each request fills the cores",
            Cause::Memory => "a request costs more CPU time with more cores, without more work: memory",
            Cause::Queueing => "the latency limit is reached by queueing while cores are still free",
            Cause::Cpu => "the cores are busy with the server's own work",
            Cause::Unknown => "none of the known causes holds",
        }
    }

    /// The probe that tells this cause from others, if there is one (see `corecurve probe`).
    pub fn probe(self) -> Option<&'static str> {
        match self {
            Cause::Generator => Some("load-core"),
            Cause::Link => Some("link"),
            Cause::AcceptQueue | Cause::Admission => Some("connections"),
            Cause::Imbalance => Some("connections"),
            Cause::Lock => Some("lock"),
            Cause::Memory => Some("bandwidth"),
            Cause::Cpu | Cause::NetworkStack | Cause::Queueing => Some("cpu"),
            Cause::Host | Cause::Scheduler | Cause::Unknown => None,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What, e.g. `busiest server core at the MAT`.
    pub what: String,
    /// What was seen, with its unit.
    pub seen: String,
    /// What the rule asks for, e.g. `at least 95 %`.
    pub asked: String,
    /// Whether it is so; `None` where it is not known.
    pub holds: Option<bool>,
}

/// One cause, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// The cause.
    pub cause: Cause,
    /// Whether the rule holds.
    pub hit: bool,
    /// More exactly, in a few words: `accept queue`, `quota`, the name of a lock's call site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was looked at.
    pub facts: Vec<Fact>,
}

impl Ruling {
    /// Share of its facts that hold, 0 to 1: how near the rule came.
    pub fn nearness(&self) -> f64 {
        let known = self.facts.iter().filter_map(|fact| fact.holds);
        let (holding, all) = known.fold((0u32, 0u32), |(holding, all), holds| (holding + u32::from(holds), all + 1));
        f64::from(holding) / f64::from(all.max(1))
    }
}

/// What stops one cell at one objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The cell.
    pub cell: CellId,
    /// The series in words.
    pub label: String,
    /// The objective; `None` of a cell at a given rate.
    pub slo: Option<Slo>,
    /// Its cores.
    pub cores: usize,
    /// The first cause whose rule holds.
    pub cause: Cause,
    /// The same in a sentence, with the figures that bear it.
    pub sentence: String,
    /// Every cause that holds, the primary one first.
    pub also: Vec<Cause>,
    /// Every cause that was asked about, in order.
    pub rulings: Vec<Ruling>,
    /// Of an unknown cause: the rules that came nearest, and the probe that would tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Cause>,
    /// A probe says otherwise: what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<String>,
    /// What would have helped to judge and was not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Verdict {
    /// The ruling of the primary cause.
    pub fn ruling(&self) -> Option<&Ruling> {
        self.rulings.iter().find(|ruling| ruling.cause == self.cause)
    }
}
