//! [`ProfileFinding`]: what the profile of one cell says by itself.

use std::collections::{BTreeMap, BTreeSet};

use corecurve_core::{CellId, Function, Missing, Profile, WaitSite, Wakeups};
use serde::{Deserialize, Serialize};

use super::flame::{Flame, flame, sample_weight};
use super::frames::{call_site, kernel_site, waits_for_lock};
use super::types::CellFinding;

/// Most functions, sites and system calls that are listed of a cell.
const LISTED: usize = 25;

/// Where the CPU time and the waiting of one cell goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileFinding {
    /// The cell.
    pub cell: CellId,
    /// Its series in words.
    pub label: String,
    /// Server cores.
    pub cores: usize,
    /// What was sampled, and how often per second of CPU time.
    pub event: String,
    /// Samples per second asked for.
    pub frequency_hz: u64,
    /// Samples taken and lost.
    pub samples: u64,
    /// Samples the kernel had no room for.
    pub lost: u64,
    /// CPU time per request, nanoseconds.
    pub cpu_per_request_ns: Option<f64>,
    /// Functions by their own CPU time, most first.
    pub functions: Vec<FunctionCost>,
    /// Waits for user-space locks per request by call site, longest first.
    pub lock_waits: Option<Vec<WaitCost>>,
    /// Waits for work and conditions, the same way: they are idleness, not loss.
    pub other_waits: Option<Vec<WaitCost>>,
    /// Waits for the kernel's own locks.
    pub kernel_lock_waits: Option<Vec<WaitCost>>,
    /// System calls per request by name, most first.
    pub syscalls: Option<Vec<(String, f64)>>,
    /// From being woken to running.
    pub wakeups: Option<Wakeups>,
    /// What could not be had.
    pub missing: Vec<Missing>,
    /// The flame graph.
    pub flame: Flame,
}

/// CPU time of one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCost {
    /// The function.
    pub function: Function,
    /// CPU time per request in itself, nanoseconds.
    pub self_ns: f64,
    /// The same, with what it calls.
    pub inclusive_ns: f64,
    /// Samples in itself.
    pub samples: u64,
}

/// Waits of one call site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitCost {
    /// The function that waited.
    pub function: Function,
    /// For a lock of the kernel, the function of the target that called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Time per request, nanoseconds.
    pub per_request_ns: f64,
    /// How many there were.
    pub waits: u64,
}

/// What every profile says, in the order of the cells.
pub(super) fn profile_findings(cells: &[CellFinding], profiles: &[Profile]) -> Vec<ProfileFinding> {
    let of = |cell: &CellFinding| {
        let profile = profiles.iter().rfind(|profile| profile.cell == cell.cell.id)?;
        Some(finding(cell, profile))
    };
    cells.iter().filter_map(of).collect()
}

fn finding(cell: &CellFinding, profile: &Profile) -> ProfileFinding {
    let weight = sample_weight(profile);
    let counts = function_counts(profile);
    let mut functions: Vec<FunctionCost> = counts
        .into_iter()
        .map(|(function, count)| FunctionCost {
            function: function.clone(),
            self_ns: count.own as f64 * weight.unwrap_or(0.0),
            inclusive_ns: count.inclusive as f64 * weight.unwrap_or(0.0),
            samples: count.own,
        })
        .filter(|cost| cost.samples > 0)
        .collect();
    functions.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.function.cmp(&b.function)));
    functions.truncate(LISTED);
    let futexes = |locks: bool| {
        let waits = profile.futex_waits.as_ref()?;
        let wanted = waits.sites.iter().filter(|site| waits_for_lock(profile, &site.frames) == locks);
        Some(wait_costs(profile, wanted, |frames| Some((call_site(profile, frames)?, None))))
    };
    let in_kernel = |frames: &[u32]| {
        let caller = call_site(profile, frames).map(|function| function.name.clone());
        Some((kernel_site(profile, frames)?, caller))
    };
    ProfileFinding {
        cell: profile.cell.clone(),
        label: cell.label.clone(),
        cores: cell.cell.cores,
        event: profile.event.clone(),
        frequency_hz: profile.frequency_hz,
        samples: profile.samples,
        lost: profile.lost,
        cpu_per_request_ns: weight.map(|weight| weight * profile.samples as f64),
        functions,
        lock_waits: futexes(true),
        other_waits: futexes(false),
        kernel_lock_waits: profile
            .kernel_lock_waits
            .as_ref()
            .map(|waits| wait_costs(profile, waits.sites.iter(), in_kernel)),
        syscalls: profile.syscalls.as_ref().map(|calls| syscalls(calls, profile.traced_requests)),
        wakeups: profile.wakeups,
        missing: profile.missing.clone(),
        flame: flame(profile, None),
    }
}

fn syscalls(calls: &BTreeMap<String, u64>, requests: u64) -> Vec<(String, f64)> {
    let per_request = |(name, count): (&String, &u64)| (name.clone(), *count as f64 / requests.max(1) as f64);
    let mut list: Vec<(String, f64)> = calls.iter().map(per_request).collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.truncate(LISTED);
    list
}

/// Samples of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub own: u64,
    pub inclusive: u64,
}

/// Samples by function: in itself, and with what it calls (once, however often it occurs in a stack). A function is one
/// by its name and module: its line may be another in another profile.
pub(super) fn function_counts(profile: &Profile) -> BTreeMap<&Function, Count> {
    let mut first: BTreeMap<(&str, &str), &Function> = BTreeMap::new();
    for function in &profile.functions {
        first.entry((&function.name, &function.module)).or_insert(function);
    }
    let one = |frame: &u32| {
        let function = profile.functions.get(*frame as usize)?;
        first.get(&(function.name.as_str(), function.module.as_str())).copied()
    };
    let mut counts: BTreeMap<&Function, Count> = BTreeMap::new();
    for stack in &profile.stacks {
        let present: BTreeSet<&Function> = stack.frames.iter().filter_map(one).collect();
        for function in present {
            counts.entry(function).or_default().inclusive += stack.count;
        }
        if let Some(leaf) = stack.frames.last().and_then(one) {
            counts.entry(leaf).or_default().own += stack.count;
        }
    }
    counts
}

/// Waits by the function that `name` finds for their stacks, with who called it there most.
fn wait_costs<'p>(
    profile: &'p Profile,
    sites: impl Iterator<Item = &'p WaitSite>,
    name: impl Fn(&[u32]) -> Option<(&'p Function, Option<String>)>,
) -> Vec<WaitCost> {
    let nobody = Function { name: "[unknown]".to_owned(), module: "unknown".to_owned(), source: None };
    let mut costs: BTreeMap<(Function, Option<String>), (u64, u64)> = BTreeMap::new();
    for site in sites {
        let (function, caller) =
            name(&site.frames).map_or_else(|| (nobody.clone(), None), |(found, caller)| (found.clone(), caller));
        let cost = costs.entry((function, caller)).or_default();
        cost.0 += site.count;
        cost.1 += site.total_ns.0;
    }
    let cost = |((function, caller), (waits, total)): ((Function, Option<String>), (u64, u64))| WaitCost {
        function,
        caller,
        per_request_ns: total as f64 / profile.traced_requests.max(1) as f64,
        waits,
    };
    let mut list: Vec<WaitCost> = costs.into_iter().map(cost).collect();
    list.sort_by(|a, b| b.per_request_ns.total_cmp(&a.per_request_ns));
    list.truncate(LISTED);
    list
}
