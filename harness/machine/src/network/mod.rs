//! A network between load and server that does each side's receive work on that side's own cores.
//!
//! [`Link`] is two unnamed network namespaces joined by a veth pair. What arrives at an end is steered (receive packet steering)
//! to the cores of its side, as a network card with its interrupts on those cores would do.
//!
//! # Addresses
//!
//! Servers listen on 127.0.0.1 and load goes there, as on loopback: neither knows of the link. Inside the load's namespace
//! 127.0.0.1 is a route through the link, and all other loopback addresses are its own; inside the server's namespace those
//! addresses are routed back. The ends themselves have addresses of 198.18.0.0/15, which RFC 2544 sets aside for benchmarks.

mod end;
mod namespace;
mod tool;

use std::fs::File;
use std::io::{Read as _, Seek as _};

use corecurve_core::{BitRate, CpuSet, Problem};

use self::end::End;
pub use self::namespace::Namespace;
use crate::allowed::affinity;
use crate::procfs::net::{self, Traffic};
use crate::procfs::read_text;

/// The devices' names; they are seen in their namespaces only.
const SERVER: &str = "cc-server";
const LOAD: &str = "cc-load";
const SERVER_ADDRESS: &str = "198.18.0.1";
const LOAD_ADDRESS: &str = "198.18.0.2";

/// What it takes, by name and number.
const CAPABILITIES: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];
/// What to do about a refusal.
const HELP: &str =
    "namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and `ip` and `tc` of iproute2; or use `--network loopback`";

/// Load's and server's namespaces and the link between them. Dropping it removes all once nobody is inside.
#[derive(Debug)]
pub struct Link {
    /// Where the server lives.
    pub server: Namespace,
    /// Where load threads live.
    pub load: Namespace,
    cap: Option<BitRate>,
    server_counters: File,
    load_counters: File,
}

/// What has arrived at each end since the link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// At the server's.
    pub server: Traffic,
    /// At the load's.
    pub load: Traffic,
}

impl Link {
    /// Makes a link whose ends receive on `server` and on `load`. Cost: some threads and processes, 10 to 30 ms.
    ///
    /// # Errors
    /// When the kernel or its tools refuse, with what would help.
    pub fn make(server: &CpuSet, load: &CpuSet, cap: Option<BitRate>) -> Result<Link, Problem> {
        Link::try_make(server, load, cap).map_err(|problem| match problem.help {
            Some(_) => problem,
            None => problem.help(HELP),
        })
    }

    fn try_make(server_cpus: &CpuSet, load_cpus: &CpuSet, cap: Option<BitRate>) -> Result<Link, Problem> {
        let settings = end::settings();
        let (server, load) = (Namespace::new()?, Namespace::new()?);
        let pair = format!("link add dev {LOAD} type veth peer name {SERVER} netns {}\n", server.path());
        load.within(|| tool::batch("ip", &pair))??;
        let ours = End {
            device: LOAD,
            address: LOAD_ADDRESS,
            routes: &format!(
                "route add 127.0.0.1/32 via {SERVER_ADDRESS} dev {LOAD} src {LOAD_ADDRESS} table local\n\
                 route add local 127.0.0.0/8 dev {LOAD} table local\n"
            ),
            cpus: load_cpus,
            cap,
        };
        // Everything from 127.16.0.0 on; what is below is the server's own.
        let back = ["127.16.0.0/12", "127.32.0.0/11", "127.64.0.0/10", "127.128.0.0/9"];
        let back = back.map(|range| format!("route add {range} via {LOAD_ADDRESS} dev {SERVER} table local\n"));
        let theirs = End {
            device: SERVER,
            address: SERVER_ADDRESS,
            routes: &format!("link set dev lo up\n{}", back.concat()),
            cpus: server_cpus,
            cap,
        };
        server.within(|| theirs.set_up(&settings))??;
        load.within(|| ours.set_up(&settings))??;
        let (server_counters, load_counters) = (counters(&server)?, counters(&load)?);
        Ok(Link { server, load, cap, server_counters, load_counters })
    }

    /// The bandwidth of each direction, if it is held back.
    pub fn cap(&self) -> Option<BitRate> {
        self.cap
    }

    /// What has arrived so far. Cost: reads two small files.
    ///
    /// # Errors
    /// The reason when that cannot be read.
    pub fn arrived(&self) -> Result<Arrived, String> {
        let server = received(&self.server_counters, SERVER)?;
        Ok(Arrived { server, load: received(&self.load_counters, LOAD)? })
    }
}

/// Why no [`Link`] can be had here, if none can: makes one and removes it. Cost: that of [`Link::make`].
pub fn refusal(cap: Option<BitRate>) -> Option<Problem> {
    let cpus = affinity().map(|cpus| cpus.iter().take(1).collect());
    cpus.and_then(|cpus: CpuSet| Link::make(&cpus, &cpus, cap)).err()
}

/// What a [`Link`] can be made with, by a look at this process's capabilities and at the tools. Cost: some small files. Whether
/// the kernel really makes one, [`refusal`] says.
///
/// # Errors
/// What is missing.
pub fn means() -> Result<String, String> {
    let status = read_text("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let missing = CAPABILITIES.iter().find(|(_, bit)| effective >> bit & 1 == 0);
    if let Some((name, _)) = missing {
        return Err(format!("{name} is missing"));
    }
    match ["ip", "tc"].into_iter().find(|program| !tool::is_there(program)) {
        Some(program) => Err(format!("`{program}` is not installed")),
        None => Ok("privileges, ip and tc are there".to_owned()),
    }
}

/// The counters of a namespace's devices: the file shows those of the thread that opened it.
fn counters(namespace: &Namespace) -> Result<File, Problem> {
    let opened = namespace.within(|| File::open("/proc/thread-self/net/dev"))?;
    opened.map_err(|error| Problem::new(format!("/proc/thread-self/net/dev: {error}")))
}

fn received(mut counters: &File, device: &str) -> Result<Traffic, String> {
    let mut text = String::new();
    let read = counters.rewind().and_then(|()| counters.read_to_string(&mut text));
    read.map_err(|error| format!("the counters of {device}: {error}"))?;
    net::received(&text, device).ok_or_else(|| format!("/proc/net/dev does not show {device}"))
}

#[cfg(test)]
mod tests;
