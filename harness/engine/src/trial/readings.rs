//! What the kernel says about the window: read by the controller at its two ends, never by a load worker.

use std::net::SocketAddr;

use corecurve_core::{Counters, Nanos, Pid};
use corecurve_machine::clock::{ClockCheck, ClockFinding};
use corecurve_machine::counters::{Collecting, Subject};
use corecurve_machine::procfs::process::Identity;

use super::setup::TrialSetup;

/// What is read, made ready, and then the first end.
#[derive(Debug)]
pub(crate) struct Readings {
    clock: Option<ClockCheck>,
    processes: Vec<Identity>,
    gone: Option<Pid>,
    collecting: Collecting,
}

/// The difference between the two ends.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub clock: Option<ClockFinding>,
    pub target_fault: Option<String>,
    pub counters: Counters,
}

impl Readings {
    /// Finds and opens what will be read. Slow, so it is done before the window opens.
    pub(crate) fn prepare(setup: &TrialSetup, pids: &[Pid], address: Option<SocketAddr>) -> Readings {
        let mut gone = None;
        let mut processes = Vec::new();
        for pid in pids {
            match Identity::of(*pid) {
                Ok(identity) => processes.push(identity),
                Err(_) => gone = Some(*pid),
            }
        }
        let listens = address.filter(|address| address.ip().is_loopback());
        let subject = Subject { pids, listens, link: setup.link.as_ref(), placed: &setup.placed };
        let collecting = Collecting::prepare(&subject, &setup.counters);
        Readings { clock: None, processes, gone, collecting }
    }

    /// Reads the first end. Cost: some small files, and three more for each thread of the target.
    pub(crate) fn begin(&mut self) {
        self.clock = Some(ClockCheck::begin());
        self.collecting.begin();
    }

    /// A look within the window.
    pub(crate) fn look(&mut self) {
        self.collecting.look();
    }

    /// Reads the other end.
    pub(crate) fn end(mut self) -> Reading {
        self.collecting.end();
        let clock = self.clock.map(ClockCheck::end);
        let changed = self.processes.iter().find(|identity| !identity.is_alive()).map(|identity| identity.pid);
        let target_fault = self.gone.or(changed).map(|pid| format!("process {pid} of the target is gone"));
        Reading { clock, target_fault, counters: self.collecting.tell() }
    }
}

impl Reading {
    /// CPU time of the target's processes.
    pub(crate) fn server_cpu(&self) -> Result<Nanos, String> {
        let why = || self.counters.why_missing("threads").unwrap_or("the target's threads cannot be read").to_owned();
        self.counters.server_cpu().ok_or_else(why)
    }

    /// Periods in which a quota stopped the load generator.
    pub(crate) fn throttled(&self) -> Option<u64> {
        self.counters.load_quota.map(|quota| quota.throttled_periods)
    }
}

#[cfg(test)]
mod tests {
    use corecurve_core::Load;

    use super::*;
    use crate::trial::setup::tests::setup;

    fn readings(pids: &[Pid]) -> Readings {
        let mut readings = Readings::prepare(&setup(Load::Closed(1), Nanos::SECOND), pids, None);
        readings.begin();
        readings
    }

    #[test]
    fn readings_of_this_process_show_its_work() {
        let readings = readings(&[std::process::id()]);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(80);
        let mut spin = 0u64;
        while std::time::Instant::now() < until {
            spin = std::hint::black_box(spin + 1);
        }
        let window = readings.end();
        assert!(window.server_cpu().unwrap() > Nanos::ZERO);
        assert_eq!(window.target_fault, None);
        assert!(window.clock.unwrap().span >= Nanos(80_000_000));
    }

    #[test]
    fn a_process_that_went_is_noticed() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let window = readings(&[pid]);
        child.wait().unwrap();
        assert!(window.end().target_fault.unwrap().contains(&pid.to_string()));
        assert!(readings(&[]).end().server_cpu().unwrap_err().contains("not known"));
    }
}
