//! The folded text that other flame graph tools read.

use std::collections::BTreeMap;

use corecurve_core::Profile;

/// One line per stack, outermost first: `main;serve;read 42`.
pub fn folded(profile: &Profile) -> String {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for stack in &profile.stacks {
        let frames = stack.frames.iter().filter_map(|frame| profile.functions.get(*frame as usize));
        let names: Vec<String> = frames
            .map(|function| {
                // Both have a meaning in the format.
                let plain = function.name.replace(';', ":").replace(char::is_whitespace, "_");
                if function.is_kernel() { format!("{plain}_[k]") } else { plain }
            })
            .collect();
        let line = if names.is_empty() { "[unknown]".to_owned() } else { names.join(";") };
        *lines.entry(line).or_default() += stack.count;
    }
    lines.into_iter().map(|(line, count)| format!("{line} {count}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::{Function, Stack};

    #[test]
    fn stacks_with_the_same_names_are_one_line() {
        let function = |name: &str, module: &str| Function { name: name.into(), module: module.into(), source: None };
        let profile = Profile {
            functions: vec![function("main", "a"), function("f<T; 3>", "a"), function("read", "kernel")],
            stacks: vec![
                Stack { frames: vec![0, 1], count: 2 },
                Stack { frames: vec![0, 1, 2], count: 5 },
                Stack { frames: vec![0, 1], count: 1 },
                Stack { frames: vec![], count: 4 },
            ],
            ..Profile::default()
        };
        assert_eq!(folded(&profile), "[unknown] 4\nmain;f<T:_3> 3\nmain;f<T:_3>;read_[k] 5\n");
    }
}
