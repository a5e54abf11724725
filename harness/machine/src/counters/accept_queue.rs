//! The target's accept queues, looked at through the window, and its connections with unread bytes when the window ends.

use corecurve_core::{AcceptQueue, Counters, Unread};

use super::{Collector, Prepared, Subject, lost, missing, on_servers_side};
use crate::procfs::diag::{Diag, Queues};

/// The name under which it is missing.
const NAME: &str = "accept-queue";

#[derive(Debug)]
struct Queue {
    diag: Diag,
    port: u16,
    seen: AcceptQueue,
    unread: Option<Unread>,
    failed: Option<String>,
}

pub(super) fn prepare(subject: &Subject<'_>) -> Prepared {
    let Some(address) = subject.listens else {
        return Err(lost(NAME, "the target does not listen on this machine"));
    };
    let ready = on_servers_side(subject, move || {
        let mut diag = Diag::open()?;
        // Asked once already, so that a kernel without it is known now.
        diag.listeners(address.port()).map(|_| diag)
    });
    let diag = ready.map_err(|why| missing(NAME, why, "the kernel needs CONFIG_INET_DIAG (`modprobe tcp_diag`)"))?;
    let seen = AcceptQueue { limit: u32::MAX, ..AcceptQueue::default() };
    Ok(Box::new(Queue { diag, port: address.port(), seen, unread: None, failed: None }))
}

impl Queue {
    fn fold(&mut self, listeners: &[Queues]) {
        self.seen.looks += 1;
        self.seen.listeners = self.seen.listeners.max(listeners.len());
        for listener in listeners {
            self.seen.longest = self.seen.longest.max(listener.receive);
            self.seen.limit = self.seen.limit.min(listener.send);
        }
    }
}

impl Collector for Queue {
    fn begin(&mut self) {
        self.look();
    }

    fn look(&mut self) {
        match self.diag.listeners(self.port) {
            Ok(listeners) => self.fold(&listeners),
            Err(why) => self.failed = Some(why),
        }
    }

    fn end(&mut self) {
        // Before anything else: load has just stopped and the target reads what is left.
        match self.diag.connections(self.port) {
            Ok(connections) => {
                let waiting = connections.iter().filter(|connection| connection.receive > 0).count();
                self.unread = Some(Unread { connections: connections.len(), waiting });
            }
            Err(why) => self.failed = Some(why),
        }
        self.look();
    }

    fn tell(self: Box<Self>, counters: &mut Counters) {
        counters.unread = self.unread;
        counters.accept_queue = Some(self.seen).filter(|seen| seen.listeners > 0);
        if let Some(why) = self.failed {
            counters.missing.push(lost(NAME, why));
        } else if self.seen.listeners == 0 {
            counters.missing.push(lost(NAME, format!("nobody listens on port {}", self.port)));
        }
    }
}
