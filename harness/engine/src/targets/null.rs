//! [`NullTarget`]: nothing at all. What is left of a measurement then is the harness itself.

use corecurve_core::{Endpoint, Pid, Problem, Running, Start, Target, TargetStats};

/// A target on which every operation completes as soon as it is submitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullTarget;

impl Target for NullTarget {
    fn name(&self) -> &'static str {
        "null"
    }

    fn start(&self, _: &Start) -> Result<Box<dyn Running>, Problem> {
        Ok(Box::new(NullTarget))
    }
}

impl Running for NullTarget {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Null
    }

    fn pids(&self) -> Vec<Pid> {
        Vec::new()
    }

    fn check(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}
