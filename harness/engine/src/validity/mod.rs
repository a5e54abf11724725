//! Whether a trial's numbers may mean something. [`judge`] is pure: the same observations give the same verdicts.
//!
//! Each rule is one function from [`Observed`] to at most a few [`Finding`]s; [`RULES`] lists them all. A finding is
//! *invalid* (the number must not be used) or a *caveat* (it must travel with the number; `strict` makes it invalid).

mod generator;
mod host;
mod observed;
mod outcome;
pub mod thresholds;

pub use observed::Observed;

use corecurve_core::{Reason, Rule};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Must travel with the number.
    Caveat,
    /// The number must not be used.
    Invalid,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave.
    pub gravity: Gravity,
    /// Which rule, and what was seen.
    pub reason: Reason,
}

impl Finding {
    fn invalid(rule: Rule, seen: impl Into<String>) -> Finding {
        Finding { gravity: Gravity::Invalid, reason: Reason::new(rule, seen) }
    }

    fn caveat(rule: Rule, seen: impl Into<String>) -> Finding {
        Finding { gravity: Gravity::Caveat, reason: Reason::new(rule, seen) }
    }
}

/// A rule: its name and the function that checks it.
pub type Check = fn(&Observed) -> Option<Finding>;

/// Every rule, in the order they are reported.
pub const RULES: [(Rule, Check); 24] = [
    (Rule::HarnessFault, outcome::harness_fault),
    (Rule::Interrupted, outcome::interrupted),
    (Rule::TargetAlive, outcome::target_alive),
    (Rule::TargetPort, outcome::target_port),
    (Rule::Conservation, outcome::conservation),
    (Rule::Consistent, outcome::consistent),
    (Rule::Content, outcome::content),
    (Rule::Samples, outcome::samples),
    (Rule::Stationary, outcome::stationary),
    (Rule::Little, outcome::little),
    (Rule::ArrivalLaw, generator::arrival_law),
    (Rule::ScheduleAdherence, generator::schedule_adherence),
    (Rule::SentRate, generator::sent_rate),
    (Rule::GeneratorBusy, generator::generator_busy),
    (Rule::ClientShare, generator::client_share),
    (Rule::Connections, generator::connections),
    (Rule::LocalResources, generator::local_resources),
    (Rule::ThreadSpread, generator::thread_spread),
    (Rule::Pinning, host::pinning),
    (Rule::Receiving, host::receiving),
    (Rule::Steal, host::steal),
    (Rule::Throttled, host::throttled),
    (Rule::Clock, host::clock),
    (Rule::Paused, host::paused),
];

/// Checks every rule.
pub fn judge(observed: &Observed) -> Vec<Finding> {
    RULES.iter().filter_map(|(_, check)| check(observed)).collect()
}

/// A ratio as a percentage for a message: `5 %`, `0.12 %`, `99.9 %`.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `a / b`, zero when there is nothing to divide.
fn share(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

#[cfg(test)]
mod tests;
