//! [`SimTarget`]: a simulation as a target.

use corecurve_core::{Endpoint, Pid, Problem, QueueLaw, Running, Settings, Start, Target, TargetStats, VirtualServer};

use crate::registry::SimKind;
use crate::settings::Values;

/// A simulated target with its settings.
#[derive(Clone, Debug)]
pub struct SimTarget {
    kind: &'static SimKind,
    settings: Settings,
}

impl SimTarget {
    /// A target of this kind; settings are checked at once.
    ///
    /// # Errors
    /// Unknown keys and unusable values.
    pub fn new(kind: &'static SimKind, settings: &Settings) -> Result<SimTarget, Problem> {
        let target = SimTarget { kind, settings: settings.clone() };
        (kind.build)(&target.values(&Settings::new())?, 1, 0)?;
        Ok(target)
    }

    /// Its kind.
    pub fn kind(&self) -> &'static SimKind {
        self.kind
    }

    /// The law it follows on so many cores under Poisson arrivals, for the closed form; `None` when it follows none.
    ///
    /// # Errors
    /// Those of the settings.
    pub fn law(&self, cores: usize) -> Result<Option<QueueLaw>, Problem> {
        (self.kind.law)(&self.values(&Settings::new())?, cores.max(1))
    }

    fn values(&self, over: &Settings) -> Result<Values, Problem> {
        let mut settings = self.settings.clone();
        settings.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
        Values::resolve(self.kind.name, self.kind.settings, &settings)
    }
}

impl Target for SimTarget {
    fn name(&self) -> &str {
        self.kind.name
    }

    /// Starts it with one server for each server seat; settings of the start go over its own.
    fn start(&self, on: &Start) -> Result<Box<dyn Running>, Problem> {
        let cores = on.placed.server.len().max(1);
        let server = (self.kind.build)(&self.values(&on.settings)?, cores, on.seed)?;
        Ok(Box::new(SimRunning { server }))
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// A simulation that runs.
struct SimRunning {
    server: Box<dyn VirtualServer>,
}

impl Running for SimRunning {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Virtual
    }

    fn pids(&self) -> Vec<Pid> {
        Vec::new()
    }

    fn check(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    fn virtual_server(&mut self) -> Option<&mut dyn VirtualServer> {
        Some(self.server.as_mut())
    }

    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}
