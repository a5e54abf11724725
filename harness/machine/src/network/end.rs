//! [`End`]: one end of the link, as it is set up from inside its namespace.

use std::fs;
use std::path::Path;

use corecurve_core::{BitRate, CpuSet, Problem};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::tool::batch;

/// Settings that belong to a namespace and that a new one has at the kernel's defaults: they are made those of the machine, so
/// that both networks have the same queues, ports and buffers.
const COPIED: [&str; 9] = [
    "net/core/somaxconn",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_wmem",
];

/// Longest time a packet waits for its turn under a cap before it is dropped.
const CAP_WAIT_MS: u64 = 50;
/// Smallest burst under a cap: two of the largest packets there are.
const CAP_BURST: u64 = 128 << 10;
/// A burst lasts as long as a tick of the slowest kernel, so that the cap can be reached.
const TICKS_PER_S: u64 = 100;

/// One end.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub device: &'a str,
    /// Its own address.
    pub address: &'a str,
    /// Routes by which the other side's loopback addresses are reached through the device, for `ip`.
    pub routes: &'a str,
    /// CPUs that receive what arrives here.
    pub cpus: &'a CpuSet,
    pub cap: Option<BitRate>,
}

/// The machine's values of what is copied; what a kernel does not have is left out.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    COPIED.iter().filter_map(|key| Some((*key, fs::read_to_string(sysctl(key)).ok()?))).collect()
}

impl End<'_> {
    /// Sets it up. To be called on a thread that is inside and ends soon: it changes what that thread sees of `/sys`.
    pub(super) fn set_up(&self, settings: &[(&'static str, String)]) -> Result<(), Problem> {
        let End { device, address, routes, .. } = self;
        for (key, value) in settings {
            copy(key, value)?;
        }
        batch("ip", &format!("address add {address}/30 dev {device}\nlink set dev {device} up\n{routes}"))?;
        // Loopback addresses may come in and go out through the device.
        write(&sysctl(&format!("net/ipv4/conf/{device}/route_localnet")), "1")?;
        if let Some(cap) = self.cap {
            let burst = (cap.0 / 8 / TICKS_PER_S).max(CAP_BURST);
            let rate = cap.0;
            batch(
                "tc",
                &format!("qdisc add dev {device} root tbf rate {rate}bit burst {burst}b latency {CAP_WAIT_MS}ms\n"),
            )?;
        }
        self.steer()
    }

    /// Has every receive queue of the device steer packets to its CPUs, and looks whether it took.
    fn steer(&self) -> Result<(), Problem> {
        own_sysfs()?;
        let queues = format!("/sys/class/net/{}/queues", self.device);
        let listed = fs::read_dir(&queues).map_err(|error| Problem::new(format!("{queues}: {error}")))?;
        let receiving = listed.flatten().map(|entry| entry.path().join("rps_cpus")).filter(|file| file.exists());
        let mut steered = false;
        for file in receiving {
            write(&file.display().to_string(), &mask(self.cpus))?;
            let taken = fs::read_to_string(&file).unwrap_or_default();
            if read_mask(&taken) != Some(self.cpus.clone()) {
                return Err(Problem::new(format!(
                    "packets cannot be steered to CPUs {}: the kernel made it {}",
                    self.cpus,
                    taken.trim()
                ))
                .help("CPUs that are isolated from the scheduler (`isolcpus`) take no steered packets"));
            }
            steered = true;
        }
        if steered { Ok(()) } else { Err(Problem::new("this kernel steers no packets (CONFIG_RPS is off)")) }
    }
}

/// Gives the calling thread a `/sys` that shows the devices of its namespace. Nobody else sees the mount.
fn own_sysfs() -> Result<(), Problem> {
    let refused = |what: &str, error: String| Problem::new(format!("packets cannot be steered: {what}: {error}"));
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| refused("no mount namespace", error.desc().to_owned()))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| refused("mounts cannot be made private", error.to_string()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sysfs", "/sys", "sysfs", flags, None).map_err(|error| refused("no /sys of its own", error.to_string()))
}

fn copy(key: &str, value: &str) -> Result<(), Problem> {
    let path = sysctl(key);
    // Old kernels keep some of them for the whole machine and show them to its own namespace only.
    if !Path::new(&path).exists() || fs::read_to_string(&path).is_ok_and(|own| own == value) {
        return Ok(());
    }
    write(&path, value.trim())
}

fn sysctl(key: &str) -> String {
    format!("/proc/sys/{key}")
}

fn write(path: &str, value: &str) -> Result<(), Problem> {
    fs::write(path, value).map_err(|error| Problem::new(format!("{path} cannot be written: {error}")))
}

/// CPUs as the kernel reads them in masks: groups of 32 bits in hexadecimal, the highest first.
fn mask(cpus: &CpuSet) -> String {
    let highest = cpus.iter().last().map_or(0, |cpu| cpu.0);
    let mut words = vec![0u32; highest as usize / 32 + 1];
    for cpu in cpus.iter() {
        words[cpu.0 as usize / 32] |= 1 << (cpu.0 % 32);
    }
    words.iter().rev().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(",")
}

/// The CPUs of a mask.
fn read_mask(text: &str) -> Option<CpuSet> {
    let words: Option<Vec<u32>> = text.trim().split(',').rev().map(|word| u32::from_str_radix(word, 16).ok()).collect();
    let bits = words?.into_iter().zip(0u32..).flat_map(|(word, at)| {
        (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| corecurve_core::CpuId(at * 32 + bit))
    });
    Some(bits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_as_the_kernel_reads_them() {
        for (cpus, text) in
            [("0", "00000001"), ("1,3", "0000000a"), ("0-31", "ffffffff"), ("0,32,95", "80000000,00000001,00000001")]
        {
            let cpus: CpuSet = cpus.parse().unwrap();
            assert_eq!(mask(&cpus), text);
            assert_eq!(read_mask(&format!("{text}\n")), Some(cpus));
        }
        assert_eq!(read_mask("3"), Some("0-1".parse().unwrap()));
        assert_eq!(read_mask("00000000"), Some(CpuSet::default()));
        assert_eq!(read_mask("x"), None);
    }
}
