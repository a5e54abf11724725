//! A processor made up: so many counters, events at known rates, groups that take turns where they do not fit.

use std::sync::{Arc, Mutex};

use corecurve_core::{CpuCounts, Side, ThreadCounts};

use super::*;

const MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct FakePmu(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    counters: usize,
    lacks: Vec<Event>,
    forbids_cpus: bool,
    turn: usize,
    groups: Vec<FakeState>,
}

#[derive(Debug)]
struct FakeState {
    scope: Scope,
    events: Vec<Event>,
    always: bool,
    stopped: bool,
    values: Vec<Value>,
}

#[derive(Debug)]
struct FakeGroup {
    pmu: FakePmu,
    at: usize,
    events: Vec<Event>,
}

/// Events per nanosecond.
fn rate(event: Event) -> u64 {
    match event {
        Event::Cycles => 3,
        Event::Instructions => 6,
        Event::StalledFrontEnd | Event::StalledBackEnd => 1,
        _ => 2,
    }
}

impl FakePmu {
    fn new(counters: usize) -> FakePmu {
        FakePmu(Arc::new(Mutex::new(State {
            counters,
            lacks: Vec::new(),
            forbids_cpus: false,
            turn: 0,
            groups: Vec::new(),
        })))
    }

    fn lacking(self, event: Event) -> FakePmu {
        self.0.lock().unwrap().lacks.push(event);
        self
    }

    /// Time in which `thread` runs on CPU 0, a millisecond at a time.
    fn pass(&self, time: u64, thread: Pid) {
        for _ in 0..time / MS {
            self.0.lock().unwrap().tick(thread);
        }
    }
}

impl State {
    fn tick(&mut self, thread: Pid) {
        let here = |group: &FakeState| {
            !group.stopped && (group.scope == Scope::Thread(thread) || group.scope == Scope::Cpu(CpuId(0)))
        };
        let mut order: Vec<usize> = (0..self.groups.len()).filter(|at| here(&self.groups[*at])).collect();
        self.turn += 1;
        let turn = self.turn % order.len().max(1);
        order.rotate_left(turn);
        order.sort_by_key(|at| !self.groups[*at].always);
        let mut free = self.counters;
        for at in order {
            let group = &mut self.groups[at];
            let fits = group.events.len() <= free;
            free -= if fits { group.events.len() } else { 0 };
            for (value, event) in group.values.iter_mut().zip(&group.events) {
                value.enabled += MS;
                value.running += if fits { MS } else { 0 };
                value.count += if fits { MS * rate(*event) } else { 0 };
            }
        }
    }
}

impl Pmu for FakePmu {
    fn open(&self, scope: Scope, events: &[Event], always: bool) -> Result<Box<dyn Group>, Refusal> {
        let mut state = self.0.lock().unwrap();
        if state.forbids_cpus && matches!(scope, Scope::Cpu(_)) {
            return Err(Refusal::Forbidden);
        }
        let events: Vec<Event> = events.iter().copied().filter(|event| !state.lacks.contains(event)).collect();
        if events.is_empty() {
            return Err(Refusal::Absent);
        }
        let values = vec![Value::default(); events.len()];
        state.groups.push(FakeState { scope, events: events.clone(), always, stopped: false, values });
        Ok(Box::new(FakeGroup { pmu: self.clone(), at: state.groups.len() - 1, events }))
    }
}

impl Group for FakeGroup {
    fn events(&self) -> &[Event] {
        &self.events
    }

    fn read(&mut self) -> Result<Vec<Value>, String> {
        Ok(self.pmu.0.lock().unwrap().groups[self.at].values.clone())
    }

    fn give_way(&mut self) {
        self.pmu.0.lock().unwrap().groups[self.at].stopped = true;
    }
}

/// Counts two threads, 7 for 300 ms and 8 for 100 ms of the window, on one CPU.
fn count(pmu: &FakePmu) -> Counters {
    let mut processor = Box::new(Processor { user_only: false, threads: vec![], cpus: vec![], missing: vec![] });
    processor.open(pmu, &[(1, 7), (1, 8)], &[CpuId(0)]);
    pmu.pass(50 * MS, 7);
    processor.begin();
    pmu.pass(300 * MS, 7);
    pmu.pass(100 * MS, 8);
    processor.end();
    let thread = |tid| ThreadCounts { pid: 1, tid, ..ThreadCounts::default() };
    let cpu = CpuCounts { cpu: CpuId(0), side: Side::Server, ..CpuCounts::default() };
    let mut counters = Counters { threads: vec![thread(7), thread(8)], cpus: vec![cpu], ..Counters::default() };
    processor.tell(&mut counters);
    counters
}

fn close(seen: Option<f64>, expected: u64) -> bool {
    seen.is_some_and(|seen| (seen / expected as f64 - 1.0).abs() < 0.1)
}

#[test]
fn with_counters_enough_every_event_is_exact_by_thread_and_by_cpu() {
    let counters = count(&FakePmu::new(10));
    assert_eq!(counters.missing, []);
    let [seven, eight] = &counters.threads[..] else { panic!("{counters:?}") };
    let (seven, eight) = (seven.hardware.unwrap(), eight.hardware.unwrap());
    assert_eq!((seven.running_share, seven.cycles, seven.instructions), (1.0, Some(9e8), Some(18e8)));
    assert_eq!((eight.cycles, eight.llc_misses, eight.dtlb_misses), (Some(3e8), Some(2e8), Some(2e8)));
    assert_eq!(seven.stalled_cycles, Some(6e8), "the front end's and the back end's");
    let all = counters.threads_hardware().unwrap();
    assert_eq!((all.cycles, all.cycles_per_instruction()), (Some(12e8), Some(0.5)));
    let cpu = counters.cpus_hardware(None).unwrap();
    assert_eq!((cpu.cycles, cpu.instructions, cpu.llc_misses), (Some(12e8), Some(24e8), None));
    let each = all.per(1_000).unwrap();
    assert_eq!((each.cycles, each.instructions, each.branch_misses), (Some(12e5), Some(24e5), Some(8e5)));
}

#[test]
fn cpus_give_way_where_both_do_not_fit() {
    let counters = count(&FakePmu::new(8));
    assert_eq!(counters.cpus_hardware(None), None);
    assert!(counters.why_missing(OF_CPUS_NAME).unwrap().contains("too few"));
    let all = counters.threads_hardware().unwrap();
    assert_eq!((all.running_share, all.cycles, all.llc_misses), (1.0, Some(12e8), Some(8e8)));
    assert_eq!(counters.missing.len(), 1, "{:?}", counters.missing);
}

#[test]
fn events_that_took_turns_are_refused_and_those_that_did_not_are_kept() {
    let counters = count(&FakePmu::new(6));
    let all = counters.threads_hardware().unwrap();
    assert_eq!((all.cycles, all.instructions, all.branch_misses), (Some(12e8), Some(24e8), Some(8e8)));
    assert_eq!((all.llc_misses, all.l1d_misses, all.dtlb_misses, all.stalled_cycles), (None, None, None, None));
    assert!(all.running_share > 0.2 && all.running_share < 0.6, "{}", all.running_share);
    let missing = counters.missing.iter().find(|missing| missing.what == "hardware counters: data TLB misses").unwrap();
    assert!(missing.why.contains(" % of the time") && missing.help.is_some(), "{missing:?}");
}

#[test]
fn a_count_is_scaled_to_its_time_and_only_from_nine_tenths_on() {
    let value = Value { count: 950, enabled: 1_000, running: 950 };
    assert_eq!((value.share(), value.scaled()), (0.95, 1_000.0));
    assert_eq!((Value::default().share(), Value::default().scaled()), (1.0, 0.0), "one that never ran");
    let before = Value { count: 900, enabled: 500, running: 100 };
    assert_eq!(Value { count: 1_800, enabled: 1_500, running: 1_000 }.since(before).share(), 0.9, "of the window only");
    let group = |running| {
        let pmu = FakePmu::new(3);
        let group = pmu.open(Scope::Thread(7), &[Event::Cycles], true).unwrap();
        let after = vec![Value { count: 1_000, enabled: 1_000, running }];
        Counted { of: 7, groups: vec![Open { group, before: Ok(vec![Value::default()]), after: Ok(after) }] }
    };
    let mut unstated = BTreeMap::new();
    assert!(close(group(900).tell(&mut unstated).cycles, 1_111));
    assert!(unstated.is_empty());
    assert_eq!(group(899).tell(&mut unstated).cycles, None);
    assert!(unstated[&Event::Cycles].contains("90 %"), "{unstated:?}");
}

#[test]
fn what_the_processor_lacks_or_forbids_is_said() {
    let pmu = FakePmu::new(10).lacking(Event::StalledBackEnd).lacking(Event::LlcMisses).lacking(Event::L1dMisses);
    pmu.0.lock().unwrap().forbids_cpus = true;
    let counters = count(&pmu);
    let seven = counters.threads[0].hardware.unwrap();
    assert_eq!((seven.stalled_cycles, seven.llc_misses, seven.dtlb_misses), (Some(3e8), None, Some(6e8)));
    for what in ["hardware counters: last-level cache misses", "hardware counters: cycles stalled at the back end"] {
        assert!(counters.why_missing(what).unwrap().contains("no such event"), "{:?}", counters.missing);
    }
    let cpus = counters.missing.iter().find(|missing| missing.what == OF_CPUS_NAME).unwrap();
    assert!(
        cpus.help.as_ref().unwrap().contains("perf_event_paranoid=0")
            && cpus.help.as_ref().unwrap().contains("CAP_PERFMON")
    );
    assert_eq!(counters.cpus_hardware(None), None);
}

#[test]
fn a_group_that_cannot_be_read_has_its_reason() {
    let pmu = FakePmu::new(3);
    let group = pmu.open(Scope::Thread(7), &[Event::Cycles], true).unwrap();
    let open = Open { group, before: Ok(vec![Value::default()]), after: Err("its place was taken".to_owned()) };
    let mut unstated = BTreeMap::new();
    assert_eq!(Counted { of: 7, groups: vec![open] }.tell(&mut unstated).cycles, None);
    assert_eq!(unstated[&Event::Cycles], "its place was taken");
}
