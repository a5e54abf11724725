//! `delay`: so much work more, or so much sleep.

use corecurve_core::fault::Hold;

use crate::handler::work::{now, sleep_until, spin_until};

/// Spends the time.
#[inline(never)]
pub fn spend(hold: Hold) {
    let end = now() + hold.time;
    if hold.sleeps {
        sleep_until(end)
    } else {
        spin_until(end)
    };
}
