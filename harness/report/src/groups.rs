//! Which numbers may stand side by side: one table and one chart per group of cells that answer the same question.

use corecurve_analysis::findings::{CellFinding, Curve, Findings, MatFinding, SeriesKey};
use corecurve_core::{Network, Slo};

use crate::text::{is_simulated, plain};

/// Cells with the same workload, arrival and objective. Simulated and measured ones never share a group.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The objective.
    pub slo: Slo,
    /// The workload with its settings, placement and arrival, in words.
    pub about: String,
    /// Whether these numbers were computed in virtual time.
    pub simulated: bool,
    /// Whether any cell let server and load share cores.
    pub shared_cores: bool,
    /// The cells with their answer at this objective, in the plan's order.
    pub rows: Vec<Row<'a>>,
    /// The curves, in the plan's order of their series.
    pub curves: Vec<&'a Curve>,
}

/// A cell and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The cell.
    pub cell: &'a CellFinding,
    /// Its answer at the group's objective.
    pub mat: &'a MatFinding,
}

/// The groups of a run, in the order of their first cell. Empty when nothing was searched.
pub fn groups(findings: &Findings) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for cell in &findings.cells {
        for mat in &cell.mats {
            let about = about(&cell.series);
            let simulated = is_simulated(&cell.series.target);
            let found = groups.iter_mut().find(|g| g.slo == mat.slo && g.about == about && g.simulated == simulated);
            let row = Row { cell, mat };
            match found {
                Some(group) => group.rows.push(row),
                None => groups.push(Group {
                    slo: mat.slo,
                    about,
                    simulated,
                    shared_cores: false,
                    rows: vec![row],
                    curves: Vec::new(),
                }),
            }
        }
    }
    for group in &mut groups {
        group.shared_cores = group.rows.iter().any(|row| row.cell.series.shared_cores);
        group.curves = findings
            .curves
            .iter()
            .filter(|c| {
                c.slo == group.slo
                    && about(&c.series) == group.about
                    && is_simulated(&c.series.target) == group.simulated
            })
            .collect();
    }
    groups
}

/// Whether any cell of the run let server and load share cores. Tables that mix cells are then marked as a whole.
pub fn any_shared_cores(findings: &Findings) -> bool {
    findings.cells.iter().any(|cell| cell.series.shared_cores)
}

/// What a series has in common with the others of its group, in words.
pub fn about(series: &SeriesKey) -> String {
    let mut words = vec![series.workload.clone()];
    words.extend(series.workload_settings.iter().map(|(key, value)| format!("{key}={value}")));
    let loaded = format!("{} · {} placement · {} arrivals", words.join(" "), series.placement, series.arrival);
    let mut words = vec![loaded];
    words.extend(series.requests_per_connection.map(|n| format!("{n} requests per connection")));
    words.extend(series.transport.map(|transport| format!("load over {transport}")));
    let apart = series.network.filter(|network| *network != Network::default());
    words.extend(apart.map(|network| format!("network {network}")));
    plain(&words.join(" · "))
}

/// The series of a run in the plan's order: the place in this list decides colour and marker everywhere.
#[derive(Clone, Debug)]
pub struct Legend<'a>(Vec<(&'a SeriesKey, String)>);

impl<'a> Legend<'a> {
    /// The legend of a run.
    pub fn of(findings: &'a Findings) -> Legend<'a> {
        let mut entries: Vec<(&SeriesKey, String)> = Vec::new();
        for cell in &findings.cells {
            if !entries.iter().any(|(key, _)| **key == cell.series) {
                entries.push((&cell.series, plain(&cell.label)));
            }
        }
        Legend(entries)
    }

    /// The series' place.
    pub fn index(&self, series: &SeriesKey) -> usize {
        self.0.iter().position(|(key, _)| *key == series).unwrap_or(0)
    }

    /// The series' name, safe to show.
    pub fn name(&self, index: usize) -> &str {
        self.0.get(index).map_or("", |(_, name)| name)
    }
}

impl<'a> Group<'a> {
    /// The distinct series of this group, in the plan's order, without controls.
    pub fn series(&self) -> Vec<&'a SeriesKey> {
        let mut all: Vec<&SeriesKey> = Vec::new();
        for row in self.rows.iter().filter(|row| !row.cell.cell.control) {
            if !all.contains(&&row.cell.series) {
                all.push(&row.cell.series);
            }
        }
        all
    }

    /// The rows as a reader wants them: by series in the plan's order and within a series by cores, controls last;
    /// with a single core count from the highest MAT to the lowest, unusable ones last.
    pub fn by_series(&self) -> Vec<Row<'a>> {
        let mut all: Vec<&SeriesKey> = Vec::new();
        for row in &self.rows {
            if !all.contains(&&row.cell.series) {
                all.push(&row.cell.series);
            }
        }
        let mut rows = self.rows.clone();
        let place = |row: &Row<'_>| all.iter().position(|series| **series == row.cell.series);
        rows.sort_by_key(|row| (place(row), row.cell.cell.control, row.cell.cell.cores));
        if self.cores().len() == 1 {
            let rank = |row: &Row<'_>| if row.mat.valid { row.mat.mat_per_s.unwrap_or(0.0) } else { -1.0 };
            rows.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        }
        rows
    }

    /// The distinct core counts, ascending.
    pub fn cores(&self) -> Vec<usize> {
        let all: std::collections::BTreeSet<usize> = self.rows.iter().map(|row| row.cell.cell.cores).collect();
        all.into_iter().collect()
    }

    /// The group in a line: objective and circumstances.
    pub fn title(&self) -> String {
        format!("{} · {}", self.slo, self.about)
    }
}
