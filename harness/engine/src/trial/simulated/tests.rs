use super::*;
use crate::trial::setup::tests::setup;
use corecurve_core::{ArrivalKind, Quantile, Quantiles, Rate, Rule, Service, ServiceShape};

/// One server, first come first served; every `lost`-th operation is never answered.
struct Queue {
    service: Service,
    free_at: u64,
    busy: u64,
    lost: u64,
    /// Extra time of everything that arrives before this.
    cold_until: u64,
}

impl Queue {
    fn new(mean: u64) -> Queue {
        let service = Service { shape: ServiceShape::Exp, mean: Nanos(mean), seed: 5 };
        Queue { service, free_at: 0, busy: 0, lost: 0, cold_until: 0 }
    }
}

impl VirtualServer for Queue {
    fn complete(&mut self, arrival: Nanos, id: u64) -> Option<Nanos> {
        if self.lost > 0 && id.is_multiple_of(self.lost) {
            return None;
        }
        let cold = if arrival.0 < self.cold_until { 8 } else { 1 };
        let service = self.service.time(id).0 * cold;
        self.free_at = self.free_at.max(arrival.0) + service;
        self.busy += service;
        Some(Nanos(self.free_at))
    }
    fn begin_trial(&mut self, seed: u64) {
        self.service.seed = seed;
        (self.free_at, self.busy) = (0, 0);
    }
    fn utilisation(&self, now: Nanos) -> f64 {
        let unfinished = self.free_at.saturating_sub(now.0).min(self.busy);
        (self.busy - unfinished) as f64 / now.0.max(1) as f64
    }
}

fn open(rate: f64, seconds: u64) -> TrialSetup {
    setup(Load::Open(Rate(rate)), Nanos(seconds * 1_000_000_000))
}

fn rules(record: &TrialRecord) -> Vec<Rule> {
    record.invalid_reasons.iter().map(|reason| reason.rule).collect()
}

#[test]
fn an_mm1_queue_shows_its_law() {
    // Sojourn in M/M/1 is exponential with rate μ − λ = 2500/s: mean 400 µs, p99 = ln(100)/2500 s.
    let mut setup = open(2_500.0, 400);
    setup.request.limits = vec![Nanos(1_000_000)];
    let record = virtual_trial(&setup, &mut Queue::new(200_000)).record;
    assert!(record.valid, "{:?}", record.invalid_reasons);
    assert!((record.latency_ns.mean.unwrap() / 400_000.0 - 1.0).abs() < 0.03, "{:?}", record.latency_ns);
    let p99 = record.latency_ns.p99.finite().unwrap().0 as f64;
    assert!((p99 / (100f64.ln() / 2_500.0 * 1e9) - 1.0).abs() < 0.05, "{p99}");
    assert!((record.utilisation.unwrap() - 0.5).abs() < 0.02);
    assert!((record.achieved_per_s / 2_500.0 - 1.0).abs() < 0.01);
    let over = record.over(Nanos(1_000_000)).unwrap() as f64 / record.counts.scheduled as f64;
    assert!((over / (-2.5f64).exp() - 1.0).abs() < 0.05, "{over}");
    assert_eq!(record.intervals.len(), 64);
}

#[test]
fn the_same_seed_gives_the_same_record_bit_for_bit() {
    for load in [Load::Open(Rate(4_000.0)), Load::Closed(7)] {
        let setup = setup(load, Nanos(2_000_000_000));
        let run = |scratch: &mut TrialScratch| virtual_record(&setup, &mut Queue::new(200_000), scratch);
        let mut scratch = TrialScratch::new();
        let first = serde_json::to_string(&run(&mut scratch)).unwrap();
        let again = serde_json::to_string(&run(&mut scratch)).unwrap();
        assert_eq!(first, again, "a used scratch leaves no trace");
        let mut whole = virtual_trial(&setup, &mut Queue::new(200_000)).record;
        whole.intervals.iter_mut().for_each(|interval| interval.p99_ns = None);
        for quantiles in [&mut whole.latency_ns, &mut whole.service_ns, &mut whole.send_lag_ns] {
            assert!(quantiles.p99.finite().is_some());
            *quantiles = Quantiles { mean: quantiles.mean, count: quantiles.count, ..Quantiles::default() };
        }
        whole.schedule_sha256.clear();
        assert_eq!(first, serde_json::to_string(&whole).unwrap(), "all but the hash and the percentiles");
        let other = TrialSetup { seed: setup.seed + 1, ..setup.clone() };
        assert_ne!(
            first,
            serde_json::to_string(&virtual_record(&other, &mut Queue::new(200_000), &mut scratch)).unwrap()
        );
    }
}

#[test]
fn an_overloaded_queue_is_a_valid_trial_with_terrible_latency() {
    let setup = TrialSetup { warmup_max: Nanos(30_000_000_000), ..open(7_500.0, 10) };
    let record = virtual_trial(&setup, &mut Queue::new(200_000)).record;
    assert!(record.valid, "{:?}", record.invalid_reasons);
    assert!(record.counts.balanced());
    assert!(record.latency_ns.p99.finite().is_none_or(|p99| p99 > Nanos::SECOND), "{:?}", record.latency_ns);
    assert!(record.counts.unanswered > 0, "the drain ends before the backlog does");
    let (first, last) = (&record.intervals[0], &record.intervals[19]);
    assert!(last.in_flight > first.in_flight * 3, "{} {}", first.in_flight, last.in_flight);
    assert!(record.utilisation.unwrap() > 0.99);
    assert!(record.warmup_s < 5.0, "overload is not waited for: {}", record.warmup_s);
}

#[test]
fn lost_operations_rank_above_everything() {
    let mut queue = Queue::new(1_000);
    queue.lost = 50;
    let record = virtual_trial(&open(1_000.0, 10), &mut queue).record;
    assert_eq!(record.latency_ns.p99, Quantile::Beyond);
    assert!(record.latency_ns.p90.finite().is_some());
    assert!(record.counts.balanced() && record.counts.unanswered + record.counts.failed() > 150);
    assert!(record.over(Nanos(5_000_000)).unwrap() >= record.counts.bad());
}

#[test]
fn a_time_out_is_an_error_even_if_the_answer_comes_later() {
    let mut setup = open(7_500.0, 4);
    setup.timeout = Nanos(200_000_000);
    let record = virtual_trial(&setup, &mut Queue::new(200_000)).record;
    assert!(record.counts.errors[&ErrorClass::Timeout] > 1_000, "{:?}", record.counts);
    assert!(record.counts.balanced());
}

#[test]
fn a_cold_start_is_left_out_of_the_window() {
    let mut queue = Queue::new(100_000);
    queue.cold_until = 300_000_000;
    let record = virtual_trial(&open(500.0, 5), &mut queue).record;
    assert!(record.warmup_s > 0.3, "{}", record.warmup_s);
    assert!(record.latency_ns.mean.unwrap() < 200_000.0);
    // With the window forced open at the start, the drift is seen. The warm-up is longer here, to fill half the window.
    let mut queue = Queue::new(100_000);
    queue.cold_until = 2_500_000_000;
    let forced = TrialSetup { warmup: Some(Nanos::ZERO), ..open(500.0, 5) };
    let record = virtual_trial(&forced, &mut queue).record;
    assert_eq!(record.warmup_s, 0.0);
    assert_eq!(rules(&record), [Rule::Stationary]);
}

#[test]
fn a_given_warmup_is_kept_and_uniform_arrivals_stay_periodic() {
    let mut setup = open(1_000.0, 2);
    (setup.warmup, setup.arrival, setup.trace) = (Some(Nanos(123_456_789)), ArrivalKind::Uniform, true);
    let output = virtual_trial(&setup, &mut Queue::new(1_000));
    assert_eq!(output.record.warmup_s, 0.124, "the next multiple of the period");
    assert_eq!(output.record.counts.scheduled, 2_000);
    let rows = output.trace.unwrap();
    assert!(rows.windows(2).all(|pair| pair[1].intended_ns - pair[0].intended_ns == 1_000_000));
    assert!(rows.iter().enumerate().all(|(i, row)| row.id == i as u64 && row.done_ns >= row.intended_ns));
}

#[test]
fn the_warmups_backlog_is_in_flight_when_the_window_opens() {
    // A server that stands still until 1 s, with the window opening at 0.9 s.
    struct Late;
    impl VirtualServer for Late {
        fn complete(&mut self, arrival: Nanos, _: u64) -> Option<Nanos> {
            Some(arrival.max(Nanos::SECOND) + Nanos(10))
        }
        fn begin_trial(&mut self, _: u64) {}
        fn utilisation(&self, _: Nanos) -> f64 {
            1.0
        }
    }
    let mut setup = open(1_000.0, 2);
    (setup.warmup, setup.arrival) = (Some(Nanos(900_000_000)), ArrivalKind::Uniform);
    let record = virtual_trial(&setup, &mut Late).record;
    // At 1.0 s all 1000 operations due so far leave at once; the first interval ends there, a moment before.
    assert_eq!(record.intervals[0].in_flight, 1_000);
    assert_eq!(record.intervals[1].in_flight, 0);
    assert!(!rules(&record).contains(&Rule::Little));
}

#[test]
fn a_closed_loop_keeps_its_depth_and_is_no_open_loop() {
    let record = virtual_trial(&setup(Load::Closed(4), Nanos(20_000_000_000)), &mut Queue::new(100_000)).record;
    assert!(record.valid, "{:?}", record.invalid_reasons);
    assert!(record.schedule_sha256.is_empty());
    assert_eq!(record.arrival, ArrivalKind::Closed(4));
    assert!((record.offered_per_s / 10_000.0 - 1.0).abs() < 0.02, "{}", record.offered_per_s);
    assert!(record.intervals.iter().all(|interval| interval.in_flight == 4));
    assert!((record.latency_ns.mean.unwrap() / 400_000.0 - 1.0).abs() < 0.02);
    assert!(record.counts.balanced());
}

#[test]
fn a_closed_loop_survives_lost_operations() {
    let mut queue = Queue::new(100_000);
    queue.lost = 100;
    let mut setup = setup(Load::Closed(4), Nanos(2_000_000_000));
    setup.timeout = Nanos(50_000_000);
    let record = virtual_trial(&setup, &mut queue).record;
    assert!(record.counts.errors[&ErrorClass::Timeout] > 10 && record.counts.balanced(), "{:?}", record.counts);
}

#[test]
fn strict_turns_caveats_into_reasons() {
    let few = TrialSetup { warmup: Some(Nanos::SECOND), ..open(20.0, 2) };
    let lenient = virtual_trial(&few, &mut Queue::new(1_000)).record;
    assert!(lenient.valid && lenient.caveats.iter().any(|caveat| caveat.contains("samples")), "{:?}", lenient.caveats);
    let strict = virtual_trial(&TrialSetup { strict: true, ..few }, &mut Queue::new(1_000)).record;
    assert_eq!((strict.valid, rules(&strict)), (false, vec![Rule::Samples]));
}

#[test]
fn histograms_hold_what_the_record_says() {
    let output = virtual_trial(&open(5_000.0, 3), &mut Queue::new(50_000));
    let (record, histograms) = (output.record, output.histograms);
    assert_eq!(histograms.total().len(), record.counts.ok);
    assert_eq!(histograms.latency.len(), record.intervals.len());
    for (histogram, interval) in histograms.latency.iter().zip(&record.intervals) {
        assert_eq!(histogram.len(), interval.ok);
    }
    assert!(histograms.to_hlog().len() > 1_000);
}
