//! `tcp`: one request per connection, about a kilobyte back.
//!
//! The TCP/IP-intensive workload of Hashemian, Krishnamurthy, Arlitt and Carlsson (ICPE 2013): nearly all of its cost is the
//! kernel's, for the handshake, the accept queue, the first wake-up of a worker and the farewell. So it shows how
//! connections find their worker: one acceptor is a ceiling, and a hand-off between cores is paid for every request.
//!
//! The study's client asked over a network for one static file. Here the reply comes from memory where the server has the
//! endpoint, and from a file of the same bytes where it has none.
//!
//! # What this does not show
//! Anything about requests once a connection is there. On loopback the client's half of the handshake costs the same machine
//! as the server's, and the kernel's receive path runs on whichever CPU sent. The client closes after the answer, as
//! HTTP/1.1 asks it of the server with `Connection: close`; who closes first holds the port afterwards, so a server that closes
//! first is charged for that. The study's numbers are of other hardware and must not be set beside these.

use crate::kinds::bytes;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "tcp",
    summary: "GET /bytes/N on a connection of its own: handshake, accept and farewell for every request",
    not_shown: "Says nothing about requests on open connections, nor about handshakes over a network.",
    exposes: &["acceptor-handoff", "acceptor-handoff-least", "hybrid"],
    needs: Needs::Files,
    suggests: Suggests::requests_per_connection(1),
    settings: &[SettingKind { key: "size", default: "1k", help: "bytes of the answer, 0 to 1M; 1k is 1000" }],
    build: |values| Some(bytes::mix(values.count("size", 0..=1_000_000)?)),
};
