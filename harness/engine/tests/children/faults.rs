//! Servers that do not start, do not answer, do not end, or die.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use corecurve_core::Target;
use rustix::process::Signal;

use crate::helper::{self, OWN, address, failure, servers, start_on, target};

fn recipe(command: &str) -> String {
    format!("name = \"t\"\nsummary = \"\"\npackage = \"the-package\"\ncommand = {command}\n")
}

pub fn programs_that_cannot_start_are_named_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8], mode: u32| {
        let path = scratch.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let plain = file("plain", b"hello", 0o644);
    let text = file("text", b"\x00\x01 no program", 0o755);
    let mut elf = std::fs::read("/bin/sh").unwrap();
    elf[18] ^= 0xff;
    let foreign = file("foreign", &elf, 0o755);
    let script = file("script", b"#!/no/such/interpreter\n", 0o755);
    for (program, token, fix) in [
        ("no-such-server", "not installed", "apt-get install the-package"),
        (plain.as_str(), "not executable", "chmod"),
        (text.as_str(), "no program", "`#!`"),
        (foreign.as_str(), "another kind of machine", "help:"),
        (script.as_str(), "(os error 2)", "interpreter"),
        ("/usr", "directory", "help:"),
    ] {
        let (problem, took) = failure(&target(&recipe(&format!("[\"{program}\", \"{{port}}\"]"))), scratch.path());
        assert!(problem.contains(program) && problem.contains(token) && problem.contains(fix), "{program}: {problem}");
        assert!(took < Duration::from_secs(5), "{program}: {took:?}");
    }
}

pub fn a_server_that_ends_at_once_shows_its_last_lines() {
    let scratch = tempfile::tempdir().unwrap();
    let (problem, took) = failure(&target(&OWN.replace("plain\"", "dies\"")), scratch.path());
    assert!(problem.contains("ended with code 3") && problem.contains("bind(): the address is cursed"), "{problem}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    for (name, recipe) in servers().into_iter().filter(|(name, _)| *name != "own") {
        let broken = recipe
            .replace("worker_processes {workers};", "worker_processes several;")
            .replace("server.port = {port}", "server.port = \"{port}")
            .replace("nbthread {workers}", "nbthread several")
            .replace("KeepAlive On", "KeepAlive Perhaps")
            .replace("\"listen\": [", "\"listen\": {");
        assert_ne!(broken, recipe, "{name}");
        let (problem, _) = failure(&target(&broken), scratch.path());
        assert!(problem.contains("ended with code") && problem.contains("last lines"), "{name}: {problem}");
    }
}

pub fn a_taken_port_names_its_holder() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let scratch = tempfile::tempdir().unwrap();
    let fixed = OWN.replace("[ready]", &format!("port = {port}\n[ready]"));
    let (problem, _) = failure(&target(&fixed), scratch.path());
    assert!(problem.contains(&format!("port {port} is taken by pid {}", std::process::id())), "{problem}");
}

pub fn a_stranger_on_the_port_is_never_measured() {
    // The server starts, but somebody else answers on the port it was told to use: here a sleeper "serves" and the
    // test answers.
    let scratch = tempfile::tempdir().unwrap();
    let flag = scratch.path().join("port");
    let mute =
        recipe("[\"sleep\", \"60\"]") + "[ready]\ndeadline = \"5s\"\n[[file]]\npath = \"port\"\ntext = \"{port}\"\n";
    let target = target(&mute);
    let answering = std::thread::spawn(move || {
        let port: u16 = loop {
            match std::fs::read_to_string(&flag).ok().and_then(|text| text.parse().ok()) {
                Some(port) => break port,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let _ = std::io::Read::read(&mut stream, &mut [0; 1_000]);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        drop(stream);
        std::thread::sleep(Duration::from_secs(2));
    });
    let (problem, _) = failure(&target, scratch.path());
    answering.join().unwrap();
    assert!(
        problem.contains("not the target's own") && problem.contains(&format!("pid {}", std::process::id())),
        "{problem}"
    );
}

pub fn a_silent_server_is_given_up_in_time() {
    let scratch = tempfile::tempdir().unwrap();
    let silent = OWN.replace("plain\"", "silent\"").replace("[ready]", "[ready]\ndeadline = \"1s\"");
    let (problem, took) = failure(&target(&silent), scratch.path());
    assert!(problem.contains("within 1 s") && problem.contains("does not answer"), "{problem}");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
}

pub fn a_wrong_answer_is_not_ready() {
    let scratch = tempfile::tempdir().unwrap();
    let wrong = OWN.replace("plain\"", "wrong\"").replace("[ready]", "[ready]\ndeadline = \"500ms\"");
    let (problem, _) = failure(&target(&wrong), scratch.path());
    assert!(problem.contains("it answers `Goodbye, World!`"), "{problem}");
    let status = OWN.replace("[ready]", "[ready]\ndeadline = \"500ms\"\nstatus = 204");
    let (problem, _) = failure(&target(&status), scratch.path());
    assert!(problem.contains("status 200, not 204"), "{problem}");
}

pub fn a_killed_server_is_noticed_with_its_signal() {
    for (name, recipe) in servers() {
        let scratch = tempfile::tempdir().unwrap();
        let mut running = target(&recipe).start(&start_on(scratch.path(), 2)).unwrap();
        running.check().unwrap();
        helper::kill(running.pids()[0], Signal::KILL);
        let deadline = Instant::now() + Duration::from_secs(2);
        let problem = loop {
            match running.check() {
                Err(problem) => break problem.to_string(),
                Ok(()) => assert!(Instant::now() < deadline, "{name}"),
            }
        };
        assert!(problem.contains("signal 9 (SIGKILL)"), "{name}: {problem}");
        running.stop().unwrap();
    }
}

pub fn workers_of_a_killed_master_are_cleared() {
    for (name, recipe) in servers() {
        let scratch = tempfile::tempdir().unwrap();
        let running = target(&recipe).start(&start_on(scratch.path(), 2)).unwrap();
        let port = address(running.as_ref()).port();
        let pids = running.pids();
        helper::kill(pids[0], Signal::KILL);
        let began = Instant::now();
        running.stop().unwrap();
        assert!(began.elapsed() < Duration::from_secs(7), "{name}: {:?}", began.elapsed());
        assert!(helper::is_free(port), "{name}");
        assert!(pids.iter().all(|pid| corecurve_machine::procfs::process::stat(*pid).is_err()), "{name}");
    }
}

pub fn a_deaf_server_is_killed_after_its_grace() {
    let scratch = tempfile::tempdir().unwrap();
    let deaf = OWN.replace("plain\"", "deaf\"").replace("[ready]", "grace = \"300ms\"\n[ready]");
    let running = target(&deaf).start(&start_on(scratch.path(), 1)).unwrap();
    let began = Instant::now();
    let stats = running.stop().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < Duration::from_secs(5));
    assert!(stats.notes[0].contains("within 0.3 s of SIGTERM and was killed"), "{stats:?}");
}

pub fn a_daemon_is_refused_and_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let (problem, _) = failure(&target(&OWN.replace("plain\"", "daemon\"")), scratch.path());
    assert!(problem.contains("started in background") && problem.contains("add the option"), "{problem}");
    // Caddy has another command for it, whose end comes at a moment of its own.
    for (name, recipe) in servers().into_iter().filter(|(name, _)| !["own", "caddy"].contains(name)) {
        let daemon = recipe
            .replace("daemon off;\nmaster", "daemon on;\nmaster")
            .replace("\"-D\", \"FOREGROUND\", ", "")
            .replace("\"-D\", ", "")
            .replace("\"-db\", ", "\"-D\", ");

        assert_ne!(daemon, recipe, "{name}");
        let (problem, _) = failure(&target(&daemon), scratch.path());
        assert!(problem.contains("started in background") && problem.contains("help: add `"), "{name}: {problem}");
        helper::expect_no_orphans();
    }
}

pub fn a_torrent_of_output_blocks_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let torrent = OWN
        .replace("\"__server\", \"{port}\", \"plain\"", "\"__torrent\", \"{port}\"")
        .replace("[ready]", "[ready]\ndeadline = \"60s\"");
    let running = target(&torrent).start(&start_on(scratch.path(), 1)).unwrap();
    running.stop().unwrap();
    let log = std::fs::read(scratch.path().join("stderr.log")).unwrap();
    assert!(log.len() < (1 << 20) + 200, "{}", log.len());
    let end = String::from_utf8_lossy(&log[log.len() - 100..]).into_owned();
    assert!(end.contains(&format!("[{} bytes more were written and not kept]", 63 << 20)), "{end}");
}
