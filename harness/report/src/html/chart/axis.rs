//! [`Axis`]: a range with its tick marks. Logarithms are taken here, so that every drawing is linear.

use corecurve_core::{Nanos, Rate};

/// What the figures on an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Plain numbers: cores.
    Count,
    /// Per second.
    Rate,
    /// Nanoseconds.
    Time,
    /// Parts of a whole, shown in percent.
    Share,
    /// Percentiles, placed by their number of nines.
    Nines,
    /// Multiples: `10x`.
    Multiple,
}

/// One axis of a drawing.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is shown, with its unit.
    pub title: String,
    /// Ends, in drawing units.
    pub range: (f64, f64),
    /// Tick marks: place in drawing units and label.
    pub ticks: Vec<(f64, String)>,
    log: bool,
}

impl Axis {
    /// From zero to a little over the largest value.
    pub fn from_zero(title: &str, unit: Unit, largest: f64, ticks: usize) -> Axis {
        let top = if largest.is_finite() && largest > 0.0 { largest * 1.06 } else { 1.0 };
        let step = nice_step(top / ticks.max(1) as f64);
        let ticks = (0..).map(|i| f64::from(i) * step).take_while(|v| *v <= top).map(|v| (v, label(unit, v))).collect();
        Axis { title: title.into(), range: (0.0, top), ticks, log: false }
    }

    /// Logarithmic, from the smallest to the largest of `values`, rounded outwards to 1, 2 or 5.
    pub fn log(title: &str, unit: Unit, values: impl IntoIterator<Item = f64>, most_ticks: usize) -> Axis {
        let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (lo, hi) = positive.fold((f64::MAX, 0.0_f64), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let (lo, hi) = if hi > 0.0 { (round_125(lo, -1), round_125(hi, 1)) } else { (1.0, 10.0) };
        let hi = if hi > lo { hi } else { lo * 10.0 };
        let all = steps_125(lo, hi);
        let marks = match all.len() {
            n if n <= most_ticks => all,
            _ => thinned(all.into_iter().filter(|v| is_decade(*v)).collect(), most_ticks),
        };
        let ticks = marks.into_iter().map(|v| (v.log10(), label(unit, v))).collect();
        Axis { title: title.into(), range: (lo.log10(), hi.log10()), ticks, log: true }
    }

    /// Core counts, each measured one marked. Linear, so that ideal scaling is a straight line.
    pub fn cores(counts: &[usize], most_ticks: usize) -> Axis {
        let largest = counts.iter().copied().max().unwrap_or(1) as f64;
        let mut marks: Vec<f64> = Vec::new();
        let gap = largest / most_ticks.max(1) as f64;
        for count in counts.iter().map(|c| *c as f64).collect::<Vec<_>>().into_iter().rev() {
            if marks.last().is_none_or(|nearest: &f64| nearest - count >= gap) {
                marks.push(count);
            }
        }
        let ticks = marks.into_iter().rev().map(|v| (v, label(Unit::Count, v))).collect();
        Axis { title: "server cores".into(), range: (0.0, largest * 1.04), ticks, log: false }
    }

    /// Core counts by their logarithm: the small ones get as much room as the large ones.
    pub fn cores_log(counts: &[usize], most_ticks: usize) -> Axis {
        let (smallest, largest) =
            (counts.iter().copied().min().unwrap_or(1), counts.iter().copied().max().unwrap_or(1));
        let marks = thinned(counts.iter().map(|c| *c as f64).collect(), most_ticks);
        let ticks = marks.into_iter().map(|v| (v.log10(), label(Unit::Count, v))).collect();
        let range = ((smallest.max(1) as f64 * 0.88).log10(), (largest.max(2) as f64 * 1.12).log10());
        Axis { title: "server cores".into(), range, ticks, log: true }
    }

    /// Logarithmic, with a mark at the values themselves, as far as there is room; a little air at both ends.
    pub fn marked_log(title: &str, unit: Unit, values: &[f64], most_ticks: usize) -> Axis {
        let (lo, hi) = values.iter().fold((f64::MAX, 0.0_f64), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
        let (lo, hi) = if hi > 0.0 && lo > 0.0 { (lo.log10(), hi.log10()) } else { (0.0, 1.0) };
        let air = 0.04 * (hi - lo).max(0.1);
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let gap = 0.999 * (hi - lo) / most_ticks.max(1) as f64;
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for value in sorted.into_iter().rev() {
            if ticks.last().is_none_or(|(nearest, _)| nearest - value.log10() >= gap) {
                ticks.push((value.log10(), label(unit, value)));
            }
        }
        ticks.reverse();
        Axis { title: title.into(), range: (lo - air, hi + air), ticks, log: true }
    }

    /// Percentiles from the median to `most` (0.9999 → four nines), evenly by nines.
    pub fn percentiles(most: f64) -> Axis {
        let known = [(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")];
        let top = nines(most).clamp(1.0, 5.0);
        let ticks =
            known.iter().map(|(p, name)| (nines(*p), (*name).to_owned())).filter(|(n, _)| *n <= top + 1e-9).collect();
        Axis { title: "percentile".into(), range: (0.0, top * 1.02), ticks, log: false }
    }

    /// From zero to a little over the largest share.
    pub fn shares(largest: f64, ticks: usize) -> Axis {
        Axis::from_zero("", Unit::Share, largest, ticks)
    }

    /// Workers, each in the middle of its place, the first numbered 0.
    pub fn workers(workers: usize, most_ticks: usize) -> Axis {
        let marks = thinned((0..workers).map(|worker| worker as f64).collect(), most_ticks);
        let ticks = marks.into_iter().map(|v| (v, label(Unit::Count, v))).collect();
        Axis { title: "worker".into(), range: (-0.6, workers as f64 - 0.4), ticks, log: false }
    }

    /// From below zero to above it, both in natural logarithms of a share and marked as such shares.
    pub fn around_zero(title: &str, low: f64, high: f64, ticks: usize) -> Axis {
        let span = (high - low).max(0.05);
        let (low, high) = (low - 0.08 * span, high + 0.12 * span);
        let step = nice_step((high - low) / ticks.max(1) as f64);
        let marks = ((low / step).ceil() as i64..=(high / step).floor() as i64).map(|i| i as f64 * step);
        let ticks = marks.map(|v| (v, format!("{:.0} %", v.exp() * 100.0))).collect();
        Axis { title: title.into(), range: (low, high), ticks, log: false }
    }

    /// No marks at all, from 0 to `rows`.
    pub fn rows(rows: usize) -> Axis {
        Axis { title: String::new(), range: (rows as f64, 0.0), ticks: Vec::new(), log: false }
    }

    /// The values at both ends.
    pub fn ends(&self) -> (f64, f64) {
        let (lo, hi) = self.range;
        if self.log { (10f64.powf(lo), 10f64.powf(hi)) } else { (lo, hi) }
    }

    /// Where a value lies, in drawing units; values outside are moved to the nearer end.
    pub fn at(&self, value: f64) -> f64 {
        let place = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        place.clamp(self.range.0.min(self.range.1), self.range.0.max(self.range.1))
    }
}

/// Nines of a quantile: 0.9 → 1, 0.99 → 2.
pub fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn label(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count | Unit::Nines => short(value),
        Unit::Multiple => format!("{}x", short(value)),
        Unit::Share => format!("{} %", short((value * 1e4).round() / 100.0)),
        Unit::Rate if value == 0.0 => "0".into(),
        Unit::Rate => compact(&Rate(value).to_string()),
        Unit::Time => compact(&Nanos(value.round() as u64).to_string()),
    }
}

/// `50.0 k/s` → `50 k/s`: ticks are round numbers, their zeros carry nothing.
fn compact(text: &str) -> String {
    let Some((number, unit)) = text.split_once(' ') else { return text.to_owned() };
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}")
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}

/// The 1-2-5 number at or above `raw`.
fn nice_step(raw: f64) -> f64 {
    let decade = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= raw * 0.999).unwrap_or(10.0 * decade)
}

/// The nearest 1-2-5 number at or below (`side` −1) or at or above (`side` +1) `value`.
fn round_125(value: f64, side: i32) -> f64 {
    let decade = value.log10().floor() as i32;
    let candidates = steps_125(10f64.powi(decade), 10f64.powi(decade + 1));
    let nearest = if side < 0 {
        candidates.into_iter().rfind(|c| *c <= value * 1.001)
    } else {
        candidates.into_iter().find(|c| *c >= value * 0.999)
    };
    nearest.unwrap_or(value)
}

/// Every 1-2-5 number from `lo` to `hi`.
fn steps_125(lo: f64, hi: f64) -> Vec<f64> {
    let decades = lo.log10().floor() as i32..=hi.log10().ceil() as i32;
    let all = decades.flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(d)));
    all.filter(|v| *v >= lo * 0.999 && *v <= hi * 1.001).collect()
}

fn is_decade(value: f64) -> bool {
    (value.log10() - value.log10().round()).abs() < 1e-6
}

fn thinned(values: Vec<f64>, most: usize) -> Vec<f64> {
    let every = values.len().div_ceil(most.max(1)).max(1);
    values.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, l)| l.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::from_zero("MAT", Unit::Rate, 18_200.0, 5);
        assert_eq!(labels(&axis), ["0", "5 k/s", "10 k/s", "15 k/s"]);
        let axis = Axis::log("latency", Unit::Time, [180e3, 4.1e6], 6);
        assert_eq!(labels(&axis), ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms"]);
        assert_eq!(labels(&Axis::log("latency", Unit::Time, [1e3, 9e9], 4)), ["1 µs", "100 µs", "10 ms", "1 s"]);
    }

    #[test]
    fn cores_near_each_other_share_a_mark() {
        assert_eq!(labels(&Axis::cores(&[1, 2, 4, 8, 16, 32], 8)), ["4", "8", "16", "32"]);
        assert_eq!(labels(&Axis::cores(&[1, 2, 3, 4], 8)), ["1", "2", "3", "4"]);
    }

    #[test]
    fn cores_by_logarithm_lie_evenly() {
        let axis = Axis::cores_log(&[1, 2, 4, 8], 8);
        assert_eq!(labels(&axis), ["1", "2", "4", "8"]);
        let gaps: Vec<f64> = axis.ticks.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(gaps.iter().all(|gap| (gap - gaps[0]).abs() < 1e-9), "{gaps:?}");
        assert!(axis.ends().0 < 1.0 && axis.ends().1 > 8.0);
    }

    #[test]
    fn limits_are_marked_where_they_are() {
        let ladder = [1.5, 2.0, 3.0, 5.0, 10.0, 20.0];
        let axis = Axis::marked_log("limit", Unit::Multiple, &ladder, 12);
        assert_eq!(labels(&axis), ["1.5x", "2x", "3x", "5x", "10x", "20x"]);
        let axis = Axis::marked_log("limit", Unit::Time, &[1.2e6, 1.5e6, 5e6, 1e7], 4);
        assert_eq!(labels(&axis), ["1.5 ms", "5 ms", "10 ms"], "those near each other share a mark");
        assert!(axis.ends().0 < 1.2e6 && axis.ends().1 > 1e7);
        assert!(Axis::marked_log("none", Unit::Time, &[], 4).range.1 > 0.0);
    }

    #[test]
    fn no_value_breaks_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![0.0, -1.0], vec![f64::INFINITY], vec![5.0], vec![1e-300, 1e300]] {
            for axis in [
                Axis::log("x", Unit::Time, values.clone(), 6),
                Axis::from_zero("x", Unit::Rate, values.first().copied().unwrap_or(0.0), 5),
            ] {
                assert!(axis.range.0.is_finite() && axis.range.1 > axis.range.0, "{values:?} {axis:?}");
                assert!(axis.ticks.len() <= 12, "{values:?} {axis:?}");
                for value in [0.0, -1.0, f64::MAX, f64::INFINITY] {
                    assert!(axis.at(value).is_finite());
                }
            }
        }
    }

    #[test]
    fn percentiles_go_by_nines() {
        let axis = Axis::percentiles(0.999);
        assert_eq!(labels(&axis), ["50", "90", "99", "99.9"]);
        assert!((axis.at(nines(0.99)) - 2.0).abs() < 1e-9);
    }
}
