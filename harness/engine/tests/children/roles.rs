//! The other parts this executable plays: servers that behave badly, and a harness that is killed.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use corecurve_core::Target;

use crate::helper;

/// Plays the part the first word asks for.
pub fn play(words: &[String]) -> Option<ExitCode> {
    let rest = &words[words.len().min(1)..];
    match words.first()?.as_str() {
        "__server" if rest.last().is_some_and(|mode| mode == "dies") => {
            eprintln!("first line\nbind(): the address is cursed");
            return Some(ExitCode::from(3));
        }
        "__server" => server(rest),
        "__sleeper" => sleeper(rest),
        "__torrent" => torrent(rest),
        "__hold" => hold(rest),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn again(words: &[&str]) -> Command {
    let mut command = Command::new(helper::exe());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// `__server PORT MODE`: answers `/plaintext`. Starts a child that stays, and one that goes into a session of its own
/// and whose parent ends, as daemons do.
#[expect(clippy::zombie_processes, reason = "a daemon's parent does not wait for it")]
fn server(words: &[String]) {
    let [port, mode] = words else { panic!("{words:?}") };
    if mode == "daemon" {
        again(&["__server", port, "plain"]).spawn().unwrap();
        return;
    }
    let mut children = [again(&["__sleeper"]).spawn().unwrap(), again(&["__sleeper", "fork"]).spawn().unwrap()];
    children[1].wait().unwrap();
    if mode == "deaf" {
        signal_hook::flag::register(libc::SIGTERM, std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)))
            .unwrap();
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    let mut held = Vec::new();
    for stream in listener.incoming().flatten() {
        match mode.as_str() {
            "silent" => held.push(stream),
            "wrong" => answer(stream, "Goodbye, World!"),
            _ => answer(stream, "Hello, World!"),
        }
    }
}

fn answer(mut stream: TcpStream, body: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

/// `__sleeper`: sleeps for a minute. With `fork` it starts another one in a session of its own and ends.
fn sleeper(words: &[String]) {
    match words.first().map(String::as_str) {
        Some("fork") => drop(again(&["__sleeper", "session"]).spawn().unwrap()),
        other => {
            if other.is_some() {
                rustix::process::setsid().unwrap();
            }
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

/// `__torrent PORT`: 64 MiB to standard error, then a server.
fn torrent(words: &[String]) {
    let line = [b'x'; 1 << 16];
    for _ in 0..1 << 10 {
        std::io::stderr().write_all(&line).unwrap();
    }
    server(&[words[0].clone(), "plain".to_owned()]);
}

/// `__hold NAME SCRATCH`: a harness that starts a server, says so, and waits to be killed.
fn hold(words: &[String]) {
    let [name, scratch] = words else { panic!("{words:?}") };
    let (_, recipe) = helper::servers().into_iter().find(|(known, _)| known == name).unwrap();
    let running = helper::target(&recipe).start(&helper::start_on(Path::new(scratch), 2)).unwrap();
    let pids: Vec<String> = running.pids().iter().map(ToString::to_string).collect();
    println!("{} {}", helper::address(running.as_ref()).port(), pids.join(" "));
    std::thread::sleep(Duration::from_secs(60));
}
