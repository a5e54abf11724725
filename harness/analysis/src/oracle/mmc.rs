//! M/M/c and what is built from it.

/// Erlang C: the probability that an arrival waits, with `servers` and an offered load of `erlangs` (λ/μ).
///
/// By the stable recursion of Erlang B, B(n) = aB/(n + aB), and C = B/(1 − ρ(1−B)). One when overloaded.
pub fn erlang_c(servers: usize, erlangs: f64) -> f64 {
    let c = servers as f64;
    if erlangs >= c {
        return 1.0;
    }
    let blocking = (1..=servers).fold(1.0, |b, n| erlangs * b / (n as f64 + erlangs * b));
    let load = erlangs / c;
    blocking / (1.0 - load * (1.0 - blocking))
}

/// P(sojourn > t) in M/M/c with `mu` services per second and server at `rate_per_s`; one when overloaded.
///
/// P(T>t) = e^{−μt} \[1 + C·(1 − e^{−μt·d})/d\], d = c − 1 − λ/μ (Gross & Harris, section 2.3). At d = 0 the
/// quotient is μt: `exp_m1` carries it through the removable singularity. Below zero the factors are exchanged, since
/// e^{−μt·d} leaves the range of a number where e^{−μt} falls out of it at the other end.
pub fn mmc_sojourn_tail(mu: f64, servers: usize, rate_per_s: f64, t_s: f64) -> f64 {
    let erlangs = rate_per_s / mu;
    if erlangs >= servers as f64 {
        return 1.0;
    }
    let x = mu * t_s;
    let d = servers as f64 - 1.0 - erlangs;
    let waited = match d * x {
        near_zero if near_zero.abs() < 1e-12 => (-x).exp() * x,
        dx if dx > 0.0 => (-x).exp() * -(-dx).exp_m1() / d,
        dx => (-(1.0 + d) * x).exp() * dx.exp_m1() / d,
    };
    ((-x).exp() + erlang_c(servers, erlangs) * waited).min(1.0)
}

/// P(sojourn > t) of an M/M/1 link with `link_mu` per second followed by M/M/c: the two sojourns are independent
/// (Burke 1956, Reich 1963), so the tail is θ∫₀ᵗ e^{−θx} P(Y > t−x) dx + e^{−θt} with θ = `link_mu` − λ.
///
/// The integral by Gauss–Legendre on panels that halve towards zero, because a wide link has θ far above μ:
/// 10⁻⁹ for θt up to 10⁶ and μt up to some hundreds.
pub fn tandem_sojourn_tail(link_mu: f64, mu: f64, servers: usize, rate_per_s: f64, t_s: f64) -> f64 {
    let theta = link_mu - rate_per_s;
    if theta <= 0.0 || rate_per_s >= mu * servers as f64 {
        return 1.0;
    }
    let density = |x: f64| theta * (-theta * x).exp() * mmc_sojourn_tail(mu, servers, rate_per_s, t_s - x);
    const OCTAVES: i32 = 20;
    let octaves = (0..OCTAVES).map(|octave| (t_s * 0.5f64.powi(octave + 1), t_s * 0.5f64.powi(octave)));
    let first = (0.0, t_s * 0.5f64.powi(OCTAVES));
    let sum: f64 = octaves.chain([first]).map(|(from, to)| integral(from, to, density)).sum();
    ((-theta * t_s).exp() + sum).min(1.0)
}

/// Integral by the three-point Gauss–Legendre rule on 32 panels.
fn integral(from: f64, to: f64, of: impl Fn(f64) -> f64) -> f64 {
    const PANELS: usize = 32;
    let half = (to - from) / (2 * PANELS) as f64;
    let reach = half * 0.6f64.sqrt();
    let panel = |n: usize| {
        let centre = from + half * (2 * n + 1) as f64;
        (5.0 * of(centre - reach) + 8.0 * of(centre) + 5.0 * of(centre + reach)) / 9.0
    };
    half * (0..PANELS).map(panel).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlang_c_matches_the_sum_it_stands_for() {
        for (servers, erlangs) in [(1usize, 0.5), (2, 1.0), (5, 4.0), (16, 15.0)] {
            let mut term = 1.0;
            let mut below = 0.0;
            for n in 0..servers {
                below += term;
                term *= erlangs / (n + 1) as f64;
            }
            let top = term / (1.0 - erlangs / servers as f64);
            assert!((erlang_c(servers, erlangs) - top / (below + top)).abs() < 1e-12);
        }
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }

    #[test]
    fn the_singularity_is_removed() {
        let at = |rate: f64| mmc_sojourn_tail(1.0, 4, rate, 2.0);
        assert!((at(3.0) - at(3.0 + 1e-9)).abs() < 1e-8);
        assert!((at(3.0) - at(3.0 - 1e-9)).abs() < 1e-8);
    }

    #[test]
    fn a_limit_of_thousands_of_services_is_no_overflow() {
        for (rate, t) in [(0.995, 1_000.0), (0.9999, 50_000.0), (0.5, 5_000.0)] {
            let known = (-(1.0f64 - rate) * t).exp();
            let tail = mmc_sojourn_tail(1.0, 1, rate, t);
            assert!((tail - known).abs() <= 1e-9 * known, "{rate} {t}: {tail} {known}");
        }
        // So loaded, sixteen servers keep an operation waiting far longer than they serve it.
        let tail = mmc_sojourn_tail(1.0, 16, 15.999, 2_000.0);
        assert!((tail / (erlang_c(16, 15.999) * (-2.0f64).exp() / 0.999) - 1.0).abs() < 1e-6, "{tail}");
    }

    #[test]
    fn a_tandem_of_two_like_servers_is_an_erlang() {
        // Two M/M/1 with the same θ: P(T>t) = e^{-θt}(1 + θt).
        let (mu, rate, t) = (10.0, 4.0, 0.7);
        let known = (-6.0f64 * t).exp() * (1.0 + 6.0 * t);
        assert!((tandem_sojourn_tail(mu, mu, 1, rate, t) - known).abs() < 1e-10);
    }

    #[test]
    fn a_wide_link_changes_nothing() {
        let with = tandem_sojourn_tail(1e5, 10.0, 4, 30.0, 0.5);
        assert!((with / mmc_sojourn_tail(10.0, 4, 30.0, 0.5) - 1.0).abs() < 1e-3);
    }
}
