//! [`Buffers`]: memory that the kernel receives into, taken by it as answers come and given back when they are read.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Bytes of a buffer. A longer answer takes more than one.
pub(super) const SIZE: usize = 16 << 10;
/// From the start of one buffer to the next: a line more than its size, lest all of them begin in the same set of a cache.
const STRIDE: usize = SIZE + 64;
/// Fewest and most buffers.
const COUNT: (usize, usize) = (64, 512);

/// Receive buffers and the ring that offers them to the kernel.
pub(super) struct Buffers {
    memory: Mapping,
    count: u16,
    tail: u16,
}

impl Buffers {
    /// At least so many, as far as there may be.
    pub(super) fn new(count: usize) -> io::Result<Buffers> {
        let count = count.clamp(COUNT.0, COUNT.1).next_power_of_two();
        let memory = Mapping::new(count * size_of::<BufRingEntry>() + count * STRIDE)?;
        let mut buffers = Buffers { memory, count: count as u16, tail: 0 };
        (0..count as u16).for_each(|buffer| buffers.offer(buffer));
        buffers.publish();
        Ok(buffers)
    }

    /// Where the ring of offers is.
    pub(super) fn address(&self) -> u64 {
        self.memory.start.as_ptr() as u64
    }

    /// Entries of that ring.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// The first `n` bytes of a buffer that the kernel has filled and that was not given back yet.
    #[inline]
    pub(super) fn bytes(&self, buffer: u16, n: usize) -> &[u8] {
        assert!(buffer < self.count && n <= SIZE);
        // SAFETY: it lies within the mapping, is initialised (anonymous memory begins as zeros), and the kernel does not
        // write to it before it is offered again, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start_of(buffer), n) }
    }

    /// Offers buffers to the kernel again.
    #[inline]
    pub(super) fn give_back(&mut self, buffers: &[u16]) {
        if !buffers.is_empty() {
            buffers.iter().for_each(|buffer| self.offer(*buffer));
            self.publish();
        }
    }

    #[inline]
    fn offer(&mut self, buffer: u16) {
        let at = usize::from(self.tail & (self.count - 1));
        let start = self.start_of(buffer) as u64;
        // SAFETY: `at` is below the number of entries. The kernel reads entries below the published tail only, and no more
        // buffers are offered than there are entries, so this one is not among those.
        let entry = unsafe { &mut *self.memory.start.as_ptr().cast::<BufRingEntry>().add(at) };
        entry.set_addr(start);
        entry.set_len(SIZE as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline]
    fn publish(&mut self) {
        // SAFETY: the first entry is there, and its unused field, which is aligned, is where the kernel looks for the tail.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.memory.start.as_ptr().cast()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    #[inline]
    fn start_of(&self, buffer: u16) -> *mut u8 {
        let entries = usize::from(self.count) * size_of::<BufRingEntry>();
        self.memory.start.as_ptr().wrapping_add(entries + usize::from(buffer) * STRIDE)
    }
}

/// Memory of its own pages.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> io::Result<Mapping> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses where, so nothing that is there is mapped over.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::PRIVATE | MapFlags::POPULATE)? };
        NonNull::new(start.cast()).map(|start| Mapping { start, length }).ok_or_else(io::Error::last_os_error)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody has a reference into it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_lie_apart_and_within_their_memory() {
        let buffers = Buffers::new(100).unwrap();
        assert_eq!(buffers.count(), 128);
        let start = buffers.address() as usize;
        let mut end = start + 128 * size_of::<BufRingEntry>();
        for buffer in 0..128 {
            let at = buffers.bytes(buffer, SIZE).as_ptr() as usize;
            assert!(at >= end);
            end = at + SIZE;
        }
        assert!(end <= start + buffers.memory.length);
    }

    #[test]
    fn as_many_as_may_be() {
        assert_eq!(Buffers::new(0).unwrap().count(), 64);
        assert_eq!(Buffers::new(1_000_000).unwrap().count(), 512);
    }
}
