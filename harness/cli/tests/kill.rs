//! Kills by the hundred at random moments, over every kind of target: nothing survives the harness, nothing that was told is
//! lost, and `resume` completes every run to what the plan says.
//!
//! This process is a subreaper, so whatever a killed harness leaves behind becomes its child and is seen.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by a panic and shows what it did")]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use corecurve_core::rng::mix;
use corecurve_core::{CpuSet, TrialRecord, Turn};
use corecurve_engine::store::read_run;
use corecurve_machine::allowed::affinity;
use corecurve_machine::procfs::{process, tcp};
use rustix::process::{Pid, Signal, WaitOptions};

const KILLS: u64 = 120;
/// Longest life of a harness before it is killed.
const LIFE_MS: u64 = 450;
/// Repetitions of each run: more than the short lives of a target get done, so that every one of them is at work.
const REPS: &str = "30";
/// The seed of moments and signals.
const SEED: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Blow {
    /// One signal that asks to finish the trial.
    Once(Signal),
    /// Two of them, to stop now.
    Twice(Signal),
    /// No chance to do anything.
    Kill,
}

const BLOWS: [Blow; 6] = [
    Blow::Once(Signal::INT),
    Blow::Once(Signal::TERM),
    Blow::Once(Signal::HUP),
    Blow::Twice(Signal::INT),
    Blow::Kill,
    Blow::Kill,
];

#[test]
fn nothing_survives_and_nothing_is_lost() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let results = tempfile::tempdir().unwrap();
    let mut runs: Vec<Run> = targets().into_iter().map(|target| Run::new(target, "loopback", results.path())).collect();
    // Namespaces need privileges: without them every such run is refused, which tests/netns.rs looks at.
    let namespaces = corecurve_machine::network::refusal(None).is_none();
    if namespaces {
        runs.push(Run::new("thread-per-core", "netns", results.path()));
        runs.push(Run::new("acceptor-handoff", "netns", results.path()));
    }
    let (mut ports_seen, mut namespaces_seen) = (0, 0);
    for kill in 0..KILLS {
        let at = kill as usize % runs.len();
        let blow = BLOWS[(mix(SEED, kill) % BLOWS.len() as u64) as usize];
        let life = Duration::from_micros(mix(SEED + 1, kill) % (LIFE_MS * 1_000));
        let (ports, namespaces) = runs[at].live_and_die(life, blow, kill);
        (ports_seen, namespaces_seen) = (ports_seen + ports, namespaces_seen + namespaces);
    }
    // The machine would have to be very slow for no kill to hit a listening target.
    assert!(ports_seen > 0);
    assert_eq!(namespaces_seen > 0, namespaces);
    for run in &mut runs {
        run.complete();
    }
    let told: usize = runs.iter().map(|run| run.told.len()).sum();
    println!(
        "{KILLS} kills over {} targets, {ports_seen} with a listening target, {namespaces_seen} namespaces: 0 orphans, 0 ports, 0 namespaces, {told} trials told and kept",
        runs.len()
    );
}

/// Third-party servers of this machine, and two built-in ones.
fn targets() -> Vec<&'static str> {
    let installed =
        |name: &str| ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(name).is_file());
    let known = [("nginx", "nginx"), ("lighttpd", "lighttpd"), ("haproxy", "haproxy"), ("apache", "apache2")];
    let third = known.into_iter().filter(|(_, program)| installed(program)).map(|(name, _)| name);
    third.chain(["thread-per-core", "work-stealing"]).collect()
}

/// A run that is killed and taken up again.
struct Run {
    target: &'static str,
    network: &'static str,
    dir: PathBuf,
    out: PathBuf,
    told: Vec<TrialRecord>,
    /// Where this process may run, unless it is kept off the target's CPUs.
    cpus: CpuSet,
}

impl Run {
    fn new(target: &'static str, network: &'static str, results: &Path) -> Run {
        let name = format!("{target}-{network}");
        let (dir, out) = (results.join(&name), results.join(format!("{name}.jsonl")));
        Run { target, network, dir, out, told: Vec::new(), cpus: affinity().unwrap() }
    }

    fn start(&self) -> Child {
        let dir = self.dir.to_str().unwrap();
        let new = ["run", "--target", self.target, "--cores", "1", "--rate", "500", "--connections", "2"];
        let times = [
            "--window",
            "30ms",
            "--warmup",
            "5ms",
            "--reps",
            REPS,
            "--seed",
            "7",
            "--allow-shared-cores",
            "--network",
            self.network,
            "--out",
            dir,
        ];
        let resume = ["resume", dir];
        let arguments: Vec<&str> = if self.exists() { resume.to_vec() } else { [&new[..], &times].concat() };
        Command::new(env!("CARGO_BIN_EXE_corecurve"))
            .args(arguments)
            .args(["--json", "--quiet"])
            .current_dir(self.out.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(File::create(&self.out).unwrap())
            .stderr(File::create(self.out.with_extension("err")).unwrap())
            .spawn()
            .unwrap()
    }

    fn exists(&self) -> bool {
        self.dir.join("plan.json").is_file()
    }

    /// One life of a harness; returns how many ports its target listened on when it was struck, and how many network
    /// namespaces it had made.
    fn live_and_die(&mut self, life: Duration, blow: Blow, kill: u64) -> (usize, usize) {
        let mut harness = self.start();
        std::thread::sleep(life);
        let ports = ports_of(harness.id());
        let namespaces = namespaces_of(&process::descendants(harness.id()).unwrap());
        strike(&harness, blow);
        let status = end_of(&mut harness, Duration::from_secs(30));
        let what = format!(
            "kill {kill}: {} on {} {blow:?} after {life:?}: {status:?} {}",
            self.target,
            self.network,
            self.stderr()
        );
        // 0 or 3: it was done already. No code: struck before it listened to signals, or while it was ending anyway.
        assert!(matches!(status.code(), None | Some(0 | 3 | 130)), "{what}");
        expect_nobody(&what);
        expect_everywhere(&self.cpus, &what);
        let open: Vec<u16> = ports.iter().copied().filter(|port| !tcp::listeners(*port).unwrap().is_empty()).collect();
        assert!(open.is_empty(), "{what}: {open:?}");
        expect_gone(&namespaces, &what);
        self.hear();
        self.expect_all_kept(&what);
        if !self.exists() {
            // Struck before there was a run.
            assert!(self.told.is_empty(), "{what}");
            let _ = std::fs::remove_dir_all(&self.dir);
        }
        (ports.len(), namespaces.len())
    }

    /// Takes in the trials the harness told of. Its last line may be torn.
    fn hear(&mut self) {
        let text = std::fs::read_to_string(&self.out).unwrap();
        let trials = text.lines().filter(|line| line.starts_with("{\"event\":\"trial\""));
        self.told.extend(trials.filter_map(|line| serde_json::from_str::<TrialRecord>(line).ok()));
    }

    /// Every trial that was told of can be read back, as it was.
    fn expect_all_kept(&self, what: &str) {
        if self.told.is_empty() {
            return;
        }
        let run = read_run(&self.dir).unwrap_or_else(|problem| panic!("{what}: {problem}"));
        for trial in &self.told {
            let kept = run.trials.iter().chain(&run.unused).any(|kept| kept == trial);
            assert!(kept, "{what}: repetition {} attempt {} trial {} is lost", trial.rep, trial.attempt, trial.trial);
        }
        let damaged = run.notes.iter().find(|note| note.contains("CRC") || note.contains("second record"));
        assert_eq!(damaged, None, "{what}");
    }

    /// Lets the run go on to its end: every repetition of the plan, once.
    fn complete(&mut self) {
        let status = end_of(&mut self.start(), Duration::from_secs(300));
        let what = format!("{}: {status:?} {}", self.target, self.stderr());
        assert!(matches!(status.code(), Some(0 | 3)), "{what}");
        expect_nobody(&what);
        expect_everywhere(&self.cpus, &what);
        self.hear();
        self.expect_all_kept(&what);
        let run = read_run(&self.dir).unwrap();
        let key = |turn: &Turn| (turn.cell, turn.rep);
        let (done, planned): (BTreeSet<_>, BTreeSet<_>) =
            (run.done.iter().map(key).collect(), run.plan.order.iter().map(key).collect());
        assert_eq!((&done, run.done.len()), (&planned, planned.len()), "{what}");
        let counted: BTreeSet<_> = run.trials.iter().map(|trial| (trial.rep, trial.trial)).collect();
        assert_eq!((counted.len(), run.trials.len()), (planned.len(), planned.len()), "{what}");
        assert!(run.failed.is_empty(), "{what}: {:?}", run.failed);
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.out.with_extension("err")).unwrap_or_default()
    }
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid as i32).unwrap()
}

fn strike(harness: &Child, blow: Blow) {
    let send = |signal| {
        // It is not reaped yet, so its pid is its own, even if it has ended.
        let _ = rustix::process::kill_process(raw(harness.id()), signal);
    };
    match blow {
        Blow::Once(signal) => send(signal),
        Blow::Twice(signal) => {
            send(signal);
            std::thread::sleep(Duration::from_millis(5));
            send(signal);
        }
        Blow::Kill => send(Signal::KILL),
    }
}

fn end_of(harness: &mut Child, patience: Duration) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = harness.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            harness.kill().unwrap();
            panic!("the harness did not end within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The ports on which a process tree listens.
fn ports_of(root: u32) -> Vec<u16> {
    let tree = process::descendants(root).unwrap();
    let held: BTreeSet<u64> = tree.into_iter().flat_map(tcp::sockets).collect();
    tcp::all_listeners()
        .unwrap()
        .into_iter()
        .filter(|listener| held.contains(&listener.inode))
        .map(|listener| listener.address.port())
        .collect()
}

/// The network namespaces that processes live in or hold open, but for our own.
fn namespaces_of(pids: &[u32]) -> BTreeSet<PathBuf> {
    let links = |dir: String| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |pid: &u32| {
        let threads = links(format!("/proc/{pid}/task")).map(|thread| thread.path().join("ns/net"));
        threads.chain(links(format!("/proc/{pid}/fd")).map(|fd| fd.path())).collect::<Vec<_>>()
    };
    let all = pids.iter().flat_map(of).filter_map(|link| std::fs::read_link(link).ok());
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    all.filter(|name| name.to_str().is_some_and(|name| name.starts_with("net:[")) && *name != own).collect()
}

/// Within two seconds nobody lives in these namespaces or holds them, and none of them or of their devices has a name here:
/// the kernel has removed them.
fn expect_gone(namespaces: &BTreeSet<PathBuf>, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !namespaces_of(&process::all().unwrap()).is_disjoint(namespaces) {
        assert!(Instant::now() < deadline, "{what}: {namespaces:?} are left");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let named = namespaces.iter().find(|name| mounts.contains(name.to_str().unwrap()));
    assert_eq!(named, None, "{what}: mounted");
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!devices.contains("cc-"), "{what}: {devices}");
}

/// Within two seconds no process of the harness is left: those of a dead one are our children by now.
fn expect_nobody(what: &str) {
    let own = std::process::id();
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        let children =
            process::all().unwrap().into_iter().filter(|pid| process::stat(*pid).is_ok_and(|stat| stat.parent == own));
        let left: Vec<String> =
            children.map(|pid| format!("{pid} {}", process::command(pid).unwrap_or_default())).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {left:?} survive");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nobody is kept off the target's CPUs any more: this process is like any other that was moved.
fn expect_everywhere(cpus: &CpuSet, what: &str) {
    assert_eq!(affinity().unwrap(), *cpus, "{what}: a shield is left");
}
