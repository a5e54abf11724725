//! Pressure stall information of the whole machine: how long some task waited for a CPU.

use corecurve_core::{Counters, Missing};

use super::kept::Kept;
use super::{Collector, Prepared, Subject, missing};
use crate::procfs::pressure;

#[derive(Debug)]
struct Pressure(Kept);

pub(super) fn prepare(_: &Subject<'_>) -> Prepared {
    Ok(Box::new(Pressure(Kept::open("/proc/pressure/cpu").map_err(absent)?)))
}

fn absent(why: String) -> Missing {
    missing("pressure", why, "boot with `psi=1`; the kernel needs CONFIG_PSI")
}

impl Collector for Pressure {
    fn begin(&mut self) {
        self.0.begin();
    }

    fn end(&mut self) {
        self.0.end();
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let some = |text: Result<String, String>| {
            let text = text?;
            pressure::parse(&text).map(|pressure| pressure.some).ok_or_else(|| format!("`{text}` is not understood"))
        };
        match (some(self.0.before()), some(self.0.after())) {
            (Ok(before), Ok(after)) => counters.cpu_pressure_ns = Some(after - before),
            (Err(why), _) | (_, Err(why)) => counters.missing.push(absent(why)),
        }
    }
}
