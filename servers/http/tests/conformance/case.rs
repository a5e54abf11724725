//! [`Case`]: one thing that every architecture must do, by name.

use std::net::SocketAddr;
use std::path::PathBuf;

use corecurve_servers::{RunningServer, ServeConfig};

use crate::common::Client;

/// The server that a case is tried on.
#[derive(Clone, Debug)]
pub struct Stand {
    /// The architecture's name.
    pub name: &'static str,
    /// How many workers its counts must show.
    pub workers: usize,
    pub addr: SocketAddr,
    /// The directory it serves.
    pub root: PathBuf,
}

impl Stand {
    pub fn connect(&self) -> Client {
        Client::connect(self.addr)
    }

    /// That it still serves others.
    pub fn assert_alive(&self) {
        assert_eq!(self.connect().get("/plaintext").text(), "Hello, World!", "the server is well");
    }
}

/// How a case is tried.
pub enum Check {
    /// On the server of all such cases, at the same time as others.
    Together(Box<dyn Fn(&Stand) + Send + Sync>),
    /// On a server that serves nobody else, and is configured for it, because of its time-outs, its counts or its end.
    Alone(fn(&mut ServeConfig), fn(&Stand, RunningServer)),
}

/// One thing that every architecture must do. It panics if it is not done.
pub struct Case {
    pub name: String,
    pub check: Check,
}

/// A case for a server that serves others, too.
pub fn together(name: impl Into<String>, check: impl Fn(&Stand) + Send + Sync + 'static) -> Case {
    Case { name: name.into(), check: Check::Together(Box::new(check)) }
}

/// A case for a server of its own.
pub fn alone(name: &str, configure: fn(&mut ServeConfig), check: fn(&Stand, RunningServer)) -> Case {
    Case { name: name.to_owned(), check: Check::Alone(configure, check) }
}
