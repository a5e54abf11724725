//! Bad input, row by row: the documented exit code, a message that names the token, a way out, and never a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// No refusal may take longer than this, whatever the input.
const DEADLINE: Duration = Duration::from_secs(20);

fn corecurve(args: &[&OsStr], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corecurve"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// Runs one row and returns what is wrong with it, if anything.
fn judge(args: &[&str], exit: i32, tokens: &[&str], dir: &Path) -> Option<String> {
    let begun = Instant::now();
    let words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let output = corecurve(&words, dir);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown: String = args.join(" ").chars().take(100).collect();
    let mut wrong = Vec::new();
    if output.status.code() != Some(exit) {
        wrong.push(format!("exit {:?} instead of {exit}", output.status.code()));
    }
    wrong.extend(tokens.iter().filter(|token| !stderr.contains(**token)).map(|token| format!("no `{token}`")));
    if stderr.contains("panicked") || stderr.contains("failed inside") || stderr.contains("RUST_BACKTRACE") {
        wrong.push("panicked".to_owned());
    }
    if stderr.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        wrong.push("control characters on the terminal".to_owned());
    }
    if stderr.len() > 20_000 {
        wrong.push(format!("{} bytes of message", stderr.len()));
    }
    if begun.elapsed() > DEADLINE {
        wrong.push(format!("took {:?}", begun.elapsed()));
    }
    let stderr: String = stderr.chars().take(600).collect();
    (!wrong.is_empty()).then(|| format!("`{shown}`: {}\n{stderr}", wrong.join(", ")))
}

fn check(rows: &[(&[&str], i32, &[&str])], least: usize) {
    assert!(rows.len() >= least, "{} rows", rows.len());
    let dir = tempfile::tempdir().unwrap();
    let wrong: Vec<String> =
        rows.iter().filter_map(|(args, exit, tokens)| judge(args, *exit, tokens, dir.path())).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

const T: &str = "thread-per-core";

#[test]
fn command_line() {
    let long = "x".repeat(100_000);
    let huge_number = "9".repeat(400);
    let rows: &[(&[&str], i32, &[&str])] = &[
        // Words.
        (&["bogus"], 2, &["bogus"]),
        (&["swep"], 2, &["swep", "sweep"]),
        (&["mat", "--targt", T], 2, &["--targt", "--target"]),
        (&["mat", "-t"], 2, &["--target"]),
        (&["mat", "-t", T, "surplus.toml", "more.toml"], 2, &["more.toml"]),
        (&["mat", "-t", T, "--seed", "1", "--seed", "2"], 2, &["--seed"]),
        (&["mat", "-t", T, "--gate", "mat:-3%"], 2, &["--against"]),
        (&["mat", "--", "-x"], 2, &["-x"]),
        (&["completions", "tcsh"], 2, &["tcsh", "help"]),
        (&["list", "taregts"], 2, &["taregts", "targets"]),
        (&["validate", "serch"], 2, &["serch", "search"]),
        (&["validate", "search", "--seeds", "0"], 2, &["--seeds"]),
        (&["validate", "search", "--seeds", "many"], 2, &["many"]),
        // Targets.
        (&["mat"], 2, &["no target", "--target"]),
        (&["mat", "-t", "thread-percore"], 2, &["thread-percore", "did you mean `thread-per-core`"]),
        (&["mat", "-t", ""], 2, &["unknown target ``"]),
        (&["mat", "-t", "nginx\nevil"], 2, &["nginx\\nevil"]),
        (&["mat", "-t", "\u{1b}]0;owned\u{7}"], 2, &["\\u{1b}"]),
        (&["mat", "-t", &long], 2, &["unknown target"]),
        (&["mat", "-t", "ngnix"], 2, &["did you mean `nginx`"]),
        (&["mat", "-t", "sim:mm2"], 2, &["mm2", "help"]),
        (&["mat", "-t", "sim:"], 2, &["sim:", "help"]),
        (&["mat", "-t", "exec:"], 2, &["exec:", "help"]),
        (&["mat", "-t", "exec:no-such-file.toml"], 2, &["no-such-file.toml", "help"]),
        (&["mat", "-t", "url:"], 2, &["url", "help"]),
        (&["mat", "-t", "url:http://"], 2, &["http://", "help"]),
        (&["mat", "-t", "url:http://127.0.0.1:0/"], 2, &["port", "help"]),
        (&["mat", "-t", "url:http://127.0.0.1:65536/"], 2, &["65536", "help"]),
        (&["mat", "-t", "url:http://[::1/"], 2, &["[::1", "help"]),
        (&["mat", "-t", "url:http://user:pw@127.0.0.1/"], 2, &["user", "help"]),
        (&["mat", "-t", "url:https://127.0.0.1/"], 2, &["https", "help"]),
        (&["mat", "-t", "url:file:///etc/passwd"], 2, &["file", "help"]),
        (&["mat", "-t", "url:http://8.8.8.8/"], 2, &["8.8.8.8", "--allow-remote"]),
        (&["mat", "-t", "url:http://134744072/"], 2, &["134744072", "help"]),
        (&["mat", "-t", "url:http://[::ffff:8.8.8.8]/"], 2, &["8.8.8.8", "--allow-remote"]),
        (&["run", "-t", T, "-t", "nginx", "--rate", "1k"], 2, &["2 cells", "sweep"]),
        // Workloads and settings.
        (&["mat", "-t", T, "-w", "plaintxt"], 2, &["plaintxt", "did you mean `plaintext`"]),
        (&["mat", "-t", T, "--set", "mean=200us"], 2, &["mean", "workload.KEY"]),
        (&["mat", "-t", T, "--set", "workload.mean"], 2, &["workload.mean", "KEY=VALUE"]),
        (&["mat", "-t", T, "--set", "=5"], 2, &["KEY=VALUE"]),
        (&["mat", "-t", T, "-w", "work", "--set", "workload.maen=200us"], 2, &["maen", "mean"]),
        (&["mat", "-t", T, "-w", "work", "--set", "workload.mean=200"], 2, &["200", "unit"]),
        (&["mat", "-t", T, "-w", "work", "--set", "workload.mean=-5us"], 2, &["-5us"]),
        (&["mat", "-t", T, "-w", "work", "--set", "workload.dist=normal"], 2, &["normal", "lognormal"]),
        (&["mat", "-t", T, "-w", "work", "--set", "workload.mean=1us", "--set", "workload.mean=2us"], 2, &["twice"]),
        (&["mat", "-t", T, "-w", "bytes", "--set", "workload.size=big"], 2, &["big"]),
        (&["mat", "-t", "acceptor-handoff", "--set", "target.policy=random"], 2, &["random", "round-robin"]),
        (&["mat", "-t", T, "--set", "target.polcy=x"], 2, &["polcy"]),
        (&["mat", "-t", "sim:mm1", "--set", "target.mean=0us"], 2, &["mean"]),
        (&["sweep", "-t", T, "--vary", "workload.mean"], 2, &["KEY=VALUE"]),
        // Cores and placements.
        (&["mat", "-t", T, "-c", "0"], 2, &["`0`", "at least 1"]),
        (&["mat", "-t", T, "-c", "-1"], 2, &["-1"]),
        (&["mat", "-t", T, "-c", "99999"], 2, &["99999"]),
        (&["mat", "-t", T, "-c", "1e3"], 2, &["1e3"]),
        (&["mat", "-t", T, "-c", "٣"], 2, &["٣"]),
        (&["sweep", "-t", T, "-c", "3..1"], 2, &["3..1", "backwards"]),
        (&["sweep", "-t", T, "-c", "1,,2"], 2, &["1,,2"]),
        (&["sweep", "-t", T, "-c", "some"], 2, &["some", "pow2"]),
        (&["mat", "-t", T, "-p", "compcat"], 2, &["compcat", "did you mean `compact`"]),
        (&["mat", "-t", T, "-p", "explicit", "--server-cpus", "3-1", "--load-cpus", "0"], 2, &["3-1", "backwards"]),
        (&["mat", "-t", T, "-p", "explicit", "--server-cpus", "0-4096", "--load-cpus", "0"], 2, &["4096"]),
        (&["mat", "-t", T, "-p", "explicit", "--server-cpus", "0,,1", "--load-cpus", "0"], 2, &["0,,1"]),
        (&["mat", "-t", T, "--server-cpus", "0"], 2, &["explicit"]),
        (&["mat", "-t", T, "--load-cores", "0"], 2, &["--load-cores"]),
        (&["mat", "-t", T, "--load-cores", "x"], 2, &["--load-cores", "`x`"]),
        (&["topo", "--topology", "numa:x"], 2, &["numa:x"]),
        (&["topo", "--topology", "nosuch.xml"], 2, &["nosuch.xml"]),
        (&["topo", "--cores", "2"], 2, &["--placement"]),
        (&["topo", "--topology", "numa:1 core:2 pu:1", "--placement", "numa-remote"], 2, &["node"]),
        (&["topo", "--topology", "core:4 pu:1", "--placement", "compact", "--cores", "9"], 2, &["9"]),
        (&["topo", "--only", "banana"], 2, &["banana"]),
        // Rates, times and counts.
        (&["run", "-t", T], 2, &["--rate"]),
        (&["run", "-t", T, "--rate", "0"], 2, &["`0`"]),
        (&["run", "-t", T, "--rate", "NaN"], 2, &["NaN"]),
        (&["run", "-t", T, "--rate", "inf"], 2, &["inf"]),
        (&["run", "-t", T, "--rate", "1e18"], 2, &["1e18"]),
        (&["run", "-t", T, "--rate", "0x10"], 2, &["0x10"]),
        (&["run", "-t", T, "--rate=-5"], 2, &["-5"]),
        (&["run", "-t", T, "--rate", &huge_number], 2, &["999"]),
        (&["mat", "-t", T, "--rate", "5k"], 2, &["--rate", "run"]),
        (&["run", "-t", T, "--rate", "1k", "--window", "0s"], 2, &["--window"]),
        (&["run", "-t", T, "--rate", "1k", "--window", "10"], 2, &["--window", "no unit"]),
        (&["run", "-t", T, "--rate", "1k", "--window", "10q"], 2, &["10q"]),
        (&["run", "-t", T, "--rate", "1k", "--window", "1e300s"], 2, &["1e300s"]),
        (&["run", "-t", T, "--rate", "1k", "--window=-5s"], 2, &["-5s"]),
        (&["run", "-t", T, "--rate", "1k", "--warmup", "soon"], 2, &["--warmup", "soon"]),
        (&["run", "-t", T, "--rate", "1k", "--window", "99999h"], 2, &["--window"]),
        (&["mat", "-t", T, "--budget", "1ms"], 2, &["--budget"]),
        (&["mat", "-t", T, "--budget", "forever"], 2, &["forever"]),
        (&["mat", "-t", T, "--reps", "0"], 2, &["--reps"]),
        (&["mat", "-t", T, "--reps", "1e3"], 2, &["1e3"]),
        (&["mat", "-t", T, "--reps", "99999999999"], 2, &["--reps"]),
        (&["mat", "-t", T, "--connections", "0"], 2, &["--connections"]),
        (&["mat", "-t", T, "--connections", "many"], 2, &["many"]),
        (&["mat", "-t", T, "--requests-per-connection", "0"], 2, &["--requests-per-connection"]),
        (&["mat", "-t", T, "--transport", "io-uring"], 2, &["--transport", "did you mean `io_uring`"]),
        (&["mat", "-t", T, "--transport", ""], 2, &["--transport", "auto, epoll, io_uring"]),
        (&["mat", "-t", T, "--network", "netsn"], 2, &["--network", "did you mean `netns`"]),
        (&["mat", "-t", T, "--network-cap", "1gbit"], 2, &["--network-cap", "--network netns"]),
        (&["mat", "-t", T, "--network", "netns", "--network-cap", "1g"], 2, &["--network-cap", "no unit"]),
        (&["mat", "-t", T, "--seed", "abc"], 2, &["abc"]),
        (&["mat", "-t", T, "--arrival", "poison"], 2, &["poison", "did you mean `poisson`"]),
        (&["run", "-t", T, "--rate", "1k", "--arrival", "burst:0"], 2, &["burst:0"]),
        (&["mat", "-t", T, "--arrival", "closed:32"], 2, &["closed", "MAT"]),
        // SLOs.
        (&["mat", "-t", T, "--slo", "p99 < 1"], 2, &["no unit"]),
        (&["mat", "-t", T, "--slo", ""], 2, &["SLO"]),
        (&["mat", "-t", T, "--slo", "p99"], 2, &["no `<`"]),
        (&["mat", "-t", T, "--slo", "p100<5ms"], 2, &["p100"]),
        (&["mat", "-t", T, "--slo", "p0<5ms"], 2, &["p0"]),
        (&["mat", "-t", T, "--slo", "mean<5ms"], 2, &["mean"]),
        (&["mat", "-t", T, "--slo", "p99<0.1x"], 2, &["multiple"]),
        (&["mat", "-t", T, "--slo", "p99<5ms,errors<2"], 2, &["errors<2"]),
        (&["mat", "-t", T, "--slo", "p99<5ms", "--slo", "p99<5ms"], 2, &["twice"]),
        (&["mat", "-t", T, "--slo", "p99<1..100x"], 2, &["lower end of SLO ladder"]),
        (&["mat", "-t", T, "--slo", "p99<10x..2x"], 2, &["does not rise"]),
        (&["mat", "-t", T, "--slo", "p99<1ms..10x"], 2, &["from a time to a multiple"]),
        (&["mat", "-t", T, "--slo", "p99<2x..5x", "--slo", "p99<3x"], 2, &["`p99<3x` is given twice"]),
        (&["mat", "-t", T, "--slo", "p99<1.1x..100000x"], 2, &["too many", "each step of a ladder"]),
        // Runs, baselines, gates, serve.
        (&["report", "no-such-run"], 1, &["no-such-run", "help"]),
        (&["compare", "a", "b"], 1, &["`a`"]),
        (&["resume", "/dev/null"], 1, &["/dev/null"]),
        (&["compare", "a", "b", "--gate", "mat"], 2, &["--gate"]),
        (&["compare", "a", "b", "--gate", "mat:3"], 2, &["mat:3"]),
        (&["compare", "a", "b", "--gate", "p99:-3%"], 2, &["p99"]),
        (&["mat", "-t", T, "--save-baseline", "../evil"], 2, &["../evil"]),
        (&["mat", "-t", T, "--export", "out.pdf"], 2, &["out.pdf", "html"]),
        (&["report", "latest", "--export", "x"], 2, &["`x`", "html"]),
        (&["serve", "-t", "nope"], 2, &["nope"]),
        (&["serve", "-t", T, "--port", "65536"], 2, &["65536"]),
        (&["serve", "-t", T, "--port", "http"], 2, &["http"]),
        (&["serve", "-t", T, "--listen", "0.0.0.0", "--port", "0"], 2, &["0.0.0.0", "--allow-remote"]),
        (&["serve", "-t", T, "--listen", "nowhere", "--port", "0"], 2, &["nowhere"]),
        (&["serve", "-t", T, "--port", "0", "--root", "/no/such/dir"], 2, &["/no/such/dir"]),
        (&["serve", "-t", T, "--port", "0", "--server-cpus", "4000"], 2, &["4000"]),
        (&["sweep", "missing.toml"], 2, &["missing.toml"]),
        (&["sweep", "/dev/zero"], 2, &["/dev/zero"]),
        (&["sweep", "."], 2, &["`.`"]),
    ];
    check(rows, 100);
}

#[test]
fn all_problems_are_shown_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let args =
        ["mat", "-t", "thread-percore", "--slo", "p99 < 1", "--arrival", "poison", "-w", "plaintxt", "--reps", "x"];
    let words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let output = corecurve(&words, dir.path());
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Values that cannot be read are shown first; the rest follows in the same pass where it can be known.
    assert!(stderr.contains("--reps"), "{stderr}");
    let args = ["mat", "-t", "thread-percore", "--slo", "p99 < 1", "--arrival", "poison", "-w", "plaintxt"];
    let words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let stderr = String::from_utf8_lossy(&corecurve(&words, dir.path()).stderr).into_owned();
    for token in ["thread-percore", "no unit", "poison", "plaintxt"] {
        assert!(stderr.contains(token), "{token} in {stderr}");
    }
}

#[test]
fn words_that_are_not_utf8_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = corecurve(&[OsStr::new("mat"), OsStr::new("-t"), OsStr::from_bytes(b"\xff\xfe")], dir.path());
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn spec_files() {
    let nested = format!("target = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("# {}\n", "x".repeat(2 << 20));
    let rows: Vec<(&str, Vec<u8>, i32, Vec<&str>)> = vec![
        ("empty", b"".to_vec(), 2, vec!["no target"]),
        ("unknown key", b"targte = [\"nginx\"]\n".to_vec(), 2, vec![":1", "targte", "did you mean `target`"]),
        ("two unknown keys", b"targte = []\nwndow = \"1s\"\n".to_vec(), 2, vec!["targte", "wndow"]),
        ("wrong type", b"target = \"nginx\"\n".to_vec(), 2, vec![":1:"]),
        ("number for text", b"target = [\"nginx\"]\ncores = 4\n".to_vec(), 2, vec![":2:"]),
        ("text for number", b"target = [\"nginx\"]\nreps = \"five\"\n".to_vec(), 2, vec![":2:"]),
        ("duplicate key", b"seed = 1\nseed = 2\n".to_vec(), 2, vec!["seed"]),
        ("overflow", b"seed = 99999999999999999999\n".to_vec(), 2, vec![":1:"]),
        ("negative", b"reps = -1\n".to_vec(), 2, vec![":1:"]),
        ("nan", b"reps = nan\n".to_vec(), 2, vec![":1:"]),
        ("date", b"window = 2020-01-01\n".to_vec(), 2, vec![":1:"]),
        ("no unit", b"window = \"10\"\n".to_vec(), 2, vec!["unit"]),
        ("syntax", b"target = [\n".to_vec(), 2, vec!["spec.toml"]),
        ("nested", nested.into_bytes(), 2, vec!["spec.toml"]),
        ("too large", large.into_bytes(), 2, vec!["too large"]),
        ("not utf-8", b"target = [\"\xff\"]\n".to_vec(), 2, vec!["UTF-8"]),
        ("look-alike key", "tаrget = [\"nginx\"]\n".as_bytes().to_vec(), 2, vec!["spec.toml:1"]),
        ("empty list", b"target = []\n".to_vec(), 2, vec!["no target"]),
        ("bad slo", b"target = [\"nginx\"]\nslo = [\"p99<1\"]\n".to_vec(), 2, vec!["no unit"]),
        ("bad set", b"target = [\"nginx\"]\n[set]\nmean = \"5us\"\n".to_vec(), 2, vec!["mean"]),
        ("set not text", b"target = [\"nginx\"]\n[set]\n\"workload.mean\" = 5\n".to_vec(), 2, vec![":3:"]),
        ("binary", (0..=255).collect(), 2, vec!["spec.toml"]),
        (
            "too many cells",
            format!(
                "target = [\"sim:mm1\"]\n[vary]\n\"target.mean\" = [{}]\n\"target.x\" = [{}]\n",
                "\"1us\",".repeat(200),
                "\"1us\",".repeat(200)
            )
            .into_bytes(),
            2,
            vec!["too many"],
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, text, exit, tokens) in &rows {
        std::fs::write(dir.path().join("spec.toml"), text).unwrap();
        if let Some(problem) = judge(&["sweep", "spec.toml", "--dry-run"], *exit, tokens, dir.path()) {
            wrong.push(format!("{name}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_byte_order_mark_and_crlf_are_no_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spec.toml"), "\u{feff}target = [\"sim:mm1\"]\r\ncores = \"1\"\r\n").unwrap();
    let words: Vec<&OsStr> = ["sweep", "spec.toml", "--dry-run"].iter().map(OsStr::new).collect();
    let output = corecurve(&words, dir.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn server_descriptions() {
    let rows: Vec<(&str, &str, Vec<&str>)> = vec![
        ("empty", "", vec!["mine.toml"]),
        (
            "command as text",
            "name = \"mine\"\nsummary = \"my own\"\ncommand = \"server --port {port}\"\n",
            vec!["command"],
        ),
        ("empty command", "name = \"mine\"\nsummary = \"my own\"\ncommand = []\n", vec!["command"]),
        (
            "unknown placeholder",
            "name = \"mine\"\nsummary = \"my own\"\ncommand = [\"server\", \"{prot}\"]\n",
            vec!["prot", "did you mean `port`"],
        ),
        ("unknown key", "name = \"mine\"\nsummary = \"my own\"\ncomand = [\"x\"]\n", vec!["comand", "command"]),
        ("syntax", "command = [", vec!["mine.toml"]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, text, tokens) in &rows {
        std::fs::write(dir.path().join("mine.toml"), text).unwrap();
        if let Some(problem) = judge(&["mat", "-t", "exec:mine.toml", "--dry-run"], 2, tokens, dir.path()) {
            wrong.push(format!("{name}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
