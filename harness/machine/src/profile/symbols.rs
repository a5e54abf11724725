//! From addresses to functions: the kernel's by its own list, a program's by its symbols and debug information.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use blazesym::MaybeDefault;
use blazesym::Pid as SymbolPid;
use blazesym::symbolize::source::{Kernel, Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use corecurve_core::{Function, Missing, Nanos, Pid, Stack, WaitSite, Waits};

use super::stacks::{RawStack, is_kernel};
use super::waits::BySite;
use crate::procfs::read_text;

/// A longer name is cut: generic code has names of kilobytes.
const LONGEST_NAME: usize = 240;
/// Directories of a source file that are shown above it.
const SHOWN_DIRECTORIES: usize = 4;
/// The name of what nobody has a name for.
const NAMELESS: &str = "[unknown]";

/// A place: one function, or a chain of inlined ones, outermost first; each with the line.
type Place = Vec<(Function, Option<String>)>;

/// Stacks with names.
#[derive(Debug, Default)]
pub(super) struct Named {
    functions: Vec<Function>,
    /// By number of the raw stack, outermost first.
    stacks: Vec<Vec<u32>>,
}

/// Names every address of the stacks. `weights` says how much a stack counts: of a function's lines the heaviest is shown.
pub(super) fn name(raw: &[RawStack], weights: &BTreeMap<u32, u64>, missing: &mut Vec<Missing>) -> Named {
    let mut wanted: BTreeMap<Option<Pid>, BTreeSet<u64>> = BTreeMap::new();
    for stack in raw {
        for address in &stack.addresses {
            let space = if is_kernel(*address) { None } else { Some(stack.pid) };
            wanted.entry(space).or_default().insert(*address);
        }
    }
    let symbolizer = Symbolizer::new();
    let mut places: HashMap<(Option<Pid>, u64), Place> = HashMap::new();
    for (space, addresses) in wanted {
        let addresses: Vec<u64> = addresses.into_iter().collect();
        let found = match space {
            None => kernel(&symbolizer, &addresses, missing),
            Some(pid) => program(&symbolizer, pid, &addresses, missing),
        };
        places.extend(addresses.into_iter().map(|address| (space, address)).zip(found));
    }
    let mut named = Named::default();
    let mut numbers: HashMap<Function, u32> = HashMap::new();
    let mut lines: HashMap<u32, BTreeMap<&str, u64>> = HashMap::new();
    for (at, stack) in raw.iter().enumerate() {
        let weight = weights.get(&(at as u32)).copied().unwrap_or(0);
        let mut frames = Vec::with_capacity(stack.addresses.len());
        for address in stack.addresses.iter().rev() {
            let space = if is_kernel(*address) { None } else { Some(stack.pid) };
            for (function, line) in places.get(&(space, *address)).into_iter().flatten() {
                let next = named.functions.len() as u32;
                let number = *numbers.entry(function.clone()).or_insert_with(|| {
                    named.functions.push(function.clone());
                    next
                });
                frames.push(number);
                if let Some(line) = line {
                    *lines.entry(number).or_default().entry(line).or_default() += weight;
                }
            }
        }
        named.stacks.push(frames);
    }
    for (number, lines) in lines {
        let heaviest = lines.into_iter().max_by_key(|(line, weight)| (*weight, std::cmp::Reverse(*line)));
        named.functions[number as usize].source = heaviest.map(|(line, _)| line.to_owned());
    }
    named
}

impl Named {
    /// Samples by named stack, most first.
    pub(super) fn merged(&self, counts: &BTreeMap<u32, u64>) -> Vec<Stack> {
        let mut merged: BTreeMap<&[u32], u64> = BTreeMap::new();
        for (number, count) in counts {
            *merged.entry(&self.stacks[*number as usize]).or_default() += count;
        }
        let mut stacks: Vec<Stack> =
            merged.into_iter().map(|(frames, count)| Stack { frames: frames.to_vec(), count }).collect();
        stacks.sort_by_key(|stack| std::cmp::Reverse(stack.count));
        stacks
    }

    /// Waits by named stack, longest first.
    pub(super) fn waits(&self, by_site: &BySite) -> Waits {
        let mut merged: BTreeMap<&[u32], (u64, u64)> = BTreeMap::new();
        let mut waits = Waits::default();
        for (number, (count, total)) in by_site {
            let site = merged.entry(&self.stacks[*number as usize]).or_default();
            site.0 += count;
            site.1 += total;
            waits.count += count;
            waits.total_ns += Nanos(*total);
        }
        let site = |(frames, (count, total)): (&[u32], (u64, u64))| WaitSite {
            frames: frames.to_vec(),
            count,
            total_ns: Nanos(total),
        };
        waits.sites = merged.into_iter().map(site).collect();
        waits.sites.sort_by_key(|site| std::cmp::Reverse(site.total_ns));
        waits
    }

    pub(super) fn into_functions(self) -> Vec<Function> {
        self.functions
    }
}

fn kernel(symbolizer: &Symbolizer, addresses: &[u64], missing: &mut Vec<Missing>) -> Vec<Place> {
    let source = Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() };
    let nameless = || vec![(function(NAMELESS, "kernel"), None)];
    match symbolizer.symbolize(&Source::Kernel(source), Input::AbsAddr(addresses)) {
        Ok(found) => {
            let places: Vec<Place> =
                found.iter().map(|one| one.as_sym().map_or_else(nameless, |sym| place(sym, "kernel"))).collect();
            if places.iter().all(|place| place.iter().all(|(function, _)| function.name == NAMELESS)) {
                missing.push(kernel_names("its list of symbols hides the addresses"));
            }
            places
        }
        Err(error) => {
            missing.push(kernel_names(&error.to_string()));
            addresses.iter().map(|_| nameless()).collect()
        }
    }
}

fn kernel_names(why: &str) -> Missing {
    Missing {
        what: "names of the kernel's functions".to_owned(),
        why: why.to_owned(),
        help: Some("run as root, or `sudo sysctl kernel.kptr_restrict=0`".to_owned()),
    }
}

fn program(symbolizer: &Symbolizer, pid: Pid, addresses: &[u64], missing: &mut Vec<Missing>) -> Vec<Place> {
    let modules = modules(pid);
    let module_of = |address: u64| {
        let found = modules.iter().find(|(range, _)| range.contains(&address));
        found.map_or("unknown", |(_, name)| name.as_str())
    };
    let nameless = |address: u64| vec![(function(NAMELESS, module_of(address)), None)];
    let mut source = Process::new(SymbolPid::from(pid));
    // Only root may follow these; they find files that were replaced or belong to another mount namespace.
    source.map_files = rustix::process::geteuid().is_root();
    let places: Vec<Place> = match symbolizer.symbolize(&Source::Process(source), Input::AbsAddr(addresses)) {
        Ok(found) => {
            let one = |(found, address): (&Symbolized<'_>, &u64)| match found.as_sym() {
                Some(sym) => place(sym, module_of(*address)),
                None => nameless(*address),
            };
            found.iter().zip(addresses).map(one).collect()
        }
        Err(error) => {
            missing.push(Missing {
                what: format!("names of the functions of process {pid}"),
                why: error.to_string(),
                help: Some("the process must still live, and its files be readable".to_owned()),
            });
            addresses.iter().map(|address| nameless(*address)).collect()
        }
    };
    let without: BTreeSet<&str> = places
        .iter()
        .flatten()
        .filter(|(function, _)| function.name == NAMELESS && !function.module.starts_with('['))
        .map(|(function, _)| function.module.as_str())
        .collect();
    for module in without {
        let what = format!("names of some functions in {module}");
        if !missing.iter().any(|known| known.what == what) {
            missing.push(Missing {
                what,
                why: "it has no symbols for them".to_owned(),
                help: Some("install its debug symbols, or build it without stripping".to_owned()),
            });
        }
    }
    places
}

/// The files mapped into a process, by address.
fn modules(pid: Pid) -> Vec<(Range<u64>, String)> {
    let maps = read_text(format!("/proc/{pid}/maps")).unwrap_or_default();
    let one = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let path = rest.split_whitespace().nth(4)?;
        let range = u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?;
        Some((range, file_name(path).to_owned()))
    };
    maps.lines().filter_map(one).collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The function of a symbol and those inlined into it at this address.
fn place(sym: &Sym<'_>, module: &str) -> Place {
    let line = |info: Option<&CodeInfo<'_>>| info.and_then(source_line);
    let mut place = vec![(function(&sym.name, module), line(sym.code_info.as_deref()))];
    for inlined in &sym.inlined {
        place.push((function(&inlined.name, module), line(inlined.code_info.as_ref())));
    }
    place
}

fn function(name: &str, module: &str) -> Function {
    let name = without_arguments(name);
    let name = match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    };
    Function { name, module: module.to_owned(), source: None }
}

/// A name without the arguments of its generics, which say little and are long: `push<u8>` is `push`. What begins with
/// `<` is no argument: `<T as Trait>::f` stays.
fn without_arguments(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let (mut depth, mut before) = (0usize, ' ');
    for c in name.chars() {
        let opens = c == '<' && (depth > 0 || before.is_alphanumeric() || matches!(before, '_' | ':' | '}'));
        let closes = c == '>' && depth > 0 && before != '-';
        depth += usize::from(opens);
        if depth == 0 {
            short.push(c);
        }
        depth -= usize::from(closes);
        before = c;
    }
    // An operator of C++ may open what nothing closes.
    if depth > 0 { name.to_owned() } else { short.replace("::::", "::") }
}

fn source_line(info: &CodeInfo<'_>) -> Option<String> {
    Some(format!("{}:{}", shown_path(&info.to_path()), info.line?))
}

/// The end of a path that says which file is meant: below a package of a registry, below the standard library's own
/// directory, or the last few directories.
fn shown_path(path: &Path) -> String {
    let parts: Vec<String> = path
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let registry = parts.windows(2).position(|pair| pair[0] == "registry" && pair[1] == "src").map(|at| at + 3);
    let library = parts.iter().position(|part| part == "library");
    let from = registry.or(library).unwrap_or(parts.len().saturating_sub(SHOWN_DIRECTORIES + 1));
    parts.get(from..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_they_mean_something() {
        for (path, shown) in [
            ("/home/me/.cargo/registry/src/index-1/mio-1.0.1/src/poll.rs", "mio-1.0.1/src/poll.rs"),
            ("/rustc/abc/library/std/src/sync/mutex.rs", "library/std/src/sync/mutex.rs"),
            ("/a/b/c/servers/http/src/runtime/slot.rs", "servers/http/src/runtime/slot.rs"),
            ("main.c", "main.c"),
        ] {
            assert_eq!(shown_path(Path::new(path)), shown);
        }
    }

    #[test]
    fn stacks_that_differ_only_inside_functions_are_one() {
        let named = Named { functions: Vec::new(), stacks: vec![vec![0, 1], vec![0, 1], vec![0]] };
        let merged = named.merged(&BTreeMap::from([(0, 2), (1, 3), (2, 9)]));
        assert_eq!(merged, [Stack { frames: vec![0], count: 9 }, Stack { frames: vec![0, 1], count: 5 }]);
        let waits = named.waits(&BySite::from([(0, (1, 5)), (1, (2, 7)), (2, (1, 3))]));
        assert_eq!((waits.count, waits.total_ns), (4, Nanos(15)));
        assert_eq!((waits.sites.len(), waits.sites[0].count, waits.sites[0].total_ns), (2, 3, Nanos(12)));
    }

    #[test]
    fn arguments_of_generics_are_left_out() {
        for (name, short) in [
            ("push<u8, alloc::alloc::Global>", "push"),
            ("<a::B<C<u8>> as core::ops::Fn<()>>::call", "<a::B as core::ops::Fn>::call"),
            ("a::b::<u8>::c", "a::b::c"),
            ("call<fn(u8) -> Vec<u8>, u8>", "call"),
            ("{closure#1}<a::B>", "{closure#1}"),
            ("operator<", "operator<"),
            ("tcp_ack", "tcp_ack"),
        ] {
            assert_eq!(without_arguments(name), short);
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let long = "é".repeat(LONGEST_NAME + 1);
        assert_eq!(function(&long, "m").name.chars().count(), LONGEST_NAME + 1);
        assert_eq!(function("short", "m").name, "short");
    }
}
