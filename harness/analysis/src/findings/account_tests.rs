//! The account adds up, whatever it is made of.

use corecurve_core::{
    Counters, CpuCounts, CpuId, CpuSplit, Hardware, MatRecord, Nanos, Side, ThreadCounts, TrialRecord,
};
use proptest::prelude::*;

use super::testing::{answer, cell, run, trial};
use super::{Account, Part, RunData, analyse};

/// Window of every trial here, seconds.
const WINDOW: f64 = 5.0;

/// CPU time of a request in microseconds by user, system and softirq, and how busy each core is.
#[derive(Clone, Copy, Debug)]
struct Cost {
    user: f64,
    system: f64,
    softirq: f64,
}

impl Cost {
    fn total(self) -> f64 {
        self.user + self.system + self.softirq
    }
}

fn ns(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9).round() as u64)
}

/// A trial in which each core is busy for its share with requests of this cost.
fn measured(of: &corecurve_core::Cell, busy: &[f64], cost: Cost) -> TrialRecord {
    let rate = busy.iter().sum::<f64>() * 1e6 / cost.total();
    let mut made = trial(of, 1, rate);
    made.counts.ok = (rate * WINDOW) as u64;
    made.achieved_per_s = rate;
    let part = |share: f64, of: f64| ns(share * of / cost.total() * WINDOW);
    let cpu = |(index, share): (usize, &f64)| CpuCounts {
        cpu: CpuId(index as u32),
        side: Side::Server,
        user_ns: part(*share, cost.user),
        system_ns: part(*share, cost.system),
        softirq_ns: part(*share, cost.softirq),
        idle_ns: ns((1.0 - share) * WINDOW),
        ..CpuCounts::default()
    };
    // Interrupts come while threads run, so their time holds them.
    let thread = |(index, share): (usize, &f64)| ThreadCounts {
        tid: index as u32 + 1,
        cpu: Some(CpuId(index as u32)),
        cpu_ns: ns(share * WINDOW),
        split: CpuSplit { user_ns: part(*share, cost.user), system_ns: part(*share, cost.system + cost.softirq) },
        ..ThreadCounts::default()
    };
    made.counters = Some(Counters {
        span_ns: ns(WINDOW),
        threads: busy.iter().enumerate().map(thread).collect(),
        cpus: busy.iter().enumerate().map(cpu).collect(),
        ..Counters::default()
    });
    made
}

/// A run over two core counts, each measured so.
fn two(a: (&[f64], Cost), b: (&[f64], Cost)) -> RunData {
    let cells: Vec<_> = [("a", a.0.len()), ("b", b.0.len())].map(|(id, n)| cell(id, "server", n, false)).into();
    let trials: Vec<TrialRecord> =
        cells.iter().zip([a, b]).map(|(cell, (busy, cost))| measured(cell, busy, cost)).collect();
    let mats: Vec<MatRecord> =
        cells.iter().zip(&trials).map(|(cell, trial)| answer(cell, 0, trial.achieved_per_s, 0.01)).collect();
    RunData { trials, ..run(cells, mats) }
}

fn account(run: &RunData) -> Account {
    let found = analyse(run).accounts;
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn bar(account: &Account, part: Part) -> f64 {
    account.bars.iter().find(|bar| bar.part == part).map_or(0.0, |bar| bar.ln)
}

#[test]
fn each_loss_has_its_bar() {
    let cost = Cost { user: 20.0, system: 8.0, softirq: 4.0 };
    let even = account(&two((&[0.95], cost), (&[0.95; 4], cost)));
    assert!(even.bars.iter().all(|bar| bar.ln.abs() < 1e-6), "{even:?}");

    let lock = Cost { system: 16.0, ..cost };
    let kernel = account(&two((&[0.95], cost), (&[0.95; 4], lock)));
    assert!((bar(&kernel, Part::System) - (32f64 / 40.0).ln()).abs() < 1e-6, "{kernel:?}");
    assert!(bar(&kernel, Part::User).abs() < 1e-6 && bar(&kernel, Part::Softirq).abs() < 1e-6);

    let uneven = account(&two((&[0.95], cost), (&[0.95, 0.45, 0.5, 0.46], cost)));
    assert!((bar(&uneven, Part::Balance) - (0.59f64 / 0.95).ln()).abs() < 1e-6, "{uneven:?}");
    assert!(bar(&uneven, Part::Utilisation).abs() < 1e-6);

    let idle = account(&two((&[0.96], cost), (&[0.48; 4], cost)));
    assert!((bar(&idle, Part::Utilisation) - 0.5f64.ln()).abs() < 1e-6, "{idle:?}");
}

#[test]
fn other_programs_are_a_bar_of_their_own() {
    let cost = Cost { user: 20.0, system: 8.0, softirq: 0.0 };
    let mut run = two((&[0.95], cost), (&[0.95; 2], cost));
    for trial in run.trials.iter_mut().skip(1) {
        let counters = trial.counters.as_mut().unwrap();
        for thread in &mut counters.threads {
            thread.cpu_ns = thread.cpu_ns.scale(0.8);
        }
        // The rest of the time somebody else had: fewer requests were done.
        trial.counts.ok = (trial.counts.ok as f64 * 0.8) as u64;
        trial.achieved_per_s *= 0.8;
        trial.offered_per_s *= 0.8;
    }
    run.mats[1] = answer(&run.plan.cells[1], 0, run.trials[1].achieved_per_s, 0.01);
    let found = account(&run);
    assert!(bar(&found, Part::Foreign) < -0.15, "{found:?}");
    assert!(bar(&found, Part::User).abs() < 0.01 && found.closes, "{found:?}");
    assert!((found.usage[1].foreign.unwrap() - 0.19).abs() < 0.01);
}

#[test]
fn with_a_pmu_the_cost_is_instructions_cycles_and_clock() {
    let cost = Cost { user: 20.0, system: 8.0, softirq: 0.0 };
    let slower = Cost { user: 30.0, ..cost };
    let mut run = two((&[0.95], cost), (&[0.95; 2], slower));
    for (trial, (instructions, cpi)) in run.trials.iter_mut().zip([(1000.0, 1.0), (1000.0, 1.357)]) {
        let requests = trial.counts.ok as f64;
        let threads = &mut trial.counters.as_mut().unwrap().threads;
        let each = requests / threads.len() as f64;
        for thread in threads.iter_mut() {
            thread.hardware = Some(Hardware {
                running_share: 1.0,
                instructions: Some(instructions * each),
                cycles: Some(instructions * cpi * each),
                ..Hardware::default()
            });
        }
    }
    let found = account(&run);
    assert!(bar(&found, Part::Instructions).abs() < 1e-4, "{found:?}");
    assert!((bar(&found, Part::Cpi) - (1.0 / 1.357f64).ln()).abs() < 1e-4);
    assert!(bar(&found, Part::Frequency).abs() < 1e-3, "a request takes 38/28 as long and 1.357 as many cycles");
}

#[test]
fn a_simulation_has_its_utilisation_alone() {
    let cells: Vec<_> = [1, 64].map(|n| cell(&format!("s{n}"), "sim:mmc", n, false)).into();
    let made = |(cell, (rate, busy)): (&corecurve_core::Cell, (f64, f64))| {
        let mut made = trial(cell, 1, rate);
        made.utilisation = Some(busy);
        made
    };
    let given = [(5_000.0, 0.5), (620_000.0, 0.96875)];
    let trials: Vec<TrialRecord> = cells.iter().zip(given).map(made).collect();
    let mats = cells.iter().zip(given).map(|(cell, (rate, _))| answer(cell, 0, rate, 0.002)).collect();
    let found = account(&RunData { trials, ..run(cells, mats) });
    assert!(found.closes && (found.sum - found.ln_efficiency).abs() < 1e-9, "{found:?}");
    assert!((bar(&found, Part::Utilisation) - (0.96875f64 / 0.5).ln()).abs() < 1e-9);
    assert!(bar(&found, Part::Cpu).abs() < 1e-9, "a service takes as long on any number of servers");
}

proptest! {
    #[test]
    fn the_bars_add_up(
        (a, b) in (prop::collection::vec(0.05..0.99f64, 1..2), prop::collection::vec(0.05..0.99f64, 2..9)),
        (u, s, i) in (1.0..80.0f64, 0.5..80.0f64, 0.0..20.0f64),
        (v, t, j) in (1.0..80.0f64, 0.5..80.0f64, 0.0..20.0f64),
    ) {
        let run = two(
            (&a, Cost { user: u, system: s, softirq: i }),
            (&b, Cost { user: v, system: t, softirq: j }),
        );
        let found = account(&run);
        let bars: f64 = found.bars.iter().map(|bar| bar.ln).sum();
        prop_assert!((bars - found.sum).abs() < 1e-9);
        prop_assert!((found.sum - found.ln_efficiency).abs() < 1e-4, "{:?}", found);
        prop_assert!(found.closes);
        prop_assert!(found.bars.iter().all(|bar| bar.ln.is_finite() && bar.error.is_finite()));
    }
}
