//! How far repetitions of the same thing scatter, for each SLO of a run.

use std::collections::BTreeMap;

use corecurve_core::{Cell, MatRecord};

use super::types::SeriesKey;
use crate::compare::spread::{Sample, Spread};

/// The restart's variation for each SLO, pooled over the cells of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spreads(BTreeMap<String, Spread>);

impl Spreads {
    /// Pools a run. A cell and its A/A control are repetitions of one thing.
    pub(crate) fn of(cells: &[Cell], mats: &[MatRecord]) -> Spreads {
        Spreads::pooled(&samples(cells, mats))
    }

    /// Pools two runs, repetitions of one run never mixed with those of the other.
    pub(crate) fn of_both(a: (&[Cell], &[MatRecord]), b: (&[Cell], &[MatRecord])) -> Spreads {
        let mut all = samples(a.0, a.1);
        for (slo, samples) in samples(b.0, b.1) {
            all.entry(slo).or_default().extend(samples);
        }
        Spreads::pooled(&all)
    }

    fn pooled(samples: &BTreeMap<String, Vec<Sample>>) -> Spreads {
        Spreads(samples.iter().map(|(slo, samples)| (slo.clone(), Spread::pooled(samples))).collect())
    }

    /// The spread at an SLO; nothing known when it was never repeated.
    pub(crate) fn at(&self, slo: &corecurve_core::Slo) -> Spread {
        self.0.get(&slo.to_string()).copied().unwrap_or_default()
    }
}

fn samples(cells: &[Cell], mats: &[MatRecord]) -> BTreeMap<String, Vec<Sample>> {
    let mut groups: BTreeMap<(String, SeriesKey, usize), Vec<MatRecord>> = BTreeMap::new();
    for cell in cells {
        for record in mats.iter().filter(|record| record.cell == cell.id) {
            let key = (record.mat.slo.to_string(), SeriesKey::of(cell), cell.cores);
            groups.entry(key).or_default().push(record.clone());
        }
    }
    let mut by_slo: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for ((slo, ..), records) in groups {
        by_slo.entry(slo).or_default().push(Sample::of(&records));
    }
    by_slo
}
