//! [`Recorder`]: one load worker's books of a trial. Everything is allocated before the window opens.
//!
//! Membership is by *intended* start: an operation due in the window belongs to it whenever it completes. Each one passes
//! through [`Recorder::due`], then [`Recorder::sent`], then exactly one of `ok`, `failed`, `unanswered` (or
//! [`Recorder::never_sent`] straight away), and is booked in the interval it was due in. Nothing is dropped: a time above
//! the histogram's range goes to an overflow counter that ranks above every other value.
//!
//! Operations of the warm-up pass through the same calls. They leave no trace except where they reach into the
//! window: they are part of what is in flight there.

mod flow;
mod histograms;
mod ranks;
mod reading;
mod window;

pub use flow::Flow;
pub use histograms::TrialHistograms;
pub use ranks::{CONFIDENCE, DIGITS, HIGHEST, histogram, quantiles, rank, samples_needed};
pub use window::{MAX_INTERVAL, MIN_INTERVALS, Window};

use corecurve_core::{ErrorClass, Nanos};
use hdrhistogram::Histogram;
use histograms::add;

/// Most latency limits that can be counted.
pub const MAX_LIMITS: usize = 16;

/// What is kept of latencies beside their sum and the counts over each limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// A histogram for each interval.
    #[default]
    Intervals,
    /// None: percentiles are unstated. It halves the cost of a trial in virtual time.
    Nothing,
}

/// The books of one interval.
#[derive(Clone, Debug)]
struct Slice {
    /// Operations that came due, as the worker saw it.
    due: u64,
    ok: u64,
    /// Failed, unanswered or never sent.
    bad: u64,
    /// Completed correctly, over each limit, in ascending order of limits.
    over: [u64; MAX_LIMITS],
    /// Sum of the latencies of those completed.
    sum: u64,
    /// Operations, of any interval or the warm-up, that ended in this one.
    ended: u64,
    latency: Histogram<u32>,
}

impl Slice {
    fn new() -> Slice {
        Slice { due: 0, ok: 0, bad: 0, over: [0; MAX_LIMITS], sum: 0, ended: 0, latency: histogram() }
    }

    fn reset(&mut self, keeps: Keeps) {
        let Slice { due, ok, bad, over, sum, ended, latency } = self;
        (*due, *ok, *bad, *over, *sum, *ended) = (0, 0, 0, [0; MAX_LIMITS], 0, 0);
        if keeps == Keeps::Intervals || !latency.is_empty() {
            latency.reset();
        }
    }
}

/// The books of one load worker, or of all of them once merged with [`Recorder::absorb`].
#[derive(Clone, Debug)]
pub struct Recorder {
    window: Window,
    keeps: Keeps,
    /// Limits in the order asked for.
    limits: Vec<Nanos>,
    /// The same, ascending, padded with `u64::MAX`; and where each came from.
    ascending: [u64; MAX_LIMITS],
    origin: [usize; MAX_LIMITS],
    slices: Vec<Slice>,
    service: Histogram<u32>,
    lag: Histogram<u32>,
    /// Send lag of those that found a free connection, the only lag the generator is to blame for.
    prompt_lag: Histogram<u32>,
    /// A lag up to this counts as on time.
    on_time_within: u64,
    on_time: u64,
    waited: u64,
    starved: u64,
    sent: u64,
    never_sent: u64,
    unanswered: u64,
    errors: [u64; ErrorClass::ALL.len()],
    overflow: u64,
    /// Operations of the window sent the moment they were due, whose lag and service time are not booked one by one.
    at_once: u64,
    /// Service time is latency: all of them were.
    service_is_latency: bool,
    service_sum: u64,
    lag_sum: u64,
    flow: Flow,
    /// Operations due before the window that had not ended when it opened.
    carried: u64,
}

impl Recorder {
    /// Books for a window of this length. At most [`MAX_LIMITS`] limits are counted, further ones are ignored.
    /// Memory: about 110 KB for each interval and 330 KB more. Cost: that of writing it all once.
    pub fn new(window: Nanos, limits: &[Nanos], on_time_within: Nanos) -> Recorder {
        let mut recorder = Recorder {
            window: Window::new(window),
            keeps: Keeps::Intervals,
            limits: Vec::with_capacity(MAX_LIMITS),
            ascending: [u64::MAX; MAX_LIMITS],
            origin: [0; MAX_LIMITS],
            slices: Vec::new(),
            service: histogram(),
            lag: histogram(),
            prompt_lag: histogram(),
            on_time_within: 0,
            on_time: 0,
            waited: 0,
            starved: 0,
            sent: 0,
            never_sent: 0,
            unanswered: 0,
            errors: [0; ErrorClass::ALL.len()],
            overflow: 0,
            at_once: 0,
            service_is_latency: false,
            service_sum: 0,
            lag_sum: 0,
            flow: Flow::default(),
            carried: 0,
        };
        recorder.reset(window, limits, on_time_within, Keeps::Intervals);
        // New histograms are zero pages that belong to no node yet; the second time writes them.
        recorder.reset(window, limits, on_time_within, Keeps::Intervals);
        recorder
    }

    /// Empties the books for another trial, keeping their memory.
    pub fn reset(&mut self, window: Nanos, limits: &[Nanos], on_time_within: Nanos, keeps: Keeps) {
        self.window = Window::new(window);
        self.keeps = keeps;
        self.limits.clear();
        self.limits.extend(limits.iter().take(MAX_LIMITS));
        let mut sorted: Vec<(u64, usize)> = self.limits.iter().enumerate().map(|(i, limit)| (limit.0, i)).collect();
        sorted.sort_unstable();
        self.ascending = [u64::MAX; MAX_LIMITS];
        for (place, (limit, origin)) in sorted.into_iter().enumerate() {
            (self.ascending[place], self.origin[place]) = (limit, origin);
        }
        let intervals = self.window.intervals();
        self.slices.iter_mut().take(intervals).for_each(|slice| slice.reset(keeps));
        self.slices.truncate(intervals);
        self.slices.resize_with(intervals, Slice::new);
        for histogram in [&mut self.service, &mut self.lag, &mut self.prompt_lag] {
            histogram.reset();
        }
        self.on_time_within = on_time_within.0;
        (self.on_time, self.waited, self.starved, self.sent) = (0, 0, 0, 0);
        (self.never_sent, self.unanswered) = (0, 0);
        self.errors = [0; ErrorClass::ALL.len()];
        (self.overflow, self.service_sum, self.lag_sum, self.carried) = (0, 0, 0, 0);
        (self.at_once, self.service_is_latency) = (0, false);
        self.flow = Flow::default();
    }

    /// Opens the window at `start`, an instant that no operation was due at or after so far.
    pub fn open(&mut self, start: u64) {
        self.window.open(start);
    }

    /// Ends the window early.
    pub fn cut(&mut self, end: u64) {
        self.window.cut(end);
    }

    /// The window.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What is kept of latencies.
    pub fn keeps(&self) -> Keeps {
        self.keeps
    }

    /// An operation is due at `intended`. Called once for each, late if need be.
    #[inline]
    pub fn due(&mut self, intended: u64) {
        self.flow.enter(&self.window, intended);
        if self.window.contains(intended) {
            self.slices[self.window.index(intended)].due += 1;
        }
    }

    /// It went out at `sent`. `waited`: no connection was free when it was due.
    #[inline]
    pub fn sent(&mut self, intended: u64, sent: u64, waited: bool) {
        if !self.window.contains(intended) {
            return;
        }
        self.sent += 1;
        let lag = sent.saturating_sub(intended);
        self.lag_sum += lag;
        self.lag.saturating_record(lag);
        if waited {
            self.waited += 1;
        } else {
            self.prompt_lag.saturating_record(lag);
            self.on_time += u64::from(lag <= self.on_time_within);
        }
    }

    /// Its correct answer was complete at `done`.
    #[inline]
    pub fn ok(&mut self, intended: u64, sent: u64, done: u64) {
        if self.completed_at(intended, done) {
            let service = done.saturating_sub(sent);
            self.service_sum += service;
            if service <= HIGHEST.0 {
                self.service.saturating_record(service);
            }
        }
    }

    /// An operation is due and, in virtual time, sent at the same instant: [`Recorder::due`] and [`Recorder::sent`] in one,
    /// at half the cost. All operations of a trial are booked like this or none is.
    #[inline]
    pub fn due_at_once(&mut self, intended: u64) {
        self.due(intended);
        self.at_once += u64::from(self.window.contains(intended));
    }

    /// [`Recorder::ok`] for an operation that was sent at once.
    #[inline]
    pub fn ok_at_once(&mut self, intended: u64, done: u64) {
        self.completed_at(intended, done);
    }

    /// Writes down what those that were sent at once have in common. To be called before the books are read.
    pub fn settle_at_once(&mut self) {
        let n = std::mem::take(&mut self.at_once);
        self.sent += n;
        self.on_time += n;
        self.service_is_latency = n > 0;
        if self.service_is_latency {
            self.lag.saturating_record_n(0, u32::try_from(n).unwrap_or(u32::MAX));
            self.prompt_lag.saturating_record_n(0, u32::try_from(n).unwrap_or(u32::MAX));
            self.slices.iter().for_each(|slice| add(&mut self.service, &slice.latency));
            self.service_sum = self.slices.iter().map(|slice| slice.sum).sum();
        }
    }

    /// Books a latency; whether the operation was due in the window.
    #[inline]
    fn completed_at(&mut self, intended: u64, done: u64) -> bool {
        self.ended(intended, done);
        if !self.window.contains(intended) {
            self.flow.left_before(&self.window, done);
            return false;
        }
        self.flow.completed(&self.window, done);
        let latency = done.saturating_sub(intended);
        let slice = &mut self.slices[self.window.index(intended)];
        slice.ok += 1;
        slice.sum += latency;
        for (over, limit) in slice.over.iter_mut().zip(&self.ascending) {
            if latency <= *limit {
                break;
            }
            *over += 1;
        }
        if self.keeps == Keeps::Nothing {
            return true;
        }
        if latency <= HIGHEST.0 {
            slice.latency.saturating_record(latency);
        } else {
            self.overflow += 1;
        }
        true
    }

    /// It failed at `done`, after it was sent or while it was being sent.
    #[inline]
    pub fn failed(&mut self, intended: u64, done: u64, class: ErrorClass) {
        self.ended(intended, done);
        if !self.window.contains(intended) {
            self.flow.left_before(&self.window, done);
            return;
        }
        self.flow.fell_out(&self.window, intended, done);
        self.errors[class_index(class)] += 1;
        self.slices[self.window.index(intended)].bad += 1;
    }

    /// It was sent and the trial ended without an answer.
    pub fn unanswered(&mut self, intended: u64) {
        if self.stayed(intended) {
            self.unanswered += 1;
        }
    }

    /// It was due and the trial ended before it could be sent; `starved`: for want of a connection.
    pub fn never_sent(&mut self, intended: u64, starved: bool) {
        if self.stayed(intended) {
            self.never_sent += 1;
            self.starved += u64::from(starved);
        }
    }

    /// Books an operation that is still in flight at the end of everything; whether it was due in the window.
    fn stayed(&mut self, intended: u64) -> bool {
        if !self.window.contains(intended) {
            self.carried += 1;
            self.flow.left_before(&self.window, u64::MAX);
            return false;
        }
        self.flow.fell_out(&self.window, intended, u64::MAX);
        self.slices[self.window.index(intended)].bad += 1;
        true
    }

    #[inline]
    fn ended(&mut self, intended: u64, done: u64) {
        if done < self.window.start() {
            self.flow.leave(&self.window, done);
            return;
        }
        self.carried += u64::from(intended < self.window.start());
        self.flow.leave(&self.window, done);
        if done < self.window.end() {
            self.slices[self.window.index(done)].ended += 1;
        }
    }

    /// Adds the books of another worker over the same window.
    pub fn absorb(&mut self, other: &Recorder) {
        if self.window.start() == u64::MAX {
            self.window = other.window;
        }
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.due += theirs.due;
            mine.ok += theirs.ok;
            mine.bad += theirs.bad;
            mine.sum += theirs.sum;
            mine.ended += theirs.ended;
            mine.over.iter_mut().zip(theirs.over).for_each(|(mine, theirs)| *mine += theirs);
            add(&mut mine.latency, &theirs.latency);
        }
        add(&mut self.service, &other.service);
        add(&mut self.lag, &other.lag);
        add(&mut self.prompt_lag, &other.prompt_lag);
        self.on_time += other.on_time;
        self.waited += other.waited;
        self.starved += other.starved;
        self.sent += other.sent;
        self.never_sent += other.never_sent;
        self.unanswered += other.unanswered;
        self.overflow += other.overflow;
        self.service_sum += other.service_sum;
        self.lag_sum += other.lag_sum;
        self.carried += other.carried;
        self.at_once += other.at_once;
        self.errors.iter_mut().zip(other.errors).for_each(|(mine, theirs)| *mine += theirs);
        self.flow.add(&other.flow);
    }
}

#[inline]
fn class_index(class: ErrorClass) -> usize {
    class as usize
}

#[cfg(test)]
mod tests;
