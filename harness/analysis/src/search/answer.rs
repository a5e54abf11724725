//! From a goal's assessment to the answer that is written down.

use corecurve_core::{ArrivalKind, Mat, MatKind, Purpose, Quantiles, Reason, Rule, Slo};

use crate::search::bracket::Verdict;
use crate::search::evidence::{Seen, Standing};
use crate::search::goal::Criterion;
use crate::search::mat::{Goal, Want};

/// Widest interval, relative to the estimate, of a number that may still be used in ratios.
const USABLE_WIDTH: f64 = 0.2;

/// The answer for one SLO.
pub(super) fn mat(slo: &Slo, goal: &Goal, seen: &[Seen], width: f64, arrival: ArrivalKind) -> Mat {
    let a = &goal.assessment;
    let kind = kind(goal, seen);
    let (mat_per_s, ci95) = match kind {
        MatKind::Regular | MatKind::ErrorLimited | MatKind::NotConverged => {
            (a.estimate.or(a.bracket.lower), a.interval)
        }
        MatKind::GeneratorLimited | MatKind::ConnectionLimited => (a.bracket.lower, None),
        MatKind::NonStationary | MatKind::MinLoadFails => (None, None),
    };
    let nearest = nearest_below(seen, mat_per_s);
    let invalid_reasons = invalid_reasons(kind, goal, seen, width);
    Mat {
        slo: *slo,
        limit_ns: goal.limit,
        kind,
        mat_per_s,
        ci95,
        trials: seen.len() as u32,
        latency_ns: nearest.map_or(Quantiles::default(), |s| s.record.latency_ns),
        utilisation: nearest.and_then(|s| s.record.utilisation),
        valid: invalid_reasons.is_empty(),
        invalid_reasons,
        caveats: caveats(kind, goal, seen, width, arrival),
    }
}

fn kind(goal: &Goal, seen: &[Seen]) -> MatKind {
    let limited = if goal.criterion == Criterion::Errors { MatKind::ErrorLimited } else { MatKind::Regular };
    let open: Vec<&Seen> = seen.iter().filter(|s| s.is_open()).collect();
    match goal.want {
        Want::Enough => limited,
        Want::BeyondGenerator => MatKind::GeneratorLimited,
        Want::BeyondConnections => MatKind::ConnectionLimited,
        Want::BelowLeast => MatKind::MinLoadFails,
        Want::Trial(..) | Want::Hopeless => {
            let usable = open.iter().any(|s| s.standing == Standing::Usable);
            let of = |standing| open.iter().filter(|s| s.standing == standing).count();
            match () {
                () if usable => MatKind::NotConverged,
                () if of(Standing::Unsteady) > 0 => MatKind::NonStationary,
                () if of(Standing::GeneratorBroke) > 0 => MatKind::GeneratorLimited,
                () if of(Standing::ConnectionsBroke) > 0 => MatKind::ConnectionLimited,
                () => MatKind::NotConverged,
            }
        }
    }
}

/// Why the number may not be used in ratios and fits: it is no number of the target's, or too wide.
fn invalid_reasons(kind: MatKind, goal: &Goal, seen: &[Seen], width: f64) -> Vec<Reason> {
    let first = |rules: &[Rule], otherwise: &str, rule| {
        let found = seen.iter().flat_map(|s| &s.record.invalid_reasons).find(|reason| rules.contains(&reason.rule));
        found.cloned().unwrap_or_else(|| Reason::new(rule, otherwise))
    };
    match kind {
        MatKind::Regular | MatKind::ErrorLimited => Vec::new(),
        MatKind::GeneratorLimited => {
            let rules = [Rule::ScheduleAdherence, Rule::SentRate, Rule::GeneratorBusy, Rule::ClientShare];
            let otherwise = "the SLO holds at the highest rate the generator may offer; the MAT is at least this";
            vec![first(&rules, otherwise, Rule::GeneratorBusy)]
        }
        MatKind::ConnectionLimited => {
            vec![first(&[Rule::Connections], "operations waited for connections", Rule::Connections)]
        }
        MatKind::NonStationary => vec![first(&[Rule::Stationary], "no window was in steady state", Rule::Stationary)],
        MatKind::MinLoadFails => {
            let least = goal.assessment.bracket.upper.unwrap_or(0.0);
            vec![Reason::new(Rule::Samples, format!("the SLO is broken at {least:.1} per second already"))]
        }
        // An interval wider than asked for is still true, and everything made from the number carries it along.
        MatKind::NotConverged if goal.assessment.width() <= USABLE_WIDTH => Vec::new(),
        MatKind::NotConverged => {
            vec![Reason::new(Rule::Samples, too_wide(goal, width))]
        }
    }
}

/// What a search that ran out of time has to say.
fn too_wide(goal: &Goal, width: f64) -> String {
    let seen_width = 100.0 * goal.assessment.width();
    if goal.assessment.width() <= width {
        return "the time was up before the interval was confirmed; a larger --budget would settle it".to_owned();
    }
    let seen = if seen_width.is_finite() {
        format!("the 95 % interval is {seen_width:.1} % wide where {:.1} % was asked for", 100.0 * width)
    } else {
        "the trials do not bound the MAT from both sides".to_owned()
    };
    format!("{seen}; a larger --budget would narrow it")
}

fn caveats(kind: MatKind, goal: &Goal, seen: &[Seen], width: f64, arrival: ArrivalKind) -> Vec<String> {
    let a = &goal.assessment;
    let mut caveats = Vec::new();
    if kind == MatKind::NotConverged && a.width() <= USABLE_WIDTH {
        caveats.push(too_wide(goal, width));
    }
    if let (Some(upper), Some(inverted)) = (a.bracket.upper, a.bracket.inverted) {
        caveats.push(format!(
            "loss inversion: {upper:.0} per second broke the SLO although {inverted:.0} held it; the answer keeps below the lower of the two"
        ));
    }
    let confirmed = |s: &&Seen| s.record.purpose == Purpose::Confirm && s.standing == Standing::Usable;
    let contradicted = seen.iter().filter(confirmed).find(|s| {
        a.bracket.tried.iter().any(|t| t.verdict == Verdict::Upper && (t.rate / s.rate() - 1.0).abs() < 1e-3)
    });
    if let Some(trial) = contradicted {
        caveats.push(format!("a restarted target broke the SLO at {:.0} per second", trial.rate()));
    }
    if a.fit.as_ref().is_some_and(|fit| fit.assumed) {
        caveats.push(
            "the trials alone do not bound the MAT: how steep latency rises was partly taken from queueing theory"
                .to_owned(),
        );
    }
    if a.fit.is_none() && a.estimate.is_some() {
        caveats.push("the MAT lies at a cliff: the interval is the bracket of rates that held and failed".to_owned());
    }
    if !arrival.is_open() {
        caveats.push("closed-loop arrivals were asked for; the MAT is of open-loop arrivals".to_owned());
    }
    caveats
}

/// The trial that counts at the highest rate not above the MAT; failing that, the lowest above it.
fn nearest_below(seen: &[Seen], mat_per_s: Option<f64>) -> Option<&Seen> {
    let mat = mat_per_s?;
    let usable = || seen.iter().filter(|s| s.is_usable());
    let by_rate = |a: &&Seen, b: &&Seen| a.rate().total_cmp(&b.rate());
    usable().filter(|s| s.rate() <= mat * 1.000_1).max_by(by_rate).or_else(|| usable().min_by(by_rate))
}
