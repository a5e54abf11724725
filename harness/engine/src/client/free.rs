//! [`Free`]: which connections have nothing to do, and who goes by which.

use std::collections::VecDeque;

/// The free connections of a load worker, those that some operations prefer apart from the rest.
#[derive(Debug)]
pub(super) struct Free {
    /// Connections below this number are preferred by some operations.
    preferred: usize,
    /// Longest idle first, so that all are used alike: the preferred, and the rest.
    lanes: [VecDeque<usize>; 2],
}

const PREFERRED: usize = 0;
const REST: usize = 1;

impl Free {
    /// None is free yet; there is room for `size`.
    pub(super) fn new(size: usize) -> Free {
        Free { preferred: 0, lanes: [VecDeque::new(), VecDeque::with_capacity(size)] }
    }

    /// Makes the first so many those that some operations prefer. To be called while none is free.
    pub(super) fn prefer(&mut self, preferred: usize) {
        self.preferred = preferred;
        self.lanes[PREFERRED].reserve(preferred);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.lanes[REST].is_empty() && self.lanes[PREFERRED].is_empty()
    }

    #[inline]
    pub(super) fn put(&mut self, index: usize) {
        self.lanes[if index < self.preferred { PREFERRED } else { REST }].push_back(index);
    }

    /// The one that has waited longest: of the preferred if `prefers`, else of the rest. If there is none, of the others: no operation
    /// waits for a particular connection.
    #[inline]
    pub(super) fn take(&mut self, prefers: bool) -> Option<usize> {
        let (first, second) = if prefers { (PREFERRED, REST) } else { (REST, PREFERRED) };
        self.lanes[first].pop_front().or_else(|| self.lanes[second].pop_front())
    }

    /// Takes out one that broke.
    pub(super) fn remove(&mut self, index: usize) {
        self.lanes.iter_mut().for_each(|lane| lane.retain(|free| *free != index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_used_in_turn_when_none_is_preferred() {
        let mut free = Free::new(3);
        (0..3).for_each(|index| free.put(index));
        assert_eq!([free.take(false), free.take(true)], [Some(0), Some(1)]);
        free.put(0);
        assert_eq!([free.take(false), free.take(false), free.take(false)], [Some(2), Some(0), None]);
        assert!(free.is_empty());
    }

    #[test]
    fn each_has_its_lane_and_nobody_waits_while_any_is_free() {
        let mut free = Free::new(5);
        free.prefer(2);
        (0..5).for_each(|index| free.put(index));
        free.remove(3);
        assert_eq!([free.take(true), free.take(false), free.take(true)], [Some(0), Some(2), Some(1)]);
        assert_eq!(
            [free.take(true), free.take(true)],
            [Some(4), None],
            "one of the rest, when those preferred are busy"
        );
        free.put(1);
        assert_eq!(free.take(false), Some(1), "and the other way round");
        assert!(free.is_empty());
    }
}
