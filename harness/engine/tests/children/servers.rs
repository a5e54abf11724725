//! Real servers, started and stopped.

use corecurve_core::{CpuSet, Settings, Target};
use corecurve_engine::targets::{ExternalTarget, Recipe, external_version};

use crate::helper::{self, address, get, servers, start_on, target};

pub fn each_starts_on_its_cpus_answers_and_leaves_nothing() {
    for (name, recipe) in servers() {
        for workers in [1, 2] {
            let scratch = tempfile::tempdir().unwrap();
            let target = target(&recipe);
            let mut running =
                target.start(&start_on(scratch.path(), workers)).unwrap_or_else(|p| panic!("{name}: {p}"));
            let address = address(running.as_ref());
            assert!(get(address, "/plaintext").ends_with("\r\n\r\nHello, World!"), "{name}");
            running.check().unwrap();
            let pids = running.pids();
            assert!(pids.len() >= helper::processes(name, workers), "{name}: {pids:?}");
            for pid in &pids {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
                assert_eq!(cpus.trim().parse::<CpuSet>().unwrap(), CpuSet::from_iter([helper::first_cpu()]), "{name}");
            }
            let stats = running.stop().unwrap();
            // Our own server's helpers do as they please; the others end when asked.
            assert!(name == "own" || stats.notes.is_empty(), "{name}: {stats:?}");
            assert!(helper::is_free(address.port()), "{name}");
            let left: Vec<_> =
                pids.iter().filter(|pid| corecurve_machine::procfs::process::stat(**pid).is_ok()).collect();
            assert!(left.is_empty(), "{name}: {left:?}");
        }
    }
}

pub fn a_static_root_is_served() {
    // Below /tmp and readable by all, because nginx and Apache serve as another user.
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(root.path().join("a.txt"), "a file").unwrap();
    for (name, recipe) in servers().into_iter().filter(|(_, recipe)| recipe.contains("\nroot = ")) {
        let scratch = tempfile::tempdir().unwrap();
        let recipe = Recipe::parse(&recipe, name).unwrap();
        let settings: Settings = [("root".to_owned(), root.path().to_str().unwrap().to_owned())].into();
        let target = ExternalTarget::new(name, recipe, scratch.path(), &settings, helper::guardian()).unwrap();
        let running = target.start(&start_on(scratch.path(), 1)).unwrap_or_else(|p| panic!("{name}: {p}"));
        let reply = get(address(running.as_ref()), "/a.txt");
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("a file"), "{name}: {reply}");
        running.stop().unwrap();
    }
}

pub fn they_listen_on_loopback_alone() {
    for (name, recipe) in servers() {
        let scratch = tempfile::tempdir().unwrap();
        let running = target(&recipe).start(&start_on(scratch.path(), 2)).unwrap();
        let listeners = corecurve_machine::procfs::tcp::listeners(address(running.as_ref()).port()).unwrap();
        assert!(!listeners.is_empty());
        assert!(listeners.iter().all(|listener| listener.address.ip().is_loopback()), "{name}: {listeners:?}");
        running.stop().unwrap();
    }
}

pub fn versions_are_told() {
    for (name, _) in servers().into_iter().filter(|(name, _)| *name != "own") {
        let version = external_version(name).unwrap_or_default();
        // Caddy says the number alone.
        let named = name == "caddy" || version.to_lowercase().contains(name);
        assert!(version.contains('.') && named, "{name}: {version}");
    }
    assert_eq!(external_version("no-such-server"), None);
}
