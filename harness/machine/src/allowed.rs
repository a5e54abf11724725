//! CPUs this process may run on. Not `nproc`, and not what `/sys` lists: a container or `taskset` allows fewer.

use std::io;

use corecurve_core::{CpuId, CpuSet, Pid, Problem};

/// The affinity mask of the calling thread, which new threads inherit.
///
/// The kernel has already intersected it with the cpuset and the online CPUs.
///
/// # Errors
/// When the kernel tells it neither by system call nor in `/proc`.
pub fn affinity() -> Result<CpuSet, Problem> {
    // A kernel built for more CPUs than the mask holds refuses the call; its text form has no such limit.
    read_mask(None).or_else(|_| affinity_text())
}

/// The affinity mask of another thread.
///
/// # Errors
/// When there is no such thread, or the machine has more CPUs than the mask holds.
pub fn affinity_of(thread: Pid) -> io::Result<CpuSet> {
    read_mask(Some(raw(thread)?))
}

/// Lets another thread run on `cpus` only, as far as they are in its cpuset.
///
/// # Errors
/// When there is no such thread, it is another user's, or the kernel keeps it where it is.
pub fn set_affinity_of(thread: Pid, cpus: &CpuSet) -> io::Result<()> {
    let mask = mask(cpus).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(rustix::thread::sched_setaffinity(Some(raw(thread)?), &mask)?)
}

/// `cpus` as the kernel takes them.
///
/// # Errors
/// The first CPU that is above what it can name.
pub(crate) fn mask(cpus: &CpuSet) -> Result<rustix::thread::CpuSet, CpuId> {
    let mut mask = rustix::thread::CpuSet::new();
    for cpu in cpus.iter() {
        if cpu.0 as usize >= rustix::thread::CpuSet::MAX_CPU {
            return Err(cpu);
        }
        mask.set(cpu.0 as usize);
    }
    Ok(mask)
}

fn read_mask(thread: Option<rustix::process::Pid>) -> io::Result<CpuSet> {
    let mask = rustix::thread::sched_getaffinity(thread)?;
    let highest = rustix::thread::CpuSet::MAX_CPU;
    Ok((0..highest).filter(|n| mask.is_set(*n)).map(|n| CpuId(n as u32)).collect())
}

fn raw(thread: Pid) -> io::Result<rustix::process::Pid> {
    let raw = i32::try_from(thread).ok().and_then(rustix::process::Pid::from_raw);
    raw.ok_or_else(|| io::ErrorKind::InvalidInput.into())
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
