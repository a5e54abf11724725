//! From books and observations to the record.

use corecurve_core::{Adherence, Counters, Load, Nanos, NetworkRecord, SCHEMA, Shares, TransportKind, TrialRecord};

use super::setup::TrialSetup;
use crate::recorder::Recorder;
use crate::schedule::{ArrivalLaw, Inspection};
use crate::validity::thresholds::{ON_TIME, ON_TIME_OF_LIMIT, ON_TIME_PER_BURST};
use crate::validity::{Gravity, Observed, judge};

/// How late an operation with a free connection may go out and count as on time.
pub(crate) fn on_time_within(setup: &TrialSetup) -> Nanos {
    let of_limit = setup.smallest_limit().unwrap_or_default().scale(ON_TIME_OF_LIMIT);
    let of_burst = match setup.arrivals() {
        corecurve_core::ArrivalKind::Burst(n) => ON_TIME_PER_BURST * u64::from(n.saturating_sub(1)),
        _ => Nanos::ZERO,
    };
    ON_TIME.max(of_limit) + of_burst
}

/// What the schedule says about the window: its hash, its counts and its law. A closed loop has only what happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    pub sha256: String,
    pub scheduled: u64,
    pub per_interval: Option<Vec<u64>>,
    pub law: Option<ArrivalLaw>,
}

impl Planned {
    pub(crate) fn of_schedule(inspection: Inspection) -> Planned {
        Planned {
            sha256: inspection.sha256,
            scheduled: inspection.scheduled,
            per_interval: Some(inspection.per_interval),
            law: Some(inspection.law),
        }
    }

    /// What came due by itself.
    pub(crate) fn of_recorder(recorder: &Recorder) -> Planned {
        Planned { scheduled: recorder.due_in_window(), ..Planned::default() }
    }
}

/// What a world adds to the books.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// Connections in all.
    pub connections: usize,
    /// From the trial's start to the window's.
    pub warmup: Nanos,
    /// Busy share of the server's CPUs, or why it is not known.
    pub utilisation: Option<Result<f64, String>>,
    /// CPU time of the load threads in the window, if there was real time.
    pub load_cpu: Option<Nanos>,
    /// What kernel and processor counted, if there was real time.
    pub counters: Option<Counters>,
    /// What load went through, if there were sockets.
    pub transport: Option<TransportKind>,
    /// What lay between load and server, if there were sockets.
    pub network: Option<NetworkRecord>,
    /// What each worker of the target had of the load, if there were sockets.
    pub shares: Option<Shares>,
    /// More that must travel with the number.
    pub caveats: Vec<String>,
}

/// Fills the observations that follow from the books, judges them and writes the record.
pub(crate) fn assemble(
    setup: &TrialSetup,
    recorder: &Recorder,
    planned: Planned,
    world: World,
    mut observed: Observed,
) -> TrialRecord {
    let window = recorder.window().spanned();
    let counts = recorder.counts(planned.scheduled);
    let latency = recorder.latency(planned.scheduled);
    let intervals = recorder.intervals(planned.per_interval.as_deref());
    let recorded = recorder.mean_latency().unwrap_or(0.0) * recorder.completed() as f64;

    observed.purpose = Some(setup.request.purpose);
    observed.open_loop = matches!(setup.request.load, Load::Open(_));
    observed.counts = counts.clone();
    observed.waited = recorder.waited();
    observed.prompt = recorder.prompt();
    observed.prompt_lag = recorder.prompt_lag();
    observed.on_time_within = on_time_within(setup);
    observed.latency = latency;
    observed.service = recorder.service();
    observed.smallest_limit = setup.smallest_limit();
    observed.histogram_count = (recorder.recorded(), recorder.overflow());
    observed.window = window;
    observed.longest_possible = window + setup.drain();
    observed.intervals = intervals.clone();
    observed.little = Some((recorder.flow().latency_sum(recorder.window()), recorded));
    observed.law = planned.law;
    observed.arrival = setup.arrivals().to_string();

    let (mut invalid_reasons, mut caveats) = (Vec::new(), world.caveats);
    caveats.extend_from_slice(&setup.caveats);
    for finding in judge(&observed) {
        match finding.gravity {
            Gravity::Caveat if !setup.strict => caveats.push(finding.reason.to_string()),
            _ => invalid_reasons.push(finding.reason),
        }
    }
    if setup.placed.shared {
        caveats.push("shared-cores: server and load generator ran on the same cores".to_owned());
    }
    if let Some(Err(reason)) = &world.utilisation {
        caveats.push(format!("utilisation of the server's CPUs is not known: {reason}"));
    }
    let per_s = |n: u64| n as f64 / window.as_secs_f64().max(1e-9);
    TrialRecord {
        schema: SCHEMA,
        cell: setup.cell.clone(),
        rep: setup.rep,
        attempt: setup.attempt,
        trial: setup.trial,
        purpose: setup.request.purpose,
        target: setup.target.clone(),
        workload: setup.workload.clone(),
        placement: setup.placed.kind.name().to_owned(),
        cores: setup.cores,
        load_cores: setup.placed.load.len(),
        arrival: setup.arrivals(),
        connections: world.connections,
        transport: world.transport,
        network: world.network,
        seed: setup.seed,
        schedule_sha256: planned.sha256,
        offered_per_s: match setup.request.load {
            Load::Open(rate) => rate.per_s(),
            Load::Closed(_) => per_s(planned.scheduled),
        },
        sent_per_s: per_s(counts.sent),
        achieved_per_s: per_s(counts.ok),
        window_s: window.as_secs_f64(),
        warmup_s: world.warmup.as_secs_f64(),
        latency_ns: latency,
        service_ns: recorder.service(),
        send_lag_ns: recorder.send_lag(planned.scheduled),
        limits: recorder.limits(),
        intervals,
        utilisation: world.utilisation.and_then(Result::ok),
        generator_busy: observed.busy.iter().copied().reduce(f64::max),
        load_cpu_s: world.load_cpu.map(Nanos::as_secs_f64),
        adherence: observed.open_loop.then_some(Adherence {
            within_ns: observed.on_time_within,
            free: observed.prompt.0,
            on_time: observed.prompt.1,
        }),
        replay: None,
        counters: world.counters,
        shares: world.shares,
        valid: invalid_reasons.is_empty(),
        invalid_reasons,
        caveats,
        counts,
    }
}
