//! [`Machine`]: the topology and the part of it this process may use.

use std::collections::BTreeSet;
use std::path::Path;

use corecurve_core::{CpuSet, Problem};
use serde::{Deserialize, Serialize};

use crate::allowed::affinity;
use crate::procfs::cgroup;
use crate::source::TopologySource;
use crate::topology::Topology;

/// What we run on, or would run on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Nodes, caches, cores, hardware threads.
    pub topology: Topology,
    /// CPUs placements may use.
    pub allowed: CpuSet,
    /// CPU time per second that the control groups grant, in CPUs (0.5 is half a CPU); `None` without a quota.
    pub quota_cpus: Option<f64>,
    /// Where the topology comes from.
    pub source: TopologySource,
    /// Whether it is the machine this process runs on. Only then can a plan for it be executed.
    pub live: bool,
}

impl Machine {
    /// Reads the machine that `source` means.
    ///
    /// Live: the CPUs are those of the affinity mask that are online and inside the cpuset, and the quota is the
    /// smallest on the way up the control groups. Made up: all CPUs (an XML file's own limits are kept), no quota.
    ///
    /// # Errors
    /// When the topology cannot be read or leaves no CPU to use.
    pub fn discover(source: &TopologySource) -> Result<Machine, Problem> {
        let topology = Topology::read(source)?;
        let live = source.is_live();
        let allowed: CpuSet = if live {
            affinity()?.iter().filter(|cpu| topology.allowed.contains(*cpu)).collect()
        } else {
            topology.allowed.clone()
        };
        if allowed.is_empty() {
            return Err(Problem::new("this process may use no CPU of the topology")
                .help("check the affinity mask (`taskset -p $$`) and the cpuset of the control group"));
        }
        let quota_cpus = if live { cgroup::quota_cpus(Path::new("/")) } else { None };
        Ok(Machine { topology, allowed, quota_cpus, source: source.clone(), live })
    }

    /// The same machine with only `cpus` to use.
    ///
    /// # Errors
    /// When a CPU is not on the machine or was not allowed before; the message names them.
    pub fn limited_to(mut self, cpus: &CpuSet) -> Result<Machine, Problem> {
        self.check(cpus, "limit")?;
        if cpus.is_empty() {
            return Err(Problem::new("the limit leaves no CPU").help("name at least one CPU, e.g. `0-3`"));
        }
        self.allowed = cpus.clone();
        Ok(self)
    }

    /// Number of physical cores that placements may use, by at least one hardware thread.
    pub fn usable_cores(&self) -> usize {
        let allowed = self.topology.pus.iter().filter(|pu| self.allowed.contains(pu.cpu));
        allowed.map(|pu| pu.core).collect::<BTreeSet<_>>().len()
    }

    /// Refuses CPUs that do not exist or may not be used; `role` names the list in the message.
    pub(crate) fn check(&self, cpus: &CpuSet, role: &str) -> Result<(), Problem> {
        let all = self.topology.cpus();
        let missing: CpuSet = cpus.iter().filter(|cpu| !all.contains(*cpu)).collect();
        if !missing.is_empty() {
            return Err(Problem::new(format!("{role} CPUs {missing} are not on this machine"))
                .help(format!("it has CPUs {all}; see `corecurve topo`")));
        }
        let forbidden: CpuSet = cpus.iter().filter(|cpu| !self.allowed.contains(*cpu)).collect();
        if !forbidden.is_empty() {
            return Err(Problem::new(format!("{role} CPUs {forbidden} may not be used by this process"))
                .help(format!("affinity mask and cpuset allow CPUs {}", self.allowed)));
        }
        Ok(())
    }
}
