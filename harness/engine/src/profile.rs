//! The profile of a target: one more trial at the answer, in which its stacks are sampled. Looking so closely costs the
//! target something, so the trial is no part of the answer.

use corecurve_core::{ArrivalKind, Cell, Load, Mat, MatKind, Mode, Nanos, Purpose, Rate, SearchSettings, TrialRequest};

/// The trial to profile: at the first answer that is the target's own, or at the rate of a cell without a search. `None`
/// where there is no such rate.
pub(crate) fn request(cell: &Cell, settings: &SearchSettings, mats: &[Mat]) -> Option<TrialRequest> {
    let answer = mats.iter().find(|mat| matches!(mat.kind, MatKind::Regular | MatKind::NotConverged) && mat.valid);
    let load = match (cell.mode, cell.arrival) {
        (Mode::Search, _) => Load::Open(Rate(answer?.mat_per_s?)),
        (Mode::Fixed(rate), _) => Load::Open(rate),
        (Mode::Closed, ArrivalKind::Closed(depth)) => Load::Closed(depth),
        (Mode::Closed, _) => Load::Closed(1),
    };
    let limits = answer.map(|mat| mat.limit_ns).into_iter().collect();
    Some(TrialRequest { purpose: Purpose::Profile, load, window: settings.window_max, limits, fresh_target: false })
}

/// Time a profile takes.
pub fn expected(settings: &SearchSettings) -> Nanos {
    settings.window_max + settings.warmup.unwrap_or(settings.warmup_max) + NAMING
}

/// Time to look up the names of functions.
const NAMING: Nanos = Nanos(1_500_000_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::tests::{mat, settings};

    #[test]
    fn the_first_answer_of_the_target_s_own_is_profiled_or_the_only_rate_there_is() {
        let mut cell = crate::capacity::tests::cell(1);
        let mats = [mat(MatKind::GeneratorLimited, 9_000.0), mat(MatKind::Regular, 1_000.0)];
        let asked = request(&cell, &settings(), &mats).unwrap();
        assert_eq!(
            (asked.purpose, asked.load, asked.window),
            (Purpose::Profile, Load::Open(Rate(1_000.0)), settings().window_max)
        );
        assert_eq!(request(&cell, &settings(), &mats[..1]), None);
        assert_eq!(request(&cell, &settings(), &[]), None);
        cell.mode = Mode::Fixed(Rate(50.0));
        assert_eq!(request(&cell, &settings(), &[]).unwrap().load, Load::Open(Rate(50.0)));
        cell.mode = Mode::Closed;
        cell.arrival = ArrivalKind::Closed(4);
        assert_eq!(request(&cell, &settings(), &[]).unwrap().load, Load::Closed(4));
    }

    #[test]
    fn the_plan_counts_window_warm_up_and_naming() {
        assert_eq!(expected(&settings()), Nanos::SECOND * 8 + NAMING);
    }
}
