//! Counts per worker: read before the window and after it, never in it, and never a reason to lose a trial.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use corecurve_core::server_stats::{WorkerCounts, WorkerRow};
use corecurve_core::{
    CountsPerWorker, Dealing, Endpoint, Nanos, Pid, Problem, Running, ServerStats, Shares, TargetStats, TransportKind,
    TrialRecord,
};
use corecurve_engine::{StopFlag, run_trial};

use super::support::{Here, Lines, Manner, Server, open};

/// A target that tells what it was given to tell.
struct Telling {
    here: Here,
    answers: VecDeque<Result<ServerStats, String>>,
    asked: Vec<(Instant, Nanos)>,
}

impl CountsPerWorker for Telling {
    fn read(&mut self, patience: Nanos) -> Result<ServerStats, String> {
        self.asked.push((Instant::now(), patience));
        self.answers.pop_front().unwrap()
    }
}

impl Running for Telling {
    fn endpoint(&self) -> Endpoint {
        self.here.endpoint()
    }
    fn pids(&self) -> Vec<Pid> {
        self.here.pids()
    }
    fn check(&mut self) -> Result<(), Problem> {
        self.here.check()
    }
    fn counts_per_worker(&mut self) -> Option<&mut dyn CountsPerWorker> {
        Some(self)
    }
    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}

fn counts(requests: u64) -> Result<ServerStats, String> {
    let counts = WorkerCounts { connections_accepted: 9, connections_open: 9, requests, busy_ns: 0 };
    let workers = vec![WorkerRow { worker: 0, cpu: None, counts }];
    Ok(ServerStats { dealing: Dealing::Race, workers, ..ServerStats::default() })
}

/// A trial with this warm-up and these answers; its record and when it was asked, with what patience.
fn trial(warmup: Option<Nanos>, answers: [Result<ServerStats, String>; 2]) -> (TrialRecord, Vec<(Instant, Nanos)>) {
    let server = Server::start(Manner::Right);
    let mut setup = open(TransportKind::Epoll, 500.0, 400);
    setup.warmup = warmup;
    let mut target = Telling { here: Here::at(server.address), answers: answers.into(), asked: Vec::new() };
    let output = run_trial(&setup, &mut target, &|_, _| Lines::default(), &StopFlag::new(), &mut |_, _| {}).unwrap();
    assert!(output.record.counts.balanced() && output.record.counts.ok > 0);
    (output.record, target.asked)
}

#[test]
fn the_window_lies_between_two_questions() {
    for warmup in [Some(Nanos(300_000_000)), Some(Nanos(20_000_000)), Some(Nanos::ZERO), None] {
        let (record, asked) = trial(warmup, [counts(100), counts(350)]);
        let [(first, patience), (second, _)] = asked.as_slice() else { panic!("asked {} times", asked.len()) };
        assert!(*second - *first >= Duration::from_secs_f64(record.window_s), "{warmup:?}");
        assert!(*patience > Nanos::ZERO, "{warmup:?}: no time to answer");
        let Some(Shares::Told(told)) = record.shares else { panic!("{warmup:?}: {:?}", record.shares) };
        assert_eq!((told.workers[0].requests, told.workers[0].connections_open), (250, 9));
        assert!(told.span_s >= record.window_s);
    }
}

#[test]
fn a_target_that_does_not_answer_costs_the_shares_and_nothing_else() {
    for answers in [[Err("it is asleep".to_owned()), counts(1)], [counts(1), Err("it is asleep".to_owned())]] {
        let (record, _) = trial(Some(Nanos(150_000_000)), answers);
        let Some(Shares::Unknown { unknown }) = &record.shares else { panic!("{:?}", record.shares) };
        assert!(unknown.contains("it is asleep"), "{unknown}");
    }
}
