//! Workloads meet servers: every workload gets a right answer from every architecture, through both our parsers.
//!
//! The two crates know nothing of each other, so this is where their idea of an endpoint is held together.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use corecurve_core::rng::stream;
use corecurve_core::{CpuId, Decoded, ErrorClass, Nanos, Outcome, Service, ServiceShape, Settings, Wire, Workload};
use corecurve_http::{HttpWorkload, MODIFIED_S, SiteFile, WORKLOADS, http_workload};
use corecurve_servers::{ARCHITECTURES, ServeConfig, registry};

fn workload(name: &str, pairs: &[(&str, &str)], seed: u64) -> HttpWorkload {
    http_workload(name, &settings(pairs)).unwrap().make(0, seed)
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Asks `count` operations on one connection, the last with `Connection: close`; outcomes and payloads.
fn ask(address: SocketAddr, workload: &mut HttpWorkload, count: u64) -> Vec<(Outcome, u64)> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut rng = stream(1, 2);
    let mut decoder = Default::default();
    let mut answers = Vec::new();
    for id in 0..count {
        let (op, last) = (workload.next(id, &mut rng), id + 1 == count);
        let mut request = Vec::new();
        workload.encode(&op, last, &mut request);
        connection.write_all(&request).unwrap();
        let mut input = Vec::new();
        let outcome = loop {
            let mut piece = [0; 4096];
            let length = connection.read(&mut piece).unwrap();
            if length == 0 {
                break workload.closed(&op, &mut decoder);
            }
            input.extend_from_slice(&piece[..length]);
            match workload.decode(&op, &mut decoder, &input, true) {
                Decoded::Partial { consumed } => drop(input.drain(..consumed)),
                Decoded::Done { outcome, keep_alive, .. } => {
                    assert_eq!(keep_alive, !last, "operation {id} of {count}");
                    break outcome;
                }
            }
        };
        answers.push((outcome, workload.told(&decoder).service_ns));
    }
    let end = connection.read(&mut [0; 1]).unwrap();
    assert_eq!(end, 0, "the server keeps a connection that it was asked to close");
    answers
}

#[test]
fn every_workload_is_answered_by_every_architecture() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("index.html"), "<title>here</title>").unwrap();
    let workloads: [(&str, &[(&str, &str)]); 23] = [
        ("plaintext", &[]),
        ("echo", &[]),
        ("echo", &[("size", "0")]),
        ("echo", &[("size", "100k")]),
        ("bytes", &[("size", "0")]),
        ("bytes", &[]),
        ("bytes", &[("size", "1M")]),
        ("work", &[("mean", "5us"), ("dist", "lognormal")]),
        ("static", &[]),
        ("get", &[("path", "/index.html?{id}"), ("body", "here")]),
        ("get", &[("path", "/bytes/9"), ("method", "HEAD")]),
        ("tcp", &[]),
        ("keepalive", &[]),
        ("k-per-conn", &[]),
        ("bimodal", &[]),
        ("large", &[]),
        ("lifo-trap", &[]),
        ("elephant", &[]),
        ("elephant-bytes", &[]),
        ("blocker", &[("one-in", "10"), ("block", "1ms")]),
        ("support-like", &[("mean", "2us")]),
        ("pipelined", &[]),
        ("pipelined", &[("depth", "256")]),
    ];
    for (name, pairs) in workloads {
        furnish(root.path(), name, pairs);
    }
    furnish(root.path(), "web99-static", &[("directories", "1")]);
    let unasked = WORKLOADS
        .iter()
        .find(|kind| kind.name != "web99-static" && workloads.iter().all(|(name, _)| *name != kind.name));
    assert!(unasked.is_none(), "nobody is asked for {unasked:?}");
    for architecture in ARCHITECTURES {
        let mut config = ServeConfig::new(architecture.name, [CpuId(0)]);
        config.root = Some(root.path().to_owned());
        if architecture.name == "reuseport-cpu" {
            // On loopback it is refused for good reason, which is not what is asked here.
            config.settings.insert("path".to_owned(), "ignore".to_owned());
        }
        let server = match registry::start(&config) {
            // Not every kernel offers one; that the refusal says so is the server's own test.
            Err(problem) if problem.seen.starts_with("io_uring cannot be used") => continue,
            Err(problem) if !cfg!(feature = "tokio") && problem.seen == "this build has no tokio" => continue,
            started => started.unwrap(),
        };
        for (name, pairs) in workloads {
            // The mixes take some operations until each of their pages has been asked for.
            let operations = if matches!(name, "support-like" | "elephant-bytes" | "blocker") { 150 } else { 4 };
            let answers = ask(server.local_addr(), &mut workload(name, pairs, 1), operations);
            let right = answers.iter().all(|(outcome, _)| *outcome == Outcome::Ok);
            assert!(right, "{}: {name} {pairs:?}: {answers:?}", architecture.name);
        }
        let mut files = workload("web99-static", &[("directories", "1")], 1);
        let answers = ask(server.local_addr(), &mut files, 200);
        assert!(answers.iter().all(|(outcome, _)| *outcome == Outcome::Ok), "{}: {answers:?}", architecture.name);
        server.stop().unwrap();
    }
}

/// Makes the files of a workload, as the harness does.
fn furnish(root: &Path, name: &str, pairs: &[(&str, &str)]) {
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
    for file in http_workload(name, &settings(pairs)).unwrap().files() {
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, file.pieces().flatten().collect::<Vec<u8>>()).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(changed).unwrap();
    }
}

#[test]
fn architectures_and_workloads_agree_on_what_shows_what() {
    for architecture in ARCHITECTURES {
        for name in architecture.exposed_by {
            let kind = WORKLOADS.iter().find(|kind| kind.name == *name);
            let kind =
                kind.unwrap_or_else(|| panic!("{} is shown by `{name}`, which is no workload", architecture.name));
            assert!(
                kind.exposes.contains(&architecture.name),
                "{name} does not say that it shows {}",
                architecture.name
            );
        }
    }
    for kind in WORKLOADS {
        for name in kind.exposes {
            let architecture = ARCHITECTURES.iter().find(|architecture| architecture.name == *name);
            let architecture = architecture.unwrap_or_else(|| panic!("{} shows `{name}`, which is none", kind.name));
            assert!(architecture.exposed_by.contains(&kind.name), "{name} does not say that {} shows it", kind.name);
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    furnish(root.path(), "web99-static", &[("directories", "1")]);
    // The most popular class, each file with the content of another one: lengths are right.
    for nth in 1..=9 {
        let path = root.path().join(format!("web99/dir00000/class1_{nth}"));
        let other = SiteFile::named("web99/dir00001/class1_1", nth * 1_000);
        std::fs::write(path, other.pieces().flatten().collect::<Vec<u8>>()).unwrap();
    }
    let mut config = ServeConfig::new("thread-per-core", [CpuId(0)]);
    config.settings.insert("root".to_owned(), root.path().to_str().unwrap().to_owned());
    let server = registry::start(&config).unwrap();
    let answers = ask(server.local_addr(), &mut workload("web99-static", &[("directories", "1")], 1), 100);
    let count = |wanted: Outcome| answers.iter().filter(|(outcome, _)| *outcome == wanted).count();
    let (right, wrong) = (count(Outcome::Ok), count(Outcome::Failed(ErrorClass::WrongBody)));
    // Half are of that class; the standard error is 5.
    assert!(right + wrong == 100 && (25..=75).contains(&wrong), "{answers:?}");
    server.stop().unwrap();
}

#[test]
fn a_server_answers_as_many_requests_as_batches_are_deep() {
    for architecture in ["thread-per-core", "staged", "thread-per-connection"] {
        let server = registry::start(&ServeConfig::new(architecture, [CpuId(0)])).unwrap();
        for (depth, before) in [(1, 0), (16, 10), (200, 170)] {
            let mut batches = workload("pipelined", &[("depth", &depth.to_string())], 1);
            let answers = ask(server.local_addr(), &mut batches, 10);
            assert!(answers.iter().all(|(outcome, _)| *outcome == Outcome::Ok), "{architecture}: {answers:?}");
            assert_eq!(server.stats().totals.requests, before + 10 * depth, "{architecture} at depth {depth}");
        }
        server.stop().unwrap();
    }
}

#[test]
fn wrong_answers_are_told_from_right_ones() {
    let server = registry::start(&ServeConfig::new("thread-per-core", [CpuId(0)])).unwrap();
    for (pairs, class) in [
        (&[("path", "/nowhere")][..], ErrorClass::Status),
        (&[("path", "/plaintext"), ("status", "404")], ErrorClass::Status),
        (&[("path", "/plaintext"), ("body", "Goodbye")], ErrorClass::WrongBody),
    ] {
        let answers = ask(server.local_addr(), &mut workload("get", pairs, 1), 3);
        assert!(answers.iter().all(|(outcome, _)| *outcome == Outcome::Failed(class)), "{pairs:?}: {answers:?}");
    }
    server.stop().unwrap();
}

#[test]
fn the_service_time_that_comes_back_is_the_one_that_was_planned() {
    let server = registry::start(&ServeConfig::new("thread-per-core", [CpuId(0)])).unwrap();
    let pairs = [("dist", "exp"), ("mean", "50us")];
    let answers = ask(server.local_addr(), &mut workload("work", &pairs, 77), 50);
    let service = Service { shape: ServiceShape::Exp, mean: Nanos(50_000), seed: 77 };
    for (id, (outcome, spun_ns)) in answers.into_iter().enumerate() {
        let planned = service.time(id as u64);
        assert_eq!(outcome, Outcome::Ok);
        assert!(spun_ns >= planned.0, "operation {id} spun {spun_ns} ns of {planned}");
    }
    server.stop().unwrap();
}

#[test]
fn both_sides_agree_on_the_bytes_of_a_body() {
    let pattern = corecurve_http::kinds::bytes::PATTERN;
    for index in 0..300_u64 {
        assert_eq!(corecurve_servers::handler::pattern_byte(index), pattern[index as usize % pattern.len()]);
    }
}

/// Runs the harness and returns what it wrote to stdout.
fn corecurve(arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_corecurve"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // 3: the machine was too busy for a valid trial, which is not what is asked here.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{arguments:?}: {:?} {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_workload_suggests_is_in_the_plan_unless_the_user_says_otherwise() {
    let plan = |workload: &str, more: &[&str]| -> (Option<u64>, Option<u64>) {
        let fixed =
            ["sweep", "-t", "thread-per-core", "-c", "2", "--topology", "numa:1 core:8 pu:1", "--dry-run", "--json"];
        let arguments = [&fixed[..], &["-w", workload], more].concat();
        let event: serde_json::Value = serde_json::from_str(&corecurve(&arguments, &std::env::temp_dir())).unwrap();
        let cell = &event["plan"]["cells"][0];
        (cell["connections"].as_u64(), cell["requests_per_connection"].as_u64())
    };
    assert_eq!(plan("tcp", &[]), (None, Some(1)));
    assert_eq!(plan("keepalive", &[]), (Some(128), None));
    assert_eq!(plan("elephant", &[]), (Some(400), None));
    assert_eq!(plan("lifo-trap", &[]), (Some(64), None));
    assert_eq!(plan("plaintext", &[]), (None, None));
    assert_eq!(plan("tcp", &["--requests-per-connection", "7"]), (None, Some(7)));
    assert_eq!(plan("keepalive", &["--connections", "9"]), (Some(9), None));
    let listed = corecurve(&["list", "workloads"], &std::env::temp_dir());
    for text in [
        "suggests: --requests-per-connection 10",
        "suggests: --connections 64 per server core",
        "exposes: shared-accept",
    ] {
        assert!(listed.contains(text), "{listed}");
    }
}

#[test]
fn files_are_made_for_every_server_that_has_a_root_and_answers_are_right() {
    // Servers of the superuser change to a user of their own, who must be able to get here.
    let open = std::fs::Permissions::from_mode(0o755);
    let dir = tempfile::Builder::new().permissions(open).tempdir().unwrap();
    let installed = |program: &str| ["/usr/sbin", "/usr/bin"].iter().any(|bin| Path::new(bin).join(program).is_file());
    let third = [("nginx", "nginx"), ("lighttpd", "lighttpd"), ("apache", "apache2"), ("caddy", "caddy")];
    let third = third.into_iter().filter(|(_, program)| installed(program)).map(|(name, _)| (name, "web99-static"));
    let own = ["web99-static", "support-like"].map(|workload| ("thread-per-core", workload));
    for (target, workload) in
        own.into_iter().chain(third).chain([("nginx", "tcp")].into_iter().filter(|_| installed("nginx")))
    {
        let out = dir.path().join(format!("{target}-{workload}"));
        let fixed =
            ["-c", "1", "--rate", "300", "--window", "500ms", "--warmup", "50ms", "--allow-shared-cores", "--json"];
        let named = ["run", "-t", target, "-w", workload, "--out", out.to_str().unwrap(), "--quiet"];
        let told = corecurve(&[&named[..], &fixed].concat(), dir.path());
        let trial = told.lines().find(|line| line.contains("\"event\":\"trial\"")).unwrap();
        let trial: serde_json::Value = serde_json::from_str(trial).unwrap();
        let counts = &trial["counts"];
        let (ok, status, body) =
            (counts["ok"].as_u64().unwrap(), &counts["errors"]["status"], &counts["errors"]["wrong-body"]);
        let none = |count: &serde_json::Value| count.as_u64().unwrap_or(0) == 0;
        assert!(ok > 50 && none(status) && none(body), "{target} {workload}: {counts}");
        assert!(!out.join("scratch").exists(), "{target}: the files are still there");
    }
}

#[test]
fn a_root_of_the_users_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("www");
    std::fs::create_dir(&root).unwrap();
    let set = format!("target.root={}", root.display());
    let output = Command::new(env!("CARGO_BIN_EXE_corecurve"))
        .args(["run", "-t", "thread-per-core", "-w", "large", "-c", "1", "--rate", "100", "--set", &set])
        .args(["--allow-shared-cores", "--quiet", "--window", "100ms"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("large/100000.bin of 100000 bytes"), "{said}");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
}
