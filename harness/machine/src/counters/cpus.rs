//! Where the time of the CPUs of server and load went, and what they received: `/proc/stat`, `/proc/softirqs`, `softnet_stat`.

use corecurve_core::{Counters, CpuCounts, CpuId, NodeId, Placed, Seat, Side};

use super::kept::Kept;
use super::{Collector, Prepared, Subject, lost};
use crate::procfs::{cpu, softirq, softnet, ticks_per_second};

#[derive(Debug)]
struct Cpus {
    cpus: Vec<(CpuId, Option<NodeId>, Side)>,
    stat: Kept,
    softirqs: Result<Kept, String>,
    softnet: Result<Kept, String>,
}

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    let stat = Kept::open("/proc/stat").map_err(|why| lost("cpus", why))?;
    let (softirqs, softnet) = (Kept::open("/proc/softirqs"), Kept::open("/proc/thread-self/net/softnet_stat"));
    Ok(Box::new(Cpus { cpus: sides(subject.placed), stat, softirqs, softnet }))
}

/// The server's CPUs, then those of the load; one of both is among the first.
fn sides(placed: &Placed) -> Vec<(CpuId, Option<NodeId>, Side)> {
    let (server, load) = (placed.server_cpus(), placed.load_cpus());
    let mut sides: Vec<(CpuId, Option<NodeId>, Side)> = Vec::new();
    for Seat { cpu, node } in placed.server.iter().chain(&placed.load) {
        let side = match (server.contains(*cpu), load.contains(*cpu)) {
            (true, true) => Side::Shared,
            (true, false) => Side::Server,
            _ => Side::Load,
        };
        if sides.iter().all(|(known, ..)| known != cpu) {
            sides.push((*cpu, *node, side));
        }
    }
    sides
}

impl Collector for Cpus {
    fn begin(&mut self) {
        // Packets first: see the order of the collectors.
        self.softnet.iter_mut().chain(&mut self.softirqs).for_each(Kept::begin);
        self.stat.begin();
    }

    fn end(&mut self) {
        self.stat.end();
        self.softirqs.iter_mut().chain(&mut self.softnet).for_each(Kept::end);
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let times = match both(&self.stat) {
            Ok((before, after)) => {
                cpu::parse(&after, ticks_per_second()).since(&cpu::parse(&before, ticks_per_second()))
            }
            Err(why) => return counters.missing.push(lost("cpus", why)),
        };
        let rounds = optional(&self.softirqs, "cpus: softirqs", counters)
            .map(|(before, after)| softirq::parse(&after, "NET_RX").since(&softirq::parse(&before, "NET_RX")));
        let packets = optional(&self.softnet, "cpus: softnet", counters)
            .map(|(before, after)| (softnet::parse(&before), softnet::parse(&after)));
        for (cpu, node, side) in self.cpus {
            let Some(times) = times.0.get(&cpu) else { continue };
            let received = packets.as_ref().and_then(|(before, after)| Some(after.get(&cpu)?.since(before.get(&cpu)?)));
            counters.cpus.push(CpuCounts {
                cpu,
                node,
                side,
                user_ns: times.user + times.nice,
                system_ns: times.system,
                irq_ns: times.irq,
                softirq_ns: times.softirq,
                steal_ns: times.steal,
                idle_ns: times.idle + times.iowait,
                net_rx: rounds.as_ref().and_then(|rounds| rounds.0.get(&cpu).copied()),
                packets: received.map(|received| received.processed.into()),
                dropped: received.map(|received| received.dropped.into()),
                squeezed: received.map(|received| received.squeezed.into()),
                hardware: None,
            });
        }
    }
}

fn both(kept: &Kept) -> Result<(String, String), String> {
    Ok((kept.before()?, kept.after()?))
}

/// Both texts, or a word about what is missing.
fn optional(kept: &Result<Kept, String>, what: &str, counters: &mut Counters) -> Option<(String, String)> {
    let texts = kept.as_ref().map_err(Clone::clone).and_then(both);
    texts.map_err(|why| counters.missing.push(lost(what, why))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_of_both_sides_is_named_once() {
        let seat = |cpu, node| Seat { cpu: CpuId(cpu), node };
        let node = Some(NodeId(1));
        let placed = Placed {
            server: vec![seat(4, node), seat(5, None), seat(4, node)],
            load: vec![seat(5, None), seat(0, None)],
            ..Placed::default()
        };
        let expected = [(CpuId(4), node, Side::Server), (CpuId(5), None, Side::Shared), (CpuId(0), None, Side::Load)];
        assert_eq!(sides(&placed), expected);
    }
}
