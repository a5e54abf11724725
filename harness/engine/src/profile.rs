//! The profile of a target: one more trial at the answer, in which its stacks are sampled. Looking so closely costs the
//! target something, so the trial is no part of the answer.

use corecurve_core::{ArrivalKind, Cell, Load, Mat, MatKind, Mode, Nanos, Purpose, Rate, SearchSettings, TrialRequest};

/// Share of the highest rate at which a target is profiled whose MAT is not known.
const OF_CARRIED: f64 = 0.9;

/// The trial to profile: at the first answer that is the target's own, or at the rate of a cell without a search. A search
/// that found none asks all the more what stops the target: then below the highest rate it `carried`. `None` without any.
pub(crate) fn request(cell: &Cell, settings: &SearchSettings, mats: &[Mat], carried: f64) -> Option<TrialRequest> {
    let answer = mats.iter().find(|mat| matches!(mat.kind, MatKind::Regular | MatKind::NotConverged) && mat.valid);
    let load = match (cell.mode, cell.arrival) {
        (Mode::Search, _) => {
            let known = answer.and_then(|mat| mat.mat_per_s).or((carried > 0.0).then_some(carried * OF_CARRIED));
            Load::Open(Rate(known?))
        }
        (Mode::Fixed(rate), _) => Load::Open(rate),
        (Mode::Closed, ArrivalKind::Closed(depth)) => Load::Closed(depth),
        (Mode::Closed, _) => Load::Closed(1),
    };
    let limits = answer.map(|mat| mat.limit_ns).into_iter().collect();
    Some(TrialRequest { purpose: Purpose::Profile, load, window: window(settings), limits, fresh_target: false })
}

/// Long enough for some thousand samples, and for waits that begin and end in the third of it that is traced.
fn window(settings: &SearchSettings) -> Nanos {
    settings.window_max.max(Nanos::SECOND * 3)
}

/// Time a profile takes.
pub fn expected(settings: &SearchSettings) -> Nanos {
    window(settings) + settings.warmup.unwrap_or(settings.warmup_max) + NAMING
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
        let asked = request(&cell, &settings(), &mats, 0.0).unwrap();
        assert_eq!(
            (asked.purpose, asked.load, asked.window),
            (Purpose::Profile, Load::Open(Rate(1_000.0)), settings().window_max)
        );
        assert_eq!(request(&cell, &settings(), &mats[..1], 0.0), None);
        let carried = request(&cell, &settings(), &mats[..1], 500.0).unwrap();
        assert_eq!(carried.load, Load::Open(Rate(450.0)), "below what it carried");
        cell.mode = Mode::Fixed(Rate(50.0));
        assert_eq!(request(&cell, &settings(), &[], 9.0).unwrap().load, Load::Open(Rate(50.0)));
        cell.mode = Mode::Closed;
        cell.arrival = ArrivalKind::Closed(4);
        assert_eq!(request(&cell, &settings(), &[], 9.0).unwrap().load, Load::Closed(4));
    }

    #[test]
    fn the_plan_counts_window_warm_up_and_naming() {
        assert_eq!(expected(&settings()), Nanos::SECOND * 8 + NAMING);
    }
}
