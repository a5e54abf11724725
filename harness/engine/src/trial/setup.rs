//! [`TrialSetup`] and [`TrialOutput`]: what a trial is told and what it gives back.

use std::sync::Arc;

use corecurve_core::{
    ArrivalKind, CellId, Collectors, Fault, Load, Nanos, Network, NetworkKind, Placed, Profile, Told, TransportKind,
    TrialRecord, TrialRequest,
};
use corecurve_machine::Link;

use crate::recorder::TrialHistograms;
use crate::schedule::Schedule;

/// Everything a trial is told: who it is, how load is made, and what is asked of it.
#[derive(Clone, Debug)]
pub struct TrialSetup {
    /// The cell.
    pub cell: CellId,
    /// Repetition within the cell.
    pub rep: u32,
    /// How often this repetition was begun before.
    pub attempt: u32,
    /// Trial within the repetition.
    pub trial: u32,
    /// Target name.
    pub target: String,
    /// Workload name.
    pub workload: String,
    /// Who sits where; one load worker per load seat.
    pub placed: Placed,
    /// Server cores asked for.
    pub cores: usize,
    /// The cell's arrival process, used when the request is for an open loop.
    pub arrival: ArrivalKind,
    /// Connections over all load workers; `None` chooses by Little's law. A closed loop has one per operation in flight.
    pub connections: Option<usize>,
    /// Requests after which a connection is closed and opened anew.
    pub requests_per_connection: Option<u64>,
    /// What load workers send and receive through, if the target has sockets.
    pub transport: TransportKind,
    /// Where server and load live, if they do not meet on loopback.
    pub link: Option<Arc<Link>>,
    /// What is counted beside it.
    pub counters: Collectors,
    /// What the plan knows and must travel with the record.
    pub caveats: Vec<String>,
    /// What was made bad on purpose; of these the load workers have `generator-sleep`.
    pub faults: Vec<Fault>,
    /// Load, window and limits.
    pub request: TrialRequest,
    /// Seed of this trial's schedule and workload.
    pub seed: u64,
    /// Warm-up; `None` detects its end.
    pub warmup: Option<Nanos>,
    /// Longest warm-up waited for when it is detected.
    pub warmup_max: Nanos,
    /// An operation without an answer for so long after it was sent has failed.
    pub timeout: Nanos,
    /// Keep the four stamps of every operation.
    pub trace: bool,
    /// Sample the target's stacks in the window.
    pub profile: bool,
    /// Treat caveats as invalid.
    pub strict: bool,
}

/// Fewest connections chosen when none were asked for.
pub const MIN_CONNECTIONS: usize = 32;
/// Most connections chosen when none were asked for.
pub const MAX_CONNECTIONS: usize = 1_024;
/// Connections chosen, as a multiple of what Little's law says would be busy at the latency limit.
pub const CONNECTIONS_OVER_LITTLE: f64 = 4.0;
/// Time on top of the largest latency limit, tenfold, that answers are waited for after the window.
pub const MIN_DRAIN: Nanos = Nanos::SECOND;
/// The latency assumed for the choice of connections when no limit was given.
const DEFAULT_LIMIT: Nanos = Nanos(10_000_000);

impl TrialSetup {
    /// The arrival process of this trial: the request's depth for a closed loop, otherwise the cell's.
    pub fn arrivals(&self) -> ArrivalKind {
        match (self.request.load, self.arrival) {
            (Load::Closed(depth), _) => ArrivalKind::Closed(depth.max(1)),
            // A search may ask for an open loop in a cell whose own process is closed.
            (Load::Open(_), ArrivalKind::Closed(_)) => ArrivalKind::Poisson,
            (Load::Open(_), kind) => kind,
        }
    }

    /// How long load workers sleep now and then, if that was asked for.
    pub fn generator_sleep(&self) -> Option<Nanos> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::GeneratorSleep(time) => Some(*time),
            _ => None,
        })
    }

    /// The schedule over so many load workers; `None` for a closed loop.
    pub fn schedule(&self, workers: usize) -> Option<Schedule> {
        match self.request.load {
            Load::Open(rate) => Some(Schedule { kind: self.arrivals(), rate, seed: self.seed, workers }),
            Load::Closed(_) => None,
        }
    }

    /// What lies between load and server, if there are sockets at all.
    pub fn network(&self) -> Network {
        self.link.as_ref().map_or(Network::default(), |link| Network { kind: NetworkKind::Netns, cap: link.cap() })
    }

    /// Load workers: one per load seat, at least one.
    pub fn workers(&self) -> usize {
        self.placed.load.len().max(1)
    }

    /// Connections of each load worker: as asked, or four times λ·limit (Little) within 32 and 1024 in all, spread so
    /// that every worker has at least one.
    pub fn connections_by_worker(&self) -> Vec<usize> {
        let workers = self.workers();
        let all = match self.request.load {
            Load::Closed(depth) => depth as usize,
            Load::Open(rate) => self.connections.unwrap_or_else(|| {
                let limit = self.largest_limit().unwrap_or(DEFAULT_LIMIT);
                let busy = rate.per_s() * limit.as_secs_f64();
                ((CONNECTIONS_OVER_LITTLE * busy).ceil() as usize).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
            }),
        };
        // A worker without a connection could not carry its share of an open schedule; of a closed loop it has none.
        let least = usize::from(matches!(self.request.load, Load::Open(_)));
        (0..workers).map(|w| (all / workers + usize::from(w < all % workers)).max(least)).collect()
    }

    /// How long answers are waited for after the window: ten times the largest limit, at least a second, at most the time-out.
    pub fn drain(&self) -> Nanos {
        let limit = self.largest_limit().unwrap_or_default();
        (limit * 10).max(MIN_DRAIN).min(self.timeout)
    }

    /// The largest latency limit asked for.
    pub fn largest_limit(&self) -> Option<Nanos> {
        self.request.limits.iter().copied().max()
    }

    /// The smallest latency limit asked for.
    pub fn smallest_limit(&self) -> Option<Nanos> {
        self.request.limits.iter().copied().min()
    }
}

/// What became of one operation of a traced trial. Times are nanoseconds from the trial's start; the window begins at
/// the record's `warmup_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// The operation's number, unique in the trial: the one its workload was given.
    pub id: u64,
    /// When it was due.
    pub intended_ns: u64,
    /// When it was sent; `u64::MAX` if never.
    pub sent_ns: u64,
    /// When its correct answer was complete; `u64::MAX` if it failed or was never answered.
    pub done_ns: u64,
    /// What its answer told; the end of its service from the trial's start as well, 0 if it told none.
    pub told: Told,
}

/// What a trial gives back.
#[derive(Clone, Debug)]
pub struct TrialOutput {
    /// The record.
    pub record: TrialRecord,
    /// The distributions.
    pub histograms: TrialHistograms,
    /// Every operation from the trial's start on, in the order they were due, when a trace was asked for.
    pub trace: Option<Vec<TraceRow>>,
    /// Where the target's time went, when that was asked for and the window was completed.
    pub profile: Option<Profile>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use corecurve_core::{Purpose, Rate};

    pub(crate) fn setup(load: Load, window: Nanos) -> TrialSetup {
        TrialSetup {
            cell: CellId("00-test".into()),
            rep: 0,
            attempt: 0,
            trial: 0,
            target: "test".into(),
            workload: "test".into(),
            placed: Placed::default(),
            cores: 1,
            arrival: ArrivalKind::Poisson,
            connections: None,
            requests_per_connection: None,
            transport: TransportKind::default(),
            link: None,
            counters: Collectors::default(),
            caveats: Vec::new(),
            faults: Vec::new(),
            request: TrialRequest {
                purpose: Purpose::Fixed,
                load,
                window,
                limits: vec![Nanos(5_000_000), Nanos(20_000_000)],
                fresh_target: false,
            },
            seed: 7,
            warmup: None,
            warmup_max: Nanos(2_000_000_000),
            timeout: Nanos(10_000_000_000),
            trace: false,
            profile: false,
            strict: false,
        }
    }

    #[test]
    fn connections_follow_little_unless_told() {
        let mut setup = setup(Load::Open(Rate(10_000.0)), Nanos::SECOND);
        assert_eq!(setup.connections_by_worker(), [800]);
        setup.connections = Some(5);
        setup.placed.load = vec![corecurve_core::Seat { cpu: corecurve_core::CpuId(0), node: None }; 3];
        assert_eq!(setup.connections_by_worker(), [2, 2, 1]);
        setup.request.load = Load::Closed(2);
        assert_eq!(setup.connections_by_worker(), [1, 1, 0]);
        setup.request.load = Load::Open(Rate(1.0));
        setup.connections = None;
        assert_eq!(setup.connections_by_worker().iter().sum::<usize>(), MIN_CONNECTIONS);
    }

    #[test]
    fn the_drain_is_bounded_on_both_sides() {
        let mut setup = setup(Load::Open(Rate(1.0)), Nanos::SECOND);
        assert_eq!(setup.drain(), Nanos::SECOND);
        setup.request.limits = vec![Nanos::SECOND];
        assert_eq!(setup.drain(), Nanos(10_000_000_000));
        setup.timeout = Nanos(3_000_000_000);
        assert_eq!(setup.drain(), Nanos(3_000_000_000));
    }

    #[test]
    fn the_request_decides_between_open_and_closed() {
        let mut setup = setup(Load::Closed(9), Nanos::SECOND);
        assert_eq!(setup.arrivals(), ArrivalKind::Closed(9));
        assert!(setup.schedule(1).is_none());
        setup.arrival = ArrivalKind::Closed(4);
        setup.request.load = Load::Open(Rate(5.0));
        assert_eq!(setup.arrivals(), ArrivalKind::Poisson);
    }
}
