use super::*;
use proptest::prelude::*;

const WINDOW: Nanos = Nanos(1_000_000);

/// What becomes of an operation in these tests.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Ok { lag: u64, service: u64 },
    Failed { lag: u64, service: u64, class: usize },
    Unanswered { lag: u64 },
    NeverSent,
}

fn fate() -> impl Strategy<Value = Fate> {
    let (lag, service) = (0u64..200_000, 0u64..3_000_000);
    prop_oneof![
        8 => (lag.clone(), service.clone()).prop_map(|(lag, service)| Fate::Ok { lag, service }),
        1 => (lag.clone(), service, 0..10usize).prop_map(|(lag, service, class)| Fate::Failed { lag, service, class }),
        1 => lag.prop_map(|lag| Fate::Unanswered { lag }),
        1 => Just(Fate::NeverSent),
    ]
}

fn play(recorder: &mut Recorder, start: u64, ops: &[(u64, Fate)]) {
    let mut opened = false;
    for (intended, _) in ops {
        if !opened && *intended >= start {
            recorder.open(start);
            opened = true;
        }
        recorder.due(*intended);
    }
    if !opened {
        recorder.open(start);
    }
    for (intended, fate) in ops {
        let intended = *intended;
        match *fate {
            Fate::Ok { lag, service } => {
                recorder.sent(intended, intended + lag, lag > 100_000);
                recorder.ok(intended, intended + lag, intended + lag + service);
            }
            Fate::Failed { lag, service, class } => {
                recorder.sent(intended, intended + lag, false);
                recorder.failed(intended, intended + lag + service, ErrorClass::ALL[class]);
            }
            Fate::Unanswered { lag } => {
                recorder.sent(intended, intended + lag, false);
                recorder.unanswered(intended);
            }
            Fate::NeverSent => recorder.never_sent(intended, true),
        }
    }
}

proptest! {
    /// Whatever happens to the operations, the books balance, the counts over each limit are exact, the intervals add
    /// up, what is in flight is right at every interval's end, and Little's identity holds to the nanosecond.
    #[test]
    fn books_are_exact(
        mut due in prop::collection::vec((0u64..1_600_000, fate()), 0..400),
        limits in prop::collection::vec((1u64..4_000_000).prop_map(Nanos), 0..5),
    ) {
        due.sort_by_key(|(intended, _)| *intended);
        let start = 500_000;
        let end = start + WINDOW.0;
        due.retain(|(intended, _)| *intended < end);
        let mut recorder = Recorder::new(WINDOW, &limits, Nanos(50_000));
        play(&mut recorder, start, &due);
        let inside: Vec<_> = due.iter().filter(|(intended, _)| *intended >= start).collect();
        let counts = recorder.counts(inside.len() as u64);
        prop_assert!(counts.balanced(), "{:?}", counts);
        prop_assert_eq!(recorder.due_in_window(), inside.len() as u64);

        let latencies: Vec<u64> = inside
            .iter()
            .filter_map(|(_, fate)| match fate { Fate::Ok { lag, service } => Some(lag + service), _ => None })
            .collect();
        prop_assert_eq!(counts.ok, latencies.len() as u64);
        for (limit, count) in limits.iter().zip(recorder.limits()) {
            let over = latencies.iter().filter(|l| **l > limit.0).count() + inside.len() - latencies.len();
            prop_assert_eq!((count.limit_ns, count.over), (*limit, over as u64));
        }
        let sum: u64 = latencies.iter().sum();
        prop_assert_eq!(recorder.flow().latency_sum(recorder.window()), sum as f64);

        let intervals = recorder.intervals(None);
        prop_assert_eq!(intervals.iter().map(|i| i.scheduled).sum::<u64>(), counts.scheduled);
        prop_assert_eq!(intervals.iter().map(|i| i.ok).sum::<u64>(), counts.ok);
        for (i, interval) in intervals.iter().enumerate() {
            let (at, length) = recorder.window().slice(i);
            let close = start + at.0 + length.0;
            let in_flight = due.iter().filter(|(intended, fate)| {
                let done = match fate {
                    Fate::Ok { lag, service } | Fate::Failed { lag, service, .. } => intended + lag + service,
                    _ => u64::MAX,
                };
                *intended < close && done >= close
            });
            prop_assert_eq!(interval.in_flight, in_flight.count() as u64, "interval {}", i);
        }
    }

    /// Merging the books of two workers is the same as keeping one.
    #[test]
    fn merging_is_adding(ops in prop::collection::vec((500_000u64..1_500_000, fate()), 0..200)) {
        let limits = [Nanos(100_000), Nanos(50_000)];
        let books = |ops: &[(u64, Fate)]| {
            let mut recorder = Recorder::new(WINDOW, &limits, Nanos(50_000));
            play(&mut recorder, 500_000, ops);
            recorder
        };
        let (left, right): (Vec<_>, Vec<_>) = ops.iter().enumerate().partition(|(i, _)| i % 3 == 0);
        let part = |half: Vec<(usize, &(u64, Fate))>| books(&half.into_iter().map(|(_, op)| *op).collect::<Vec<_>>());
        let (mut left, right) = (part(left), part(right));
        left.absorb(&right);
        let whole = books(&ops);
        let n = ops.len() as u64;
        prop_assert_eq!(left.counts(n), whole.counts(n));
        prop_assert_eq!(left.latency(n), whole.latency(n));
        prop_assert_eq!(left.send_lag(n), whole.send_lag(n));
        prop_assert_eq!(left.intervals(None), whole.intervals(None));
        prop_assert_eq!(left.prompt(), whole.prompt());
    }
}

#[test]
fn latency_counts_from_the_intended_start() {
    // A closed-loop clock would read 10 µs here, a late start stamp 0 lag.
    let mut recorder = Recorder::new(WINDOW, &[Nanos(50_000)], Nanos(1_000));
    recorder.open(0);
    for i in 0..500u64 {
        recorder.due(i);
        recorder.sent(i, i + 90_000, false);
        recorder.ok(i, i + 90_000, i + 100_000);
    }
    let close = |at: Option<Nanos>, exact: u64| (at.unwrap().0 as f64 / exact as f64 - 1.0).abs() < 0.002;
    assert!(close(recorder.latency(500).p50.finite(), 100_000));
    assert!(close(recorder.service().p99.finite(), 10_000));
    assert!(close(recorder.send_lag(500).p99.finite(), 90_000));
    assert_eq!(recorder.limits()[0].over, 500);
    assert_eq!(recorder.prompt(), (500, 0), "none of them was on time");
}

#[test]
fn times_beyond_the_histogram_rank_above_it() {
    let mut recorder = Recorder::new(WINDOW, &[Nanos::SECOND], Nanos::MICRO);
    recorder.open(0);
    for i in 0..10u64 {
        recorder.due(i);
        recorder.sent(i, i, false);
        recorder.ok(i, i, if i < 4 { i + 1_000 } else { i + HIGHEST.0 + 1 });
    }
    assert_eq!((recorder.completed(), recorder.overflow()), (10, 6));
    assert_eq!(recorder.latency(10).p50, corecurve_core::Quantile::Beyond);
    assert_eq!(recorder.limits()[0].over, 6);
    assert!(recorder.mean_latency().unwrap() > 3e10, "the mean is exact all the same");
}

#[test]
fn a_reset_recorder_is_a_new_one() {
    let mut used = Recorder::new(Nanos(30_000_000_000), &[Nanos(5)], Nanos(1));
    used.open(0);
    used.due(5);
    used.sent(5, 6, true);
    used.failed(5, 7, ErrorClass::Reset);
    used.reset(WINDOW, &[Nanos(9)], Nanos(2), Keeps::Intervals);
    let new = Recorder::new(WINDOW, &[Nanos(9)], Nanos(2));
    assert_eq!(used.counts(0), new.counts(0));
    assert_eq!(used.limits(), new.limits());
    used.open(0);
    let mut new = new;
    new.open(0);
    assert_eq!(used.intervals(None), new.intervals(None));
    assert_eq!(used.flow(), new.flow());
}

proptest! {
    /// What is sent the moment it is due can be booked the short way: the books are the same.
    #[test]
    fn the_short_way_is_the_long_way(
        ops in prop::collection::vec((0u64..1_500_000, prop::option::of(0u64..90_000_000_000)), 1..200),
    ) {
        let mut long = Recorder::new(WINDOW, &[Nanos(100_000)], Nanos(50_000));
        let mut short = long.clone();
        let n = ops.iter().filter(|(due, _)| *due >= 500_000).count() as u64;
        let (before, after): (Vec<_>, Vec<_>) = ops.iter().partition(|(due, _)| *due < 500_000);
        for part in [&before, &after] {
            for (due, _) in part {
                long.due(*due);
                long.sent(*due, *due, false);
                short.due_at_once(*due);
            }
            if part == &before {
                long.open(500_000);
                short.open(500_000);
            }
        }
        for (due, service) in &ops {
            match service {
                Some(service) => {
                    long.ok(*due, *due, due + service);
                    short.ok_at_once(*due, due + service);
                }
                None => [&mut long, &mut short].into_iter().for_each(|books| books.unanswered(*due)),
            }
        }
        short.settle_at_once();
        prop_assert_eq!(long.counts(n), short.counts(n));
        prop_assert_eq!(long.latency(n), short.latency(n));
        prop_assert_eq!(long.service(), short.service());
        prop_assert_eq!(long.send_lag(n), short.send_lag(n));
        prop_assert_eq!(long.prompt(), short.prompt());
        prop_assert_eq!(long.intervals(None), short.intervals(None));
        prop_assert_eq!(long.flow(), short.flow());
    }
}
