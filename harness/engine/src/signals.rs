//! Ctrl-C once: finish the trial, save, say how to resume. Twice: stop now.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use corecurve_core::Problem;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::stop::StopFlag;

/// How often the user has asked to stop.
static ASKED: AtomicU32 = AtomicU32::new(0);
/// Time between being asked to stop now and being gone.
const STOP_NOW: Duration = Duration::from_millis(150);

/// The exit code of an interrupted run.
const INTERRUPTED: i32 = 130;

/// Whether the user asked twice.
pub fn stop_now() -> bool {
    ASKED.load(Ordering::Relaxed) >= 2
}

/// Whether the user asked at all.
pub fn stop_soon() -> bool {
    ASKED.load(Ordering::Relaxed) >= 1
}

/// Listens to signals from now on; the flag is raised by them.
///
/// # Errors
/// As [`listen`].
pub fn install() -> Result<StopFlag, Problem> {
    listen()?;
    Ok(StopFlag::with_signals())
}

/// Starts to listen to SIGINT, SIGTERM and SIGHUP, once per process; later calls do nothing.
///
/// The first signal asks to finish the trial, the second to stop now: should the harness still be busy 150 ms later,
/// the process ends with exit code 130 and the guardians clear up behind it.
///
/// # Errors
/// When the system refuses the handlers or the thread that waits for them.
pub fn listen() -> Result<(), Problem> {
    static LISTENING: OnceLock<Result<(), Problem>> = OnceLock::new();
    LISTENING.get_or_init(start_listening).clone()
}

fn start_listening() -> Result<(), Problem> {
    let problem = |e: std::io::Error| {
        Problem::new(format!("signals cannot be handled: {e}")).help("raise the limits on processes and open files")
    };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(problem)?;
    let wait = move || {
        for _ in signals.forever() {
            if ASKED.fetch_add(1, Ordering::Relaxed) >= 1 {
                std::thread::sleep(STOP_NOW);
                signal_hook::low_level::exit(INTERRUPTED);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop).map_err(problem)
}
