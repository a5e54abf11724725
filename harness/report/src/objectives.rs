//! MAT against the objective in words, the same in every output.

use corecurve_analysis::findings::{ObjectivePair, ObjectivePoint, Objectives, exact};
use corecurve_core::Slo;

use crate::groups::about;
use crate::text::{count, plain, plain_long, rate, relative_interval};

/// What is varied and what is not: `p99<5x to 100x · 16 cores · work …`.
pub(crate) fn title(chart: &Objectives) -> String {
    let slos = match chart.slos.as_slice() {
        [first, .., last] => format!("{first} to {}", exact(last)),
        _ => String::new(),
    };
    let question = chart.lines.first().map_or(String::new(), |line| format!(" · {}", about(&line.series)));
    format!("{slos} · {}{question}", count(chart.cores, "core", "cores"))
}

/// The percentile that is limited: `p99`.
pub(crate) fn quantile(chart: &Objectives) -> String {
    let shown = chart.slos.first().map_or(String::new(), Slo::to_string);
    shown.split('<').next().unwrap_or_default().to_owned()
}

/// A limit as it was written: `10x`, `5ms`.
pub(crate) fn limit_words(slo: &Slo) -> String {
    exact(slo)
}

/// Whether the numbers were computed in virtual time, and whether server and load shared cores.
pub(crate) fn marks(chart: &Objectives) -> (bool, bool) {
    let any =
        |of: fn(&corecurve_analysis::findings::SeriesKey) -> bool| chart.lines.iter().any(|line| of(&line.series));
    (any(|series| series.is_simulated()), any(|series| series.shared_cores))
}

/// A sentence for each pair, those that cross first.
pub(crate) fn sentences(chart: &Objectives) -> Vec<String> {
    let crosses = |pair: &&ObjectivePair| !pair.crossings.is_empty();
    let (first, rest): (Vec<_>, Vec<_>) = chart.pairs.iter().partition(crosses);
    first.into_iter().chain(rest).map(|pair| sentence(chart, pair)).collect()
}

fn sentence(chart: &Objectives, pair: &ObjectivePair) -> String {
    // Among several targets, where the sentence names only one of the two.
    let named = [&pair.a, &pair.b].into_iter().all(|name| pair.words.contains(name));
    let both = if chart.pairs.len() > 1 && !named { format!("{} and {}: ", pair.a, pair.b) } else { String::new() };
    format!("{}.", plain_long(&format!("{both}{}", pair.words), 1_000))
}

/// What each target carries at a limit, in the order of the lines; nothing where it was not asked.
pub(crate) fn at<'a>(chart: &'a Objectives, slo: &Slo) -> Vec<Option<&'a ObjectivePoint>> {
    chart.lines.iter().map(|line| line.points.iter().find(|point| point.slo == *slo)).collect()
}

/// The one of a row that carries most, if it may be used.
pub(crate) fn most(row: &[Option<&ObjectivePoint>]) -> Option<usize> {
    let usable = row.iter().enumerate().filter_map(|(i, point)| Some((i, point.filter(|p| p.valid)?.mat_per_s?)));
    usable.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

/// A number with its interval, or why there is none, in one cell of a table.
pub(crate) fn value(point: Option<&ObjectivePoint>) -> String {
    let Some(point) = point else { return "—".to_owned() };
    match (point.valid, point.at_least, point.kind) {
        (true, ..) => format!("{} {}", rate(point.mat_per_s), relative_interval(point.mat_per_s, point.ci95)),
        (false, true, _) => format!("≥ {}", rate(point.mat_per_s)),
        (false, false, Some(kind)) => kind.name().to_owned(),
        (false, false, None) => "not yet".to_owned(),
    }
}

/// The targets' names, safe to show.
pub(crate) fn names(chart: &Objectives) -> Vec<String> {
    chart.lines.iter().map(|line| plain(&line.label)).collect()
}
