//! Routes requests to endpoints. One [`App`] per worker, one [`Site`] for all of them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Instant, SystemTime};

use super::files::Root;
use super::{bytes, files, work};
use crate::engine::reply::{DATE_OFFSET, DateText, TEXT, prepare};
use crate::engine::{Handler, Head, Reply, Status};
use crate::faults::Faults;
use crate::runtime::stats::Stats;

/// What all workers of a server share.
#[derive(Debug)]
pub struct Site {
    /// Counts per worker.
    pub stats: Stats,
    /// Where static files come from; `None` serves none.
    pub root: Option<Root>,
    /// The id of the next `/work` request that brings none.
    pub next_id: AtomicU64,
    /// What it does badly on purpose; `None` costs a branch.
    pub faults: Option<Faults>,
    /// When it began: all its workers count their time-outs from here.
    pub began: Instant,
}

impl Site {
    /// A site with nothing counted yet.
    pub fn new(stats: Stats, root: Option<Root>) -> Site {
        Site { stats, root, next_id: AtomicU64::new(0), faults: None, began: Instant::now() }
    }

    /// The same with faults.
    #[must_use]
    pub fn with(self, faults: Option<Faults>) -> Site {
        Site { faults, ..self }
    }
}

/// A worker's view of the site, with its prepared replies.
#[derive(Debug)]
pub struct App {
    site: Arc<Site>,
    /// Index of the worker whose counts rise.
    worker: usize,
    date: DateText,
    /// The second `date` tells.
    second: u64,
    plaintext: Vec<u8>,
}

const GREETING: &[u8] = b"Hello, World!";
const BINARY: &str = "application/octet-stream";

impl App {
    /// The view of worker number `worker`.
    pub fn new(site: Arc<Site>, worker: usize) -> App {
        let mut app = App { site, worker, date: *b"Thu, 01 Jan 1970 00:00:00 GMT", second: 0, plaintext: Vec::new() };
        app.plaintext = prepare(Status::OK, &app.date, "text/plain", GREETING);
        app.refresh_date(SystemTime::now());
        app
    }

    /// Brings the Date of replies up to `now`. Cost: nothing worth naming unless a second has passed.
    pub fn refresh_date(&mut self, now: SystemTime) {
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second == self.second {
            return;
        }
        self.second = second;
        let text = httpdate::fmt_http_date(now);
        if let Ok(text) = DateText::try_from(text.as_bytes()) {
            self.date = text;
            self.plaintext[DATE_OFFSET..][..text.len()].copy_from_slice(&text);
        }
    }

    /// Counts for another worker from now on: for connections that move between CPUs.
    pub fn set_worker(&mut self, worker: usize) {
        self.worker = worker;
    }

    /// The site this is a view of.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    #[cold]
    fn answer_stats(&self, reply: &mut Reply<'_>) {
        let body = self.site.stats.to_json(self.worker);
        reply.send(Status::OK, "application/json", body.as_bytes());
    }

    /// As badly as was asked for; but whoever asks for counts does not ask for that.
    #[cold]
    fn answer_badly(&self, faults: &Faults, head: &Head<'_>, body: &[u8], reply: &mut Reply<'_>) {
        match head.path {
            "/stats" => self.answer_rest(head, body, reply),
            _ => faults.around(self.worker, || self.answer_well(head, body, reply)),
        }
    }

    #[inline]
    fn answer_well(&self, head: &Head<'_>, body: &[u8], reply: &mut Reply<'_>) {
        if head.path == "/plaintext" && head.method == "GET" && reply.is_plain() {
            reply.send_prepared(&self.plaintext);
        } else {
            self.answer_rest(head, body, reply);
        }
    }

    fn answer_rest(&self, head: &Head<'_>, body: &[u8], reply: &mut Reply<'_>) {
        match (head.path, head.method) {
            ("/echo", _) => reply.send(Status::OK, BINARY, body),
            ("*", _) => reply.send_with(Status::OK, "", &[("Allow", "GET, HEAD, OPTIONS")], b""),
            (path, "GET" | "HEAD") => match path {
                "/plaintext" => reply.send(Status::OK, "text/plain", GREETING),
                "/work" => work::answer(head.query, &self.site.next_id, reply),
                "/stats" => self.answer_stats(reply),
                _ => match path.strip_prefix("/bytes/") {
                    Some(count) => bytes::answer(count, reply),
                    None => files::answer(self.site.root.as_ref(), head, reply),
                },
            },
            _ => refuse_method(reply),
        }
    }
}

/// 405 with what would be allowed.
fn refuse_method(reply: &mut Reply<'_>) {
    let body = b"this path answers GET and HEAD\n";
    reply.send_with(Status::METHOD_NOT_ALLOWED, TEXT, &[("Allow", "GET, HEAD")], body);
}

impl Handler for App {
    fn wants_body(&mut self, head: &Head<'_>) -> bool {
        head.path == "/echo"
    }

    #[inline]
    fn answer(&mut self, head: &Head<'_>, body: &[u8], reply: &mut Reply<'_>) {
        self.site.stats.worker(self.worker).count_request();
        match &self.site.faults {
            None => self.answer_well(head, body, reply),
            Some(faults) => self.answer_badly(faults, head, body, reply),
        }
    }

    #[inline]
    fn date(&self) -> DateText {
        self.date
    }
}
