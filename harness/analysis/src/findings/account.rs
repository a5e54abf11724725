//! [`Account`]: where efficiency went between the fewest cores and N, as logarithms that add up.
//!
//! With X requests per second on N cores of which a share U is busy, T being the CPU time of a request, X = N·U/T exactly:
//! both sides are the CPU time spent per second. So E(N) = X(N)/N ÷ X(1) is a product, ln E(N) a sum: of the utilisation of
//! the busiest core, of how evenly the others follow it, and of the CPU time per request. The last is itself split by what
//! the time was spent on, with the logarithmic mean L(a,b) = (a−b)/(ln a − ln b) as weight, which leaves no remainder (the
//! logarithmic mean Divisia index, B. W. Ang, Energy Policy 33, 2005).

use corecurve_core::{CellId, Hardware, Slo, TrialRecord};
use serde::{Deserialize, Serialize};

use super::shares::nearest;
use super::types::{CellFinding, MatFinding};
use super::usage::Usage;

/// Half of a 95 % normal interval, in standard errors.
const Z95: f64 = 1.959_964;

/// The efficiency of one cell against the cell with the fewest cores of its series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The cell.
    pub cell: CellId,
    /// The series in words.
    pub label: String,
    /// The objective.
    pub slo: Slo,
    /// Its cores.
    pub cores: usize,
    /// Cores of the cell it is held against.
    pub base_cores: usize,
    /// How the server's CPUs were used at the base's MAT, and at this one's.
    pub usage: [Usage; 2],
    /// The bars, in the order in which they are stacked.
    pub bars: Vec<Bar>,
    /// Their sum.
    pub sum: f64,
    /// ln E(N), of the two MATs themselves.
    pub ln_efficiency: f64,
    /// Largest difference of the two that their errors explain, at 95 %.
    pub error: f64,
    /// Whether the sum is ln E(N) within that.
    pub closes: bool,
}

/// One part of ln E(N). Below zero it costs, above it gains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Which.
    pub part: Part,
    /// Its part of ln E(N).
    pub ln: f64,
    /// Half of its 95 % interval.
    pub error: f64,
}

/// What efficiency is lost to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The busiest core was less busy at the MAT than the base's.
    Utilisation,
    /// The other cores were less busy than the busiest.
    Balance,
    /// More CPU time per request in the target's code.
    User,
    /// More in the kernel on its behalf.
    System,
    /// More in interrupts and deferred work.
    Softirq,
    /// Other programs on the server's cores.
    Foreign,
    /// CPU time per request, where it is not known what it was spent on.
    Cpu,
    /// More instructions per request.
    Instructions,
    /// More cycles per instruction.
    Cpi,
    /// Fewer cycles per second of CPU time.
    Frequency,
}

impl Part {
    /// In a table or a chart.
    pub fn name(self) -> &'static str {
        match self {
            Part::Utilisation => "utilisation",
            Part::Balance => "balance",
            Part::User => "user CPU",
            Part::System => "system CPU",
            Part::Softirq => "softirq CPU",
            Part::Foreign => "other programs",
            Part::Cpu => "CPU per request",
            Part::Instructions => "instructions",
            Part::Cpi => "cycles per instruction",
            Part::Frequency => "frequency",
        }
    }
}

/// The accounts of every series with more than one usable MAT at an objective.
pub(super) fn accounts(cells: &[CellFinding]) -> Vec<Account> {
    let mut firsts: Vec<(&CellFinding, Slo)> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.cell.control) {
        for mat in &cell.mats {
            let known = |(first, slo): &(&CellFinding, Slo)| *slo == mat.slo && first.series.scales_with(&cell.series);
            if !firsts.iter().any(known) {
                firsts.push((cell, mat.slo));
            }
        }
    }
    firsts.into_iter().flat_map(|(first, slo)| of_series(cells, first, slo)).collect()
}

fn of_series(cells: &[CellFinding], first: &CellFinding, slo: Slo) -> Vec<Account> {
    let members = cells.iter().filter(|cell| !cell.cell.control && cell.series.scales_with(&first.series));
    let mut measured: Vec<Measured<'_>> = members.filter_map(|cell| Measured::of(cell, slo)).collect();
    measured.sort_by_key(|found| found.cell.cell.cores);
    let Some((base, rest)) = measured.split_first() else { return Vec::new() };
    rest.iter().map(|found| account(slo, base, found)).collect()
}

/// A cell at its MAT.
struct Measured<'a> {
    cell: &'a CellFinding,
    mat: &'a MatFinding,
    mat_per_s: f64,
    trial: &'a TrialRecord,
    usage: Usage,
}

impl<'a> Measured<'a> {
    fn of(cell: &'a CellFinding, slo: Slo) -> Option<Measured<'a>> {
        let mat = cell.mats.iter().find(|mat| mat.slo == slo && mat.valid)?;
        let trial = nearest(&cell.trials, mat)?;
        let usage = Usage::of(trial, cell.cell.cores).filter(|usage| usage.mean > 0.0)?;
        Some(Measured { cell, mat, mat_per_s: mat.mat_per_s?, trial, usage })
    }

    /// Cores the utilisation is a share of.
    fn cpus(&self) -> f64 {
        self.usage.cpus as f64
    }

    /// CPU time of a request by the identity, nanoseconds.
    fn cpu_ns(&self) -> f64 {
        self.cpus() * self.usage.mean * 1e9 / self.trial.achieved_per_s.max(f64::MIN_POSITIVE)
    }

    /// Standard error of ln MAT.
    fn mat_error(&self) -> f64 {
        self.mat.ci95.map_or(0.0, |[low, high]| (high / low.max(f64::MIN_POSITIVE)).ln() / (2.0 * Z95))
    }

    /// Distance of the tried rate from the MAT, as a logarithm: the account is of the one, efficiency of the other.
    fn off(&self) -> f64 {
        (self.trial.achieved_per_s / self.mat_per_s).ln()
    }
}

fn account(slo: Slo, base: &Measured<'_>, found: &Measured<'_>) -> Account {
    let (a, b) = (&base.usage, &found.usage);
    let relative = |usage: &Usage| usage.error / usage.mean;
    let tick_error = Z95 * relative(a).hypot(relative(b));
    let per_core = |m: &Measured<'_>| m.cpus() / m.cell.cell.cores.max(1) as f64;
    let mut bars = vec![
        Bar { part: Part::Utilisation, ln: (b.max / a.max).ln(), error: tick_error },
        Bar { part: Part::Balance, ln: (b.balance() / a.balance()).ln(), error: tick_error },
    ];
    bars.extend(cpu_bars(base, found));
    let sum: f64 = bars.iter().map(|bar| bar.ln).sum();
    let (n, n0) = (found.cell.cell.cores as f64, base.cell.cell.cores as f64);
    let ln_efficiency = ((found.mat_per_s / n) / (base.mat_per_s / n0)).ln();
    // Threads on both hardware threads of a core: a constant of the placement, not a loss.
    let seats = (per_core(found) / per_core(base)).ln();
    let sum = sum + seats;
    let tried = found.off().abs() + base.off().abs();
    let error = Z95 * base.mat_error().hypot(found.mat_error()) + tried + 1e-9;
    Account {
        cell: found.cell.cell.id.clone(),
        label: found.cell.label.clone(),
        slo,
        cores: found.cell.cell.cores,
        base_cores: base.cell.cell.cores,
        usage: [*a, *b],
        bars,
        sum,
        ln_efficiency,
        error,
        closes: (sum - ln_efficiency).abs() <= error,
    }
}

/// ln T(1)/T(N), split as far as it is known: by the processor's counters, else by what the time was spent on.
fn cpu_bars(base: &Measured<'_>, found: &Measured<'_>) -> Vec<Bar> {
    let whole = (base.cpu_ns() / found.cpu_ns()).ln();
    if let Some(bars) = hardware_bars(base, found, whole) {
        return bars;
    }
    match (base.usage.per_request, found.usage.per_request) {
        (Some(a), Some(b)) => {
            // Scaled to the identity's T, from which they differ by steal and by what the window's edges cut.
            let (p, q) = (base.cpu_ns() / a.total_ns(), found.cpu_ns() / b.total_ns());
            let weight = logarithmic_mean(base.cpu_ns(), found.cpu_ns());
            let error = Z95 * (a.error * base.cpu_ns()).hypot(b.error * found.cpu_ns()) / weight;
            let bar = |part, was: f64, is: f64| Bar { part, ln: (was * p - is * q) / weight, error };
            let mut bars = vec![
                bar(Part::User, a.user_ns, b.user_ns),
                bar(Part::System, a.system_ns, b.system_ns),
                bar(Part::Softirq, a.softirq_ns, b.softirq_ns),
                bar(Part::Foreign, a.foreign_ns, b.foreign_ns),
            ];
            // Known to be nothing on both sides: not a part of this account.
            let nothing = |ns: f64| ns == 0.0;
            bars.retain(|bar| match bar.part {
                Part::Softirq => !(nothing(a.softirq_ns) && nothing(b.softirq_ns)),
                Part::Foreign => !(nothing(a.foreign_ns) && nothing(b.foreign_ns)),
                _ => true,
            });
            bars
        }
        _ => vec![Bar { part: Part::Cpu, ln: whole, error: 0.0 }],
    }
}

/// T = instructions per request × cycles per instruction ÷ cycles per second.
fn hardware_bars(base: &Measured<'_>, found: &Measured<'_>, whole: f64) -> Option<Vec<Bar>> {
    let whole_cost = |found: &Hardware| !found.user_only;
    let (a, b) = (hardware(base.trial).filter(whole_cost)?, hardware(found.trial).filter(whole_cost)?);
    let instructions =
        ((a.instructions? / base.trial.counts.ok as f64) / (b.instructions? / found.trial.counts.ok as f64)).ln();
    let cpi = ((a.cycles? / a.instructions?) / (b.cycles? / b.instructions?)).ln();
    if !(instructions.is_finite() && cpi.is_finite()) {
        return None;
    }
    let bar = |part, ln| Bar { part, ln, error: 0.0 };
    Some(vec![
        bar(Part::Instructions, instructions),
        bar(Part::Cpi, cpi),
        bar(Part::Frequency, whole - instructions - cpi),
    ])
}

/// What the processor counted on the server's side, all of it together.
pub(super) fn hardware(trial: &TrialRecord) -> Option<Hardware> {
    let counters = trial.counters.as_ref()?;
    let of_threads: Option<Vec<Hardware>> = counters.threads.iter().map(|thread| thread.hardware).collect();
    let parts = of_threads.filter(|all| !all.is_empty())?;
    parts.into_iter().reduce(|a, b| a.plus(&b))
}

/// (a−b)/(ln a − ln b), and a where they are the same.
fn logarithmic_mean(a: f64, b: f64) -> f64 {
    let ratio = (a / b).ln();
    if ratio.abs() < 1e-9 { a } else { (a - b) / ratio }
}
