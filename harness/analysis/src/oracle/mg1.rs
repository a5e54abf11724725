//! M/G/1 with service times from a list, and M/D/1 by a formula of its own.

/// P(wait > t) in M/D/1 with this service time, at `rate_per_s`.
///
/// Franx (2001), "A simple solution for the M/D/c waiting time distribution": for (k−1)D ≤ t < kD,
/// P(W ≤ t) = e^{−λ(kD−t)} Σ_{j<k} Q_{k−1−j} (λ(kD−t))^j / j!, Q_m the probability of at most m waiting. All terms
/// are positive, where the classical series of Erlang alternates and loses every digit beyond t ≈ 20 D.
/// The queue lengths come from level crossing, which has positive terms as well. Costs k²/2 operations.
pub fn md1_wait_tail(service_s: f64, rate_per_s: f64, t_s: f64) -> f64 {
    let load = rate_per_s * service_s;
    if load >= 1.0 {
        return 1.0;
    }
    let k = (t_s / service_s).floor() as usize + 1;
    let at_most = md1_at_most(load, k);
    let x = rate_per_s * (k as f64 * service_s - t_s);
    let mut poisson = (-x).exp();
    let mut below = 0.0;
    for j in 0..k {
        // At most m waiting is at most m + 1 in the system.
        below += at_most[k - j] * poisson;
        poisson *= x / (j + 1) as f64;
    }
    (1.0 - below).clamp(0.0, 1.0)
}

/// P(at most n in the system) for n = 0..=upto in M/D/1: p_j a_0 = p_0 ā_{j−1} + Σ_{i=1}^{j−1} p_i ā_{j−i}, where a_m is
/// the probability of m arrivals in one service and ā_m that of more than m (crossings up of a level equal those down).
fn md1_at_most(load: f64, upto: usize) -> Vec<f64> {
    let mut more = Vec::with_capacity(upto + 1);
    for m in 0..=upto {
        more.push(poisson_more_than(m, load));
    }
    let none = (-load).exp();
    let mut p = vec![1.0 - load];
    for j in 1..=upto {
        let up: f64 = p[0] * more[j - 1] + (1..j).map(|i| p[i] * more[j - i]).sum::<f64>();
        p.push(up / none);
    }
    p.iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect()
}

/// P(Poisson(mean) > m), summed from the small end so that far tails keep their digits.
fn poisson_more_than(m: usize, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    for n in 1..=m + 1 {
        term *= mean / n as f64;
    }
    let mut sum = 0.0;
    let mut n = m + 1;
    while term > 0.0 && term > sum * 1e-18 {
        sum += term;
        n += 1;
        term *= mean / n as f64;
    }
    sum
}

/// P(W ≤ x) of an M/G/1 queue on the grid x = 0, step, 2·step, …: as a function that interpolates, valid up to `upto_s`.
///
/// Pollaczek–Khinchine: W is a geometric number of residual services, so on a lattice Panjer's recursion
/// g_n = ρ/(1−ρh_0) Σ h_j g_{n−j} gives it with positive terms only. Services in nanoseconds with probabilities;
/// the error falls with the square of the step. Costs (upto/step)²/2 operations.
pub fn mixture_wait(services: &[(f64, f64)], rate_per_s: f64, upto_s: f64, steps: usize) -> impl Fn(f64) -> f64 {
    let mean_s: f64 = services.iter().map(|(ns, share)| ns * 1e-9 * share).sum();
    let load = (rate_per_s * mean_s).min(1.0);
    let step = upto_s / steps as f64;
    // Equilibrium residual service: its distribution is the integral of the service tail over the mean.
    let residual = |x: f64| services.iter().map(|(ns, share)| share * x.min(ns * 1e-9)).sum::<f64>() / mean_s;
    let half_cells: Vec<f64> = (0..steps + 2).map(|n| residual((n as f64 + 0.5) * step)).collect();
    let mass: Vec<f64> = (0..steps + 2).map(|n| half_cells[n] - if n > 0 { half_cells[n - 1] } else { 0.0 }).collect();
    // Beyond the longest service the residual has no mass: the inner sum stops there.
    let reach = mass.iter().rposition(|m| *m > 0.0).unwrap_or(0);
    let scale = 1.0 / (1.0 - load * mass[0]);
    let mut g = vec![(1.0 - load) * scale];
    for n in 1..steps + 2 {
        let sum: f64 = (1..=n.min(reach)).map(|j| mass[j] * g[n - j]).sum();
        g.push(load * scale * sum);
    }
    // The mass at n stands for the cell around n·step, but what is at zero stays at zero.
    let upto_half: Vec<f64> = g
        .iter()
        .scan(0.0, |sum, g| {
            *sum += g;
            Some(*sum)
        })
        .collect();
    let idle = 1.0 - load;
    move |x: f64| {
        let cells = x / step + 0.5;
        if cells < 0.5 {
            return 0.0;
        }
        if cells < 1.0 {
            return idle + (upto_half[0] - idle) * (cells - 0.5) * 2.0;
        }
        let n = (cells.floor() as usize).min(upto_half.len() - 1);
        upto_half[n - 1] + (upto_half[n] - upto_half[n - 1]) * (cells - cells.floor())
    }
}

/// P(sojourn > t) of M/G/1 with these services in nanoseconds: wait and service are independent.
/// Two grids and one step of Richardson's extrapolation.
pub(super) fn mixture_sojourn_tail(services: &[(f64, f64)], rate_per_s: f64, t_s: f64) -> f64 {
    let tail = |steps: usize| {
        let wait = mixture_wait(services, rate_per_s, t_s, steps);
        services
            .iter()
            .map(|(ns, share)| if *ns * 1e-9 > t_s { *share } else { share * (1.0 - wait(t_s - ns * 1e-9)) })
            .sum::<f64>()
    };
    let (coarse, fine) = (tail(800), tail(1_600));
    (fine + (fine - coarse) / 3.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md1_agrees_with_erlangs_series_where_that_has_digits() {
        let (d, rate) = (1.0, 0.7);
        for t in [0.0, 0.4, 1.0, 2.5, 6.3, 9.0] {
            let mut series = 0.0;
            for j in 0..=(t as usize) {
                let x: f64 = rate * (j as f64 - t);
                let factorial: f64 = (1..=j).map(|n| n as f64).product();
                series += x.powi(j as i32) / factorial * (-x).exp();
            }
            let known = 1.0 - 0.3 * series;
            assert!((md1_wait_tail(d, rate, t) - known).abs() < 1e-9, "t={t}: {} {known}", md1_wait_tail(d, rate, t));
        }
        assert!((md1_wait_tail(d, rate, 0.0) - 0.7).abs() < 1e-12, "an arrival waits with probability ρ");
    }

    #[test]
    fn md1_tail_decays_at_its_known_rate_far_out() {
        // The exponent solves λ(e^{θD} − 1) = θ.
        let rate = 0.9;
        let mut theta = 0.2;
        for _ in 0..200 {
            theta -= (rate * (f64::exp(theta) - 1.0) - theta) / (rate * f64::exp(theta) - 1.0);
        }
        let seen = (md1_wait_tail(1.0, rate, 60.0) / md1_wait_tail(1.0, rate, 61.0)).ln();
        assert!((seen / theta - 1.0).abs() < 1e-3, "{seen} {theta}");
    }

    #[test]
    fn the_grid_agrees_with_the_exact_queue_and_with_the_mean_wait() {
        let services = [(1e9, 1.0)];
        for (rate, t) in [(0.5, 3.2), (0.8, 9.5), (0.95, 20.3)] {
            let exact = md1_wait_tail(1.0, rate, t - 1.0);
            let grid = mixture_sojourn_tail(&services, rate, t);
            assert!((grid / exact - 1.0).abs() < 2e-4, "rate {rate}: {grid} {exact}");
        }
        // Pollaczek–Khinchine mean: λE[S²]/(2(1−ρ)).
        let services = [(0.1e9, 0.9), (1e9, 0.1)];
        let rate = 3.0;
        let known = rate * (0.9 * 0.01 + 0.1) / (2.0 * (1.0 - rate * 0.19));
        let (upto, steps) = (40.0, 4_000);
        let wait = mixture_wait(&services, rate, upto, steps);
        let dx = upto / steps as f64;
        let mean: f64 = (0..steps).map(|n| (1.0 - wait((n as f64 + 0.5) * dx)) * dx).sum();
        assert!((mean / known - 1.0).abs() < 1e-3, "{mean} {known}");
    }
}
