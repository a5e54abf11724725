//! Stacks as the kernel gives them, each kept once.

use std::collections::HashMap;

use corecurve_core::Pid;

/// A return address is the instruction after the call, and may belong to the next line or function.
const BEFORE_RETURN: u64 = 1;
/// Addresses from here on mark a change of context, not a place.
const CONTEXT_MARKS: u64 = u64::MAX - 4_094;
/// Most different stacks kept; later ones that are new count as one without frames.
const MOST: usize = 200_000;

/// A stack of one process: addresses inside the instruction that called or was interrupted, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RawStack {
    pub pid: Pid,
    pub addresses: Box<[u64]>,
}

/// Whether an address is the kernel's: on every 64-bit Linux these have the top bit set.
pub(super) fn is_kernel(address: u64) -> bool {
    address >> 63 == 1
}

/// Every stack seen, by number.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    numbers: HashMap<RawStack, u32>,
    all: Vec<RawStack>,
}

impl Stacks {
    /// The number of a call chain as the kernel writes it, with its context marks.
    pub(super) fn number(&mut self, pid: Pid, chain: impl Iterator<Item = u64>) -> u32 {
        let mut addresses = Vec::with_capacity(32);
        // Only the innermost is where it happened; a system call, too, is left at the instruction after it.
        for address in chain.filter(|address| *address < CONTEXT_MARKS && *address != 0) {
            let inside = if addresses.is_empty() { address } else { address.saturating_sub(BEFORE_RETURN) };
            addresses.push(inside);
        }
        if self.all.len() >= MOST {
            addresses.clear();
        }
        let stack = RawStack { pid, addresses: addresses.into_boxed_slice() };
        if let Some(number) = self.numbers.get(&stack) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(stack.clone());
        self.numbers.insert(stack, number);
        number
    }

    /// All of them; the place is the number.
    pub(super) fn into_all(self) -> Vec<RawStack> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: u64 = -128i64 as u64;
    const USER: u64 = -512i64 as u64;

    #[test]
    fn marks_vanish_and_return_addresses_point_into_the_call() {
        let mut stacks = Stacks::default();
        let (inner, outer) = (0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020);
        let chain = [KERNEL, inner, outer, USER, 0x4000, 0x5000, 0];
        assert_eq!(stacks.number(7, chain.into_iter()), 0);
        assert_eq!(stacks.number(8, chain.into_iter()), 1);
        assert_eq!(stacks.number(7, chain.into_iter()), 0);
        let all = stacks.into_all();
        assert_eq!(*all[0].addresses, [inner, outer - 1, 0x3fff, 0x4fff]);
        assert_eq!((all.len(), all[1].pid), (2, 8));
        assert!(is_kernel(inner) && !is_kernel(0x7fff_ffff_f000));
    }
}
