//! The counters of the server's network namespace. Without a link that is the machine's, and the load generator's packets and
//! everyone else's are in them too.

use corecurve_core::Counters;

use super::kept::Kept;
use super::{Collector, Prepared, Subject, lost, on_servers_side};
use crate::procfs::net::{self, NetCounters};

/// What is read: a file shows the namespace of the thread that opened it.
const FILES: [&str; 2] = ["/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat"];

#[derive(Debug)]
struct Network(Vec<Kept>);

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    let open = || FILES.into_iter().map(Kept::open).collect::<Result<Vec<Kept>, String>>();
    Ok(Box::new(Network(on_servers_side(subject, open).map_err(|why| lost("network", why))?)))
}

impl Collector for Network {
    fn begin(&mut self) {
        self.0.iter_mut().for_each(Kept::begin);
    }

    fn end(&mut self) {
        self.0.iter_mut().for_each(Kept::end);
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let read = |text: fn(&Kept) -> Result<String, String>| {
            let texts: Result<String, String> = self.0.iter().map(text).collect();
            texts.map(|text| net::parse(&text))
        };
        match (read(Kept::before), read(Kept::after)) {
            (Ok(before), Ok(after)) => {
                let NetCounters(moved) = after.since(&before);
                counters.network = moved;
            }
            (Err(why), _) | (_, Err(why)) => counters.missing.push(lost("network", why)),
        }
    }
}
