//! CPUs this process may run on. Not `nproc`, and not what `/sys` lists: a container or `taskset` allows fewer.

use corecurve_core::{CpuId, CpuSet, Problem};

/// The affinity mask of the calling thread, which new threads inherit.
///
/// The kernel has already intersected it with the cpuset and the online CPUs.
///
/// # Errors
/// When the kernel tells it neither by system call nor in `/proc`.
pub fn affinity() -> Result<CpuSet, Problem> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(mask) => {
            let highest = rustix::thread::CpuSet::MAX_CPU;
            Ok((0..highest).filter(|n| mask.is_set(*n)).map(|n| CpuId(n as u32)).collect())
        }
        // A kernel built for more CPUs than the mask holds refuses the call; its text form has no such limit.
        Err(_) => affinity_text(),
    }
}

fn affinity_text() -> Result<CpuSet, Problem> {
    let problem = |why: String| Problem::new(format!("the affinity mask cannot be read: {why}")).help("mount /proc");
    let status = std::fs::read_to_string("/proc/thread-self/status").map_err(|e| problem(e.to_string()))?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.ok_or_else(|| problem("no Cpus_allowed_list".to_owned()))?.trim().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree() {
        let by_call = affinity().unwrap();
        assert!(!by_call.is_empty());
        // The text may still list CPUs that have gone offline since.
        let by_text = affinity_text().unwrap();
        assert!(by_call.iter().all(|cpu| by_text.contains(cpu)));
    }
}
