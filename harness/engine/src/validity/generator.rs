//! Rules about the load generator: was the load that was asked for the load that was made?

use corecurve_core::{ErrorClass, Nanos, Quantile, Rule};

use super::thresholds::{
    ADHERENCE, BUSY, CLIENT_SHARE, CONNECTIONS, DISPERSION, JITTER_NS, KS, SPREAD, SPREAD_SAMPLES, UNSENT,
};
use super::{Finding, Observed, percent, share};

/// The intended times follow the law that was asked for.
pub(super) fn arrival_law(o: &Observed) -> Option<Finding> {
    let law = o.law.as_ref()?;
    let arrival = &o.arrival;
    let allowed = KS.max(2.0 / (law.gaps.max(1) as f64).sqrt());
    if let Some(ks) = law.ks.filter(|ks| *ks > allowed) {
        let seen = format!("gaps of `{arrival}` arrivals are {ks:.3} away from their law (at most {allowed:.3})");
        return Some(Finding::invalid(Rule::ArrivalLaw, seen));
    }
    for (index, bins) in &law.dispersion {
        let allowed = DISPERSION.max(5.0 * (2.0 / (*bins).max(1) as f64).sqrt());
        if (index - 1.0).abs() > allowed {
            let seen = format!("counts of `{arrival}` arrivals have a dispersion of {index:.2} (1 ± {allowed:.2})");
            return Some(Finding::invalid(Rule::ArrivalLaw, seen));
        }
    }
    let jitter = law.jitter_ns.filter(|ns| *ns > JITTER_NS)?;
    let seen = format!("`{arrival}` arrivals are up to {jitter:.0} ns off their period (at most {JITTER_NS:.0})");
    Some(Finding::invalid(Rule::ArrivalLaw, seen))
}

/// Operations went out on time while a connection was free.
pub(super) fn schedule_adherence(o: &Observed) -> Option<Finding> {
    let (prompt, on_time) = o.prompt;
    if !o.open_loop || prompt == 0 {
        return None;
    }
    let kept = share(on_time, prompt);
    let seen = format!(
        "{} of operations with a free connection were sent within {} (at least {}); give the generator more cores or \
         a quieter machine",
        percent(kept),
        o.on_time_within,
        percent(ADHERENCE.0)
    );
    match kept {
        kept if kept < ADHERENCE.1 => Some(Finding::invalid(Rule::ScheduleAdherence, seen)),
        kept if kept < ADHERENCE.0 => Some(Finding::caveat(Rule::ScheduleAdherence, seen)),
        _ => None,
    }
}

/// What was due was sent, unless there was no connection to send it on.
pub(super) fn sent_rate(o: &Observed) -> Option<Finding> {
    if !o.open_loop || o.target_fault.is_some() || o.interrupted.is_some() {
        return None;
    }
    let unsent = share(o.counts.never_sent.saturating_sub(o.waited.1), o.counts.scheduled);
    let seen = format!(
        "{} of due operations were never sent although connections were free (at most {})",
        percent(unsent),
        percent(UNSENT.0)
    );
    match unsent {
        unsent if unsent > UNSENT.1 => Some(Finding::invalid(Rule::SentRate, seen)),
        unsent if unsent > UNSENT.0 => Some(Finding::caveat(Rule::SentRate, seen)),
        _ => None,
    }
}

/// The load threads had time to spare. A closed loop uses all it gets and is no MAT anyway.
pub(super) fn generator_busy(o: &Observed) -> Option<Finding> {
    let busiest = o.busy.iter().copied().fold(0.0, f64::max);
    if !o.open_loop {
        return None;
    }
    let seen = format!(
        "a load thread was busy {} of the window (at most {}); the target may be faster than shown: more load cores",
        percent(busiest),
        percent(BUSY.0)
    );
    match busiest {
        busy if busy > BUSY.1 => Some(Finding::invalid(Rule::GeneratorBusy, seen)),
        busy if busy > BUSY.0 => Some(Finding::caveat(Rule::GeneratorBusy, seen)),
        _ => None,
    }
}

/// The client's own lag is a small part of the limit.
pub(super) fn client_share(o: &Observed) -> Option<Finding> {
    let (lag, limit) = (o.prompt_lag.p99.finite()?, o.smallest_limit?);
    if !o.open_loop || limit == Nanos::ZERO {
        return None;
    }
    let part = lag.0 as f64 / limit.0 as f64;
    let seen = format!(
        "the client's own send lag has a p99 of {lag}, {} of the limit {limit} (at most {})",
        percent(part),
        percent(CLIENT_SHARE.0)
    );
    match part {
        part if part > CLIENT_SHARE.1 => Some(Finding::invalid(Rule::ClientShare, seen)),
        part if part > CLIENT_SHARE.0 => Some(Finding::caveat(Rule::ClientShare, seen)),
        _ => None,
    }
}

/// Operations did not queue for a connection while the target was quick enough.
///
/// When the target is overloaded every connection is busy and the rest waits; that is the target's doing. It is the
/// client's when the connections it has come back within the limit and are still too few.
pub(super) fn connections(o: &Observed) -> Option<Finding> {
    let waiting = share(o.waited.0 + o.waited.1, o.counts.scheduled);
    if !o.open_loop || waiting <= CONNECTIONS {
        return None;
    }
    let limit = o.smallest_limit?;
    // The highest percentile that there are samples for.
    let highest = [("p99", o.service.p99), ("p90", o.service.p90), ("median", o.service.p50)];
    let (name, service) = highest.into_iter().find(|(_, q)| *q != Quantile::Unstated)?;
    let service = service.finite()?;
    (service <= limit).then(|| {
        let seen = format!(
            "{} of operations waited for a connection (at most {}) while service had a {name} of {service}; \
             more --connections would move the answer",
            percent(waiting),
            percent(CONNECTIONS)
        );
        Finding::invalid(Rule::Connections, seen)
    })
}

/// The client had ports and file descriptors.
pub(super) fn local_resources(o: &Observed) -> Option<Finding> {
    let of = |class| o.counts.errors.get(&class).copied().unwrap_or(0);
    let ports = o.local_failures.0.max(of(ErrorClass::LocalPorts));
    let files = o.local_failures.1.max(of(ErrorClass::LocalFiles));
    let seen = match (ports, files) {
        (0, 0) => return None,
        (ports, 0) => format!(
            "the client ran out of ports {ports} times; a source address has about 28000 for 60 s each \
             (net.ipv4.ip_local_port_range)"
        ),
        (_, files) => format!("the client ran out of file descriptors {files} times (ulimit -n)"),
    };
    Some(Finding::invalid(Rule::LocalResources, seen))
}

/// Load threads agree with each other.
pub(super) fn thread_spread(o: &Observed) -> Option<Finding> {
    let mut p99: Vec<u64> =
        o.p99_by_thread.iter().filter(|(_, n)| *n >= SPREAD_SAMPLES).map(|(p99, _)| p99.0).collect();
    if p99.len() < 2 {
        return None;
    }
    p99.sort_unstable();
    let (median, most) = (p99[(p99.len() - 1) / 2], p99[p99.len() - 1]);
    let ratio = most as f64 / median.max(1) as f64;
    (ratio > SPREAD).then(|| {
        let seen = format!("the slowest load thread saw {ratio:.2} times the p99 of the median one (at most {SPREAD})");
        Finding::caveat(Rule::ThreadSpread, seen)
    })
}
