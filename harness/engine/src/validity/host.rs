//! Rules about the machine under the trial: was it ours, and did time pass as it should?

use corecurve_core::{Nanos, NetworkKind, Rule};

use super::thresholds::{DRIFT_FLOOR, DRIFT_PPM, PAUSE, RECEIVED, STEAL, WALL_STEP};
use super::{Finding, Observed, percent};

/// Load threads stayed on their CPUs.
pub(super) fn pinning(o: &Observed) -> Option<Finding> {
    let moved = o.pins.iter().find(|pin| !pin.stayed())?;
    let seen = match moved.migrations {
        Some(n) if n > 0 => format!("the load thread of CPU {} was migrated {n} times", moved.expected),
        _ => format!("the load thread of CPU {} was seen on CPUs {}", moved.expected, moved.seen),
    };
    Some(Finding::invalid(Rule::Pinning, seen))
}

/// Each side received on its own cores, where that was declared. Over loopback it is a caveat of its own.
pub(super) fn receiving(o: &Observed) -> Option<Finding> {
    let network = o.network.filter(|record| record.network.kind == NetworkKind::Netns)?;
    let sides = [("server", network.server_received_share), ("load", network.load_received_share)];
    let (side, share) = sides.into_iter().find(|(_, share)| share.is_none_or(|share| share < RECEIVED))?;
    let seen = match share {
        Some(share) => format!(
            "{} of what arrived for the {side} was received on its own cores (at least {})",
            percent(share),
            percent(RECEIVED)
        ),
        None => format!("the kernel does not say on which cores the {side} received"),
    };
    Some(Finding::invalid(Rule::Receiving, seen))
}

/// The hypervisor left us our CPUs.
pub(super) fn steal(o: &Observed) -> Option<Finding> {
    let stolen = o.steal?;
    let seen = format!(
        "the hypervisor took {} of a CPU in use (at most {}); repeat at a quieter time",
        percent(stolen),
        percent(STEAL.0)
    );
    match stolen {
        stolen if stolen > STEAL.1 => Some(Finding::invalid(Rule::Steal, seen)),
        stolen if stolen > STEAL.0 => Some(Finding::caveat(Rule::Steal, seen)),
        _ => None,
    }
}

/// The cgroup's quota did not stop us.
pub(super) fn throttled(o: &Observed) -> Option<Finding> {
    let periods = o.throttled.filter(|periods| *periods > 0)?;
    let seen = format!("the CPU quota of the control group stopped the run in {periods} periods (none allowed)");
    Some(Finding::invalid(Rule::Throttled, seen))
}

/// Clocks agree.
pub(super) fn clock(o: &Observed) -> Option<Finding> {
    let clock = o.clock?;
    let off = Nanos((clock.drift_ppm.abs() * 1e-6 * clock.span.0 as f64) as u64);
    let drift = if off > DRIFT_FLOOR { clock.drift_ppm.abs() } else { 0.0 };
    let seen = format!("the clock ran {:.0} ppm off the raw counter (at most {:.0})", clock.drift_ppm, DRIFT_PPM.0);
    if drift > DRIFT_PPM.1 {
        return Some(Finding::invalid(Rule::Clock, seen));
    }
    if drift > DRIFT_PPM.0 {
        return Some(Finding::caveat(Rule::Clock, seen));
    }
    let step = Nanos(clock.wall_step_ns.unsigned_abs());
    (step > WALL_STEP).then(|| {
        let seen =
            format!("the wall clock was stepped by {step} during the window; times measured do not depend on it");
        Finding::caveat(Rule::Clock, seen)
    })
}

/// Nothing stood still.
pub(super) fn paused(o: &Observed) -> Option<Finding> {
    let suspended = o.clock.map_or(Nanos::ZERO, |clock| clock.suspended);
    if suspended > Nanos::ZERO {
        return Some(Finding::invalid(Rule::Paused, format!("the machine slept for {suspended} in the window")));
    }
    (o.longest_gap > PAUSE).then(|| {
        let seen = format!("the harness itself stood still for {} (stopped, or starved of CPU)", o.longest_gap);
        Finding::invalid(Rule::Paused, seen)
    })
}
