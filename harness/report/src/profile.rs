//! Words about profiles that every format shares.

use corecurve_analysis::findings::{LossKind, LossRow, ProfileFinding, ScalingLoss};
use corecurve_core::{Function, Nanos};

use crate::text::{count, plain_long};

/// A time in nanoseconds with three digits; short times keep a fraction.
pub(crate) fn time(ns: f64) -> String {
    match ns.abs() {
        short if short < 100.0 => format!("{ns:.1} ns"),
        _ if ns < 0.0 => format!("−{}", Nanos(ns.abs().round() as u64)),
        _ => Nanos(ns.round() as u64).to_string(),
    }
}

/// A function with where it is.
pub(crate) fn function(function: &Function) -> String {
    let place = match (&function.source, function.is_kernel()) {
        (_, true) => " [kernel]".to_owned(),
        (Some(source), _) => format!(" ({source})"),
        (None, _) => format!(" [{}]", function.module),
    };
    plain_long(&format!("{}{place}", function.name), 200)
}

/// What grew, and for whom.
pub(crate) fn who(row: &LossRow) -> String {
    let caller = row.caller.as_ref().map_or_else(String::new, |caller| format!(" ← {}", plain_long(caller, 120)));
    format!("{}{caller}", function(&row.function))
}

/// Growth with its interval.
pub(crate) fn growth(row: &LossRow) -> String {
    let [low, high] = row.ci95;
    format!("+{} ({} … {})", time(row.growth_ns), time(low), time(high))
}

/// One loss in a sentence.
pub(crate) fn loss_title(loss: &ScalingLoss) -> String {
    format!(
        "{}: CPU time per request {} on {}, {} on {}",
        plain_long(&loss.label, 120),
        time(loss.base_cpu_ns),
        count(loss.base_cores, "core", "cores"),
        time(loss.cpu_ns),
        loss.cores
    )
}

/// What can be said where nothing grew.
pub(crate) fn nothing_grew(loss: &ScalingLoss) -> String {
    format!(
        "no function and no lock wait costs more per request than chance explains (the floor is {} per request)",
        time(loss.floor_ns)
    )
}

/// What kind of cost a row is.
pub(crate) fn kind(kind: LossKind) -> &'static str {
    kind.name()
}

/// The first line about a profile.
pub(crate) fn summary(profile: &ProfileFinding) -> String {
    let cpu = profile
        .cpu_per_request_ns
        .map_or_else(|| "no CPU time was sampled".to_owned(), |ns| format!("{} of CPU time per request", time(ns)));
    let lost = if profile.lost > 0 { format!(", {} lost", profile.lost) } else { String::new() };
    let sampled = match profile.event.as_str() {
        "" => String::new(),
        event => format!(" ({} samples of {event} at {} Hz{lost})", profile.samples, profile.frequency_hz),
    };
    let wakeups = profile.wakeups.filter(|wakeups| wakeups.count > 0).map_or_else(String::new, |wakeups| {
        format!("; from woken to running p50 {}, p99 {}", wakeups.p50_ns, wakeups.p99_ns)
    });
    format!("{cpu}{sampled}{wakeups}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_and_a_sign() {
        assert_eq!([1.25, 999.0, 12_300.0, -2_500.0].map(time), ["1.2 ns", "999 ns", "12.3 µs", "−2.50 µs"]);
    }

    #[test]
    fn a_function_says_where_it_is() {
        let made = |module: &str, source: Option<&str>| {
            function(&Function { name: "f".into(), module: module.into(), source: source.map(str::to_owned) })
        };
        assert_eq!(made("kernel", None), "f [kernel]");
        assert_eq!(made("nginx", None), "f [nginx]");
        assert_eq!(made("nginx", Some("a.c:7")), "f (a.c:7)");
    }
}
