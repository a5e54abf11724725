//! [`Flame`]: the tree of a profile's stacks, small enough to draw.

use std::collections::BTreeMap;

use corecurve_core::Profile;
use serde::{Deserialize, Serialize};

/// A frame with less than this share of the whole is folded into "other".
const SMALLEST: f64 = 0.001;
/// Most frames of a tree; with more, the smallest share is doubled until they fit.
const MOST_FRAMES: usize = 700;
/// The name of what was folded.
pub const OTHER: &str = "other";

/// Stacks merged into a tree, in CPU time per request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flame {
    /// CPU time per request in all, nanoseconds.
    pub total_ns: f64,
    /// The same of what it is compared with, in a differential tree.
    pub base_total_ns: Option<f64>,
    /// The frames: each before its children, children by name.
    pub frames: Vec<FlameFrame>,
    /// Frames with less than this share are folded into [`OTHER`].
    pub smallest_share: f64,
}

/// A frame of a [`Flame`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlameFrame {
    /// Frames above it: 0 for the outermost.
    pub depth: usize,
    /// The function.
    pub name: String,
    /// Whether it is the kernel's.
    pub kernel: bool,
    /// Its source line, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// CPU time per request in it and below it, nanoseconds.
    pub ns: f64,
    /// The same of what it is compared with; 0 in a plain tree.
    #[serde(default)]
    pub base_ns: f64,
}

/// The tree of one profile, or of one against another.
pub(super) fn flame(profile: &Profile, base: Option<&Profile>) -> Flame {
    let mut root = Node::default();
    root.add(profile, false);
    if let Some(base) = base {
        root.add(base, true);
    }
    let total = root.ns.max(root.base_ns);
    let mut smallest_share = SMALLEST;
    while root.count(total * smallest_share) > MOST_FRAMES && smallest_share < 1.0 {
        smallest_share *= 2.0;
    }
    let mut frames = Vec::new();
    root.list(0, total * smallest_share, &mut frames);
    Flame { total_ns: root.ns, base_total_ns: base.map(|_| root.base_ns), frames, smallest_share }
}

/// CPU time per request that one sample stands for, nanoseconds; `None` where nothing was sampled or asked.
pub(super) fn sample_weight(profile: &Profile) -> Option<f64> {
    let weight = profile.cpu_ns.0 as f64 / profile.samples as f64 / profile.requests as f64;
    (weight.is_finite() && weight > 0.0).then_some(weight)
}

#[derive(Default)]
struct Node<'p> {
    ns: f64,
    base_ns: f64,
    source: Option<&'p str>,
    /// By name and whether it is the kernel's.
    children: BTreeMap<(&'p str, bool), Node<'p>>,
}

impl<'p> Node<'p> {
    fn add(&mut self, profile: &'p Profile, base: bool) {
        let weight = sample_weight(profile).unwrap_or(0.0);
        for stack in &profile.stacks {
            let ns = weight * stack.count as f64;
            let mut node = &mut *self;
            node.take(ns, base);
            for function in stack.frames.iter().filter_map(|frame| profile.functions.get(*frame as usize)) {
                node = node.children.entry((&function.name, function.is_kernel())).or_default();
                node.source = node.source.or(function.source.as_deref());
                node.take(ns, base);
            }
        }
    }

    fn take(&mut self, ns: f64, base: bool) {
        if base {
            self.base_ns += ns;
        } else {
            self.ns += ns;
        }
    }

    fn weight(&self) -> f64 {
        self.ns.max(self.base_ns)
    }

    /// Frames with at least so much, and the folded ones beside them.
    fn count(&self, least: f64) -> usize {
        let kept = self.children.values().filter(|child| child.weight() >= least);
        let folded = self.children.values().any(|child| child.weight() < least);
        kept.map(|child| 1 + child.count(least)).sum::<usize>() + usize::from(folded)
    }

    fn list(&self, depth: usize, least: f64, frames: &mut Vec<FlameFrame>) {
        let mut other = FlameFrame { depth, name: OTHER.to_owned(), ..FlameFrame::default() };
        for ((name, kernel), child) in &self.children {
            if child.weight() < least {
                other.ns += child.ns;
                other.base_ns += child.base_ns;
                continue;
            }
            frames.push(FlameFrame {
                depth,
                name: (*name).to_owned(),
                kernel: *kernel,
                source: child.source.map(str::to_owned),
                ns: child.ns,
                base_ns: child.base_ns,
            });
            child.list(depth + 1, least, frames);
        }
        // A single sample too many is not worth a frame of its own.
        if other.ns.max(other.base_ns) > least / 4.0 {
            frames.push(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::{Function, Nanos, Stack};

    fn profile(stacks: &[(&[u32], u64)], names: usize) -> Profile {
        let function = |n| Function { name: format!("f{n}"), module: "x".into(), source: None };
        let samples = stacks.iter().map(|(_, count)| count).sum();
        Profile {
            samples,
            cpu_ns: Nanos(samples * 1_000),
            requests: 100,
            functions: (0..names).map(function).collect(),
            stacks: stacks.iter().map(|(frames, count)| Stack { frames: frames.to_vec(), count: *count }).collect(),
            ..Profile::default()
        }
    }

    #[test]
    fn stacks_merge_from_the_outside_in_and_sums_hold() {
        let one = profile(&[(&[0, 1], 60), (&[0, 2], 30), (&[0], 10)], 3);
        let tree = flame(&one, None);
        let shown: Vec<(usize, &str, f64)> = tree.frames.iter().map(|f| (f.depth, f.name.as_str(), f.ns)).collect();
        assert_eq!(shown, [(0, "f0", 1_000.0), (1, "f1", 600.0), (1, "f2", 300.0)]);
        assert_eq!((tree.total_ns, tree.base_total_ns), (1_000.0, None));
    }

    #[test]
    fn a_difference_has_both_sides() {
        let base = profile(&[(&[0, 1], 10)], 3);
        let more = profile(&[(&[0, 1], 10), (&[0, 2], 30)], 3);
        let tree = flame(&more, Some(&base));
        let of = |name: &str| tree.frames.iter().find(|frame| frame.name == name).map(|f| (f.ns, f.base_ns));
        assert_eq!((of("f1"), of("f2")), (Some((100.0, 100.0)), Some((300.0, 0.0))));
        assert_eq!((tree.total_ns, tree.base_total_ns), (400.0, Some(100.0)));
    }

    #[test]
    fn ten_thousand_stacks_are_folded_into_a_small_tree_without_loss() {
        let stacks: Vec<(Vec<u32>, u64)> =
            (0..10_000u32).map(|n| (vec![0, 1 + n % 90, 100 + n % 900, 1_000 + n], 1 + u64::from(n % 7))).collect();
        let stacks: Vec<(&[u32], u64)> = stacks.iter().map(|(frames, count)| (&frames[..], *count)).collect();
        let one = profile(&stacks, 11_000);
        let tree = flame(&one, None);
        assert!(tree.frames.len() <= MOST_FRAMES, "{}", tree.frames.len());
        let level = |depth| tree.frames.iter().filter(|f| f.depth == depth).map(|f| f.ns).sum::<f64>();
        assert!((level(0) - tree.total_ns).abs() < 1e-6 * tree.total_ns);
        assert!((level(1) - tree.total_ns).abs() < 0.01 * tree.total_ns, "{} {}", level(1), tree.total_ns);
    }

    #[test]
    fn nothing_sampled_is_an_empty_tree() {
        assert_eq!(flame(&Profile::default(), None).frames, []);
        assert_eq!(sample_weight(&Profile::default()), None);
    }
}
