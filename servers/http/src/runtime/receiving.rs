//! On which CPUs packets for an address are received: whether steering connections by CPU can mean anything.
//!
//! A virtual interface (`lo`, `veth`) receives on the CPU of the *sender*, unless receive packet steering
//! (RPS) names CPUs in `/sys/class/net/NAME/queues/rx-*/rps_cpus`. A network card receives where its interrupts go.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use corecurve_core::{CpuId, CpuSet, Problem};

/// What was found about a path on which steering can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// Packets are received on the workers' CPUs and nowhere else.
    Here,
    /// Steering may work; what should be known.
    Perhaps(String),
}

/// Looks up the interface of `address` and on which CPUs it receives.
///
/// # Errors
/// When packets are not received on the CPUs of the workers: then connections would not go where they are steered.
pub(crate) fn receiving(address: IpAddr, workers: &[CpuId]) -> Result<Receiving, Problem> {
    match interface_of(address) {
        Some(name) => examine(Path::new("/sys/class/net"), &name, workers),
        None => Ok(Receiving::Perhaps(format!(
            "{address} is not the address of one interface, so it is not known on which CPUs packets are received"
        ))),
    }
}

fn interface_of(address: IpAddr) -> Option<String> {
    if address.is_loopback() {
        return Some("lo".to_owned());
    }
    let all = nix::ifaddrs::getifaddrs().ok()?;
    let is_it = |entry: &nix::ifaddrs::InterfaceAddress| {
        let own = entry.address?;
        let v4 = own.as_sockaddr_in().map(|own| IpAddr::V4(own.ip()));
        Some(v4.or_else(|| own.as_sockaddr_in6().map(|own| IpAddr::V6(own.ip())))? == address)
    };
    all.filter(|entry| is_it(entry) == Some(true)).map(|entry| entry.interface_name).next()
}

fn examine(interfaces: &Path, name: &str, workers: &[CpuId]) -> Result<Receiving, Problem> {
    let place = interfaces.join(name);
    if place.join("device").exists() {
        return Ok(Receiving::Perhaps(format!(
            "{name} is a network card: that its interrupts reach the workers' CPUs has not been checked (/proc/interrupts)"
        )));
    }
    let steered = steered_to(&place)?;
    let queues = place.join("queues/rx-0/rps_cpus");
    if steered.is_empty() {
        return Err(Problem::new(format!(
            "steering by CPU means nothing on {name}: without RPS its packets are received on the sender's CPU, so connections \
             would follow the client's CPUs"
        ))
        .help(format!(
            "write the mask of the workers' CPUs into {}, or use an address of a veth pair that has one, or \
             `--set path=ignore` to start all the same",
            queues.display()
        )));
    }
    let missing: CpuSet = workers.iter().copied().filter(|cpu| !steered.contains(*cpu)).collect();
    if !missing.is_empty() {
        return Err(Problem::new(format!(
            "{name} receives on CPUs {steered}, so workers on CPUs {missing} would get no connection by steering"
        ))
        .help(format!(
            "write the mask of the workers' CPUs into {}, or `--set path=ignore` to start all the same",
            queues.display()
        )));
    }
    let stray: CpuSet = steered.iter().filter(|cpu| !workers.contains(cpu)).collect();
    if stray.is_empty() {
        return Ok(Receiving::Here);
    }
    Ok(Receiving::Perhaps(format!(
        "{name} also receives on CPUs {stray}, where no worker is: those connections go by hash"
    )))
}

/// The CPUs to which an interface's receive queues pass their packets on.
fn steered_to(place: &Path) -> Result<CpuSet, Problem> {
    let queues = place.join("queues");
    let unreadable = |error: std::io::Error| {
        Problem::new(format!("cannot see on which CPUs packets are received: {}: {error}", queues.display()))
            .help("is /sys mounted? `--set path=ignore` starts all the same")
    };
    let mut cpus = CpuSet::default();
    for entry in fs::read_dir(&queues).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with("rx-") {
            let mask = fs::read_to_string(entry.path().join("rps_cpus")).map_err(unreadable)?;
            cpus.0.extend(in_mask(&mask));
        }
    }
    Ok(cpus)
}

/// The CPUs of a mask as the kernel prints it: groups of 32 bits in hexadecimal, the highest first.
fn in_mask(mask: &str) -> Vec<CpuId> {
    let groups = mask.trim().split(',').rev().map(|group| u32::from_str_radix(group, 16).unwrap_or(0));
    let bits = |(place, group): (usize, u32)| {
        (0..32).filter(move |bit| group >> bit & 1 == 1).map(move |bit| CpuId(place as u32 * 32 + bit))
    };
    groups.enumerate().flat_map(bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(masks: &[&str], is_card: bool) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (queue, mask) in masks.iter().enumerate() {
            let place = root.path().join(format!("eth0/queues/rx-{queue}"));
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("rps_cpus"), mask).unwrap();
        }
        if is_card {
            fs::create_dir_all(root.path().join("eth0/device")).unwrap();
        }
        root
    }

    fn found(masks: &[&str], is_card: bool, workers: &[u32]) -> Result<Receiving, String> {
        let root = machine(masks, is_card);
        let workers: Vec<CpuId> = workers.iter().copied().map(CpuId).collect();
        examine(root.path(), "eth0", &workers).map_err(|problem| problem.one_line())
    }

    #[test]
    fn refused_where_the_sender_decides_and_where_workers_would_starve() {
        let refusal = found(&["0\n"], false, &[0]).unwrap_err();
        assert!(refusal.contains("sender's CPU") && refusal.contains("rps_cpus"), "{refusal}");
        let refusal = found(&["00000000,00000003\n"], false, &[0, 1, 2, 35]).unwrap_err();
        assert!(refusal.contains("CPUs 0-1") && refusal.contains("CPUs 2,35"), "{refusal}");
        assert!(found(&[], false, &[0]).unwrap_err().contains("queues"));
    }

    #[test]
    fn allowed_where_it_can_work_with_what_should_be_known() {
        assert_eq!(found(&["3"], false, &[1, 0]), Ok(Receiving::Here));
        assert_eq!(found(&["1", "8,0"], false, &[0, 35]), Ok(Receiving::Here));
        let Ok(Receiving::Perhaps(note)) = found(&["7"], false, &[0, 1]) else { panic!("CPU 2 has no worker") };
        assert!(note.contains("CPUs 2,"), "{note}");
        let Ok(Receiving::Perhaps(note)) = found(&["0"], true, &[0, 1]) else { panic!("a card is not refused") };
        assert!(note.contains("interrupts"), "{note}");
    }

    #[test]
    fn masks_read_from_the_right() {
        assert_eq!(in_mask("80000001,00000000,00000005\n"), [0, 2, 64, 95].map(CpuId));
        assert_eq!(in_mask("0\n"), []);
    }
}
