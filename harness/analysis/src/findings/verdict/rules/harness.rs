//! Is the number the target's at all? D0 and D1.

use corecurve_core::{MatKind, Rule};

use super::super::evidence::Evidence;
use super::super::facts::{Facts, percent};
use super::super::thresholds::{FOREIGN, STRUCK};
use super::super::types::{Cause, Ruling};
use crate::findings::generator::NEAR;
use crate::findings::usage::Usage;

/// Reasons for which trials are struck out that are the generator's fault.
const GENERATORS: [Rule; 6] = [
    Rule::ScheduleAdherence,
    Rule::SentRate,
    Rule::GeneratorBusy,
    Rule::ClientShare,
    Rule::LocalResources,
    Rule::HarnessFault,
];
/// And those that are the machine's.
const HOSTS: [Rule; 6] = [Rule::Steal, Rule::Throttled, Rule::Paused, Rule::Clock, Rule::Pinning, Rule::Receiving];

/// D0: the generator gave out, or was not able to keep its schedule.
pub(super) fn generator(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let kind = evidence.mat_kind();
    // Connections are also missing because the target does not accept them: that is its own fault.
    let gave_out = match kind {
        Some(MatKind::GeneratorLimited) => true,
        Some(MatKind::ConnectionLimited) => !evidence.overflowed(),
        _ => false,
    };
    let said = kind.map_or("no search", MatKind::name);
    let gave_out = facts.is(
        "how the search ended",
        said,
        "generator-limited, or connection-limited though all were accepted",
        gave_out,
    );
    let near = facts.at_least("MAT as a share of what the generator can offer", evidence.of_capacity, NEAR, percent);
    let struck = facts.at_least(
        "trials near the answer struck out for the generator's own lateness",
        // A connection that the target does not accept in time is late for its sake.
        struck(evidence, &GENERATORS).filter(|_| !evidence.overflowed()),
        STRUCK,
        percent,
    );
    let moved = evidence.cell.perturbation.as_ref().and_then(|found| found.agrees);
    let said = moved.map_or("not tried", |agrees| if agrees { "no" } else { "yes" });
    let moved = facts.is("other load threads give another answer", said, "yes", moved == Some(false));
    facts.rule(Cause::Generator, gave_out || near || struck || moved, reason(evidence, &GENERATORS))
}

/// D1: another program or the hypervisor had the server's cores.
pub(super) fn host(evidence: &Evidence<'_>) -> Ruling {
    let mut facts = Facts::default();
    let struck = facts.at_least(
        "trials near the answer struck out for the machine's sake",
        struck(evidence, &HOSTS),
        STRUCK,
        percent,
    );
    let points = [Some(evidence.at), evidence.beyond];
    let foreign = points.into_iter().flatten().filter_map(|point| certainly_foreign(point.usage?)).reduce(f64::min);
    let foreign = facts.at_least("share of the server's cores taken by other programs", foreign, FOREIGN, percent);
    let detail = match foreign {
        true => Some("other programs ran on the server's cores".to_owned()),
        false => reason(evidence, &HOSTS),
    };
    facts.rule(Cause::Host, struck || foreign, detail)
}

/// Share of the cores that others had, less what the ticks may be wrong by.
fn certainly_foreign(usage: Usage) -> Option<f64> {
    Some((usage.foreign? - 2.0 * usage.error).max(0.0))
}

/// Share of the trials near the answer that were struck out for one of these reasons.
fn struck(evidence: &Evidence<'_>, rules: &[Rule]) -> Option<f64> {
    let hits = evidence.struck.iter().filter(|reason| rules.contains(&reason.rule)).count();
    (evidence.asked > 0).then(|| (hits as f64 / evidence.asked as f64).min(1.0))
}

/// The reason given most often.
fn reason(evidence: &Evidence<'_>, rules: &[Rule]) -> Option<String> {
    let mut seen: Vec<Rule> = evidence.struck.iter().map(|reason| reason.rule).filter(|r| rules.contains(r)).collect();
    seen.sort_unstable();
    let most = seen.chunk_by(|a, b| a == b).max_by_key(|same| same.len())?;
    Some(most.first()?.name().to_owned())
}
