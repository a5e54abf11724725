//! The hand-written hand-off pieces, in every interleaving and every reordering that the memory model allows.
//!
//! Loom runs each model again and again, once for each order in which its threads can meet. The pieces are the very
//! files of the library, compiled here over atomics that can be told to misbehave: a check that does not notice a
//! planted fault would prove nothing, so each fault must be found.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "not every model uses every part")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Wake, Waker};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool as Flag, AtomicUsize as Plain, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use bell::Bell;
use sleepers::Sleepers;
use turn::Turn;

#[path = "common/faulty_sync.rs"]
mod sync;

#[path = "../src/runtime/bell.rs"]
mod bell;
#[path = "../src/runtime/sleepers.rs"]
mod sleepers;
#[path = "../src/runtime/turn.rs"]
mod turn;

use sync::Fault;

/// Goes through the interleavings of `model`, with at most three preemptions in each: the bound that Musuvathi and
/// Qadeer found enough for nearly every known fault, and that keeps this quick.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// The model holds as the code is, and each of the faults breaks it.
fn holds_unless(faults: &[Fault], model: fn()) {
    explore(model);
    for fault in faults {
        let planted = sync::plant(*fault);
        let found = catch_unwind(AssertUnwindSafe(|| explore(model))).is_err();
        drop(planted);
        assert!(found, "{fault:?} went unnoticed");
    }
}

/// The model holds, and what is wrong in `broken` is found.
fn holds_but_not_when_broken(model: fn(), broken: fn()) {
    explore(model);
    let found = catch_unwind(AssertUnwindSafe(|| explore(broken))).is_err();
    assert!(found, "the planted fault went unnoticed");
}

/// Something for a model whose fault is a deadlock: when loom has found it, a destructor of loom's could only panic again.
fn leaked<T: Default>() -> &'static T {
    Box::leak(Box::default())
}

/// An event descriptor: a wait ends when somebody has signalled since the last one.
#[derive(Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut is_set = self.is_set.lock().unwrap();
        while !*is_set {
            is_set = self.changed.wait(is_set).unwrap();
        }
        *is_set = false;
    }
}

/// One connection and the tasks made of its events.
#[derive(Default)]
struct Connection {
    turn: Turn,
    /// What the events announced: bytes in a socket, the client's end.
    announced: [Plain; 2],
    seen: [Plain; 2],
    /// What only the runner may touch.
    peer: UnsafeCell<()>,
    tasks: Mutex<usize>,
}

impl Connection {
    fn event(&self, which: usize) {
        self.announced[which].store(1, Relaxed);
        if self.turn.notify() {
            *self.tasks.lock().unwrap() += 1;
        }
    }

    /// Runs a task if there is one; whether there was.
    fn run(&self) -> bool {
        {
            let mut tasks = self.tasks.lock().unwrap();
            if *tasks == 0 {
                return false;
            }
            assert_eq!(*tasks, 1, "a connection has two tasks");
            *tasks = 0;
        }
        self.turn.begin();
        self.serve();
        true
    }

    fn serve(&self) {
        // Loom fails if anyone else is inside, or was and is not known to have left.
        self.peer.with_mut(|_| {
            for (announced, seen) in self.announced.iter().zip(&self.seen) {
                seen.fetch_max(announced.load(Relaxed), Relaxed);
            }
        });
        if self.turn.rest() {
            *self.tasks.lock().unwrap() += 1;
        }
    }
}

#[test]
fn no_event_is_lost_and_no_two_workers_serve_one_connection() {
    let faults =
        [Fault::Relaxed, Fault::SwapWithoutReading, Fault::ExchangeWithoutLooking, Fault::ExchangeOnlyOnChange];
    holds_unless(&faults, || {
        let connection = Arc::new(Connection::default());
        let at = connection.clone();
        let first = thread::spawn(move || {
            at.event(0);
            at.run();
        });
        let at = connection.clone();
        let second = thread::spawn(move || {
            at.event(1);
        });
        connection.run();
        first.join().unwrap();
        second.join().unwrap();
        while connection.run() {}
        assert!(connection.seen.iter().all(|seen| seen.load(Relaxed) == 1), "an event was lost");
    });
}

#[test]
fn a_stopping_worker_takes_only_what_nobody_serves() {
    holds_unless(&[Fault::Relaxed, Fault::ExchangeWithoutLooking], || {
        let connection = Arc::new(Connection::default());
        let at = connection.clone();
        let worker = thread::spawn(move || {
            at.event(0);
            at.run();
        });
        if connection.turn.seize() {
            connection.serve();
        }
        worker.join().unwrap();
        while connection.run() {}
        assert_eq!(connection.seen[0].load(Relaxed), 1, "an event was lost");
    });
}

/// Tasks that any worker may take, and workers that sleep when there are none.
#[derive(Default)]
struct Pool {
    sleepers: Sleepers,
    signal: Signal,
    /// Tasks made and tasks taken. Relaxed, so that nothing but the protocol itself makes one thread see another.
    made: Plain,
    taken: Plain,
}

impl Pool {
    fn give(&self) {
        self.made.fetch_add(1, Relaxed);
        if self.sleepers.must_nudge() {
            self.signal.set();
        }
    }

    fn is_work_left(&self) -> bool {
        self.made.load(Relaxed) > self.taken.load(Relaxed)
    }

    /// Takes one task, asleep until there is one. A lost wake-up is a deadlock, which loom reports.
    fn take(&self) {
        while !self.is_work_left() {
            self.sleepers.lie_down();
            let sleeps = !self.is_work_left();
            if sleeps {
                self.signal.wait();
            }
            self.sleepers.get_up();
            if sleeps {
                self.sleepers.take_nudge();
            }
        }
        self.taken.fetch_add(1, Relaxed);
    }
}

#[test]
fn nobody_sleeps_while_work_waits() {
    let faults = [Fault::NoFence, Fault::StoreForgotten, Fault::AddForgotten];
    holds_unless(&faults, || {
        let pool = Arc::new(Pool::default());
        let at = pool.clone();
        let giver = thread::spawn(move || {
            at.give();
            at.give();
        });
        pool.take();
        pool.take();
        giver.join().unwrap();
    });
}

/// One connection of the stages, as its epoll sees it: `EPOLLONESHOT`, level-triggered.
#[derive(Default)]
struct Watched {
    turn: Turn,
    state: Mutex<Epoll>,
    changed: Condvar,
}

#[derive(Default)]
struct Epoll {
    is_armed: bool,
    has_data: bool,
}

impl Watched {
    fn change(&self, change: impl FnOnce(&mut Epoll)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits for an event, which switches the connection off.
    fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        while !(state.is_armed && state.has_data) {
            state = self.changed.wait(state).unwrap();
        }
        state.is_armed = false;
    }

    /// What whoever has the connection's turn does last.
    fn give_back(&self, is_armed_first: bool) {
        if is_armed_first {
            self.change(|epoll| epoll.is_armed = true);
            self.turn.vacate();
        } else {
            self.turn.vacate();
            self.change(|epoll| epoll.is_armed = true);
        }
    }
}

/// A client sends, a sweep looks at the connection, and the input stage must get to read. If not it waits for ever.
fn the_input_stage_reads(is_armed_first: bool) {
    let connection: &Watched = leaked();
    connection.change(|epoll| epoll.is_armed = true);
    let client = thread::spawn(move || connection.change(|epoll| epoll.has_data = true));
    let sweep = thread::spawn(move || {
        if connection.turn.seize() {
            connection.give_back(is_armed_first);
        }
    });
    loop {
        connection.wait();
        // An event for a connection that somebody has is dropped: giving it back brings it again.
        if connection.turn.seize() {
            connection.give_back(is_armed_first);
            break;
        }
    }
    client.join().unwrap();
    sweep.join().unwrap();
}

#[test]
fn an_event_that_meets_a_sweep_comes_again() {
    holds_unless(&[Fault::StoreForgotten], || the_input_stage_reads(false));
    holds_but_not_when_broken(|| the_input_stage_reads(false), || the_input_stage_reads(true));
}

/// A waker that sets a signal.
struct Sleeper(&'static Signal);

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.set();
    }
}

/// A task waits for a flag with nothing else to wake it.
fn the_bell_wakes(looks_first: bool) {
    let (bell, flag, signal): (&Bell, &Flag, &'static Signal) = (leaked(), leaked(), leaked());
    let stopper = thread::spawn(move || {
        flag.store(true, Relaxed);
        bell.ring();
    });
    let waker = Waker::from(std::sync::Arc::new(Sleeper(signal)));
    loop {
        let is_over = if looks_first {
            let seen = flag.load(Relaxed);
            bell.is_over(&waker, || seen)
        } else {
            bell.is_over(&waker, || flag.load(Relaxed))
        };
        if is_over {
            break;
        }
        signal.wait();
    }
    stopper.join().unwrap();
}

#[test]
fn a_task_that_waits_hears_the_bell() {
    holds_but_not_when_broken(|| the_bell_wakes(false), || the_bell_wakes(true));
}
