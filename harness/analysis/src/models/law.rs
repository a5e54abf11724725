//! [`Law`]: any of the models, fitted, with one way to fit, evaluate and count parameters.

use super::ModelKind;
use super::observation::Data;
use super::usl::{self, Free, Usl};

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    /// Straight line, Amdahl or USL, by which parameters are free.
    Usl { usl: Usl, free: Free },
    /// `min(law, cap)`.
    Capped { usl: Usl, free: Free, cap: f64 },
    /// `γN` up to the boundary, slope δ beyond it.
    Segments { gamma: f64, delta: f64, boundary: f64 },
}

/// What a fit is told besides the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The last core count of the first socket.
    pub boundary: Option<usize>,
    /// How level the points at a cap must be: largest over smallest minus one.
    pub level: f64,
}

impl Terms {
    /// The same for redrawn or thinned data, in which a plateau need not be level.
    pub(crate) fn relaxed(self) -> Terms {
        Terms { level: f64::INFINITY, ..self }
    }
}

impl Law {
    /// Fits a model to data.
    ///
    /// # Errors
    /// Why it cannot be fitted, in a sentence.
    pub(crate) fn fit(kind: ModelKind, data: &Data, terms: Terms) -> Result<Law, String> {
        match kind {
            ModelKind::Linear => plain(data, Free::LINEAR),
            ModelKind::Amdahl => plain(data, Free::AMDAHL),
            ModelKind::Usl => plain(data, Free::USL),
            ModelKind::UslCapped => capped(data, terms.level),
            ModelKind::TwoSegments => match terms.boundary {
                Some(boundary) => segments(data, boundary as f64),
                None => Err("no socket boundary lies inside the tested core counts".to_owned()),
            },
        }
    }

    /// The model's MAT at `n` cores, in the data's scale.
    pub(crate) fn at(&self, n: f64) -> f64 {
        match self {
            Law::Usl { usl, .. } => usl.at(n),
            Law::Capped { usl, cap, .. } => usl.at(n).min(*cap),
            Law::Segments { gamma, delta, boundary } => gamma * n.min(*boundary) + delta * (n - boundary).max(0.0),
        }
    }

    /// Fitted parameters.
    pub(crate) fn params(&self) -> usize {
        match self {
            Law::Usl { free, .. } => free.count(),
            Law::Capped { free, .. } => free.count() + 1,
            Law::Segments { .. } => 2,
        }
    }
}

fn needs(data: &Data, params: usize) -> Result<(), String> {
    if data.len() > params {
        return Ok(());
    }
    let (have, need) = (data.len(), params + 1);
    let s = if have == 1 { "" } else { "s" };
    Err(format!("{have} core count{s}, but {params}-parameter fits take at least {need}"))
}

fn plain(data: &Data, free: Free) -> Result<Law, String> {
    needs(data, free.count())?;
    let usl = usl::fit(data, free).ok_or("the optimiser found no fit with parameters ≥ 0")?;
    Ok(Law::Usl { usl, free })
}

/// `min(law, cap)`: every choice of "the last j core counts are at the cap" is tried. Given the choice the two
/// parts separate: the cap is the weighted mean of its points, the law is fitted to the others. The law under the
/// cap is the simplest that AICc allows, because the points under a cap are few. In return a cap must look like one:
/// its points are level, else every retrograde curve would pass for capped.
fn capped(data: &Data, level: f64) -> Result<Law, String> {
    needs(data, 2)?;
    let mut best: Option<(f64, Law)> = None;
    let mut level_seen = false;
    for first_capped in 1..data.len().saturating_sub(1) {
        let at_cap = &data.x[first_capped..];
        let (low, high) = at_cap.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(*x), h.max(*x)));
        if high / low - 1.0 > level {
            continue;
        }
        level_seen = true;
        let (mut sum, mut weight) = (0.0, 0.0);
        for i in first_capped..data.len() {
            let w = data.root_weight[i].powi(2);
            sum += w * data.x[i];
            weight += w;
        }
        let cap = sum / weight;
        let mut below = data.clone();
        below.n.truncate(first_capped);
        below.x.truncate(first_capped);
        below.root_weight.truncate(first_capped);
        for free in [Free::LINEAR, Free::AMDAHL, Free::USL] {
            let Some(usl) = usl::fit(&below, free) else { continue };
            let law = Law::Capped { usl, free, cap };
            let Some(score) = aicc(data.rss(|n| law.at(n)), data.len(), law.params()) else { continue };
            if best.is_none_or(|(least, _)| score < least) {
                best = Some((score, law));
            }
        }
    }
    best.map(|(_, law)| law).ok_or_else(|| {
        if level_seen || data.len() < 3 {
            format!("{} core counts are too few to judge a cap by AICc", data.len())
        } else {
            format!("no plateau: the MATs at the largest core counts differ by more than {:.1} %", level * 100.0)
        }
    })
}

/// Two straight lines that meet at the boundary: linear in both slopes, so solved by normal equations.
fn segments(data: &Data, boundary: f64) -> Result<Law, String> {
    needs(data, 2)?;
    let beyond = data.n.iter().filter(|n| **n > boundary).count();
    if beyond < 2 || data.len() - beyond < 2 {
        return Err(format!(
            "the boundary after {boundary} cores has {} core counts up to it and {beyond} beyond it; two on each side are needed",
            data.len() - beyond
        ));
    }
    let (mut aa, mut ab, mut bb, mut ax, mut bx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..data.len() {
        let (w, n, x) = (data.root_weight[i].powi(2), data.n[i], data.x[i]);
        let (a, b) = (n.min(boundary), (n - boundary).max(0.0));
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ax += w * a * x;
        bx += w * b * x;
    }
    let determinant = aa * bb - ab * ab;
    if determinant <= 0.0 {
        return Err("the two segments cannot be told apart".to_owned());
    }
    let gamma = (ax * bb - bx * ab) / determinant;
    Ok(Law::Segments { gamma, delta: (bx * aa - ax * ab) / determinant, boundary })
}

/// `n ln(RSS/n) + 2k + 2k(k+1)/(n−k−1)` with k the parameters and the error variance (Hurvich & Tsai 1989);
/// `None` where n ≤ k+1 and the correction is not defined. Constants common to all models are left out.
pub(crate) fn aicc(rss: f64, n: usize, params: usize) -> Option<f64> {
    let (n, k) = (n as f64, params as f64 + 1.0);
    // A perfect fit (made-up data) has no likelihood bound; machine precision stands in for it.
    let variance = (rss / n).max(1e-30);
    (n > k + 1.0).then(|| n * variance.ln() + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Observation, Weights};

    const TERMS: Terms = Terms { boundary: None, level: 0.02 };

    fn data(points: &[(usize, f64)]) -> Data {
        let points: Vec<Observation> = points.iter().map(|(n, x)| Observation::new(*n, *x)).collect();
        Data::new(&points, Weights::Relative)
    }

    #[test]
    fn a_cap_is_found_where_it_is() {
        let points = [1, 2, 3, 4, 6, 8, 12, 16].map(|n| (n, (1000.0 * n as f64).min(4500.0)));
        let data = data(&points);
        let Law::Capped { usl, cap, free } = Law::fit(ModelKind::UslCapped, &data, TERMS).unwrap() else { panic!() };
        assert!((cap * data.scale - 4500.0).abs() < 1e-6 && (usl.gamma * data.scale - 1000.0).abs() < 1e-6);
        assert_eq!(free, Free::LINEAR);
    }

    #[test]
    fn a_curve_that_falls_is_not_called_capped() {
        let falling = data(&[(1, 10.0), (2, 20.0), (4, 38.0), (8, 60.0), (12, 58.0), (16, 52.0)]);
        assert!(Law::fit(ModelKind::UslCapped, &falling, TERMS).unwrap_err().contains("no plateau"));
    }

    #[test]
    fn two_segments_give_back_their_slopes() {
        let after = |boundary| Terms { boundary: Some(boundary), ..TERMS };
        let points = [1, 2, 4, 8, 12, 16].map(|n: usize| (n, 100.0 * n.min(8) as f64 + 40.0 * (n.max(8) - 8) as f64));
        let data = data(&points);
        let Law::Segments { gamma, delta, .. } = Law::fit(ModelKind::TwoSegments, &data, after(8)).unwrap() else {
            panic!()
        };
        assert!((gamma * data.scale - 100.0).abs() < 1e-6 && (delta * data.scale - 40.0).abs() < 1e-6);
        assert!(Law::fit(ModelKind::TwoSegments, &data, after(12)).unwrap_err().contains("1 beyond it"));
        assert!(Law::fit(ModelKind::TwoSegments, &data, TERMS).unwrap_err().contains("no socket boundary"));
    }

    #[test]
    fn too_few_points_are_refused_with_the_count() {
        let two = data(&[(1, 10.0), (2, 19.0)]);
        assert!(Law::fit(ModelKind::Linear, &two, TERMS).is_ok());
        assert_eq!(
            Law::fit(ModelKind::Amdahl, &two, TERMS).unwrap_err(),
            "2 core counts, but 2-parameter fits take at least 3"
        );
        assert!(Law::fit(ModelKind::Usl, &two, TERMS).unwrap_err().contains("take at least 4"));
    }

    #[test]
    fn aicc_is_undefined_without_spare_points() {
        assert!(aicc(1.0, 4, 2).is_none());
        assert!((aicc(7.0, 7, 1).unwrap() - (4.0 + 12.0 / 4.0)).abs() < 1e-12);
    }
}
