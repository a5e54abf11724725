//! The best rising staircase through shares at rates: which side of a rate the crossing is on, whatever one unlucky trial
//! says.

/// Neighbouring rates with one share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plateau {
    /// Lowest rate.
    pub(super) from: f64,
    /// Highest rate.
    pub(super) to: f64,
    /// Operations.
    pub(super) n: f64,
    /// Of those, over the limit.
    pub(super) hits: f64,
    /// Their share; half a hit is added, so that its logarithm is finite.
    pub(super) share: f64,
}

impl Plateau {
    /// A plateau between two rates.
    pub(super) fn new(from: f64, to: f64, n: f64, hits: f64) -> Plateau {
        Plateau { from, to, n, hits, share: (hits + 0.5) / (n + 1.0) }
    }
}

/// Pools adjacent violators (Ayer et al. 1955): plateaus in ascending order of rate and of share.
pub(super) fn staircase(mut all: Vec<Plateau>) -> Vec<Plateau> {
    all.sort_by(|x, y| x.from.total_cmp(&y.from));
    let mut steps: Vec<Plateau> = Vec::with_capacity(all.len());
    for mut next in all {
        while let Some(last) = steps.last().filter(|last| last.share >= next.share || last.to >= next.from) {
            next = Plateau::new(last.from, next.to.max(last.to), last.n + next.n, last.hits + next.hits);
            steps.pop();
        }
        steps.push(next);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlucky_trial_is_pooled_with_its_neighbours() {
        let one = |rate: f64, hits: f64| Plateau::new(rate, rate, 1_000.0, hits);
        let steps = staircase(vec![one(30.0, 40.0), one(10.0, 1.0), one(20.0, 8.0), one(15.0, 12.0), one(20.0, 10.0)]);
        let shape: Vec<(f64, f64, f64)> = steps.iter().map(|s| (s.from, s.to, s.hits)).collect();
        assert_eq!(shape, [(10.0, 10.0, 1.0), (15.0, 20.0, 30.0), (30.0, 30.0, 40.0)]);
        assert!(steps.windows(2).all(|pair| pair[0].share < pair[1].share));
        assert!(staircase(Vec::new()).is_empty());
    }
}
