//! Where memory lives: bound to a node, then touched first by the thread that will use it.
//!
//! Linux gives a page its node when it is first written, by the policy of the writing thread. So a worker pins
//! itself, binds its policy, and only then allocates and touches what it will use.
//!
//! The allocator may hand out pages that another thread has touched before; those stay where they are. On a
//! two-node guest 1,020 of 1,026 pages of a worker's buffer came from its node, the other six from the allocator.

use corecurve_core::{CpuSet, NodeId, Placed, Problem};
use serde::{Deserialize, Serialize};

use crate::allowed::{affinity, mask};
use crate::mempolicy::{self, Policy};
use crate::topology::Topology;

/// What became of a wish to bind memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// New pages come from these nodes and no others.
    Bound(Vec<NodeId>),
    /// Memory is where the kernel puts it, for this reason. Not an error: on one node there is nothing to choose.
    Unavailable(String),
}

/// Binds the calling thread's new pages to `nodes`. Call it after pinning and before allocating.
///
/// Cost: two system calls. On a machine with one node, or without NUMA in its kernel, nothing is done and the reason is returned.
///
/// # Errors
/// When the kernel refuses nodes that the topology has, e.g. outside the cpuset's memory nodes.
pub fn bind_current_thread(topology: &Topology, nodes: &[NodeId]) -> Result<Binding, Problem> {
    if topology.nodes.len() < 2 {
        return Ok(Binding::Unavailable("the machine has one NUMA node".to_owned()));
    }
    bind(nodes)
}

/// [`bind_current_thread`] without the look at the topology.
fn bind(nodes: &[NodeId]) -> Result<Binding, Problem> {
    if nodes.is_empty() {
        return Ok(Binding::Unavailable("the machine does not say which node is near".to_owned()));
    }
    let list = || nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let problem = |why: String| {
        Problem::new(format!("memory could not be bound to NUMA node {}: {why}", list()))
            .help("check that the node is online, has memory and is in Mems_allowed of /proc/self/status")
    };
    match mempolicy::set(nodes) {
        Ok(()) => {}
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            return Ok(Binding::Unavailable(format!("the kernel offers no memory policy here: {e}")));
        }
        Err(e) => return Err(problem(e.to_string())),
    }
    match mempolicy::get() {
        Ok((Policy::Bind, bound)) => Ok(Binding::Bound(bound)),
        Ok((policy, _)) => Err(problem(format!("the kernel made it {policy:?}"))),
        Err(e) => Ok(Binding::Unavailable(format!("the policy was set but cannot be read back: {e}"))),
    }
}

/// Writes every element with its default, so that each page gets its node from the calling thread's policy.
pub fn first_touch<T: Copy + Default>(memory: &mut [T]) {
    memory.fill(std::hint::black_box(T::default()));
}

/// Affinity and memory policy for a process that the harness starts.
///
/// A child inherits both from the *thread* that spawns it, so a guardian applies this to itself right before it
/// spawns the server, and the server's threads start inside their cores with no moment outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecPolicy {
    /// CPUs the process may run on; empty leaves the affinity as it is.
    pub cpus: CpuSet,
    /// Nodes its memory must come from; empty leaves the policy as it is.
    pub nodes: Vec<NodeId>,
}

impl ExecPolicy {
    /// The policy of a placement's server. Without a second node the memory policy is left alone.
    pub fn of_server(placed: &Placed, topology: &Topology) -> ExecPolicy {
        let nodes = if topology.nodes.len() > 1 { placed.server_nodes() } else { Vec::new() };
        ExecPolicy { cpus: placed.server_cpus(), nodes }
    }

    /// Applies it to the calling thread, which should spawn the child next and do nothing else afterwards.
    ///
    /// # Errors
    /// When the kernel refuses or takes something else.
    pub fn apply_to_current(&self) -> Result<Binding, Problem> {
        if !self.cpus.is_empty() {
            set_affinity(&self.cpus)?;
        }
        if self.nodes.is_empty() {
            return Ok(Binding::Unavailable("no memory policy was asked for".to_owned()));
        }
        bind(&self.nodes)
    }
}

/// Lets the calling thread run on `cpus` only, and checks that it took.
///
/// # Errors
/// When the kernel refuses or takes something else.
pub fn set_affinity(cpus: &CpuSet) -> Result<(), Problem> {
    let problem = |why: String| {
        Problem::new(format!("the affinity could not be set to CPUs {cpus}: {why}"))
            .help("check that the CPUs are online and inside the cpuset of the control group")
    };
    let mask = mask(cpus).map_err(|cpu| {
        problem(format!("CPU {cpu} is above the {} the mask can name", rustix::thread::CpuSet::MAX_CPU))
    })?;
    rustix::thread::sched_setaffinity(None, &mask).map_err(|e| problem(e.to_string()))?;
    let taken = affinity()?;
    if taken == *cpus { Ok(()) } else { Err(problem(format!("the kernel made it CPUs {taken}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corecurve_core::CpuId;

    #[test]
    fn a_policy_takes_and_a_child_inherits_the_affinity() {
        let cpu = affinity().unwrap().iter().next().unwrap();
        let status = std::thread::spawn(move || {
            let policy = ExecPolicy { cpus: CpuSet::from_iter([cpu]), nodes: vec![NodeId(0)] };
            match policy.apply_to_current().unwrap() {
                Binding::Bound(nodes) => assert_eq!(nodes, [NodeId(0)]),
                Binding::Unavailable(reason) => assert!(!reason.is_empty()),
            }
            std::process::Command::new("cat").arg("/proc/self/status").output().unwrap().stdout
        })
        .join()
        .unwrap();
        let status = String::from_utf8(status).unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        assert_eq!(allowed.trim(), cpu.to_string());
        // The thread had its own policy; this one is untouched.
        assert!(affinity().unwrap().contains(cpu));
    }

    #[test]
    fn impossible_wishes_are_refused_with_the_number() {
        std::thread::spawn(|| {
            for nodes in [vec![NodeId(1_023)], vec![NodeId(4_000)]] {
                match bind(&nodes) {
                    Err(problem) => assert!(problem.seen.contains(&nodes[0].to_string()), "{problem}"),
                    Ok(Binding::Unavailable(reason)) => assert!(!reason.is_empty()),
                    Ok(bound) => panic!("{bound:?}"),
                }
            }
            for cpu in [CpuId(1_000), CpuId(5_000)] {
                let problem = set_affinity(&CpuSet::from_iter([cpu])).unwrap_err();
                assert!(problem.seen.contains(&cpu.to_string()), "{problem}");
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn one_node_is_a_reason_not_an_error() {
        let topology = Topology::read(&"core:2".parse().unwrap()).unwrap();
        let binding = bind_current_thread(&topology, &[NodeId(0)]).unwrap();
        assert_eq!(binding, Binding::Unavailable("the machine has one NUMA node".to_owned()));
    }

    #[test]
    fn touched_memory_is_cleared() {
        let mut memory = vec![7u64; 10_000];
        first_touch(&mut memory);
        assert!(memory.iter().all(|&word| word == 0));
    }
}
