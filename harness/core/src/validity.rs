//! Whether a number may mean something: the rules, and the reasons when one is broken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A validity rule. The thresholds are in docs/methodology.md and beside the code that checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Share of operations sent on time while a connection was free.
    ScheduleAdherence,
    /// Sent rate against offered rate.
    SentRate,
    /// The accounting identities hold exactly.
    Conservation,
    /// Enough samples for the percentile that is judged.
    Samples,
    /// The load threads had time to spare.
    GeneratorBusy,
    /// The client's own share of the latency.
    ClientShare,
    /// The target's processes are the same at the end as at the start.
    TargetAlive,
    /// The port belongs to the target.
    TargetPort,
    /// Pinned threads stayed on their CPUs.
    Pinning,
    /// Packets were received on the cores of the side they went to.
    Receiving,
    /// The hypervisor took CPU time away.
    Steal,
    /// The cgroup's CPU quota throttled the run.
    Throttled,
    /// Clocks agree with each other.
    Clock,
    /// The process was stopped or the machine slept in the window.
    Paused,
    /// The window is in steady state.
    Stationary,
    /// L = λW.
    Little,
    /// Histograms and percentiles are consistent with the counts.
    Consistent,
    /// Sampled answers have the right content.
    Content,
    /// Operations waited for a free connection.
    Connections,
    /// The client ran out of ports or file descriptors.
    LocalResources,
    /// The intended times follow the arrival law that was asked for.
    ArrivalLaw,
    /// Load threads agree with each other.
    ThreadSpread,
    /// The user or a signal ended the trial early.
    Interrupted,
    /// A thread of the harness failed.
    HarnessFault,
}

impl Rule {
    /// The name in records and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ScheduleAdherence => "schedule-adherence",
            Rule::SentRate => "sent-rate",
            Rule::Conservation => "conservation",
            Rule::Samples => "samples",
            Rule::GeneratorBusy => "generator-busy",
            Rule::ClientShare => "client-share",
            Rule::TargetAlive => "target-alive",
            Rule::TargetPort => "target-port",
            Rule::Pinning => "pinning",
            Rule::Receiving => "receiving",
            Rule::Steal => "steal",
            Rule::Throttled => "throttled",
            Rule::Clock => "clock",
            Rule::Paused => "paused",
            Rule::Stationary => "stationary",
            Rule::Little => "little",
            Rule::Consistent => "consistent",
            Rule::Content => "content",
            Rule::Connections => "connections",
            Rule::LocalResources => "local-resources",
            Rule::ArrivalLaw => "arrival-law",
            Rule::ThreadSpread => "thread-spread",
            Rule::Interrupted => "interrupted",
            Rule::HarnessFault => "harness-fault",
        }
    }
}

/// A broken rule, with the figure that was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// Which rule.
    pub rule: Rule,
    /// What was seen, what was allowed and what would help, in one line.
    pub seen: String,
}

impl Reason {
    /// A reason.
    pub fn new(rule: Rule, seen: impl Into<String>) -> Reason {
        Reason { rule, seen: seen.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.seen)
    }
}
