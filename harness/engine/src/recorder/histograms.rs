//! [`TrialHistograms`]: the full distributions of one trial, and their form on disk.

use std::io;
use std::time::{Duration, SystemTime};

use corecurve_core::Nanos;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};

/// Latency per interval, service time and send lag of the whole window, in nanoseconds.
#[derive(Clone, Debug)]
pub struct TrialHistograms {
    /// Wall-clock time of the window's start; `None` in virtual time.
    pub started: Option<SystemTime>,
    /// Length of an interval.
    pub interval: Nanos,
    /// Length of the window.
    pub window: Nanos,
    /// Latency of the correct completions due in each interval.
    pub latency: Vec<Histogram<u32>>,
    /// Service time of the correct completions due in the window.
    pub service: Histogram<u32>,
    /// Send lag of the operations due in the window and sent.
    pub lag: Histogram<u32>,
}

impl TrialHistograms {
    /// Latency over the whole window.
    pub fn total(&self) -> Histogram<u32> {
        let mut total = super::ranks::histogram();
        for interval in &self.latency {
            add(&mut total, interval);
        }
        total
    }

    /// An HdrHistogram interval log (format 1.3, compressed V2 histograms) as other implementations read it: latency
    /// without a tag, one line per interval, then `Tag=service` and `Tag=send-lag` over the window. Values are nanoseconds,
    /// the readable maximum of each line is in milliseconds. Cost: some milliseconds.
    pub fn to_hlog(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.write_hlog(&mut bytes) {
            Ok(()) => bytes,
            Err(error) => unreachable!("writing to memory cannot fail: {error}"),
        }
    }

    fn write_hlog(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let other = |error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(format!("{error:?}")),
        };
        let started = self.started.unwrap_or(SystemTime::UNIX_EPOCH);
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment("[corecurve: latency from the intended start, ns; by interval of intended start]")
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(1e6)
            .begin_log_with(out, &mut serializer)?;
        for (i, histogram) in self.latency.iter().enumerate() {
            let start = self.interval * i as u64;
            let length = self.interval.min(self.window - start);
            log.write_histogram(histogram, start.into(), length.into(), None).map_err(other)?;
        }
        for (name, histogram) in [("service", &self.service), ("send-lag", &self.lag)] {
            log.write_histogram(histogram, Duration::ZERO, self.window.into(), Tag::new(name)).map_err(other)?;
        }
        Ok(())
    }
}

/// Adds one histogram to another of the same bounds.
pub(crate) fn add(sum: &mut Histogram<u32>, other: &Histogram<u32>) {
    if other.is_empty() {
        return;
    }
    if let Err(error) = sum.add(other) {
        unreachable!("histograms have the same bounds: {error:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::ranks::histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_reads_back_as_written() {
        let mut latency = vec![histogram(), histogram()];
        for value in [1_000, 250_000, 59_000_000_000] {
            latency[1].record(value).unwrap();
        }
        let mut lag = histogram();
        lag.record(77).unwrap();
        let histograms = TrialHistograms {
            started: None,
            interval: Nanos::SECOND,
            window: Nanos(1_500_000_000),
            latency,
            service: histogram(),
            lag,
        };
        let log = histograms.to_hlog();
        let read: Vec<_> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    let bytes = base64(interval.encoded_histogram());
                    let histogram: Histogram<u32> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                    Some((interval.tag().map(|t| t.as_str().to_owned()), interval.duration(), histogram))
                }
                _ => None,
            })
            .collect();
        assert_eq!(read.len(), 4);
        assert_eq!((read[0].1, read[1].1), (Duration::from_secs(1), Duration::from_millis(500)));
        assert_eq!(read[1].2, histograms.latency[1]);
        assert_eq!((read[2].0.as_deref(), read[3].0.as_deref()), (Some("service"), Some("send-lag")));
        assert_eq!(read[3].2, histograms.lag);
        assert_eq!(histograms.total().len(), 3);
    }

    /// Plain base64, so that the test needs no crate of its own for it.
    fn base64(text: &str) -> Vec<u8> {
        let value = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let sextets: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
        let mut bytes = Vec::new();
        for group in sextets.chunks(4) {
            let bits = group.iter().fold(0u32, |bits, s| bits << 6 | u32::from(*s)) << (6 * (4 - group.len()));
            bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
        }
        bytes
    }
}
