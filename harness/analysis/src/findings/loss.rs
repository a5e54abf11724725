//! [`ScalingLoss`]: which function costs more per request on more cores, and who waits more for locks.
//!
//! Samples are counts: of the samples that one function has in two profiles, the share that the larger run should have follows
//! from what a sample stands for in each, so whether it has more is an exact binomial question. It is asked of every
//! function, so it is answered at a level divided by their number (Bonferroni): of two profiles of the same thing, at most one
//! pair in twenty claims anything at all.

use std::collections::BTreeMap;

use corecurve_core::{CellId, Function, Profile};
use serde::{Deserialize, Serialize};

use super::flame::{Flame, flame, sample_weight};
use super::frames::{call_site, is_machinery};
use super::profiles::{Count, ProfileFinding, WaitCost, function_counts};
use super::types::{CellFinding, SeriesKey};
use crate::stats::{clopper_pearson_lower, normal_quantile};

/// Chance of claiming anything of two profiles of the same thing.
const FALSE_CLAIMS: f64 = 0.05;
/// CPU time per request differs by so much from one start of a target to the next, with nothing behind it.
const RESTART: f64 = 0.03;
/// Growth of less than this share of the CPU time per request is not worth a name.
const WORTH: f64 = 0.01;
/// Fewer waits than these say nothing about how long they are.
const FEWEST_WAITS: u64 = 10;
/// Most rows.
const LISTED: usize = 20;

/// What costs more per request on more cores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingLoss {
    /// The series in words.
    pub label: String,
    /// Its cell with the fewest cores that has a profile.
    pub base_cell: CellId,
    /// The cell with more.
    pub cell: CellId,
    /// Their cores.
    pub base_cores: usize,
    /// Their cores.
    pub cores: usize,
    /// CPU time per request on the fewest cores, nanoseconds.
    pub base_cpu_ns: f64,
    /// CPU time per request on more, nanoseconds.
    pub cpu_ns: f64,
    /// Growth below this is not claimed of any function, nanoseconds per request.
    pub floor_ns: f64,
    /// What grew, most first; all above the noise.
    pub rows: Vec<LossRow>,
    /// The differential flame graph.
    pub flame: Flame,
}

/// One thing that grew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossRow {
    /// What kind of cost.
    pub kind: LossKind,
    /// The function: that spends the time, or that waits.
    pub function: Function,
    /// Of machinery and of the kernel's functions: whose code calls it most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Time per request on the fewest cores, nanoseconds.
    pub base_ns: f64,
    /// Time per request on more, nanoseconds.
    pub ns: f64,
    /// Growth, nanoseconds per request.
    pub growth_ns: f64,
    /// 95 % interval of it.
    pub ci95: [f64; 2],
    /// Growth with what it calls, for CPU time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusive_growth_ns: Option<f64>,
    /// Samples, or waits, on the fewest cores and on more.
    pub counts: [u64; 2],
}

/// What kind of cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// CPU time in the function itself.
    #[default]
    Cpu,
    /// Waiting for a user-space lock.
    LockWait,
    /// Waiting for a lock of the kernel.
    KernelLockWait,
}

impl LossKind {
    /// In words, for tables.
    pub fn name(self) -> &'static str {
        match self {
            LossKind::Cpu => "CPU",
            LossKind::LockWait => "lock wait",
            LossKind::KernelLockWait => "kernel lock wait",
        }
    }
}

/// The losses of every series: each cell with a profile against the one with the fewest cores.
pub(super) fn scaling_losses(
    cells: &[CellFinding],
    profiles: &[Profile],
    findings: &[ProfileFinding],
) -> Vec<ScalingLoss> {
    let of = |cell: &CellFinding| {
        let at = findings.iter().position(|finding| finding.cell == cell.cell.id)?;
        let profile = profiles.iter().rfind(|profile| profile.cell == cell.cell.id)?;
        sample_weight(profile).map(|_| (cell.cell.cores, profile, &findings[at]))
    };
    let mut losses = Vec::new();
    let mut seen = Vec::new();
    for first in cells.iter().filter(|cell| !cell.cell.control) {
        if seen.iter().any(|series: &&SeriesKey| series.scales_with(&first.series)) {
            continue;
        }
        seen.push(&first.series);
        let members = cells.iter().filter(|cell| !cell.cell.control && cell.series.scales_with(&first.series));
        let mut members: Vec<_> = members.filter_map(of).collect();
        members.sort_by_key(|(cores, ..)| *cores);
        let mut members = members.into_iter();
        let Some(base) = members.next() else { continue };
        losses.extend(members.filter(|more| more.0 > base.0).map(|more| loss(base, more)));
    }
    losses
}

type Member<'a> = (usize, &'a Profile, &'a ProfileFinding);

fn loss(base: Member<'_>, more: Member<'_>) -> ScalingLoss {
    let (base_cores, base, base_finding) = base;
    let (cores, profile, finding) = more;
    let total = |finding: &ProfileFinding| finding.cpu_per_request_ns.unwrap_or(0.0);
    let worth = WORTH * total(base_finding);
    let cpu = cpu_rows(base, profile);
    let mut waits = wait_rows(LossKind::LockWait, &base_finding.lock_waits, &finding.lock_waits);
    waits.extend(wait_rows(LossKind::KernelLockWait, &base_finding.kernel_lock_waits, &finding.kernel_lock_waits));
    let questions = (cpu.len() + waits.len()).max(1) as f64;
    let level = FALSE_CLAIMS / questions;
    let weights = [sample_weight(base).unwrap_or(0.0), sample_weight(profile).unwrap_or(0.0)];
    let z = normal_quantile(1.0 - level);
    let cpu = cpu.into_iter().filter(|row| has_grown(row.counts, weights, level));
    let waits = waits.into_iter().filter(|row| {
        let error = (row.ci95[1] - row.ci95[0]) / 2.0 / normal_quantile(0.975);
        row.counts[1] >= FEWEST_WAITS && row.growth_ns - RESTART * row.base_ns > z * error
    });
    let mut rows: Vec<LossRow> = cpu.chain(waits).filter(|row| row.growth_ns > worth).collect();
    rows.sort_by(|a, b| b.growth_ns.total_cmp(&a.growth_ns));
    rows.truncate(LISTED);
    ScalingLoss {
        label: finding.label.clone(),
        base_cell: base.cell.clone(),
        cell: profile.cell.clone(),
        base_cores,
        cores,
        base_cpu_ns: total(base_finding),
        cpu_ns: total(finding),
        // What a function that was hardly there before must reach: its own error is that of its samples.
        floor_ns: worth.max(z * z * weights[1]),
        rows,
        flame: flame(profile, Some(base)),
    }
}

/// Whether the second count is larger than a cost that is the same on both sides explains.
fn has_grown(counts: [u64; 2], weights: [f64; 2], level: f64) -> bool {
    let all = counts[0] + counts[1];
    // A cost of one unit gives 1/weight samples; the larger run may have a little more for no reason.
    let share = (1.0 + RESTART) / weights[1] / ((1.0 + RESTART) / weights[1] + 1.0 / weights[0]);
    all > 0 && share.is_finite() && clopper_pearson_lower(counts[1] as f64, all as f64, level) > share
}

/// Every function that occurs in either, by name and module.
fn cpu_rows(base: &Profile, more: &Profile) -> Vec<LossRow> {
    let weights = [sample_weight(base).unwrap_or(0.0), sample_weight(more).unwrap_or(0.0)];
    let mut both: BTreeMap<(&str, &str), (&Function, [Count; 2])> = BTreeMap::new();
    for (side, profile) in [base, more].into_iter().enumerate() {
        for (function, count) in function_counts(profile) {
            let entry = both.entry((&function.name, &function.module)).or_insert((function, Default::default()));
            entry.0 = function;
            entry.1[side] = count;
        }
    }
    let row = |(function, counts): (&Function, [Count; 2])| {
        let own = counts.map(|count| count.own);
        let [base_ns, ns] = [0, 1].map(|side| own[side] as f64 * weights[side]);
        let inclusive = counts[1].inclusive as f64 * weights[1] - counts[0].inclusive as f64 * weights[0];
        let error = (own[0] as f64 * weights[0].powi(2) + own[1] as f64 * weights[1].powi(2)).sqrt();
        let inner = is_machinery(function).then(|| main_caller(more, function)).flatten();
        LossRow {
            kind: LossKind::Cpu,
            function: function.clone(),
            caller: inner,
            base_ns,
            ns,
            growth_ns: ns - base_ns,
            ci95: interval(ns - base_ns, error),
            inclusive_growth_ns: Some(inclusive),
            counts: own,
        }
    };
    both.into_values().filter(|(_, counts)| counts.iter().any(|count| count.own > 0)).map(row).collect()
}

/// Whose code has the most samples that end in a function.
fn main_caller(profile: &Profile, function: &Function) -> Option<String> {
    let mut callers: BTreeMap<&str, u64> = BTreeMap::new();
    let ends_here = |frames: &[u32]| {
        let leaf = frames.last().and_then(|leaf| profile.functions.get(*leaf as usize));
        leaf.is_some_and(|leaf| leaf.name == function.name && leaf.module == function.module)
    };
    for stack in profile.stacks.iter().filter(|stack| ends_here(&stack.frames)) {
        if let Some(caller) = call_site(profile, &stack.frames) {
            *callers.entry(&caller.name).or_default() += stack.count;
        }
    }
    callers.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
}

fn wait_rows(kind: LossKind, base: &Option<Vec<WaitCost>>, more: &Option<Vec<WaitCost>>) -> Vec<LossRow> {
    let (Some(base), Some(more)) = (base, more) else { return Vec::new() };
    let same = |a: &WaitCost, b: &WaitCost| {
        (&a.function.name, &a.function.module, &a.caller) == (&b.function.name, &b.function.module, &b.caller)
    };
    let row = |cost: &WaitCost| {
        let before = base.iter().find(|other| same(cost, other));
        let (base_ns, base_waits) = before.map_or((0.0, 0), |before| (before.per_request_ns, before.waits));
        // Durations of waits vary about as much as they are long: a sum of n has a relative error of √(2/n).
        let variance = |ns: f64, waits: u64| ns * ns * 2.0 / waits.max(1) as f64;
        let error = (variance(base_ns, base_waits) + variance(cost.per_request_ns, cost.waits)).sqrt();
        let growth_ns = cost.per_request_ns - base_ns;
        LossRow {
            kind,
            function: cost.function.clone(),
            caller: cost.caller.clone(),
            base_ns,
            ns: cost.per_request_ns,
            growth_ns,
            ci95: interval(growth_ns, error),
            inclusive_growth_ns: None,
            counts: [base_waits, cost.waits],
        }
    };
    more.iter().map(row).collect()
}

fn interval(estimate: f64, error: f64) -> [f64; 2] {
    let half = normal_quantile(0.975) * error;
    [estimate - half, estimate + half]
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
