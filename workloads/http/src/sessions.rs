//! Visitors who go from page to page: what each asks next depends on where it is.
//!
//! A load worker has a fixed number of visitors and asks for them in turn. One that leaves is followed by a new one
//! with an empty cache, in the same place. The order in which requests are due is the schedule's, so arrivals stay an open
//! loop: a slow answer delays nobody's next step.

use std::sync::Arc;

use corecurve_core::Rng;
use corecurve_core::rng::unit_open;
use rand::Rng as _;

use crate::mix::fall;

/// What visitors do.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// Visitors of each load worker at a time, at least one.
    pub visitors: usize,
    /// Where a visitor can be; the first is where all begin. Never empty.
    pub stops: Vec<Stop>,
    /// What stops embed.
    pub embeds: Vec<Embed>,
}

/// A place in a session.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The page asked for.
    pub page: usize,
    /// Indices into [`SessionPlan::embeds`], asked for after the page, in this order.
    pub embeds: Vec<u8>,
    /// The chance of going to the first, to one of the first two, ... and last of leaving, ascending to 1.
    pub chances: Vec<f64>,
    /// Where to: one less than there are chances.
    pub next: Vec<u8>,
}

/// Something that a page embeds.
#[derive(Clone, Copy, Debug)]
pub struct Embed {
    /// The request for it.
    pub page: usize,
    /// The request of a visitor who has it: whether it has changed.
    pub again: usize,
}

/// Most things that can be embedded: a visitor remembers them in one word.
pub const MAX_EMBEDS: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Visitor {
    /// Whether it has asked for anything.
    arrived: bool,
    stop: u8,
    /// How many of the stop's embeds were asked for.
    embedded: u8,
    /// A bit for each thing in its cache.
    has: u64,
}

/// The visitors of one load worker.
#[derive(Debug)]
pub(crate) struct Sessions {
    plan: Arc<SessionPlan>,
    visitors: Box<[Visitor]>,
    turn: usize,
}

impl Sessions {
    pub(crate) fn new(plan: Arc<SessionPlan>) -> Sessions {
        let visitors = vec![Visitor::default(); plan.visitors.max(1)].into();
        Sessions { plan, visitors, turn: 0 }
    }

    /// The page that the next visitor asks for. Allocates nothing.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> usize {
        let turn = self.turn;
        self.turn = (turn + 1) % self.visitors.len();
        let visitor = &mut self.visitors[turn];
        if !visitor.arrived {
            *visitor = Visitor { arrived: true, ..Visitor::default() };
            return self.plan.stops[0].page;
        }
        let stop = &self.plan.stops[usize::from(visitor.stop)];
        if let Some(index) = stop.embeds.get(usize::from(visitor.embedded)) {
            visitor.embedded += 1;
            let embed = self.plan.embeds[usize::from(*index)];
            let bit = 1 << index;
            let known = visitor.has & bit != 0;
            visitor.has |= bit;
            return if known { embed.again } else { embed.page };
        }
        let chosen = fall(&stop.chances, unit_open(rng.next_u64()));
        match stop.next.get(chosen) {
            Some(next) => (visitor.stop, visitor.embedded) = (*next, 0),
            None => *visitor = Visitor { arrived: true, ..Visitor::default() },
        }
        self.plan.stops[usize::from(visitor.stop)].page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::rng::stream;

    fn plan(visitors: usize) -> Arc<SessionPlan> {
        let stop = |page, chances: &[f64], next: &[u8]| Stop {
            page,
            embeds: vec![0],
            chances: chances.to_vec(),
            next: next.to_vec(),
        };
        let stops = vec![stop(0, &[1.0], &[1]), stop(1, &[0.25, 1.0], &[1])];
        Arc::new(SessionPlan { visitors, stops, embeds: vec![Embed { page: 2, again: 3 }] })
    }

    #[test]
    fn a_visitor_asks_for_a_page_then_what_it_embeds_and_knows_it_the_next_time() {
        let (mut sessions, mut rng) = (Sessions::new(plan(1)), stream(1, 1));
        let asked: Vec<usize> = (0..4_000).map(|_| sessions.next(&mut rng)).collect();
        assert_eq!(asked[..4], [0, 2, 1, 3]);
        // What is embedded is new exactly once after each entry.
        for (at, page) in asked.iter().enumerate().skip(1) {
            let expected = if asked[at - 1] == 0 { 2 } else { 3 };
            assert!(matches!(page, 0 | 1) || *page == expected, "{page} at {at}");
        }
        // A quarter of the second stops are followed by another one: sessions have 1 + 4/3 stops on average.
        let entries = asked.iter().filter(|page| **page == 0).count() as f64;
        assert!((entries / 4_000.0 - 3.0 / 14.0).abs() < 0.02, "{entries}");
    }

    #[test]
    fn visitors_take_turns_and_all_comes_again_from_the_seed() {
        let asked = |seed| {
            let (mut sessions, mut rng) = (Sessions::new(plan(3)), stream(seed, 1));
            (0..300).map(|_| sessions.next(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(asked(1)[..6], [0, 0, 0, 2, 2, 2]);
        assert_eq!(asked(1), asked(1));
        assert_ne!(asked(1), asked(2));
    }
}
