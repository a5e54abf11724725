//! [`Column`]: one unit and one number of decimals for a column of figures, so that they align on the point.

use corecurve_core::Quantile;

/// How a column shows its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// The unit, for the head of the column.
    pub(super) unit: &'static str,
    divisor: f64,
    decimals: usize,
}

impl Column {
    /// For rates per second.
    pub(super) fn rates(values: impl IntoIterator<Item = f64>) -> Column {
        Column::fitting(values, &[("/s", 1.0), ("k/s", 1e3), ("M/s", 1e6)])
    }

    /// For times in nanoseconds.
    pub(super) fn times(values: impl IntoIterator<Item = Quantile>) -> Column {
        let finite = values.into_iter().filter_map(|q| Some(q.finite()?.0 as f64));
        Column::fitting(finite, &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)])
    }

    /// The largest unit that leaves the median at 1 or more, and decimals that leave the smallest three digits, at most three.
    fn fitting(values: impl IntoIterator<Item = f64>, units: &[(&'static str, f64)]) -> Column {
        let mut all: Vec<f64> = values.into_iter().filter(|v| v.is_finite() && *v > 0.0).collect();
        all.sort_by(f64::total_cmp);
        let (smallest, middle) = (all.first().copied().unwrap_or(1.0), all.get(all.len() / 2).copied().unwrap_or(1.0));
        let (unit, divisor) =
            units.iter().rfind(|(_, size)| middle >= *size).or(units.first()).copied().unwrap_or(("", 1.0));
        let decimals = (2.0 - (smallest / divisor).log10().floor()).clamp(0.0, 3.0) as usize;
        Column { unit, divisor, decimals: if divisor == 1.0 && unit != "/s" { 0 } else { decimals } }
    }

    /// A number in the column's unit, without the unit.
    pub(super) fn show(&self, value: f64) -> String {
        format!("{:.*}", self.decimals, value / self.divisor)
    }

    /// A number, or a dash.
    pub(super) fn maybe(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "—".to_owned(), |v| self.show(v))
    }

    /// A percentile: a number, `∞` or a dash.
    pub(super) fn quantile(&self, quantile: Quantile) -> String {
        match quantile {
            Quantile::At(ns) => self.show(ns.0 as f64),
            other => other.to_string(),
        }
    }

    /// `17.9 … 18.5`, or a dash.
    pub(super) fn interval(&self, ci95: Option<[f64; 2]>) -> String {
        ci95.map_or_else(|| "—".to_owned(), |[lo, hi]| format!("{} … {}", self.show(lo), self.show(hi)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::Nanos;

    #[test]
    fn a_column_has_one_unit_and_one_number_of_decimals() {
        let column = Column::rates([950.0, 18_200.0, 182_000.0]);
        assert_eq!(column.unit, "k/s");
        assert_eq!([950.0, 18_200.0, 182_000.0].map(|v| column.show(v)), ["0.950", "18.200", "182.000"]);
        let column = Column::times([61_000, 940_000, 4_100_000].map(|ns| Quantile::At(Nanos(ns))));
        assert_eq!((column.unit, column.quantile(Quantile::At(Nanos(61_000)))), ("µs", "61.0".into()));
        assert_eq!((column.quantile(Quantile::Beyond), column.quantile(Quantile::Unstated)), ("∞".into(), "—".into()));
        assert_eq!(Column::rates([]).maybe(None), "—");
    }
}
