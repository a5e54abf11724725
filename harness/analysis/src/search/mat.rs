//! [`MatSearch`]: what to do next, from the trials so far.
//!
//! There is no hidden state: every decision is a function of the settings and the records in order. So a search is
//! replayed from its records, and an interrupted one goes on where it was.

use corecurve_core::{
    ArrivalKind, Load, Nanos, Purpose, Rate, Reason, Rule, Search, SearchSettings, Slo, Step, TrialRecord, TrialRequest,
};

use crate::search::answer;
use crate::search::bracket::Verdict;
use crate::search::evidence::{Seen, Standing};
use crate::search::goal::{Assessment, Criterion, Loose, assess};
use crate::search::pace::{Purse, bounded, coarse_window, refining_window};
use crate::search::place::{Scale, next_rate};
use crate::search::reference::{Reference, reference};

/// What is known before the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hints {
    /// Server cores: sets the depth of the closed-loop probe.
    pub cores: usize,
    /// Offered rates above this are not tried: the generator's own ceiling, when known.
    pub rate_cap: Option<Rate>,
}

impl Default for Hints {
    fn default() -> Hints {
        Hints { cores: 1, rate_cap: None }
    }
}

/// The search for the MAT at one or several SLOs from one set of trials.
#[derive(Clone, Debug)]
pub struct MatSearch {
    slos: Vec<Slo>,
    arrival: ArrivalKind,
    settings: SearchSettings,
    hints: Hints,
    seen: Vec<Seen>,
    step: Step,
}

/// How one SLO stands.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    /// Its latency limit.
    pub(super) limit: Nanos,
    /// Largest allowed share for the criterion that binds.
    pub(super) allowed: f64,
    /// What binds: latency or errors.
    pub(super) criterion: Criterion,
    /// What the trials say about it.
    pub(super) assessment: Assessment,
    /// What is wanted next.
    pub(super) want: Want,
}

/// What a goal wants next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Want {
    /// A trial at this rate with this window, seconds.
    Trial(f64, f64),
    /// Nothing: the interval is narrow enough.
    Enough,
    /// Nothing: the generator cannot follow beyond what holds.
    BeyondGenerator,
    /// Nothing: connections run out beyond what holds.
    BeyondConnections,
    /// Nothing: not even the smallest load holds.
    BelowLeast,
    /// Nothing: trials do not become valid.
    Hopeless,
}

/// Most trials of a search at one SLO, whatever the budget.
const MOST_TRIALS: usize = 80;
/// So many more for each further SLO: trials are shared, but each has a place of its own where it is settled.
const MORE_TRIALS: usize = 40;
/// Share of the budget the no-load trials may take.
const NO_LOAD_SHARE: f64 = 0.15;
/// Most no-load trials.
const NO_LOAD_TRIALS: usize = 4;
/// Smallest load tried, as a share of saturation.
const LEAST_LOAD: f64 = 0.005;
/// Trials in a row without one that counts before the search gives up.
const PATIENCE: usize = 5;
/// Limits a trial can count (a bound of the recorder).
const MOST_LIMITS: usize = 16;
/// Distance of the flanking limits of a measured limit.
const FLANK: f64 = 1.06;

impl MatSearch {
    /// A search that has seen nothing yet.
    pub fn new(slos: &[Slo], arrival: ArrivalKind, settings: SearchSettings, hints: Hints) -> MatSearch {
        let mut search = MatSearch {
            slos: slos.to_vec(),
            arrival,
            settings,
            hints,
            seen: Vec::new(),
            step: Step::Converged(vec![]),
        };
        search.step = search.decide();
        search
    }

    /// The search as it stands after these trials.
    pub fn replay<'a>(
        slos: &[Slo],
        arrival: ArrivalKind,
        settings: SearchSettings,
        hints: Hints,
        trials: impl IntoIterator<Item = &'a TrialRecord>,
    ) -> MatSearch {
        let mut search = MatSearch::new(slos, arrival, settings, hints);
        for trial in trials {
            search.observe(trial);
        }
        search
    }

    /// Trials seen.
    pub fn trials(&self) -> usize {
        self.seen.len()
    }

    fn decide(&self) -> Step {
        if let Some(reason) = self.doom() {
            return Step::Doomed(reason);
        }
        let reference = self.reference();
        if let Some(step) = self.no_load_step(reference) {
            return step;
        }
        let probed = self.seen.iter().any(|s| s.record.purpose == Purpose::Probe);
        if !probed {
            let depth = (32 * self.hints.cores as u32).clamp(64, 2_048);
            return self.trial(Purpose::Probe, Load::Closed(depth), self.settings.window_min.as_secs_f64(), reference);
        }
        let goals = self.goals(reference);
        self.next_trial(&goals, reference).unwrap_or_else(|| self.answer(&goals))
    }

    /// Why no trial would help: the user stopped it, or the target died twice.
    fn doom(&self) -> Option<Reason> {
        let of = |s: &Seen, rules: &[Rule]| s.record.invalid_reasons.iter().find(|r| rules.contains(&r.rule)).cloned();
        let stopped = self.seen.iter().find_map(|s| of(s, &[Rule::Interrupted]));
        let broken = |s: &Seen| of(s, &[Rule::TargetAlive, Rule::TargetPort, Rule::HarnessFault]);
        stopped.or_else(|| match self.seen.as_slice() {
            [.., before, last] => broken(before).and_then(|_| broken(last)),
            _ => None,
        })
    }

    fn reference(&self) -> Option<Reference> {
        let no_load = self.seen.iter().filter(|s| s.record.purpose == Purpose::NoLoad);
        reference(no_load.filter(|s| s.standing == Standing::Usable).map(|s| &s.record))
    }

    /// The no-load trials: one to know the scale; more while a relative SLO needs the mean more exactly.
    fn no_load_step(&self, reference: Option<Reference>) -> Option<Step> {
        let tried: Vec<&Seen> = self.seen.iter().filter(|s| s.record.purpose == Purpose::NoLoad).collect();
        let relative = self.slos.iter().any(Slo::is_relative);
        let least = self.settings.window_min.as_secs_f64();
        let ask = |window| Some(self.trial(Purpose::NoLoad, Load::Closed(1), window, None));
        if self.seen.iter().any(|s| s.record.purpose != Purpose::NoLoad) {
            return None;
        }
        let Some(reference) = reference else {
            let reason = tried.last().and_then(|s| s.reason().cloned());
            return match reason {
                Some(reason) if tried.len() >= 3 && relative => Some(Step::Doomed(reason)),
                _ if tried.len() >= 3 => None,
                _ => ask(least),
            };
        };
        let spent: f64 = tried.iter().map(|s| s.record.window_s).sum();
        let missing = spent * ((reference.error / (self.settings.width / 10.0)).powi(2) - 1.0);
        let left = NO_LOAD_SHARE * self.settings.budget.as_secs_f64() - spent;
        let enough = !relative || missing <= 0.1 * spent || tried.len() >= NO_LOAD_TRIALS || left < least;
        if enough { None } else { ask(bounded(&self.settings, missing.min(left))) }
    }

    /// A request with every limit counted.
    fn trial(&self, purpose: Purpose, load: Load, window_s: f64, reference: Option<Reference>) -> Step {
        let died = self.seen.last().is_some_and(|s| s.reason().is_some_and(|r| r.rule == Rule::TargetAlive));
        Step::Try(TrialRequest {
            purpose,
            load,
            window: Nanos::from_secs_f64(window_s),
            limits: self.limits(reference),
            fresh_target: purpose == Purpose::Confirm || died,
        })
    }

    /// The limits of all SLOs, then as many flanks of measured ones as a trial can count.
    fn limits(&self, reference: Option<Reference>) -> Vec<Nanos> {
        let mut limits = Vec::new();
        let mut add = |limit: Nanos| {
            if limits.len() < MOST_LIMITS && !limits.contains(&limit) {
                limits.push(limit);
            }
        };
        let resolved = || self.slos.iter().filter_map(|slo| Some((slo, resolve(slo, reference)?)));
        resolved().for_each(|(_, limit)| add(limit));
        resolved()
            .filter(|(slo, _)| slo.is_relative())
            .for_each(|(_, limit)| flanks(limit).into_iter().for_each(&mut add));
        limits
    }

    fn scale(&self, limit: Nanos, reference: Option<Reference>, allowed: f64) -> Scale {
        let service_s = reference.map_or(1e-3, |r| r.mean_ns / 1e9);
        let probe = self.seen.iter().find(|s| s.record.purpose == Purpose::Probe).map(|s| s.record.achieved_per_s);
        let saturation = probe.filter(|rate| *rate > 0.0).unwrap_or(self.hints.cores.max(1) as f64 / service_s);
        let servers = (saturation * service_s).max(1.0);
        let limit_s = limit.as_secs_f64();
        // What queues that do not share would carry: the cautious first guess.
        let apart = saturation * (1.0 + allowed.ln() * service_s / limit_s);
        Scale { saturation, limit_s, servers, start: apart.clamp(0.1 * saturation, 0.85 * saturation) }
    }

    pub(super) fn goals(&self, reference: Option<Reference>) -> Vec<Goal> {
        self.slos.iter().filter_map(|slo| Some(self.goal(slo, resolve(slo, reference)?, reference))).collect()
    }

    fn goal(&self, slo: &Slo, limit: Nanos, reference: Option<Reference>) -> Goal {
        let counted = self.limits(reference);
        let loose = reference.filter(|_| slo.is_relative()).map(|reference| {
            let flanks = flanks(limit);
            Loose { error: reference.error, flanks: flanks.iter().all(|f| counted.contains(f)).then_some(flanks) }
        });
        let criterion = Criterion::Latency(limit);
        let allowed = slo.allowed_over();
        let prior = self.scale(limit, reference, allowed).prior();
        let mut goal = (criterion, allowed, assess(&self.seen, criterion, allowed, loose, prior));
        if self.seen.iter().any(|s| s.is_usable() && s.record.counts.bad() > 0) {
            // Achieved at least 99 % of offered is part of what MAT means, whatever the SLO says of errors.
            let allowed = slo.errors.clamp(1e-6, 0.01);
            let errors = assess(&self.seen, Criterion::Errors, allowed, None, prior);
            let place = |a: &Assessment| a.estimate.or(a.bracket.upper).unwrap_or(f64::INFINITY);
            if place(&errors) < place(&goal.2) {
                goal = (Criterion::Errors, allowed, errors);
            }
        }
        let (criterion, allowed, assessment) = goal;
        let want = self.want(&assessment, allowed, limit, reference);
        Goal { limit, allowed, criterion, assessment, want }
    }

    /// What a goal needs next, within what generator, connections and steady state allow.
    fn want(&self, a: &Assessment, allowed: f64, limit: Nanos, reference: Option<Reference>) -> Want {
        if a.converged(self.settings.width, self.settings.window_max.as_secs_f64()) {
            return Want::Enough;
        }
        let open: Vec<&Seen> = self.seen.iter().filter(|s| s.is_open()).collect();
        let lost = open.iter().rev().take_while(|s| !matches!(s.standing, Standing::Usable | Standing::Diverging));
        let scale = self.scale(limit, reference, allowed);
        let least = LEAST_LOAD * scale.saturation;
        let mut rate = next_rate(a, allowed, &scale).max(least);
        if a.bracket.upper.is_some_and(|upper| upper <= least * 1.01) {
            return Want::BelowLeast;
        }
        if let Some(want) = self.beyond(a, &open, &mut rate) {
            return want;
        }
        if lost.count() >= PATIENCE {
            return Want::Hopeless;
        }
        let mut window = refining_window(&self.settings, a, allowed, rate, scale.prior());
        // Not in steady state: longer, and after the second time lower as well.
        let unsteady = open.iter().filter(|s| s.standing == Standing::Unsteady && (s.rate() / rate - 1.0).abs() < 0.02);
        for times in 1..=unsteady.count() {
            window = bounded(&self.settings, 2.0 * window);
            rate *= if times > 1 { 0.97 } else { 1.0 };
        }
        Want::Trial(rate, window)
    }

    /// Keeps the rate below what the generator or the connections can do; says so when that is the answer.
    fn beyond(&self, a: &Assessment, open: &[&Seen], rate: &mut f64) -> Option<Want> {
        let highest = a.highest().unwrap_or(0.0);
        let broke = |s: &&&Seen| {
            matches!(s.standing, Standing::GeneratorBroke | Standing::ConnectionsBroke) && s.rate() > highest * 1.001
        };
        let broken: Vec<&&Seen> = open.iter().filter(broke).collect();
        if let Some(lowest) = broken.iter().min_by(|x, y| x.rate().total_cmp(&y.rate())) {
            let ceiling = lowest.rate();
            if *rate >= 0.99 * ceiling {
                let holds = a.bracket.lower.is_some_and(|lower| lower >= 0.9 * ceiling);
                if (holds && ceiling - highest <= 0.05 * ceiling) || broken.len() >= PATIENCE {
                    let connections = lowest.standing == Standing::ConnectionsBroke;
                    return Some(if connections { Want::BeyondConnections } else { Want::BeyondGenerator });
                }
                *rate = if highest > 0.0 { 0.5 * (highest + ceiling) } else { 0.5 * ceiling };
            }
        }
        let cap =
            [self.hints.rate_cap, self.settings.rate_cap].into_iter().flatten().map(Rate::per_s).reduce(f64::min)?;
        if *rate > cap {
            if a.verdict_at_least(0.97 * cap, Verdict::Lower) {
                return Some(Want::BeyondGenerator);
            }
            *rate = cap;
        }
        None
    }

    /// The next trial: for the goal that asks for the shortest, so that a costly one does not starve the others; then the
    /// confirmations; `None` when all is done or paid out.
    fn next_trial(&self, goals: &[Goal], reference: Option<Reference>) -> Option<Step> {
        if self.seen.len() >= MOST_TRIALS + MORE_TRIALS * self.slos.len().saturating_sub(1) {
            return None;
        }
        let purse = Purse::new(&self.settings, &self.seen);
        let confirmed = self.seen.iter().filter(|s| s.record.purpose == Purpose::Confirm).count();
        let missing = (self.settings.confirmations as usize).saturating_sub(confirmed);
        let confirm_s = |goal: &Goal| {
            let rate = confirm_rate(goal)?;
            Some((
                rate,
                coarse_window(
                    &self.settings,
                    goal.allowed,
                    rate,
                    self.scale(goal.limit, reference, goal.allowed).prior(),
                    true,
                ),
            ))
        };
        let reserve: f64 =
            missing as f64 * goals.iter().find_map(confirm_s).map_or(0.0, |(_, window)| purse.cost_s(window));
        let wanting = goals.iter().filter_map(|goal| match goal.want {
            Want::Trial(rate, window) => Some((rate, window)),
            _ => None,
        });
        if let Some((rate, window)) = wanting.reduce(|least, other| if other.1 < least.1 { other } else { least })
            && let Some(window) = purse.afford(&self.settings, window, reserve)
        {
            return Some(self.trial(Purpose::Search, Load::Open(Rate(rate)), window, reference));
        }
        if missing == 0 {
            return None;
        }
        let confirmable: Vec<(f64, f64)> = goals.iter().filter_map(confirm_s).collect();
        let (rate, window) = *confirmable.get(confirmed % confirmable.len().max(1))?;
        let window = purse.afford(&self.settings, window, 0.0)?;
        Some(self.trial(Purpose::Confirm, Load::Open(Rate(rate)), window, reference))
    }

    fn answer(&self, goals: &[Goal]) -> Step {
        let mats = self
            .slos
            .iter()
            .zip(goals)
            .map(|(slo, goal)| answer::mat(slo, goal, &self.seen, self.settings.width, self.arrival));
        Step::Converged(mats.collect())
    }
}

/// The limit of an SLO in time, once the no-load mean is known if it needs that.
fn resolve(slo: &Slo, reference: Option<Reference>) -> Option<Nanos> {
    match reference {
        Some(reference) => Some(slo.limit_ns(Nanos(reference.mean_ns.round() as u64))),
        None => (!slo.is_relative()).then(|| slo.limit_ns(Nanos::ZERO)),
    }
}

fn flanks(limit: Nanos) -> [Nanos; 2] {
    [limit.scale(1.0 / FLANK), limit.scale(FLANK)]
}

/// Where an answer is confirmed: at the low end of its interval, where the SLO must hold.
fn confirm_rate(goal: &Goal) -> Option<f64> {
    let settled = matches!(goal.want, Want::Enough | Want::Trial(..));
    goal.assessment.interval.filter(|_| settled).map(|[low, _]| low)
}

impl Search for MatSearch {
    fn next(&self) -> Step {
        self.step.clone()
    }

    fn observe(&mut self, trial: &TrialRecord) {
        let limits: Vec<Nanos> = trial.limits.iter().map(|count| count.limit_ns).collect();
        self.seen.push(Seen::new(trial, &limits));
        self.step = self.decide();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::testing::{counted, record};
    use corecurve_core::{Interval, MatKind};

    fn settings(budget_s: u64) -> SearchSettings {
        SearchSettings {
            width: 0.04,
            budget: Nanos::SECOND * budget_s,
            window_min: Nanos::SECOND,
            window_max: Nanos::SECOND * 20,
            warmup: None,
            warmup_max: Nanos::SECOND,
            reps: 1,
            rate_cap: None,
            confirmations: 0,
        }
    }

    /// A search past its no-load trial and probe: 100 µs without load, 10,000 per second at most.
    fn begun(budget_s: u64) -> MatSearch {
        let slo: Slo = "p99<5ms".parse().unwrap();
        let mut search = MatSearch::new(&[slo], ArrivalKind::Poisson, settings(budget_s), Hints::default());
        let mut no_load = record(Purpose::NoLoad, 0.0);
        no_load.intervals = vec![Interval { ok: 500, mean_ns: Some(1e5), ..Interval::default() }; 20];
        search.observe(&no_load);
        let mut probe = record(Purpose::Probe, 0.0);
        probe.achieved_per_s = 10_000.0;
        search.observe(&probe);
        search
    }

    fn asked(search: &MatSearch) -> f64 {
        match search.next() {
            Step::Try(TrialRequest { load: Load::Open(rate), .. }) => rate.per_s(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_contradiction_is_measured_again_and_then_believed_with_a_caveat() {
        let mut search = begun(100_000);
        let limits = [Nanos(5_000_000)];
        let show = |search: &mut MatSearch, rate: f64, share: f64| {
            search.observe(&counted(rate, 20.0, &limits, share, 0.0));
        };
        show(&mut search, 6_000.0, 0.06);
        show(&mut search, 8_000.0, 0.001);
        for _ in 0..2 {
            assert_eq!(asked(&search), 6_000.0, "the lower of the two first");
            show(&mut search, 6_000.0, 0.06);
        }
        for _ in 0..2 {
            assert_eq!(asked(&search), 8_000.0);
            show(&mut search, 8_000.0, 0.001);
        }
        assert!(asked(&search) < 6_000.0, "believed: what lies above no longer counts");
        for _ in 0..60 {
            let Step::Try(TrialRequest { load: Load::Open(rate), .. }) = search.next() else { break };
            let share = if rate.per_s() < 5_500.0 { 0.001 } else { 0.06 };
            show(&mut search, rate.per_s(), share);
        }
        let Step::Converged(mats) = search.next() else { panic!("{:?}", search.next()) };
        assert_eq!(mats[0].kind, MatKind::Regular, "{:?}", mats[0]);
        let estimate = mats[0].mat_per_s.unwrap();
        assert!((5_200.0..5_800.0).contains(&estimate), "{estimate}");
        assert!(mats[0].caveats.iter().any(|caveat| caveat.contains("loss inversion")), "{:?}", mats[0].caveats);
    }

    #[test]
    fn a_contradiction_that_does_not_come_back_leaves_no_trace() {
        let mut search = begun(100_000);
        let limits = [Nanos(5_000_000)];
        search.observe(&counted(6_000.0, 20.0, &limits, 0.06, 0.0));
        search.observe(&counted(8_000.0, 20.0, &limits, 0.001, 0.0));
        for _ in 0..2 {
            search.observe(&counted(6_000.0, 20.0, &limits, 0.0, 0.0));
        }
        assert!(asked(&search) > 6_000.0 * 0.9);
        let goals = search.goals(search.reference());
        assert!(goals[0].assessment.bracket.inverted.is_none() || goals[0].assessment.contradiction().is_some());
    }

    #[test]
    fn next_does_not_change_until_a_trial_is_seen() {
        let search = begun(100);
        assert_eq!(search.next(), search.next());
        assert!(asked(&search) < 10_000.0);
    }

    #[test]
    fn every_request_counts_every_limit_and_its_flanks() {
        let slos: Vec<Slo> = ["p99<10x", "p99<5ms", "p95<3x"].iter().map(|text| text.parse().unwrap()).collect();
        let mut search = MatSearch::new(&slos, ArrivalKind::Poisson, settings(100), Hints::default());
        let mut no_load = record(Purpose::NoLoad, 0.0);
        no_load.intervals = vec![Interval { ok: 50_000, mean_ns: Some(1e5), ..Interval::default() }; 20];
        search.observe(&no_load);
        let Step::Try(request) = search.next() else { panic!() };
        for limit in [1_000_000, 5_000_000, 300_000, 1_060_000, 318_000] {
            assert!(request.limits.contains(&Nanos(limit)), "{limit}: {:?}", request.limits);
        }
    }
}
