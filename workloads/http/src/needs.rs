//! [`Needs`] and [`Suggests`]: what a workload asks of a server, and of the load generator.

use std::fmt;

/// What a server must have to answer a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// `/plaintext`, answered by `Hello, World!`.
    Greeting,
    /// A static root, in which the harness puts the files.
    Files,
    /// The handlers of the built-in servers, such as `/work`.
    Handlers,
    /// Whatever the user asks for.
    OwnPath,
}

/// How the load should be made unless the user says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suggests {
    /// Connections over all load cores.
    pub connections: Option<Connections>,
    /// Requests after which a connection is closed and opened anew.
    pub requests_per_connection: Option<u64>,
}

/// A number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// So many in all.
    InAll(usize),
    /// So many for each server core.
    PerServerCore(usize),
}

impl Suggests {
    /// Nothing: the engine's own defaults.
    pub const NOTHING: Suggests = Suggests { connections: None, requests_per_connection: None };

    /// So many requests on each connection.
    pub const fn requests_per_connection(requests: u64) -> Suggests {
        Suggests { connections: None, requests_per_connection: Some(requests) }
    }

    /// So many connections.
    pub const fn connections(connections: Connections) -> Suggests {
        Suggests { connections: Some(connections), requests_per_connection: None }
    }
}

impl Connections {
    /// The number for a server on so many cores.
    pub fn on(self, cores: usize) -> usize {
        match self {
            Connections::InAll(all) => all,
            Connections::PerServerCore(each) => each.saturating_mul(cores),
        }
    }
}

impl fmt::Display for Suggests {
    /// As flags, e.g. `--connections 64 per server core`; nothing when nothing is suggested.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connections {
            Some(Connections::InAll(all)) => write!(f, "--connections {all}")?,
            Some(Connections::PerServerCore(each)) => write!(f, "--connections {each} per server core")?,
            None => {}
        }
        match self.requests_per_connection {
            Some(requests) if self.connections.is_some() => write!(f, ", --requests-per-connection {requests}"),
            Some(requests) => write!(f, "--requests-per-connection {requests}"),
            None => Ok(()),
        }
    }
}
