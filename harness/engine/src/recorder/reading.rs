//! Reading the books: counts, percentiles, intervals, distributions.

use std::time::SystemTime;

use corecurve_core::{Counts, ErrorClass, Interval, LimitCount, Quantiles};
use hdrhistogram::Histogram;

use super::histograms::add;
use super::{Flow, Keeps, Recorder, Slice, TrialHistograms, histogram, quantiles};

impl Recorder {
    /// Operations that came due in the window, as the workers saw it. For an open loop the schedule has a count of its own.
    pub fn due_in_window(&self) -> u64 {
        self.slices.iter().map(|slice| slice.due).sum()
    }

    /// The books, with `scheduled` as counted elsewhere.
    pub fn counts(&self, scheduled: u64) -> Counts {
        let mut counts = Counts {
            scheduled,
            sent: self.sent,
            never_sent: self.never_sent,
            ok: self.completed(),
            unanswered: self.unanswered,
            ..Counts::default()
        };
        for (class, n) in ErrorClass::ALL.into_iter().zip(self.errors) {
            counts.fail(class, n);
        }
        counts
    }

    /// Operations due in the window and completed correctly.
    pub fn completed(&self) -> u64 {
        self.slices.iter().map(|slice| slice.ok).sum()
    }

    /// Of those, how many took longer than a histogram can tell.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Percentiles of latency over everything `scheduled`.
    pub fn latency(&self, scheduled: u64) -> Quantiles {
        let mean = self.mean_latency();
        if self.service_is_latency {
            return self.quantiles(&self.service, scheduled, mean);
        }
        let mut total = histogram();
        self.slices.iter().for_each(|slice| add(&mut total, &slice.latency));
        self.quantiles(&total, scheduled, mean)
    }

    /// Exact mean latency of the correct completions, nanoseconds.
    pub fn mean_latency(&self) -> Option<f64> {
        let sum: u128 = self.slices.iter().map(|slice| u128::from(slice.sum)).sum();
        mean(sum as f64, self.completed())
    }

    /// Percentiles of service time over everything sent.
    pub fn service(&self) -> Quantiles {
        self.quantiles(&self.service, self.sent, mean(self.service_sum as f64, self.completed()))
    }

    /// Percentiles of send lag over everything `scheduled`.
    pub fn send_lag(&self, scheduled: u64) -> Quantiles {
        self.quantiles(&self.lag, scheduled, mean(self.lag_sum as f64, self.sent))
    }

    /// Percentiles of the send lag of operations that found a free connection.
    pub fn prompt_lag(&self) -> Quantiles {
        self.quantiles(&self.prompt_lag, self.prompt_lag.len(), None)
    }

    fn quantiles(&self, histogram: &Histogram<u32>, total: u64, mean: Option<f64>) -> Quantiles {
        match self.keeps {
            Keeps::Intervals => quantiles(histogram, total, mean),
            Keeps::Nothing => Quantiles { mean, count: total, ..Quantiles::default() },
        }
    }

    /// Operations that found a free connection, and how many of them went out on time.
    pub fn prompt(&self) -> (u64, u64) {
        (self.sent - self.waited, self.on_time)
    }

    /// Operations that had to wait for a connection: those sent after all, and those never sent.
    pub fn waited(&self) -> (u64, u64) {
        (self.waited, self.starved)
    }

    /// Values in the latency histograms, or, where none are kept, that should be. With [`Recorder::overflow`] it is every
    /// correct completion.
    pub fn recorded(&self) -> u64 {
        match self.keeps {
            Keeps::Intervals => self.slices.iter().map(|slice| slice.latency.len()).sum(),
            Keeps::Nothing => self.completed(),
        }
    }

    /// For each limit in the order asked for, how many of the operations due were over it.
    pub fn limits(&self) -> Vec<LimitCount> {
        let over = |origin| self.slices.iter().map(|slice| self.over(slice, origin)).sum();
        self.limits.iter().enumerate().map(|(i, limit)| LimitCount { limit_ns: *limit, over: over(i) }).collect()
    }

    /// Operations of a slice over the limit that was `origin`-th when asked for, the bad ones included.
    fn over(&self, slice: &Slice, origin: usize) -> u64 {
        let place = (0..self.limits.len()).find(|place| self.origin[*place] == origin).unwrap_or(0);
        slice.over[place] + slice.bad
    }

    /// The intervals; `scheduled` is the schedule's count for each, or the workers' own where it is absent.
    pub fn intervals(&self, scheduled: Option<&[u64]>) -> Vec<Interval> {
        let mut in_flight = self.carried;
        let mut intervals = Vec::with_capacity(self.slices.len());
        for (i, slice) in self.slices.iter().enumerate() {
            let (start, length) = self.window.slice(i);
            if start >= self.window.spanned() {
                break;
            }
            let scheduled = scheduled.and_then(|counts| counts.get(i)).copied().unwrap_or(slice.due);
            in_flight = (in_flight + slice.due).saturating_sub(slice.ended);
            intervals.push(Interval {
                start_s: start.as_secs_f64(),
                length_s: length.min(self.window.spanned() - start).as_secs_f64(),
                scheduled,
                ok: slice.ok,
                over: (0..self.limits.len()).map(|origin| self.over(slice, origin)).collect(),
                mean_ns: mean(slice.sum as f64, slice.ok),
                p99_ns: self.quantiles(&slice.latency, slice.latency.len(), None).p99.finite(),
                in_flight,
            });
        }
        intervals
    }

    /// What was counted in and out, for Little's law.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The distributions, leaving the books.
    pub fn into_histograms(self, started: Option<SystemTime>) -> TrialHistograms {
        TrialHistograms {
            started,
            interval: self.window.interval(),
            window: self.window.length(),
            latency: self.slices.into_iter().map(|slice| slice.latency).collect(),
            service: self.service,
            lag: self.lag,
        }
    }
}

fn mean(sum: f64, n: u64) -> Option<f64> {
    (n > 0).then(|| sum / n as f64)
}
