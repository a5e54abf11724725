//! Bytes and packets between load and server: those that arrived at the two ends of the link, or those of the loopback device.

use std::sync::Arc;

use corecurve_core::{Counters, LinkBytes};

use super::kept::Kept;
use super::{Collector, Prepared, Subject, lost};
use crate::Link;
use crate::network::Arrived;
use crate::procfs::net;

#[derive(Debug)]
struct Ends {
    link: Arc<Link>,
    before: Result<Arrived, String>,
    after: Result<Arrived, String>,
}

#[derive(Debug)]
struct Loopback(Kept);

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    if let Some(link) = subject.link {
        let unread = || Err("was not read".to_owned());
        return Ok(Box::new(Ends { link: link.clone(), before: unread(), after: unread() }));
    }
    match subject.listens {
        Some(_) => Ok(Box::new(Loopback(Kept::open("/proc/thread-self/net/dev").map_err(|why| lost("link", why))?))),
        None => Err(lost("link", "the target does not listen on this machine")),
    }
}

impl Collector for Ends {
    fn begin(&mut self) {
        self.before = self.link.arrived();
    }

    fn end(&mut self) {
        self.after = self.link.arrived();
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        match (self.before, self.after) {
            (Ok(before), Ok(after)) => {
                let (server, load) = (after.server.since(&before.server), after.load.since(&before.load));
                counters.link = Some(LinkBytes {
                    to_server: server.bytes,
                    to_load: load.bytes,
                    packets_to_server: server.packets,
                    packets_to_load: load.packets,
                    limit_bits_per_s: self.link.cap().map(|cap| cap.0),
                });
            }
            (Err(why), _) | (_, Err(why)) => counters.missing.push(lost("link", why)),
        }
    }
}

impl Collector for Loopback {
    fn begin(&mut self) {
        self.0.begin();
    }

    fn end(&mut self) {
        self.0.end();
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        let received = |text: Result<String, String>| {
            net::received(&text?, "lo").ok_or_else(|| "/proc/net/dev does not show lo".to_owned())
        };
        match (received(self.0.before()), received(self.0.after())) {
            (Ok(before), Ok(after)) => counters.loopback_bytes = Some(after.since(&before).bytes),
            (Err(why), _) | (_, Err(why)) => counters.missing.push(lost("link", why)),
        }
    }
}
