//! [`UrlTarget`]: a server that runs already. It is neither started nor stopped, and its cores are not ours to choose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use corecurve_core::problem::printable;
use corecurve_core::{Endpoint, Pid, Problem, Running, Settings, Start, Target, TargetStats};
use corecurve_machine::procfs::process::Identity;
use corecurve_machine::procfs::tcp;

use super::http_probe;

const EXAMPLE: &str = "write a plain address of this machine, e.g. `url:http://127.0.0.1:8080/`";
/// Longest the first reply may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server at an address.
#[derive(Clone, Debug)]
pub struct UrlTarget {
    name: String,
    address: SocketAddr,
}

impl UrlTarget {
    /// The server at `url` (`http://HOST:PORT/`), resolved once and never again. Only loopback addresses, and hosts
    /// written in `allowed` exactly as in the URL, are looked at; no other name is even resolved.
    ///
    /// # Errors
    /// Anything but plain HTTP to such a host; settings, which it cannot have.
    pub fn new(url: &str, settings: &Settings, allowed: &[String]) -> Result<UrlTarget, Problem> {
        let at = |problem: Problem| problem.at(format!("url:{}", printable(url)));
        if let Some(key) = settings.keys().next() {
            return Err(at(Problem::new(format!("a running server takes no setting `{}`", printable(key)))
                .help("leave out --set target.…; use exec:FILE.toml for a server that should be started")));
        }
        let (host, port) = parse(url).map_err(at)?;
        let address = resolve(host, port, allowed).map_err(at)?;
        Ok(UrlTarget { name: format!("url:{url}"), address })
    }

    /// The address it was resolved to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Host and port of a URL.
fn parse(url: &str) -> Result<(&str, u16), Problem> {
    let problem = |seen: &str| Problem::new(seen).help(EXAMPLE);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| problem("it has no `http://`"))?;
    match scheme {
        "http" => {}
        "https" => return Err(problem("https is not supported: the harness speaks plain HTTP/1.1")),
        _ => return Err(problem(&format!("`{}` is not supported", printable(scheme)))),
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !matches!(path, "" | "/") {
        return Err(problem("it has a path")
            .help("give host and port alone; the workload chooses the paths (`-w`, `--set workload.…`)"));
    }
    if authority.contains('@') {
        return Err(problem("it holds a user name or password"));
    }
    if authority.contains(|c: char| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return Err(problem("the host holds a character that is no plain ASCII"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(|| problem("`[` is never closed"))?;
            (
                host,
                after
                    .strip_prefix(':')
                    .or(after.is_empty().then_some("80"))
                    .ok_or_else(|| problem("no `:` before the port"))?,
            )
        }
        None => authority.rsplit_once(':').unwrap_or((authority, "80")),
    };
    if host.is_empty() {
        return Err(problem("it names no host"));
    }
    if host.contains('%') {
        return Err(problem("the address has a zone"));
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port @ 1..) if digits => Ok((host, port)),
        _ => Err(problem(&format!("`{}` is no port from 1 to 65535", printable(port)))),
    }
}

fn resolve(host: &str, port: u16, allowed: &[String]) -> Result<SocketAddr, Problem> {
    let literal = host.parse::<IpAddr>().ok().or(match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => None,
    });
    let own = |ip: &IpAddr| ip.is_loopback() || *ip == IpAddr::V6(Ipv6Addr::LOCALHOST);
    if let Some(ip) = literal.filter(own) {
        return Ok(SocketAddr::new(ip, port));
    }
    if !allowed.iter().any(|allowed| allowed == host) {
        let host = printable(host);
        return Err(Problem::new(format!("`{host}` is not this machine's loopback")).help(format!(
            "load goes to 127.0.0.1 or [::1]; if the server at {host} is yours to load, add `--allow-remote {host}`"
        )));
    }
    if let Some(ip) = literal {
        return Ok(SocketAddr::new(ip, port));
    }
    let first = (host, port).to_socket_addrs().map(|mut addresses| addresses.next());
    first.ok().flatten().ok_or_else(|| {
        Problem::new(format!("`{}` has no address", printable(host))).help("check the name, or write the address")
    })
}

impl Target for UrlTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, _: &Start) -> Result<Box<dyn Running>, Problem> {
        http_probe::get(self.address, "/", PATIENCE).map_err(|why| {
            Problem::new(format!("no server answers at {}: {why}", self.address))
                .help("start it first, or check host and port")
        })?;
        // Only processes of this machine can be watched; of others nothing is known but their answers.
        let here = self.address.ip().is_loopback();
        let holders = if here { tcp::holders(self.address.port()).unwrap_or_default() } else { Vec::new() };
        let processes = holders.into_iter().filter_map(|holder| Identity::of(holder.pid).ok()).collect();
        Ok(Box::new(RunningUrl { address: self.address, processes }))
    }
}

/// A server that ran before and runs on.
#[derive(Debug)]
struct RunningUrl {
    address: SocketAddr,
    processes: Vec<Identity>,
}

impl Running for RunningUrl {
    fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.address)
    }

    fn pids(&self) -> Vec<Pid> {
        self.processes.iter().map(|process| process.pid).collect()
    }

    fn check(&mut self) -> Result<(), Problem> {
        match self.processes.iter().find(|process| !process.is_alive()) {
            None => Ok(()),
            Some(process) => Err(Problem::new(format!("the server's process {} ended", process.pid))),
        }
    }

    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<UrlTarget, Problem> {
        UrlTarget::new(text, &Settings::new(), &["allowed.example".to_owned(), "192.0.2.7".to_owned()])
    }

    #[test]
    fn loopback_is_taken_as_written() {
        for (text, address) in [
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.9.8.7/", "127.9.8.7:80"),
            ("http://localhost:1/", "127.0.0.1:1"),
            ("http://[::1]:65535/", "[::1]:65535"),
            ("http://192.0.2.7:80/", "192.0.2.7:80"),
        ] {
            assert_eq!(url(text).unwrap().address(), address.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (text, token) in [
            ("", "no `http://`"),
            ("127.0.0.1:80", "no `http://`"),
            ("http://", "no host"),
            ("http://:80/", "no host"),
            ("https://127.0.0.1/", "https is not supported"),
            ("file:///etc/passwd", "`file`"),
            ("http://a:0/", "`0`"),
            ("http://127.0.0.1:0/", "`0`"),
            ("http://127.0.0.1:65536/", "`65536`"),
            ("http://127.0.0.1:+80/", "`+80`"),
            ("http://127.0.0.1:/", "no port"),
            ("http://[::1", "never closed"),
            ("http://[::1]80/", "no `:`"),
            ("http://[fe80::1%eth0]:80/", "zone"),
            ("http://user:secret@127.0.0.1/", "user name"),
            ("http://127.0.0.1:80@8.8.8.8/", "user name"),
            ("http://127.0.0.1/plaintext", "path"),
            ("http://127.0.0.1?x", "path"),
            ("http://127.0.0.1\r\nX: y/", "no plain ASCII"),
            ("http://ex\u{e4}mple/", "no plain ASCII"),
            ("http://8.8.8.8/", "--allow-remote 8.8.8.8"),
            ("http://0/", "--allow-remote"),
            ("http://0.0.0.0:80/", "--allow-remote"),
            ("http://127.1/", "--allow-remote"),
            ("http://2130706433/", "--allow-remote"),
            ("http://0x7f000001/", "--allow-remote"),
            ("http://[::ffff:8.8.8.8]/", "--allow-remote"),
            ("http://[::]/", "--allow-remote"),
            ("http://localhost.evil.example/", "--allow-remote"),
            ("http://LOCALHOST/", "--allow-remote"),
            ("http://192.0.2.70/", "--allow-remote"),
        ] {
            let problem = url(text).unwrap_err().to_string();
            assert!(problem.contains(token) && problem.contains("help:"), "{text}: {problem}");
        }
        let settings = [("root".to_owned(), "x".to_owned())].into();
        assert!(UrlTarget::new("http://127.0.0.1/", &settings, &[]).unwrap_err().seen.contains("`root`"));
    }
}
