//! Records for tests.

use corecurve_core::{
    ArrivalKind, CellId, Counts, Interval, LimitCount, Nanos, Purpose, Quantiles, SCHEMA, TrialRecord,
};

/// An empty valid record.
pub(crate) fn record(purpose: Purpose, rate: f64) -> TrialRecord {
    TrialRecord {
        schema: SCHEMA,
        cell: CellId("test".to_owned()),
        rep: 0,
        attempt: 0,
        trial: 0,
        purpose,
        target: "test".to_owned(),
        workload: "test".to_owned(),
        placement: "compact".to_owned(),
        cores: 1,
        load_cores: 1,
        arrival: ArrivalKind::Poisson,
        connections: 1,
        transport: None,
        network: None,
        seed: 0,
        schedule_sha256: String::new(),
        offered_per_s: rate,
        sent_per_s: rate,
        achieved_per_s: rate,
        counts: Counts::default(),
        window_s: 1.0,
        warmup_s: 0.1,
        latency_ns: Quantiles::default(),
        service_ns: Quantiles::default(),
        send_lag_ns: Quantiles::default(),
        limits: Vec::new(),
        intervals: Vec::new(),
        utilisation: None,
        generator_busy: None,
        load_cpu_s: None,
        adherence: None,
        replay: None,
        counters: None,
        shares: None,
        valid: true,
        invalid_reasons: Vec::new(),
        caveats: Vec::new(),
    }
}

/// A record of `n` operations at `rate`, a share of them over `limit` and a share failed, spread evenly over 20 intervals.
pub(crate) fn counted(rate: f64, window_s: f64, limits: &[Nanos], over: f64, bad: f64) -> TrialRecord {
    let mut trial = record(Purpose::Search, rate);
    let per_interval = (rate * window_s / 20.0).round() as u64;
    let share = |n: u64, of: f64, i: u64| (n as f64 * of * (i + 1) as f64) as u64 - (n as f64 * of * i as f64) as u64;
    trial.window_s = window_s;
    trial.intervals = (0..20)
        .map(|i| {
            let failed = share(per_interval, bad, i);
            Interval {
                start_s: window_s / 20.0 * i as f64,
                length_s: window_s / 20.0,
                scheduled: per_interval,
                ok: per_interval - failed,
                over: vec![share(per_interval, over.max(bad), i); limits.len()],
                mean_ns: Some(100_000.0),
                p99_ns: None,
                in_flight: 3,
            }
        })
        .collect();
    let sum = |of: fn(&Interval) -> u64| trial.intervals.iter().map(of).sum::<u64>();
    let (scheduled, ok) = (sum(|i| i.scheduled), sum(|i| i.ok));
    let over = trial.intervals.iter().map(|i| i.over.first().copied().unwrap_or(0)).sum();
    trial.counts = Counts { scheduled, sent: scheduled, ok, unanswered: scheduled - ok, ..Counts::default() };
    trial.limits = limits.iter().map(|limit| LimitCount { limit_ns: *limit, over }).collect();
    trial
}
