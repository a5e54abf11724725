//! Every architecture serves the clients that people use, and counts what they count.
//!
//! Each client asks for a bounded number of things, at one and at two workers. What it says succeeded must be what it was
//! told to ask for, and by how much the server's `/stats` rose. A client that is not installed is named on standard error; with
//! `CORECURVE_REQUIRE_CLIENTS` set, as `scripts/test` does, that is a failure.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Client, config_of, say, try_start};
use corecurve_core::ServerStats;
use corecurve_servers::{ARCHITECTURES, RunningServer};

/// Servers that are tried at the same time.
const AT_A_TIME: usize = 8;

/// One architecture at one number of workers.
struct Stand {
    what: String,
    server: RunningServer,
}

impl Stand {
    fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The requests it says it has answered, this one included.
    fn requests(&self) -> u64 {
        let stats: ServerStats = serde_json::from_str(Client::connect(self.addr()).get("/stats").text()).unwrap();
        stats.totals.requests
    }
}

/// Every architecture that starts here, at one and two workers, with `root` as its files.
fn stands(root: &Path) -> Vec<Stand> {
    let mut stands = Vec::new();
    for architecture in ARCHITECTURES {
        for workers in [1, 2] {
            let mut config = config_of(architecture.name, workers);
            config.root = Some(root.to_owned());
            let what = format!("{} with {workers} workers", architecture.name);
            match try_start(&config) {
                Ok(server) => stands.push(Stand { what, server }),
                Err(problem) => say(&format!("clients: {what} NOT CHECKED: {}", problem.one_line())),
            }
        }
    }
    stands
}

/// What a client is and how it is called.
struct Tool<'a> {
    program: PathBuf,
    /// A directory of its own; also its home, so that nobody's settings change what it does.
    scratch: &'a Path,
}

impl Tool<'_> {
    /// What it writes, once it has ended well. It has a minute.
    fn output(&self, args: &[&str]) -> String {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=2", "60"]).arg(&self.program).args(args);
        command.current_dir(self.scratch).env("HOME", self.scratch).stdin(Stdio::null());
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?} ended with {}:\n{out}{err}", output.status);
        out.into_owned()
    }
}

/// The first of these programs that is installed.
fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    programs.iter().find_map(|program| places.iter().map(|place| place.join(program)).find(|path| path.is_file()))
}

/// Has a client ask every server for `asked` things and compares what it counts with what the server counts. `ask`
/// gives the number of successes for each server in turn.
fn check(programs: &[&str], package: &str, asked: u64, ask: impl Fn(&Tool<'_>, &[Stand]) -> Vec<u64>) {
    let name = programs[0];
    let Some(program) = find(programs) else {
        let required = std::env::var_os("CORECURVE_REQUIRE_CLIENTS").is_some();
        assert!(!required, "{name} is not installed; `scripts/setup clients` installs it");
        say(&format!("clients: {name} NOT CHECKED: it is not installed (package {package}; `scripts/setup clients`)"));
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let tool = Tool { program, scratch: scratch.path() };
    let stands = stands(scratch.path());
    let before: Vec<u64> = stands.iter().map(Stand::requests).collect();
    let counted = ask(&tool, &stands);
    assert_eq!(counted.len(), stands.len());
    let mut wrong = Vec::new();
    for ((stand, counted), before) in stands.iter().zip(&counted).zip(before) {
        // The second look counts itself.
        let answered = stand.requests() - before - 1;
        if (*counted, answered) != (asked, asked) {
            wrong.push(format!("{}: asked {asked}, {name} counts {counted}, the server {answered}", stand.what));
        }
    }
    assert!(!stands.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
    say(&format!("clients: {name} and {} servers agree on {asked} requests each", stands.len()));
}

/// Calls `ask` for each server, several at a time.
fn each(stands: &[Stand], ask: impl Fn(&str) -> u64 + Sync) -> Vec<u64> {
    let counts = Mutex::new(vec![0; stands.len()]);
    let next = AtomicUsize::new(0);
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(stand) = stands.get(index) else { break };
        let count = ask(&format!("http://{}", stand.addr()));
        counts.lock().unwrap()[index] = count;
    };
    std::thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
    counts.into_inner().unwrap()
}

/// The number behind `label`.
fn number_after(text: &str, label: &str) -> u64 {
    let (_, rest) = text.split_once(label).unwrap_or_else(|| panic!("no `{label}` in:\n{text}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind `{label}` in:\n{text}"))
}

/// The number before `label`.
fn number_before(text: &str, label: &str) -> u64 {
    let (rest, _) = text.split_once(label).unwrap_or_else(|| panic!("no `{label}` in:\n{text}"));
    let word = rest.split(|c: char| !c.is_ascii_digit()).next_back().unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("no number before `{label}` in:\n{text}"))
}

/// One connection, URLs of its own making.
#[test]
fn curl() {
    check(&["curl"], "curl", 50, |tool, stands| {
        each(stands, |url| {
            let urls = format!("{url}/bytes/[1-50]");
            let out = tool.output(&["--silent", "--output", "/dev/null", "--write-out", "%{http_code}\n", &urls]);
            out.lines().filter(|line| *line == "200").count() as u64
        })
    });
}

/// HTTP/1.0 with keep-alive.
#[test]
fn ab() {
    check(&["ab"], "apache2-utils", 400, |tool, stands| {
        each(stands, |url| {
            let out = tool.output(&["-q", "-k", "-n", "400", "-c", "8", &format!("{url}/bytes/100")]);
            // Said only if there were any.
            assert!(!out.contains("Non-2xx"), "{out}");
            number_after(&out, "Complete requests:") - number_after(&out, "Failed requests:")
        })
    });
}

/// Pipelines of four on each of eight connections.
#[test]
fn h2load() {
    check(&["h2load"], "nghttp2-client", 400, |tool, stands| {
        each(stands, |url| {
            let args = ["--h1", "-n", "400", "-c", "8", "-t", "1", "-m", "4"];
            let out = tool.output(&[&args[..], &[&format!("{url}/bytes/100")]].concat());
            assert_eq!(number_before(&out, " succeeded"), number_before(&out, " 2xx"), "{out}");
            number_before(&out, " succeeded")
        })
    });
}

/// A connection for each request.
#[test]
fn siege() {
    check(&["siege"], "siege", 200, |tool, stands| {
        let settings = tool.scratch.join("siegerc");
        std::fs::write(&settings, "verbose = false\nlogging = false\njson_output = true\nconnection = close\n")
            .unwrap();
        let rc = format!("--rc={}", settings.display());
        each(stands, |url| {
            let out = tool.output(&[&rc, "--benchmark", "--concurrent=4", "--reps=50", &format!("{url}/bytes/100")]);
            assert_eq!(number_after(&out, "\"failed_transactions\":"), 0, "{out}");
            number_after(&out, "\"transactions\":")
        })
    });
}

/// It runs for a time, and a request under way at its end is counted by the server alone. So it is made to put off every
/// request beyond the last by an hour, and to stop at the last answer.
const BOUNDED: &str = "
local asked, answered = 0, 0
function delay()
    asked = asked + 1
    if asked > 400 then return 3600000 end
    return 0
end
function response()
    answered = answered + 1
    if answered == 400 then wrk.thread:stop() end
end
";

#[test]
fn wrk() {
    check(&["wrk"], "wrk", 400, |tool, stands| {
        std::fs::write(tool.scratch.join("bounded.lua"), BOUNDED).unwrap();
        each(stands, |url| {
            let out = tool.output(&["-t1", "-c8", "-d1s", "-s", "bounded.lua", &format!("{url}/bytes/100")]);
            assert!(!out.contains("Non-2xx") && !out.contains("Socket errors"), "{out}");
            number_before(&out, " requests in")
        })
    });
}

/// What the browser is sent to on each server: a page that asks for twenty things, and tells the page around it how many
/// came as they should, itself included. The icon keeps the browser from asking for one.
const VISIT: &str = r#"<!doctype html><title>visit</title><link rel="icon" href="data:,"><script>
const isRight = async length => {
  const reply = await fetch(`/bytes/${length}`, { cache: 'no-store' });
  return reply.status === 200 && (await reply.arrayBuffer()).byteLength === length;
};
const page = performance.getEntriesByType('navigation')[0].responseStatus === 200;
Promise.allSettled(Array.from({ length: 20 }, (_, i) => isRight(i + 1))).then(all => {
  const right = all.filter(one => one.value).length;
  parent.postMessage(`[${location.port} ${page + right}]`, '*');
});
</script>"#;

/// The page around them: one frame for each server, and what they tell as text.
const TOUR: &str = r#"<!doctype html><title>tour</title><link rel="icon" href="data:,"><body><script>
addEventListener('message', told => document.body.append(told.data));
for (const port of location.search.slice(1).split(',')) {
  const frame = document.createElement('iframe');
  frame.src = `http://127.0.0.1:${port}/visit.html`;
  document.body.append(frame);
}
</script>"#;

#[test]
fn chromium() {
    check(&["chromium", "chromium-browser", "google-chrome"], "chromium", 21, |tool, stands| {
        std::fs::write(tool.scratch.join("visit.html"), VISIT).unwrap();
        std::fs::write(tool.scratch.join("tour.html"), TOUR).unwrap();
        // The page around comes from a server whose counts nobody looks at.
        let mut config = config_of("single-loop", 1);
        config.root = Some(tool.scratch.to_owned());
        let guide = try_start(&config).unwrap();
        let ports: Vec<String> = stands.iter().map(|stand| stand.addr().port().to_string()).collect();
        let url = format!("http://{}/tour.html?{}", guide.local_addr(), ports.join(","));
        let profile = format!("--user-data-dir={}", tool.scratch.join("profile").display());
        let mut args = vec!["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
        args.extend(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        // Virtual time stands still while anything is under way, so this is not a time to wait.
        args.extend(["--virtual-time-budget=20000", "--dump-dom", &profile]);
        if rustix::process::geteuid().is_root() {
            args.push("--no-sandbox");
        }
        args.push(&url);
        let page = tool.output(&args);
        let told = |port: &String| match page.contains(&format!("[{port} ")) {
            true => number_after(&page, &format!("[{port} ")),
            false => 0,
        };
        ports.iter().map(told).collect()
    });
}
