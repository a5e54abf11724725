//! One run at a time: whoever measures waits for the one that does already.

use std::sync::OnceLock;

use corecurve_core::Problem;
use corecurve_machine::Exclusive;

use crate::catalog::Catalog;
use crate::shield::{self, Asked};

/// Held from the first measurement to the end of the process.
static HELD: OnceLock<Exclusive> = OnceLock::new();

/// Waits for the machine, if what is asked for needs it to itself: real targets, behind a shield. Must come before the machine is
/// looked at: while another run's shield is up, it seems smaller than it is.
///
/// # Errors
/// When the system does not let anyone be told apart.
pub fn for_targets<'a>(mut targets: impl Iterator<Item = &'a str>, asked: Option<&str>) -> Result<(), Problem> {
    let alone = shield::asked(asked).is_ok_and(|asked| asked != Asked::Off);
    if alone && targets.any(|target| !Catalog::is_virtual(target)) { take() } else { Ok(()) }
}

/// Waits for the machine.
///
/// # Errors
/// As [`for_targets`].
pub fn take() -> Result<(), Problem> {
    if HELD.get().is_some() {
        return Ok(());
    }
    let waiting = |who: Option<u32>| {
        let who = who.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        eprintln!(
            " another run{who} measures on this machine; this one begins when that has ended (`--shield off` does not wait)"
        );
    };
    let held = Exclusive::wait(waiting)
        .map_err(|error| Problem::new(format!("no socket can be had to keep other runs away: {error}")))?;
    let _ = HELD.set(held);
    Ok(())
}
