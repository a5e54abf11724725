//! The null target: an operation is complete as soon as it is submitted. What is left is the harness itself, under the same
//! schedule, recorder and controller as over sockets: its ceiling, and its cost for each operation.

use std::hint::black_box;

use corecurve_core::{ErrorClass, Nanos, Problem, Rate, Running, Wire};
use corecurve_machine::clock;
use corecurve_machine::pin::PinAudit;
use rand::SeedableRng as _;

use super::assemble::on_time_within;
use super::orders::{Totals, UNDECIDED};
use super::real::{Post, Report, conduct};
use super::setup::{TraceRow, TrialOutput, TrialSetup};
use crate::recorder::{Keeps, Recorder};
use crate::schedule::{Ahead, Phase, Schedule};
use crate::stop::StopFlag;
use crate::worker::{Agenda, Busy, await_start, take_seat, workload_seed};

pub(super) fn null_trial<W: Wire>(
    setup: &TrialSetup,
    running: &mut dyn Running,
    workload: &(dyn Fn(usize, u64) -> W + Sync),
    stop: &StopFlag,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<TrialOutput, Problem> {
    let work = |post: Post<'_>| {
        let pin = take_seat(setup, post.worker)?;
        let operations = workload(post.worker, workload_seed(setup.seed, post.worker));
        Ok(null_worker(post, operations, pin))
    };
    conduct(setup, running, None, work, stop, progress)
}

/// Operations between two looks at orders and board.
const ROUND: u64 = 256;

fn null_worker<W: Wire>(post: Post<'_>, mut workload: W, pin: Option<PinAudit>) -> Report {
    let Post { worker, setup, orders } = post;
    let mut rng = corecurve_core::Rng::seed_from_u64(workload_seed(setup.seed, worker));
    let mut agenda = Agenda::new(setup, worker);
    let mut recorder = Recorder::new(setup.request.window, &setup.request.limits, on_time_within(setup));
    let mut out = Vec::with_capacity(64 << 10);
    let (mut busy, mut totals, mut id, mut longest_gap) = (Busy::default(), Totals::default(), worker as u64, 0u64);
    let start = await_start(orders);
    if let Some(agenda) = &mut agenda {
        agenda.begin(start);
    }
    let mut now = clock::now().0;
    let mut opened = false;
    loop {
        let before = now;
        if !opened && orders.window() != UNDECIDED {
            opened = true;
            recorder.open(orders.window());
            if let Some(agenda) = &mut agenda {
                agenda.open(orders.window());
            }
        }
        if orders.cut() != UNDECIDED {
            recorder.cut(orders.cut());
            if let Some(agenda) = &mut agenda {
                agenda.cut(orders.cut());
            }
        }
        if opened && now >= recorder.window().start() {
            busy.opens(now, false);
        }
        let over = now >= recorder.window().end();
        if over {
            busy.ends(now, false);
        }
        if now >= orders.give_up() || (over && agenda.as_mut().and_then(Agenda::peek).is_none()) {
            break;
        }
        let mut idle = true;
        for _ in 0..ROUND {
            let intended = match &mut agenda {
                Some(agenda) => match agenda.peek().filter(|due| *due <= now) {
                    Some(due) => {
                        agenda.pop();
                        due
                    }
                    None => break,
                },
                None if now >= recorder.window().end() || now < start => break,
                None => now,
            };
            idle = false;
            let op = workload.next(id, &mut rng);
            out.clear();
            workload.encode(&op, false, &mut out);
            black_box(&out);
            id += setup.workers() as u64;
            recorder.due(intended);
            let sent = clock::now().0;
            recorder.sent(intended, sent, false);
            now = clock::now().0;
            recorder.ok(intended, sent, now);
            totals.due += 1;
            totals.completed += 1;
            totals.latency_sum += now - intended;
        }
        if idle {
            std::hint::spin_loop();
            now = clock::now().0;
            busy.idle(now - before);
            if let Some(agenda) = &mut agenda {
                agenda.top_up();
            }
        }
        longest_gap = longest_gap.max(now - before);
        if !idle {
            orders.board(worker).publish(totals);
        }
    }
    // What the controller gave up on.
    while let Some(due) = agenda.as_mut().and_then(Agenda::peek) {
        if let Some(agenda) = &mut agenda {
            agenda.pop();
        }
        recorder.due(due);
        recorder.never_sent(due, false);
    }
    Report {
        recorder,
        trace: Vec::<TraceRow>::new(),
        pin: pin.map(PinAudit::end),
        busy: busy.share(),
        longest_gap: Nanos(longest_gap),
        connections: 0,
        failed_connections: Vec::<(ErrorClass, u64)>::new(),
        unsolicited: 0,
        received: (0, 0),
    }
}

/// What the harness itself costs for each operation, in nanoseconds: the part of every measurement that is not the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfCost {
    /// Taking the next intended time from a schedule made ahead.
    pub schedule_ns: f64,
    /// Booking an operation: due, sent, completed.
    pub record_ns: f64,
    /// One reading of the clock; an open loop takes two for each operation, a closed loop one.
    pub clock_ns: f64,
    /// Operations behind each figure.
    pub operations: u64,
}

impl SelfCost {
    /// Schedule and record together.
    pub fn per_operation_ns(&self) -> f64 {
        self.schedule_ns + self.record_ns
    }
}

/// Measures [`SelfCost`] on the calling thread: the median of five rounds. Cost: some tens of milliseconds.
pub fn self_cost() -> SelfCost {
    const OPERATIONS: u64 = 200_000;
    const ROUNDS: usize = 5;
    let schedule = Schedule { kind: corecurve_core::ArrivalKind::Poisson, rate: Rate(1e6), seed: 1, workers: 1 };
    let window = Nanos(1_000 * OPERATIONS);
    let limits = [Nanos(1_000_000), Nanos(5_000_000)];
    let mut recorder = Recorder::new(window, &limits, Nanos(50_000));
    let (mut scheduling, mut recording) = ([0.0; ROUNDS], [0.0; ROUNDS]);
    for round in 0..ROUNDS {
        let arrivals = schedule.arrivals(0, Phase::Window);
        let mut ahead = Ahead::new(arrivals, window.0, OPERATIONS as f64);
        let mut due = Vec::with_capacity(OPERATIONS as usize * 2);
        let begin = clock::now();
        while let Some(at) = ahead.peek() {
            ahead.pop();
            due.push(at);
        }
        let per_operation = |begin: Nanos| (clock::now() - begin).0 as f64 / due.len().max(1) as f64;
        scheduling[round] = per_operation(begin);
        recorder.reset(window, &limits, Nanos(50_000), Keeps::Intervals);
        recorder.open(0);
        let begin = clock::now();
        for at in &due {
            recorder.due(*at);
            recorder.sent(*at, at + 700, false);
            recorder.ok(*at, at + 700, at + 60_000 + (at & 0xffff));
        }
        recording[round] = per_operation(begin);
        black_box(&recorder);
    }
    let median = |mut values: [f64; ROUNDS]| {
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    SelfCost {
        schedule_ns: median(scheduling),
        record_ns: median(recording),
        clock_ns: clock::precision().cost_ns,
        operations: OPERATIONS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_has_a_cost_and_says_so() {
        let cost = self_cost();
        assert!(cost.schedule_ns > 0.0 && cost.record_ns > 0.0 && cost.clock_ns > 0.0, "{cost:?}");
        assert!(cost.per_operation_ns() > cost.record_ns);
    }
}
