//! The rules, one function each, in the order in which they are asked. A rule that lacks a figure does not hold.

mod cost;
mod harness;
mod waiting;

use super::evidence::Evidence;
use super::types::Ruling;

type Rule = fn(&Evidence<'_>) -> Ruling;

/// Every rule, in order: first what makes the number meaningless, then what keeps cores idle, then what fills them.
const RULES: [Rule; 12] = [
    harness::generator,
    harness::host,
    waiting::admission,
    waiting::link,
    waiting::accept_queue,
    waiting::imbalance,
    waiting::scheduler,
    waiting::lock,
    cost::network_stack,
    cost::memory,
    waiting::queueing,
    cost::cpu,
];

/// Asks every rule.
pub(super) fn all(evidence: &Evidence<'_>) -> Vec<Ruling> {
    RULES.iter().map(|rule| rule(evidence)).collect()
}
