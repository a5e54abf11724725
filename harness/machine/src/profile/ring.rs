//! One event of one thread with the ring buffer the kernel writes its records into.

use std::fmt;
use std::io;
use std::time::Duration;

use perf_event::{Builder, Sampler};

/// Types of records, from the kernel's `enum perf_event_type`.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
const LOST_SAMPLES: u32 = 13;
const SWITCH: u32 = 14;
/// In a switch's flags: the thread left its CPU.
const SWITCHED_OUT: u16 = 1 << 13;
/// Least room that is worth having, bytes.
const LEAST_ROOM: usize = 8 << 10;

/// What follows thread and time in the samples of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    pub chain: bool,
    pub raw: bool,
}

/// A record.
#[derive(Debug, PartialEq)]
pub(super) enum Record<'a> {
    /// The event happened: instant, call chain, and what the tracepoint wrote.
    Sample { at: u64, chain: Chain<'a>, raw: &'a [u8] },
    /// The thread got a CPU or left it.
    Switch { at: u64, out: bool },
    /// There was no room for so many.
    Lost(u64),
}

/// A call chain in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chain<'a>(&'a [u8]);

impl<'a> Chain<'a> {
    pub(super) fn addresses(self) -> impl Iterator<Item = u64> + 'a {
        self.0.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(u64::from_ne_bytes))
    }
}

/// An open event and its buffer.
pub(super) struct Ring {
    sampler: Sampler,
    layout: Layout,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Ring {
    /// Opens the event, not counting yet, with `room` bytes or as much as this user may lock.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn open(builder: &Builder<'_>, layout: Layout, room: usize) -> io::Result<Ring> {
        let mut room = room;
        loop {
            match builder.build()?.sampled(room) {
                Ok(sampler) => return Ok(Ring { sampler, layout }),
                Err(error) if room <= LEAST_ROOM => return Err(error),
                Err(_) => room /= 2,
            }
        }
    }

    pub(super) fn enable(&mut self) -> io::Result<()> {
        self.sampler.enable()
    }

    pub(super) fn disable(&mut self) -> io::Result<()> {
        self.sampler.disable()
    }

    /// How often the event happened, and how long its thread was on a CPU meanwhile.
    pub(super) fn totals(&mut self) -> Option<(u64, Duration)> {
        let data = self.sampler.read_full().ok()?;
        Some((data.count(), data.time_running()?))
    }

    /// Hands over what the kernel wrote since the last time.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Record<'_>)) {
        while let Some(record) = self.sampler.next_record() {
            let (kind, flags, bytes) = (record.ty(), record.misc(), record.to_contiguous());
            if let Some(record) = parse(kind, flags, &bytes, self.layout) {
                take(record);
            }
        }
    }
}

/// Reads one record; `None` for kinds that were not asked for, and for nonsense.
fn parse(kind: u32, flags: u16, bytes: &[u8], layout: Layout) -> Option<Record<'_>> {
    match kind {
        // Process and thread, then the instant.
        SAMPLE => {
            let at = long(bytes, 8)?;
            let mut rest = bytes.get(16..)?;
            let mut chain = Chain(&[]);
            if layout.chain {
                let length = usize::try_from(long(rest, 0)?).ok()?.checked_mul(8)?;
                chain = Chain(rest.get(8..)?.get(..length)?);
                rest = rest.get(8 + length..)?;
            }
            let mut raw: &[u8] = &[];
            if layout.raw {
                let size = int(rest, 0)? as usize;
                raw = rest.get(4..)?.get(..size)?;
            }
            Some(Record::Sample { at, chain, raw })
        }
        // Nothing of its own; thread and instant as in every record.
        SWITCH => Some(Record::Switch { at: long(bytes, 8)?, out: flags & SWITCHED_OUT != 0 }),
        LOST => Some(Record::Lost(long(bytes, 8)?)),
        LOST_SAMPLES => Some(Record::Lost(long(bytes, 0)?)),
        _ => None,
    }
}

/// The 64-bit number at an offset.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.get(..8)?.try_into().ok().map(u64::from_ne_bytes)
}

/// The 32-bit number at an offset.
pub(super) fn int(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.get(..4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longs(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    #[test]
    fn records_are_read_by_their_layout() {
        let mut bytes = longs(&[0, 99, 2, 0xa0, 0xb0]);
        bytes.extend(4u32.to_ne_bytes());
        bytes.extend([1, 2, 3, 4]);
        let both = Layout { chain: true, raw: true };
        let Some(Record::Sample { at: 99, chain, raw }) = parse(SAMPLE, 0, &bytes, both) else { panic!("no sample") };
        assert_eq!((chain.addresses().collect::<Vec<_>>(), raw), (vec![0xa0, 0xb0], &[1u8, 2, 3, 4][..]));
        assert_eq!(parse(SWITCH, SWITCHED_OUT, &longs(&[0, 5]), both), Some(Record::Switch { at: 5, out: true }));
        assert_eq!(parse(LOST, 0, &longs(&[1, 17, 0, 0]), both), Some(Record::Lost(17)));
        assert_eq!(parse(3, 0, &bytes, both), None);
    }

    #[test]
    fn a_record_cut_anywhere_is_no_panic() {
        let mut bytes = longs(&[0, 99, u64::MAX, 0xa0]);
        let both = Layout { chain: true, raw: true };
        for length in 0..=bytes.len() {
            assert_eq!(parse(SAMPLE, 0, &bytes[..length], both), None);
        }
        bytes[16..24].copy_from_slice(&1u64.to_ne_bytes());
        bytes.extend(u32::MAX.to_ne_bytes());
        assert_eq!(parse(SAMPLE, 0, &bytes, both), None);
    }
}
