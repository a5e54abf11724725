//! Faults of a server's own, put in on purpose by the setting `fault`, so that tools which name bottlenecks can be tested on them
//! and people can learn those tools. See docs/faults.md.
//!
//! They are run in the handler, the one place all architectures share, and cost a branch where there are none. Each has
//! a file and a function of its own, so that a profile can name it. In this order: what lengthens a request comes first,
//! outside of what serialises requests, so that a delay does not lengthen the time a lock is held.

pub mod admission;
pub mod delay;
pub mod false_sharing;
pub mod global_mutex;
pub mod syscalls;

use std::num::NonZeroU64;

use corecurve_core::fault::{FaultList, FaultPlace, Hold};
use corecurve_core::{Fault, Problem};

use crate::config::{ServeConfig, Setting, reads};
use crate::copies;
use crate::factors::Scheduling;
use crate::registry::Architecture;
use admission::Admission;
use false_sharing::SharedLine;
use global_mutex::GlobalMutex;
use syscalls::Syscalls;

/// The setting.
pub(crate) const FAULT: Setting = Setting {
    name: "fault",
    default: FaultList::NONE,
    summary: "weaknesses put in on purpose, e.g. mutex=50us;delay=10us; see `corecurve list faults`",
    check: reads::<FaultList>,
};

/// What a server was told to do badly.
#[derive(Debug, Default)]
pub struct Faults {
    delay: Option<Hold>,
    syscalls: Option<Syscalls>,
    false_sharing: Option<SharedLine>,
    admission: Option<Admission>,
    mutex: Option<GlobalMutex>,
}

impl Faults {
    /// The faults of a list; `None` when it is empty.
    ///
    /// # Errors
    /// Those that no server can have, and what the kernel refuses.
    pub fn of(list: &FaultList) -> Result<Option<Faults>, Problem> {
        let mut faults = Faults::default();
        for fault in &list.0 {
            match *fault {
                Fault::Delay(hold) => faults.delay = Some(hold),
                Fault::Syscalls(count) => faults.syscalls = Some(Syscalls::new(count)?),
                Fault::FalseSharing(count) => faults.false_sharing = Some(SharedLine::new(count)),
                Fault::Admit(places) => faults.admission = Some(Admission::new(places)),
                Fault::Mutex(hold) => faults.mutex = Some(GlobalMutex::new(hold)),
                _ => return Err(not_here(fault)),
            }
        }
        Ok((!list.0.is_empty()).then_some(faults))
    }

    /// Handles a request of worker number `worker` as badly as was asked for.
    #[cold]
    #[inline(never)]
    pub fn around(&self, worker: usize, handle: impl FnOnce()) {
        if let Some(hold) = self.delay {
            delay::spend(hold);
        }
        if let Some(syscalls) = &self.syscalls {
            syscalls::call(syscalls);
        }
        if let Some(line) = &self.false_sharing {
            false_sharing::count(line, worker);
        }
        let _place = self.admission.as_ref().map(admission::enter);
        let _locked = self.mutex.as_ref().map(global_mutex::enter);
        handle();
    }
}

/// The faults of a configuration, which the architecture can have.
///
/// # Errors
/// Those it cannot, with the reason.
pub(crate) fn list(config: &ServeConfig, architecture: &Architecture) -> Result<FaultList, Problem> {
    let list: FaultList = config.setting(&FAULT)?;
    for fault in &list.0 {
        if fault.place() != FaultPlace::Handler {
            return Err(not_here(fault).at(FAULT.name));
        }
        let shares = matches!(fault, Fault::Admit(_) | Fault::Mutex(_) | Fault::FalseSharing(_));
        if shares && copies::are_processes(config)? {
            return Err(Problem::new(format!("{}: `{fault}` would be another one in each process", FAULT.name))
                .help("leave out `procs`, or the fault"));
        }
        if matches!(fault, Fault::Admit(_)) && architecture.scheduling != Scheduling::OsThreads {
            return Err(Problem::new(format!(
                "{}: `{fault}` cannot be had in {}, whose workers handle one request at a time and would stop with all their \
                 connections when one waits",
                FAULT.name, architecture.name
            ))
            .help("use `thread-per-connection`"));
        }
    }
    Ok(list)
}

fn not_here(fault: &Fault) -> Problem {
    let kind = fault.kind().map_or("elsewhere", |kind| kind.place.label());
    Problem::new(format!("`{fault}` is put in {kind}"))
        .help(format!("use `--fault {fault}` of a command that measures"))
}

/// Lets the calling thread, and those it starts, wake up from a sleep at the time it asked for: the kernel adds 50 µs
/// otherwise, which is as long as a whole fault. Only where one of them sleeps.
pub(crate) fn sleep_exactly(list: &FaultList) {
    let sleeps = |fault: &Fault| matches!(fault, Fault::Mutex(hold) | Fault::Delay(hold) if hold.sleeps);
    if list.0.iter().any(sleeps) {
        // A kernel that refuses lets them sleep longer.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    }
}
