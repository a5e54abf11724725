//! [`Mix`]: all that a workload may ask, how the next request is chosen, and the files it expects to find.

use std::sync::Arc;

use corecurve_core::Rng;
use corecurve_core::rng::{mix, unit_open};

use crate::request::Recipe;
use crate::sessions::{SessionPlan, Sessions};
use crate::site::SiteFile;

/// Keeps the choice of pages apart from every other use of a trial's seed.
const PICK_STREAM: u64 = 0x9a6e_5e1e_c7ed;

/// What a workload asks: pages, a way to choose among them, and the files that some of them are.
#[derive(Clone, Debug)]
pub struct Mix {
    /// The requests. Never empty.
    pub pages: Vec<Recipe>,
    /// How the next is chosen.
    pub picks: Picks,
    /// How many times the chosen page is asked for in one operation, all in one write. At least one.
    pub depth: u32,
    /// Whether one of the pages goes by connections of its own.
    pub preference: Option<Preference>,
    /// Files below the target's static root that the pages name.
    pub files: Vec<SiteFile>,
}

/// A page that goes by a few connections, and the others by the rest, as long as those are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// The page.
    pub page: u32,
    /// One connection of each load worker in so many, at least one unless it is the only one.
    pub one_in: usize,
}

impl Preference {
    /// How many of `connections` are preferred.
    pub(crate) fn among(&self, connections: usize) -> usize {
        (connections / self.one_in.max(1)).max(1).min(connections.saturating_sub(1))
    }
}

/// How the next request is chosen.
#[derive(Clone, Debug)]
pub enum Picks {
    /// There is only one.
    First,
    /// By weight: the chance of each page or one before it, ascending to 1. A pure function of seed and operation.
    Weighted(Arc<[f64]>),
    /// By visitors who go from page to page. A function of the load worker's seed and how many it asked before.
    Sessions(Arc<SessionPlan>),
}

impl From<Recipe> for Mix {
    fn from(page: Recipe) -> Mix {
        Mix { pages: vec![page], picks: Picks::First, depth: 1, preference: None, files: Vec::new() }
    }
}

impl Mix {
    /// Pages with their weights, which need not add up to one.
    pub fn weighted(pages: impl IntoIterator<Item = (f64, Recipe)>) -> Mix {
        let (weights, pages): (Vec<f64>, Vec<Recipe>) = pages.into_iter().unzip();
        let picks = Picks::Weighted(cumulative(&weights).into());
        Mix { pages, picks, depth: 1, preference: None, files: Vec::new() }
    }

    /// The same with so many requests in each operation.
    #[must_use]
    pub fn at_depth(mut self, depth: u32) -> Mix {
        self.depth = depth.max(1);
        self
    }

    /// The same with files for its pages.
    #[must_use]
    pub fn with_files(mut self, files: Vec<SiteFile>) -> Mix {
        self.files = files;
        self
    }
}

/// The share of each weight and those before it; the last is exactly 1.
pub(crate) fn cumulative(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let mut upto = 0.0;
    let mut shares: Vec<f64> = weights
        .iter()
        .map(|weight| {
            upto += weight / total;
            upto
        })
        .collect();
    if let Some(last) = shares.last_mut() {
        *last = 1.0;
    }
    shares
}

/// The entry that a uniform number in (0, 1] falls on.
#[inline]
pub(crate) fn fall(shares: &[f64], uniform: f64) -> usize {
    shares.partition_point(|upto| *upto < uniform).min(shares.len().saturating_sub(1))
}

/// A choice at work in one load worker.
#[derive(Debug)]
pub(crate) enum Picker {
    First,
    Weighted { shares: Arc<[f64]>, seed: u64 },
    Sessions(Sessions),
}

impl Picker {
    pub(crate) fn new(picks: &Picks, seed: u64) -> Picker {
        match picks {
            Picks::First => Picker::First,
            Picks::Weighted(shares) => Picker::Weighted { shares: shares.clone(), seed: mix(seed, PICK_STREAM) },
            Picks::Sessions(plan) => Picker::Sessions(Sessions::new(plan.clone())),
        }
    }

    /// The page of operation `id`. Cost: nothing, a few comparisons, or one look at a visitor. Never allocates.
    #[inline]
    pub(crate) fn pick(&mut self, id: u64, rng: &mut Rng) -> usize {
        match self {
            Picker::First => 0,
            Picker::Weighted { shares, seed } => fall(shares, unit_open(mix(*seed, id))),
            Picker::Sessions(sessions) => sessions.next(rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Content;
    use corecurve_core::rng::stream;

    #[test]
    fn pages_come_by_their_weights_and_come_again_from_the_seed() {
        let page = |path: &str| Recipe::get(path, Content::Any);
        let mix = Mix::weighted([(98.0, page("/a")), (0.0, page("/never")), (2.0, page("/b"))]);
        let mut rng = stream(0, 0);
        let mut picked = |seed| {
            let mut picker = Picker::new(&mix.picks, seed);
            (0..100_000).map(|id| picker.pick(id, &mut rng)).collect::<Vec<_>>()
        };
        let first = picked(5);
        assert_eq!(first, picked(5));
        assert_ne!(first, picked(6));
        let count = |page| first.iter().filter(|picked| **picked == page).count();
        // Two per cent of a hundred thousand; the standard error is 44.
        assert!(count(1) == 0 && count(2).abs_diff(2_000) < 200, "{} {}", count(1), count(2));
    }
}
