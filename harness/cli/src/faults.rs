//! Faults that are put in on purpose: where each goes, decided with the plan, and never silently.

use corecurve_core::fault::{FaultList, FaultPlace, expect_distinct};
use corecurve_core::{Fault, Problem, Settings, Spec};

use crate::catalog::Catalog;

/// The faults of a spec.
///
/// # Errors
/// Unknown names with the nearest known one, arguments that cannot be read, a fault given twice.
pub fn asked(spec: &Spec) -> Result<Vec<Fault>, Problem> {
    let at = |problem: Problem| problem.at("--fault");
    let faults = spec.fault.iter().map(|text| text.parse().map_err(at)).collect::<Result<Vec<Fault>, Problem>>()?;
    expect_distinct(&faults).map_err(at)?;
    Ok(faults)
}

/// What lies between load and server, as it would have been typed: `link-cap` stands for two flags.
///
/// # Errors
/// When those flags say something else.
pub fn network<'a>(
    faults: &[Fault],
    network: Option<&'a str>,
    cap: Option<&'a str>,
) -> Result<(Option<&'a str>, Option<String>), Problem> {
    let Some(Fault::LinkCap(rate)) = faults.iter().find(|fault| matches!(fault, Fault::LinkCap(_))) else {
        return Ok((network, cap.map(str::to_owned)));
    };
    match (network, cap) {
        (None | Some("netns"), None) => Ok((Some("netns"), Some(rate.to_string()))),
        _ => Err(Problem::new(format!("--fault link-cap={rate} stands for `--network netns --network-cap {rate}`"))
            .help("leave out --network and --network-cap, or the fault")),
    }
}

/// Puts the faults of our own servers into a target's settings, and says which faults a cell of it has: those of its settings too.
///
/// # Errors
/// A fault that the target cannot have.
pub fn put_in(target: &str, asked: &[Fault], settings: &mut Settings) -> Result<Vec<Fault>, Problem> {
    let at = |problem: Problem| problem.at("--fault");
    let mut faults = match settings.get("fault").filter(|_| Catalog::is_built_in(target)) {
        // One that cannot be read is refused with the other settings.
        Some(text) => text.parse::<FaultList>().unwrap_or_default().0,
        None => Vec::new(),
    };
    for fault in asked {
        possible(target, fault).map_err(at)?;
        if let Fault::Backlog(length) = fault
            && settings.insert("backlog".to_owned(), length.to_string()).is_some_and(|old| old != length.to_string())
        {
            return Err(Problem::new(format!("--fault {fault}: the setting `target.backlog` says something else"))
                .help("leave out one of the two"));
        }
        faults.push(fault.clone());
    }
    expect_distinct(&faults).map_err(at)?;
    let own = faults.iter().filter(|fault| fault.place() == FaultPlace::Handler).cloned();
    let own = FaultList(own.collect());
    if !own.0.is_empty() {
        settings.insert("fault".to_owned(), own.to_string());
    }
    Ok(faults)
}

/// Whether a target can have a fault.
fn possible(target: &str, fault: &Fault) -> Result<(), Problem> {
    let (can, what) = match fault.place() {
        FaultPlace::Handler | FaultPlace::Setting => (Catalog::is_built_in(target), "is put into our own servers"),
        FaultPlace::Host | FaultPlace::Target => {
            (Catalog::is_started_here(target), "is put beside a server that is started here")
        }
        FaultPlace::Load | FaultPlace::Link => (Catalog::has_sockets(target), "needs a target with sockets"),
    };
    match can {
        true => Ok(()),
        false => Err(Problem::new(format!("`{fault}` {what}, which `{target}` is not"))
            .help("use one of the built-in architectures; see `corecurve list faults`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Vec<Fault> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn faults_of_our_servers_become_settings_and_settings_are_faults() {
        let mut settings = Settings::from([("fault".to_owned(), "delay=10us".to_owned())]);
        let found = put_in("single-loop", &faults(&["syscalls", "backlog=2", "cpu-hog"]), &mut settings).unwrap();
        assert_eq!(found, faults(&["delay=10us", "syscalls=64", "backlog=2", "cpu-hog=0.5"]));
        assert_eq!((settings["fault"].as_str(), settings["backlog"].as_str()), ("delay=10us;syscalls=64", "2"));
        assert!(put_in("single-loop", &faults(&["delay"]), &mut settings).unwrap_err().seen.contains("twice"));
        assert!(put_in("single-loop", &faults(&["backlog=3"]), &mut settings).unwrap_err().seen.contains("backlog"));
    }

    #[test]
    fn what_a_target_cannot_have_is_refused() {
        for (target, fault) in [
            ("nginx", "mutex"),
            ("nginx", "backlog"),
            ("url:http://127.0.0.1:80/", "quota"),
            ("sim:mmc", "cpu-hog"),
            ("null", "generator-sleep"),
        ] {
            let problem = put_in(target, &faults(&[fault]), &mut Settings::new()).unwrap_err();
            assert!(problem.seen.contains(target) && problem.seen.contains(fault), "{problem}");
        }
        assert_eq!(put_in("nginx", &faults(&["quota=1"]), &mut Settings::new()).unwrap(), faults(&["quota=1"]));
    }

    #[test]
    fn a_link_cap_stands_for_two_flags() {
        let capped = network(&faults(&["link-cap=5mbit"]), None, None).unwrap();
        assert_eq!(capped, (Some("netns"), Some("5mbit".to_owned())));
        assert!(network(&faults(&["link-cap"]), Some("loopback"), None).is_err());
        assert!(network(&faults(&["link-cap"]), None, Some("1gbit")).is_err());
        assert_eq!(network(&[], Some("netns"), Some("1gbit")).unwrap(), (Some("netns"), Some("1gbit".to_owned())));
    }
}
