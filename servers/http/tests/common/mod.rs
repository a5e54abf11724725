//! A client that says exactly what it is told and reads replies strictly.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod requests;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use corecurve_core::{CpuId, Problem};
use corecurve_servers::engine::{Connection, Front, Limits, Next};
use corecurve_servers::handler::{App, Root, Site};
use corecurve_servers::runtime::Stats;
use corecurve_servers::{Launcher, RunningServer, ServeConfig, registry};

/// Three workers on the CPUs there are.
pub fn config(architecture: &str) -> ServeConfig {
    config_of(architecture, 3)
}

/// So many workers on the CPUs there are.
pub fn config_of(architecture: &str, workers: usize) -> ServeConfig {
    let cpus = rustix::thread::sched_getaffinity(None).unwrap();
    let mine: Vec<u32> = (0..1024).filter(|&cpu| cpus.is_set(cpu as usize)).collect();
    let mut config = ServeConfig::new(architecture, (0..workers).map(|i| CpuId(mine[i % mine.len()])));
    if architecture == "reuseport-cpu" {
        // On loopback it is refused for good reason, which is not what is asked here.
        config.settings.insert("path".to_owned(), "ignore".to_owned());
    }
    config
}

/// The same as so many copies, as threads or as processes: this test program once more, whose test `copy_process`
/// calls [`be_a_copy`].
pub fn copied(mut config: ServeConfig, copies: usize, procs: bool) -> ServeConfig {
    let args = ["--exact", "copy_process", "--nocapture"].map(str::to_owned).into();
    config.launcher = Some(Launcher { program: std::env::current_exe().unwrap(), args });
    config.settings.insert("copies".to_owned(), copies.to_string());
    config.settings.insert("procs".to_owned(), procs.to_string());
    if config.architecture == "reuseport-cpu" {
        // A program that chooses among listeners knows those of one copy only.
        config.settings.insert("steer".to_owned(), "incoming-cpu".to_owned());
    }
    config
}

/// Starts a server; `None` for one that is refused.
pub fn start(config: &ServeConfig) -> Option<RunningServer> {
    try_start(config).ok()
}

/// Starts a server, or says why it is refused, with advice: because the kernel offers no io_uring or the build no tokio.
/// Any other failure is a failure of the test.
pub fn try_start(config: &ServeConfig) -> Result<RunningServer, Problem> {
    registry::start(config).inspect_err(|problem| {
        let no_ring = config.architecture == "io-uring" && problem.seen.starts_with("io_uring cannot be used");
        let no_tokio = !cfg!(feature = "tokio") && problem.seen == "this build has no tokio";
        let is_excused = no_ring || no_tokio;
        assert!(is_excused && problem.help.is_some(), "{}: {problem}", config.architecture);
    })
}

/// What a copy does; nothing in a program that is none.
pub fn be_a_copy() {
    if std::env::var_os("CORECURVE_SERVER_COPY").is_some() {
        corecurve_servers::copy_main().unwrap();
    }
}

/// Says something that a passing test would swallow: the test harness catches what is printed, not what is written.
pub fn say(line: &str) {
    let mut err = std::io::stderr();
    writeln!(err, "{line}").unwrap();
}

/// Without SO_REUSEPORT a bind fails as long as anybody listens. A process that another test is just starting holds
/// what this one had open for the moment between its fork and its exec, so a second look may be needed.
pub fn assert_free(name: &str, addr: SocketAddr) {
    let is_free = (0..400).any(|look| {
        std::thread::sleep(Duration::from_millis(if look == 0 { 0 } else { 5 }));
        TcpListener::bind(addr).is_ok()
    });
    assert!(is_free, "{name} still listens on {addr}");
}

/// One reply, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Takes one reply off the front of `bytes`; `None` if it is not complete.
pub fn take_reply(bytes: &mut Vec<u8>, to_head: bool) -> Option<Reply> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end - 4].to_vec()).expect("heads are text");
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap();
    assert!(status_line.starts_with("HTTP/1.1 "), "{status_line:?}");
    let status: u16 = status_line[9..12].parse().unwrap();
    let fields: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("field {line:?}")))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let lengths: Vec<_> = fields.iter().filter(|(n, _)| n == "Content-Length").collect();
    assert_eq!(lengths.len(), usize::from(status != 100), "{head:?}");
    let length = lengths.first().map_or(0, |(_, v)| v.parse::<usize>().unwrap());
    let sent = if to_head || status == 304 || status == 100 { 0 } else { length };
    let body = bytes.get(end..end + sent)?.to_vec();
    bytes.drain(..end + sent);
    Some(Reply { status, fields, body })
}

/// A client connection with what it has read and not yet used.
pub struct Client {
    pub stream: TcpStream,
    pub unread: Vec<u8>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream, unread: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub fn reply(&mut self) -> Reply {
        self.reply_to(false)
    }

    pub fn reply_to(&mut self, is_head: bool) -> Reply {
        loop {
            if let Some(reply) = take_reply(&mut self.unread, is_head) {
                return reply;
            }
            let mut buffer = [0; 64 << 10];
            let n = self.stream.read(&mut buffer).expect("a reply in time");
            assert!(n > 0, "closed with {:?} unread", String::from_utf8_lossy(&self.unread));
            self.unread.extend_from_slice(&buffer[..n]);
        }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.reply()
    }

    /// Everything up to the end of the stream; a reset counts as an end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert!(error.kind() != std::io::ErrorKind::WouldBlock, "still open after {rest:?}");
        }
        rest
    }

    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more than expected: {:?}", String::from_utf8_lossy(&rest));
    }
}

/// A site without sockets.
pub fn app(root: Option<&std::path::Path>) -> App {
    let site = Site::new(Stats::new("in-process", [None]), root.map(|root| Root::open(root).unwrap()));
    App::new(std::sync::Arc::new(site), 0)
}

/// What a connection did with some input.
pub struct Outcome {
    pub output: Vec<u8>,
    /// It will not read any further request.
    pub is_closed: bool,
}

/// Feeds the pieces to a connection as a socket would and gathers what it sends.
pub fn exchange<'a>(app: &mut App, limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut connection = Connection::new(limits);
    let mut output = Vec::new();
    let mut is_closed = settle(&mut connection, app, &mut output);
    for piece in pieces {
        if piece.is_empty() {
            continue;
        }
        if connection.next() == Next::Close {
            break;
        }
        connection.receive(piece, app);
        is_closed |= settle(&mut connection, app, &mut output);
    }
    Outcome { output, is_closed }
}

/// Sends everything there is to send; whether the connection is over.
fn settle(connection: &mut Connection, app: &mut App, output: &mut Vec<u8>) -> bool {
    loop {
        match connection.next() {
            Next::Read => return false,
            Next::Close => return true,
            Next::Resume => connection.resume(app),
            Next::Shut => {
                connection.was_shut();
                return true;
            }
            Next::Write => {
                let n = match connection.outbox().front() {
                    Front::Nothing => unreachable!("Next::Write with nothing to write"),
                    Front::Bytes { bytes, .. } => {
                        output.extend_from_slice(bytes);
                        bytes.len()
                    }
                    Front::File { file, offset, left } => {
                        use std::os::unix::fs::FileExt;
                        let mut data = vec![0; left as usize];
                        file.read_exact_at(&mut data, offset).unwrap();
                        output.extend_from_slice(&data);
                        data.len()
                    }
                };
                connection.sent(n);
            }
        }
    }
}
