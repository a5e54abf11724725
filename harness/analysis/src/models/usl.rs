//! The universal scalability law and its special cases, fitted by Levenberg–Marquardt.
//!
//! `X(N) = γN / (1 + σ(N−1) + κN(N−1))` with γ free (three-parameter form). κ = 0 is Amdahl's law, σ = κ = 0 a
//! straight line. The constraints σ, κ ≥ 0 are met exactly: the law is fitted with each subset of {σ, κ} held at
//! zero and the best of the feasible fits is the constrained optimum; the fit with nothing held is kept as a diagnosis.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, Owned};

use super::observation::Data;

/// The law's parameters. γ in units of the data's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usl {
    pub gamma: f64,
    pub sigma: f64,
    pub kappa: f64,
}

impl Usl {
    fn denominator(&self, n: f64) -> f64 {
        1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0)
    }

    /// `X(N)`.
    pub(crate) fn at(&self, n: f64) -> f64 {
        self.gamma * n / self.denominator(n)
    }

    /// `N* = √((1−σ)/κ)`; infinite without coherency cost, `None` when σ ≥ 1 (it falls from the first core on).
    pub(crate) fn peak(&self) -> Option<f64> {
        match self {
            Usl { kappa, .. } if *kappa <= 0.0 => Some(f64::INFINITY),
            Usl { sigma, .. } if *sigma >= 1.0 => None,
            Usl { sigma, kappa, .. } => Some(((1.0 - sigma) / kappa).sqrt()),
        }
    }
}

/// Which of the law's parameters are fitted; those that are not are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    pub sigma: bool,
    pub kappa: bool,
}

impl Free {
    pub(crate) const LINEAR: Free = Free { sigma: false, kappa: false };
    pub(crate) const AMDAHL: Free = Free { sigma: true, kappa: false };
    pub(crate) const USL: Free = Free { sigma: true, kappa: true };

    /// Number of parameters, γ included.
    pub(crate) fn count(self) -> usize {
        1 + usize::from(self.sigma) + usize::from(self.kappa)
    }
}

/// Fits with σ, κ ≥ 0. `None` when the data have fewer points than parameters or nothing feasible fits.
pub(crate) fn fit(data: &Data, free: Free) -> Option<Usl> {
    if data.len() < free.count() {
        return None;
    }
    let held = [(true, true), (true, false), (false, true), (false, false)]
        .map(|(sigma, kappa)| Free { sigma: sigma && free.sigma, kappa: kappa && free.kappa });
    let fits = held.into_iter().filter_map(|subset| fit_unconstrained(data, subset));
    let feasible = fits.filter(|usl| usl.gamma > 0.0 && usl.sigma >= 0.0 && usl.kappa >= 0.0);
    feasible.min_by(|a, b| data.rss(|n| a.at(n)).total_cmp(&data.rss(|n| b.at(n))))
}

/// Fits without constraints on the sign of the free parameters.
pub(crate) fn fit_unconstrained(data: &Data, free: Free) -> Option<Usl> {
    if data.len() < free.count() {
        return None;
    }
    let start = linearised(data, free)?;
    if free == Free::LINEAR {
        return Some(start);
    }
    let problem = Problem { data, free, usl: start };
    let (problem, report) = LevenbergMarquardt::new()
        .with_ftol(1e-15)
        .with_xtol(1e-15)
        .with_gtol(1e-15)
        .with_patience(200)
        .minimize(problem);
    let usl = problem.usl;
    let finite = usl.gamma.is_finite() && usl.sigma.is_finite() && usl.kappa.is_finite();
    let better = data.rss(|n| usl.at(n)) <= data.rss(|n| start.at(n)) * (1.0 + 1e-9);
    (report.objective_function.is_finite() && finite && better).then_some(usl)
}

/// The start: `N/X = 1/γ + (σ/γ)(N−1) + (κ/γ)N(N−1)` is linear in its coefficients. Weighted so that its residuals
/// are those of the law to first order: d(N/X) = −(N/X²) dX. For a straight line it is solved directly.
fn linearised(data: &Data, free: Free) -> Option<Usl> {
    if free == Free::LINEAR {
        let (mut nx, mut nn) = (0.0, 0.0);
        for i in 0..data.len() {
            let w = data.root_weight[i].powi(2);
            nx += w * data.n[i] * data.x[i];
            nn += w * data.n[i].powi(2);
        }
        return (nn > 0.0).then(|| Usl { gamma: nx / nn, sigma: 0.0, kappa: 0.0 });
    }
    let columns = free.count();
    let mut design = DMatrix::zeros(data.len(), columns);
    let mut response = DVector::zeros(data.len());
    for i in 0..data.len() {
        let (n, x) = (data.n[i], data.x[i]);
        let w = data.root_weight[i] * x * x / n;
        design[(i, 0)] = w;
        if free.sigma {
            design[(i, 1)] = w * (n - 1.0);
        }
        if free.kappa {
            design[(i, columns - 1)] = w * n * (n - 1.0);
        }
        response[i] = w * n / x;
    }
    let solved = design.svd(true, true).solve(&response, 1e-14).ok()?;
    let gamma = 1.0 / solved[0];
    let usl = Usl {
        gamma,
        sigma: if free.sigma { solved[1] * gamma } else { 0.0 },
        kappa: if free.kappa { solved[columns - 1] * gamma } else { 0.0 },
    };
    let sane = gamma.is_finite() && gamma > 0.0 && data.n.iter().all(|n| usl.denominator(*n) > 0.0);
    // A start outside the law's domain is replaced by a straight line, from which the optimiser finds its way.
    if sane { Some(usl) } else { linearised(data, Free::LINEAR) }
}

struct Problem<'a> {
    data: &'a Data,
    free: Free,
    usl: Usl,
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, p: &DVector<f64>) {
        self.usl.gamma = p[0];
        if self.free.sigma {
            self.usl.sigma = p[1];
        }
        if self.free.kappa {
            self.usl.kappa = p[p.len() - 1];
        }
    }

    fn params(&self) -> DVector<f64> {
        let mut p = vec![self.usl.gamma];
        p.extend(self.free.sigma.then_some(self.usl.sigma));
        p.extend(self.free.kappa.then_some(self.usl.kappa));
        DVector::from_vec(p)
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        let d = self.data;
        // Beyond a pole the law has no meaning; a huge residual turns the optimiser back.
        let residual = |i: usize| {
            let model = if self.usl.denominator(d.n[i]) > 1e-9 { self.usl.at(d.n[i]) } else { 1e6 };
            d.root_weight[i] * (model - d.x[i])
        };
        Some(DVector::from_iterator(d.len(), (0..d.len()).map(residual)))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let columns = self.free.count();
        let mut jacobian = DMatrix::zeros(self.data.len(), columns);
        for i in 0..self.data.len() {
            let (n, w) = (self.data.n[i], self.data.root_weight[i]);
            let denominator = self.usl.denominator(n);
            let slope = -w * self.usl.gamma * n * (n - 1.0) / (denominator * denominator);
            jacobian[(i, 0)] = w * n / denominator;
            if self.free.sigma {
                jacobian[(i, 1)] = slope;
            }
            if self.free.kappa {
                jacobian[(i, columns - 1)] = slope * n;
            }
        }
        Some(jacobian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Observation, Weights};

    fn made(gamma: f64, sigma: f64, kappa: f64) -> Data {
        let law = Usl { gamma, sigma, kappa };
        let points: Vec<Observation> =
            [1usize, 2, 4, 8, 12, 16, 24, 32].iter().map(|n| Observation::new(*n, law.at(*n as f64))).collect();
        Data::new(&points, Weights::Relative)
    }

    #[test]
    fn exact_data_give_back_their_parameters() {
        for (sigma, kappa) in [(0.0, 0.0), (0.05, 0.0), (0.02, 1e-4), (0.3, 0.01), (0.0, 2e-3)] {
            let data = made(1234.5, sigma, kappa);
            let usl = fit(&data, Free::USL).unwrap();
            assert!((usl.gamma * data.scale - 1234.5).abs() < 1e-5, "{usl:?}");
            assert!((usl.sigma - sigma).abs() < 1e-8 && (usl.kappa - kappa).abs() < 1e-9, "{usl:?}");
        }
    }

    #[test]
    fn negative_parameters_are_held_at_zero_and_kept_for_diagnosis() {
        let data = made(100.0, -0.004, 3e-4);
        let usl = fit(&data, Free::USL).unwrap();
        assert_eq!(usl.sigma, 0.0);
        assert!(usl.kappa > 0.0);
        assert!((fit_unconstrained(&data, Free::USL).unwrap().sigma + 0.004).abs() < 1e-8);
    }

    #[test]
    fn the_peak_follows_its_formula() {
        let usl = Usl { gamma: 89.995, sigma: 0.02773, kappa: 1.0436e-4 };
        assert!((usl.peak().unwrap() - 96.5).abs() < 0.05);
        assert_eq!(Usl { kappa: 0.0, ..usl }.peak(), Some(f64::INFINITY));
        assert_eq!(Usl { sigma: 1.2, ..usl }.peak(), None);
    }
}
