//! Choosing, among listeners that share a port, the one whose CPU received the packet.
//!
//! Two ways: `SO_INCOMING_CPU` on each listener, which the kernel prefers when it picks one, or a classic BPF program on
//! the group that maps the receiving CPU to a listener. A packet received on a CPU without a worker is left to the hash.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use corecurve_core::{CpuId, Problem};
use corecurve_machine::pin::pin_current_thread;
use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use rustix::net::SocketFlags;
use socket2::SockRef;

use super::listener::{Accepted, Port, accept};

/// How the kernel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steer {
    /// A classic BPF program on the group of listeners.
    Bpf,
    /// `SO_INCOMING_CPU` on each of them.
    IncomingCpu,
}

impl std::str::FromStr for Steer {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Steer, Problem> {
        match text {
            "bpf" => Ok(Steer::Bpf),
            "incoming-cpu" => Ok(Steer::IncomingCpu),
            _ => Err(Problem::unknown("way to steer", text, ["bpf", "incoming-cpu"], "")),
        }
    }
}

/// Connections the trial makes from each CPU.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(5);

/// Steers connections to `listeners[i]` that are received on `cpus[i]`. Two with the same CPU share its connections by chance.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn steer(listeners: &[TcpListener], cpus: &[CpuId], how: Steer) -> Result<(), Problem> {
    let refused = |why: String| {
        Problem::new(format!("connections cannot be steered by CPU: {why}"))
            .help("choose the other way with `--set steer=`, or thread-per-core, which leaves them to the hash")
    };
    match how {
        Steer::IncomingCpu => {
            for (listener, cpu) in listeners.iter().zip(cpus) {
                SockRef::from(listener).set_cpu_affinity(cpu.0 as usize).map_err(|e| refused(e.to_string()))?;
            }
        }
        Steer::Bpf => {
            let mut program = program(cpus);
            let group = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
            if let Some(first) = listeners.first() {
                setsockopt(first, AttachReusePortCbpf, &group).map_err(|e| refused(e.to_string()))?;
            }
        }
    }
    Ok(())
}

// Of linux/bpf_common.h and linux/filter.h.
const LOAD_ABSOLUTE: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const MODULO: u16 = 0x94;
const RETURN: u16 = 0x06;
const ANCILLARY: u32 = -0x1000_i32 as u32;
const THIS_CPU: u32 = ANCILLARY + 36;
const RANDOM: u32 = ANCILLARY + 56;
/// No listener has this number, so the kernel falls back to the hash.
const NOBODY: u32 = u32::MAX;

/// The program that answers the receiving CPU with a listener's number.
fn program(cpus: &[CpuId]) -> Vec<sock_filter> {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![step(LOAD_ABSOLUTE, 0, 0, THIS_CPU)];
    let mut distinct = cpus.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    for cpu in distinct {
        let here: Vec<u32> = (0..cpus.len()).filter(|&i| cpus[i] == cpu).map(|i| i as u32).collect();
        // A jump spans at most 255 steps; more than a hundred workers on one CPU are dealt out among the first hundred.
        let here = &here[..here.len().min(100)];
        let mut choice = Vec::new();
        if let [_, _, ..] = here {
            choice.push(step(LOAD_ABSOLUTE, 0, 0, RANDOM));
            choice.push(step(MODULO, 0, 0, here.len() as u32));
            for (turn, listener) in here.iter().enumerate().skip(1) {
                choice.push(step(JUMP_IF_EQUAL, 0, 1, turn as u32));
                choice.push(step(RETURN, 0, 0, *listener));
            }
        }
        choice.push(step(RETURN, 0, 0, here[0]));
        program.push(step(JUMP_IF_EQUAL, 0, choice.len() as u8, cpu.0));
        program.extend(choice);
    }
    program.push(step(RETURN, 0, 0, NOBODY));
    program
}

/// Finds out, with listeners on a loopback port of their own, whether this kernel does as it is told: connects from
/// every CPU and looks which listener gets the connection, and on which CPU the kernel says it came in.
///
/// # Errors
/// When a connection that came in on a worker's CPU went to another worker.
pub(crate) fn prove(cpus: &[CpuId], how: Steer) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::new(format!("steering by CPU could not be tried out: {error}"));
    let mut port = Port::trial(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut distinct = cpus.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let listeners = port.share(distinct.len())?;
    steer(&listeners, &distinct, how)?;
    for &from in distinct.iter().cycle().take(TRIES * distinct.len()) {
        let addr = port.addr();
        let client = thread::spawn(move || {
            pin_current_thread(from)?;
            TcpStream::connect(addr).map_err(failed)
        });
        let client = client.join().unwrap_or_else(|_| Err(Problem::new("the thread that tried steering died")))?;
        let (got, came_in) = accepted(&listeners).map_err(failed)?;
        drop(client);
        if distinct.contains(&came_in) && distinct[got] != came_in {
            return Err(Problem::new(format!(
                "this kernel does not steer: a connection that came in on CPU {came_in} went to the listener of CPU {}",
                distinct[got]
            ))
            .help(
                "Linux before 6.2 ignores SO_INCOMING_CPU among listeners that share a port; use `--set steer=bpf`",
            ));
        }
    }
    Ok(())
}

/// The listener that got the next connection and the CPU it came in on.
fn accepted(listeners: &[TcpListener]) -> std::io::Result<(usize, CpuId)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for (index, listener) in listeners.iter().enumerate() {
            if let Accepted::Stream(stream) = accept(listener, SocketFlags::NONBLOCK) {
                return Ok((index, CpuId(SockRef::from(&stream).cpu_affinity()? as u32)));
            }
        }
        thread::yield_now();
    }
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "a connection was made and never accepted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn answer(program: &[sock_filter], cpu: u32, random: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            match step.code {
                LOAD_ABSOLUTE if step.k == THIS_CPU => value = cpu,
                LOAD_ABSOLUTE => value = random,
                MODULO => value %= step.k,
                JUMP_IF_EQUAL => at += usize::from(if value == step.k { step.jt } else { step.jf }),
                _ => return step.k,
            }
        }
    }

    #[test]
    fn every_cpu_has_its_listener_and_strangers_none() {
        let cpus = [4, 0, 7, 0, 0, 1_000].map(CpuId);
        let program = program(&cpus);
        assert_eq!(answer(&program, 4, 9), 0);
        assert_eq!(answer(&program, 7, 9), 2);
        assert_eq!(answer(&program, 1_000, 9), 5);
        assert_eq!([0, 1, 2, 3].map(|random| answer(&program, 0, random)), [1, 3, 4, 1]);
        assert_eq!(answer(&program, 5, 0), NOBODY);
    }
}
