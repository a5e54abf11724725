//! [`Observation`]: the MAT at one core count, and how much it is worth in a fit.

/// The MAT at one core count.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Server cores, at least 1.
    pub cores: usize,
    /// The MAT (the median over repetitions), per second, above 0.
    pub mat_per_s: f64,
    /// The repetitions' own answers, per second; may be empty.
    pub replicates: Vec<f64>,
    /// Relative standard error of `mat_per_s`, when known from elsewhere; used where there are fewer than
    /// three replicates.
    pub rel_error: Option<f64>,
    /// The generator gave out first: the MAT is at least this. Such a point is left out of every fit.
    pub at_least: bool,
}

impl Observation {
    /// An observation without repetitions.
    pub fn new(cores: usize, mat_per_s: f64) -> Observation {
        Observation { cores, mat_per_s, replicates: Vec::new(), rel_error: None, at_least: false }
    }
}

/// How much each observation counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// All the same absolute error.
    Uniform,
    /// All the same relative error (constant coefficient of variation), which is how MATs err. The default.
    #[default]
    Relative,
    /// `1/sᵢ²` with `sᵢ` each observation's own relative error; needs one for every observation.
    OwnError,
}

impl Weights {
    /// In words, for the method line of a report.
    pub fn describe(self) -> &'static str {
        match self {
            Weights::Uniform => "equal absolute weights",
            Weights::Relative => "relative weights 1/x²",
            Weights::OwnError => "weights 1/s² from each point's own error",
        }
    }
}

/// Observations in the form the optimiser works on: scaled so that the largest MAT is 1.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub n: Vec<f64>,
    pub x: Vec<f64>,
    /// Square root of the weight of each residual.
    pub root_weight: Vec<f64>,
    /// What `x` was divided by.
    pub scale: f64,
}

impl Data {
    pub(crate) fn new(observations: &[Observation], weights: Weights) -> Data {
        let scale = observations.iter().map(|o| o.mat_per_s).fold(f64::MIN_POSITIVE, f64::max);
        let x: Vec<f64> = observations.iter().map(|o| o.mat_per_s / scale).collect();
        let root_weight = match weights {
            Weights::Uniform => vec![1.0; x.len()],
            Weights::Relative => x.iter().map(|x| 1.0 / x).collect(),
            Weights::OwnError => own_error_weights(observations, &x),
        };
        Data { n: observations.iter().map(|o| o.cores as f64).collect(), x, root_weight, scale }
    }

    pub(crate) fn len(&self) -> usize {
        self.n.len()
    }

    /// The same without observation `i`.
    pub(crate) fn without(&self, i: usize) -> Data {
        let mut rest = self.clone();
        rest.n.remove(i);
        rest.x.remove(i);
        rest.root_weight.remove(i);
        rest
    }

    /// The same with other MATs (scaled), the weights kept.
    pub(crate) fn with_x(&self, x: Vec<f64>) -> Data {
        Data { x, ..self.clone() }
    }

    /// Weighted sum of squared residuals of a model.
    pub(crate) fn rss(&self, model: impl Fn(f64) -> f64) -> f64 {
        (0..self.len()).map(|i| (self.root_weight[i] * (model(self.n[i]) - self.x[i])).powi(2)).sum()
    }
}

/// Relative errors as weights, normalised so that the mean error keeps the weight of [`Weights::Relative`].
/// An observation without an error of its own gets the mean one.
fn own_error_weights(observations: &[Observation], x: &[f64]) -> Vec<f64> {
    let known: Vec<f64> = observations.iter().filter_map(|o| o.rel_error).filter(|e| *e > 0.0).collect();
    if known.is_empty() {
        return x.iter().map(|x| 1.0 / x).collect();
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let error = |o: &Observation| o.rel_error.filter(|e| *e > 0.0).unwrap_or(mean);
    observations.iter().zip(x).map(|(o, x)| mean / (error(o) * x)).collect()
}
