//! Which CPUs other programs are kept off while a placement is measured.

use std::collections::BTreeSet;

use corecurve_core::{CpuSet, Placed};

use crate::machine::Machine;

impl Machine {
    /// The CPUs that others are to be kept off: every hardware thread of the cores of server and load where that leaves others
    /// somewhere to run, else of the server's cores alone. Then the load threads share theirs with the others,
    /// and must run at real-time priority; `realtime_refusal` is asked whether they may.
    ///
    /// # Errors
    /// Why nothing can be kept clear.
    pub fn clear_for(
        &self,
        placed: &Placed,
        realtime_refusal: impl FnOnce() -> Option<String>,
    ) -> Result<CpuSet, String> {
        if placed.shared {
            return Err("server and load share cores".to_owned());
        }
        let server = self.whole_cores(&placed.server_cpus());
        let both: CpuSet = server.iter().chain(self.whole_cores(&placed.load_cpus()).iter()).collect();
        let leaves_some = |taken: &CpuSet| self.topology.pus.iter().any(|pu| self.may_host(pu.cpu, taken));
        if leaves_some(&both) {
            return Ok(both);
        }
        if !leaves_some(&server) {
            return Err("the server has every core there is".to_owned());
        }
        match realtime_refusal() {
            None => Ok(server),
            Some(why) => Err(format!("they would have to share the load's cores, and {why}")),
        }
    }

    /// Whether others may run on `cpu`, with `taken` taken from them.
    fn may_host(&self, cpu: corecurve_core::CpuId, taken: &CpuSet) -> bool {
        self.allowed.contains(cpu) && !taken.contains(cpu)
    }

    /// `cpus` and their siblings.
    fn whole_cores(&self, cpus: &CpuSet) -> CpuSet {
        let pus = &self.topology.pus;
        let cores: BTreeSet<usize> = pus.iter().filter(|pu| cpus.contains(pu.cpu)).map(|pu| pu.core).collect();
        pus.iter().filter(|pu| cores.contains(&pu.core)).map(|pu| pu.cpu).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlacementRequest;

    fn clear(topology: &str, server_cores: usize, shared: bool, refusal: Option<&str>) -> Result<String, String> {
        let machine = Machine::discover(&topology.parse().unwrap()).unwrap();
        let request = PlacementRequest { server_cores, allow_shared: shared, ..PlacementRequest::default() };
        let placed = machine.place(&request).unwrap();
        machine.clear_for(&placed, || refusal.map(str::to_owned)).map(|cpus| cpus.to_string())
    }

    #[test]
    fn whole_cores_of_server_and_load_are_kept_clear_where_there_are_more() {
        assert_eq!(clear("core:4 pu:2", 1, false, Some("never asked")).unwrap(), "0-3");
        assert_eq!(clear("core:8 pu:1", 2, false, Some("never asked")).unwrap(), "0-3");
    }

    #[test]
    fn with_no_core_to_spare_the_load_shares_its_own_if_it_may_go_first() {
        assert_eq!(clear("core:2 pu:1", 1, false, None).unwrap(), "0");
        assert_eq!(clear("core:2 pu:2", 1, false, None).unwrap(), "0-1");
        let why = clear("core:2 pu:1", 1, false, Some("the kernel is old")).unwrap_err();
        assert!(why.ends_with("and the kernel is old"), "{why}");
    }

    #[test]
    fn shared_cores_cannot_be_kept_clear() {
        assert!(clear("core:1 pu:1", 1, true, None).unwrap_err().contains("share cores"));
    }
}
