//! Every rule has a case that breaks it and one, as near as possible, that does not.

use super::*;
use corecurve_core::{
    Counts, CpuId, CpuSet, ErrorClass, Interval, Nanos, Network, NetworkKind, NetworkRecord, Purpose, Quantile,
    Quantiles,
};
use corecurve_machine::clock::ClockFinding;
use corecurve_machine::pin::PinFinding;

use crate::schedule::ArrivalLaw;

fn quantiles(p50: u64, p99: u64, max: u64) -> Quantiles {
    let at = |ns| Quantile::At(Nanos(ns));
    Quantiles {
        p50: at(p50),
        p90: at(p99),
        p99: at(p99),
        p999: at(max),
        max: at(max),
        mean: Some(p50 as f64),
        count: 1,
    }
}

fn pin(migrations: u64) -> PinFinding {
    PinFinding {
        expected: CpuId(1),
        seen: CpuSet::from_iter([CpuId(1)]),
        voluntary_switches: Some(0),
        involuntary_switches: Some(0),
        migrations: Some(migrations),
    }
}

fn clock(drift_ppm: f64) -> ClockFinding {
    ClockFinding { span: Nanos(10_000_000_000), drift_ppm, suspended: Nanos::ZERO, wall_step_ns: 0 }
}

fn intervals(second_half_ns: f64) -> Vec<Interval> {
    let one = |i: usize| Interval {
        scheduled: 5_000,
        ok: 5_000,
        mean_ns: Some(if i < 10 { 1e5 } else { second_half_ns } + (i % 3) as f64 * 1e3),
        in_flight: 5,
        ..Interval::default()
    };
    (0..20).map(one).collect()
}

/// A trial without fault.
fn good() -> Observed {
    Observed {
        purpose: Some(Purpose::Search),
        open_loop: true,
        counts: Counts { scheduled: 100_000, sent: 100_000, ok: 100_000, ..Counts::default() },
        waited: (0, 0),
        prompt: (100_000, 99_950),
        prompt_lag: quantiles(1_000, 20_000, 30_000),
        on_time_within: Nanos(50_000),
        latency: quantiles(100_000, 900_000, 1_500_000),
        service: quantiles(90_000, 800_000, 1_400_000),
        smallest_limit: Some(Nanos(5_000_000)),
        histogram_count: (100_000, 0),
        window: Nanos(10_000_000_000),
        longest_possible: Nanos(20_000_000_000),
        intervals: intervals(1e5),
        busy: vec![0.3, 0.5],
        p99_by_thread: vec![(Nanos(900_000), 50_000), (Nanos(910_000), 50_000)],
        little: Some((1e10, 1.0001e10)),
        law: Some(ArrivalLaw {
            ks: Some(0.005),
            gaps: 20_000,
            dispersion: vec![(1.01, 10_000), (0.98, 1_000), (1.2, 100)],
            jitter_ns: None,
        }),
        arrival: "poisson".into(),
        pins: vec![pin(0)],
        steal: Some(0.002),
        throttled: Some(0),
        clock: Some(clock(3.0)),
        longest_gap: Nanos(20_000_000),
        ..Observed::default()
    }
}

/// A name, a change to a good trial, the rule it breaks and how badly.
type Case = (&'static str, fn(&mut Observed), Rule, Gravity);

const CASES: &[Case] = &[
    ("a late generator", |o| o.prompt.1 = 99_800, Rule::ScheduleAdherence, Gravity::Caveat),
    ("a very late generator", |o| o.prompt.1 = 94_000, Rule::ScheduleAdherence, Gravity::Invalid),
    ("few unsent", |o| unsent(o, 500), Rule::SentRate, Gravity::Caveat),
    ("many unsent", |o| unsent(o, 5_000), Rule::SentRate, Gravity::Invalid),
    ("a silent drop", |o| o.counts.sent -= 1, Rule::Conservation, Gravity::Invalid),
    ("no operations", |o| shrink(o, 3), Rule::Samples, Gravity::Invalid),
    ("few operations", |o| shrink(o, 400), Rule::Samples, Gravity::Caveat),
    ("a busy generator", |o| o.busy[0] = 0.75, Rule::GeneratorBusy, Gravity::Caveat),
    ("a saturated generator", |o| o.busy[1] = 0.97, Rule::GeneratorBusy, Gravity::Invalid),
    ("a slow client", |o| o.prompt_lag = quantiles(1, 600_000, 700_000), Rule::ClientShare, Gravity::Caveat),
    ("a useless client", |o| o.prompt_lag = quantiles(1, 3_000_000, 3_000_000), Rule::ClientShare, Gravity::Invalid),
    ("a dead target", |o| o.target_fault = Some("died by signal 9".into()), Rule::TargetAlive, Gravity::Invalid),
    ("a stranger", |o| o.port_fault = Some("pid 7 `nc`".into()), Rule::TargetPort, Gravity::Invalid),
    ("a moved thread", |o| o.pins[0].seen = CpuSet::from_iter([CpuId(0), CpuId(1)]), Rule::Pinning, Gravity::Invalid),
    ("a migrated thread", |o| o.pins[0] = pin(2), Rule::Pinning, Gravity::Invalid),
    ("requests received elsewhere", |o| received(o, Some(0.94), Some(1.0)), Rule::Receiving, Gravity::Invalid),
    ("answers received elsewhere", |o| received(o, Some(1.0), Some(0.5)), Rule::Receiving, Gravity::Invalid),
    ("a placement without proof", |o| received(o, None, Some(1.0)), Rule::Receiving, Gravity::Invalid),
    ("some steal", |o| o.steal = Some(0.02), Rule::Steal, Gravity::Caveat),
    ("much steal", |o| o.steal = Some(0.06), Rule::Steal, Gravity::Invalid),
    ("a quota", |o| o.throttled = Some(1), Rule::Throttled, Gravity::Invalid),
    ("a slewed clock", |o| o.clock = Some(clock(-400.0)), Rule::Clock, Gravity::Caveat),
    ("a broken clock", |o| o.clock = Some(clock(2_000.0)), Rule::Clock, Gravity::Invalid),
    ("a stepped wall clock", |o| wall_step(o, -3_600_000_000_000), Rule::Clock, Gravity::Caveat),
    ("a stopped harness", |o| o.longest_gap = Nanos(3_200_000_000), Rule::Paused, Gravity::Invalid),
    ("a sleeping machine", |o| asleep(o, Nanos::SECOND), Rule::Paused, Gravity::Invalid),
    ("drift", |o| o.intervals = intervals(2e5), Rule::Stationary, Gravity::Invalid),
    ("slight drift", |o| o.intervals = intervals(1.3e5), Rule::Stationary, Gravity::Caveat),
    ("an endless warm-up", |o| o.warmup_unsettled = Some(Nanos::SECOND), Rule::Stationary, Gravity::Caveat),
    ("a wrong stamp", |o| o.little = Some((1e10, 0.5e10)), Rule::Little, Gravity::Invalid),
    ("a lost value", |o| o.histogram_count = (99_999, 0), Rule::Consistent, Gravity::Invalid),
    ("falling percentiles", |o| o.latency.p999 = Quantile::At(Nanos(5)), Rule::Consistent, Gravity::Invalid),
    ("a finite maximum over an infinite p99", |o| o.latency.p99 = Quantile::Beyond, Rule::Consistent, Gravity::Invalid),
    ("a mean above the maximum", |o| o.latency.mean = Some(1.6e6), Rule::Consistent, Gravity::Invalid),
    ("an impossible latency", |o| o.longest_possible = Nanos(1_000_000), Rule::Consistent, Gravity::Invalid),
    ("a wrong body", |o| fail(o, ErrorClass::WrongBody), Rule::Content, Gravity::Invalid),
    ("too few connections", |o| o.waited = (2_000, 0), Rule::Connections, Gravity::Invalid),
    ("no ports for an operation", |o| fail(o, ErrorClass::LocalPorts), Rule::LocalResources, Gravity::Invalid),
    ("no ports for a connection", |o| o.local_failures = (1, 0), Rule::LocalResources, Gravity::Invalid),
    ("no file descriptors", |o| o.local_failures = (0, 1), Rule::LocalResources, Gravity::Invalid),
    ("another law", |o| law(o).ks = Some(0.03), Rule::ArrivalLaw, Gravity::Invalid),
    ("clumped arrivals", |o| law(o).dispersion[1].0 = 1.5, Rule::ArrivalLaw, Gravity::Invalid),
    ("an uneven period", |o| law(o).jitter_ns = Some(50.0), Rule::ArrivalLaw, Gravity::Invalid),
    ("a slow thread", |o| o.p99_by_thread[1].0 = Nanos(1_200_000), Rule::ThreadSpread, Gravity::Caveat),
    ("a signal", |o| o.interrupted = Some("stopped by the user".into()), Rule::Interrupted, Gravity::Invalid),
    ("a panic", |o| o.harness_fault = Some("load thread 0 panicked".into()), Rule::HarnessFault, Gravity::Invalid),
];

fn unsent(o: &mut Observed, n: u64) {
    o.counts = Counts { sent: 100_000 - n, never_sent: n, ok: 100_000 - n, ..o.counts.clone() };
    o.histogram_count.0 -= n;
}

fn shrink(o: &mut Observed, n: u64) {
    o.counts = Counts { scheduled: n, sent: n, ok: n, ..Counts::default() };
    o.histogram_count.0 = n;
}

fn fail(o: &mut Observed, class: ErrorClass) {
    o.counts.ok -= 1;
    o.counts.fail(class, 1);
    o.histogram_count.0 -= 1;
}

fn received(o: &mut Observed, server: Option<f64>, load: Option<f64>) {
    let network = Network { kind: NetworkKind::Netns, cap: None };
    o.network = Some(NetworkRecord { network, server_received_share: server, load_received_share: load });
}

fn wall_step(o: &mut Observed, ns: i64) {
    o.clock = Some(ClockFinding { wall_step_ns: ns, ..clock(0.0) });
}

fn asleep(o: &mut Observed, suspended: Nanos) {
    o.clock = Some(ClockFinding { suspended, ..clock(0.0) });
}

fn law(o: &mut Observed) -> &mut ArrivalLaw {
    o.law.as_mut().unwrap()
}

#[test]
fn a_good_trial_breaks_no_rule() {
    assert_eq!(judge(&good()), []);
    assert_eq!(judge(&Observed { counts: good().counts, histogram_count: (100_000, 0), ..Observed::default() }), []);
}

#[test]
fn every_fault_breaks_its_rule_and_no_other() {
    for (name, break_it, rule, gravity) in CASES {
        let mut observed = good();
        break_it(&mut observed);
        let found = judge(&observed);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!((found[0].reason.rule, found[0].gravity), (*rule, *gravity), "{name}");
        assert!(found[0].reason.seen.len() > 10 || found[0].reason.rule == Rule::Interrupted, "{name}: {:?}", found[0]);
    }
}

#[test]
fn every_rule_is_listed_once_and_has_a_case_that_breaks_it() {
    for (i, (rule, _)) in RULES.iter().enumerate() {
        assert!(RULES[..i].iter().all(|(other, _)| other != rule), "{rule:?} twice");
        assert!(CASES.iter().any(|(_, _, broken, _)| broken == rule), "nothing breaks {rule:?}");
    }
}

#[test]
fn faults_of_the_target_are_not_those_of_the_client() {
    // An overloaded target keeps every connection busy: waiting and never-sent operations are its doing.
    let mut overloaded = good();
    overloaded.service = quantiles(8_000_000, 9_000_000, 10_000_000);
    overloaded.waited = (50_000, 5_000);
    unsent(&mut overloaded, 5_000);
    assert_eq!(judge(&overloaded), []);
    // A closed loop is always busy and has no schedule.
    let mut closed = good();
    (closed.open_loop, closed.busy, closed.prompt) = (false, vec![1.0], (100_000, 0));
    assert_eq!(judge(&closed), []);
}

#[test]
fn sampling_noise_does_not_break_the_arrival_law() {
    let mut few = good();
    *law(&mut few) = ArrivalLaw { ks: Some(0.15), gaps: 100, dispersion: vec![(1.6, 50)], jitter_ns: None };
    assert_eq!(judge(&few), []);
}
