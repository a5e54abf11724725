//! Faults that are put in from outside of the target: antagonists beside it, a quota on its control group. They come after the
//! target has started and go with it. What load workers do badly is in `worker`, what our own servers do in `servers`.

mod antagonist;
mod quota;

pub use antagonist::{ANTAGONIST_ARG, antagonist_main, is_antagonist_call};

use std::path::Path;

use corecurve_core::fault::FaultPlace;
use corecurve_core::{CpuSet, Fault, Placed, Problem, Running};

use crate::child::GuardianExe;
use antagonist::Antagonist;
use quota::Quota;

/// What stands in the way of a fault on this machine with this placement, if something does. Cost for `quota`: a control group made
/// and removed.
pub fn refusal(fault: &Fault, placed: &Placed) -> Option<Problem> {
    match fault {
        Fault::Quota(_) => Quota::refusal(),
        Fault::MemoryBandwidth(beside) | Fault::Cache(beside) => spare_cpus(fault, &beside.cpus, placed).err(),
        _ => None,
    }
}

/// Where an antagonist of memory sits: where it was told, or beside everything that is measured.
fn spare_cpus(fault: &Fault, told: &CpuSet, placed: &Placed) -> Result<CpuSet, Problem> {
    match (told.is_empty(), placed.housekeeping.is_empty()) {
        (false, _) => Ok(told.clone()),
        (true, false) => Ok(placed.housekeeping.clone()),
        (true, true) => Err(Problem::new(format!(
            "`{fault}` needs a CPU that neither serves nor loads, and there is none"
        ))
        .help(format!("use fewer cores, or name CPUs: `{fault}@CPUS`; on a CPU of the server it takes time from it"))),
    }
}

/// The faults of a running target that are not its own.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    antagonists: Vec<Antagonist>,
    quota: Option<Quota>,
}

impl Injected {
    /// Puts them in; they last as long as what this returns.
    ///
    /// # Errors
    /// What the machine does not allow. Nothing of it is left then.
    pub fn start(
        faults: &[Fault],
        placed: &Placed,
        running: &dyn Running,
        scratch: &Path,
    ) -> Result<Injected, Problem> {
        let mut injected = Injected::default();
        for fault in faults {
            match fault {
                Fault::Quota(cpus) => injected.quota = Some(Quota::impose(*cpus, || running.pids())?),
                _ if fault.place() == FaultPlace::Host => {
                    let exe = GuardianExe::current()?;
                    injected.antagonists.push(Antagonist::start(fault, placed, &exe, scratch)?);
                }
                _ => {}
            }
        }
        Ok(injected)
    }

    /// Whether they still are what was asked for.
    ///
    /// # Errors
    /// An antagonist that ended.
    pub fn check(&mut self) -> Result<(), Problem> {
        self.antagonists.iter_mut().try_for_each(Antagonist::check)
    }

    /// Takes them out; the target has ended already.
    ///
    /// # Errors
    /// An antagonist that cannot be killed.
    pub fn stop(self) -> Result<(), Problem> {
        self.antagonists.into_iter().try_for_each(Antagonist::stop)
    }
}
