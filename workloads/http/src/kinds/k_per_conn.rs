//! `k-per-conn`: a connection carries ten requests, then another is opened.
//!
//! Between `tcp` and `keepalive`, where browsers and proxies are: opening is paid by ten requests instead of one. A way
//! of accepting that costs much shows in `tcp`, a way of balancing that needs time to even out shows here: connections come
//! and go, so shares are dealt again all the time. `--requests-per-connection` moves it between the two ends.
//!
//! # What this does not show
//! Real sessions: all have the same length, and nobody pauses between requests (see `support-like` for pages that follow
//! each other). As in `tcp`, the client's half of opening is on the same machine.

use crate::kinds::bytes;
use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "k-per-conn",
    summary: "GET /bytes/N, ten times on each connection before it is closed and another opened",
    not_shown: "Says nothing about real sessions: all connections live equally long and nobody pauses.",
    exposes: &["acceptor-handoff", "acceptor-handoff-least", "hybrid"],
    needs: Needs::Files,
    suggests: Suggests::requests_per_connection(10),
    settings: &[SettingKind { key: "size", default: "1k", help: "bytes of the answer, 0 to 1M; 1k is 1000" }],
    build: |values| Some(bytes::mix(values.count("size", 0..=1_000_000)?)),
};
