//! `io-uring`: thread-per-core on a ring instead of an epoll.
//!
//! Every worker has a listener of its own, as in `thread-per-core`, and an io_uring: it does not ask which sockets are ready
//! and then calls the kernel for each, but queues receives and sends and collects what is done, many with one
//! system call. One accept stays queued and completes for each connection (multishot); received bytes land in buffers that the
//! kernel takes from a pool only when there is data. monoio, glommio and tokio-uring are built this way. The ring belongs to its
//! thread (`SINGLE_ISSUER`) and is worked on only when that thread waits (`DEFER_TASKRUN`), so Linux 6.1 is needed.
//!
//! A connection has at most one operation under way: it is received from only when its replies are out, so a
//! client that sends without reading is not read from, as with the other architectures. Files go out by `sendfile`, for which there is
//! no operation, with the ring waiting for room in the socket.
//!
//! **Queue discipline**: partitioned, as with `thread-per-core`. Completions are handled in the order in which they
//! come, a batch at a time.
//!
//! **Failure mode**: it saves system calls only if there are several operations to submit at once. With one busy connection a
//! request costs as many as with epoll and more work for each; monoio's own benchmark has it slower than tokio there.
//!
//! **The workload that shows it**: one connection per core against many, with everything else equal.
//!
//! **What it does not show**: registered files and buffers, zero-copy sends, a kernel thread that polls (`SQPOLL`), or multishot
//! receives, which hold no back-pressure.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use rustix::io::Errno;
use slab::Slab;

use crate::engine::{Connection, Front, Next, Phase};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::peer::{Watch, send, shut};
use crate::runtime::ring::{Done, Op, Ring};
use crate::runtime::server::{Control, GRACE, Wake};
use crate::runtime::setup::{SPIN, Setup};
use crate::runtime::worker::{Worker, sweep_period};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "io-uring",
    summary: "thread-per-core on an io_uring per pinned core instead of an epoll; refused where the kernel forbids it",
    accept_path: AcceptPath::HashedListeners,
    queue_discipline: QueueDiscipline::Partitioned,
    scheduling: Scheduling::Pinned,
    io: IoKind::IoUring,
    failure_mode: "with little under way there is nothing to batch, and each operation costs more than a call",
    exposed_by: &["keepalive"],
    exposed_when: "one connection per core against many",
    settings: &[SPIN],
    has_one_worker: false,
    start,
};

/// Steps one connection may take before others have their turn.
const ROUNDS: usize = 64;

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    for (index, listener) in setup.listen(setup.seats.len())?.into_iter().enumerate() {
        let (site, limits, control, spin) = (setup.site.clone(), setup.limits, setup.control.clone(), setup.spin);
        let row = setup.row(index);
        server.spawn(&format!("worker-{row}"), Some(setup.seats[index]), move || {
            let mut ring = Ring::new()?;
            let waker = ring.waker();
            let wake: Wake = Arc::new(move || waker.wake());
            ring.accept(&listener);
            let worker = Worker::with_buffer(site, row, limits, 0);
            let ring_loop = RingLoop {
                ring,
                guests: Slab::new(),
                again: Vec::new(),
                listener: Some(listener),
                is_accepting: true,
                worker,
                control,
                spin,
            };
            Ok((wake, move || ring_loop.run()))
        })?;
    }
    Ok(())
}

/// What a connection waits for: the operation that is under way for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Nothing,
    Bytes,
    Sent,
    Writable,
}

/// One client.
struct Guest {
    stream: TcpStream,
    /// Absent while the ring sends from it.
    connection: Option<Box<Connection>>,
    waits: Waits,
    /// To be dropped as soon as its operation is over.
    is_doomed: bool,
    watch: Watch,
}

/// One worker.
struct RingLoop {
    ring: Ring,
    guests: Slab<Guest>,
    /// Those whose turn was cut short.
    again: Vec<usize>,
    /// `None` once the server stops.
    listener: Option<TcpListener>,
    /// The accept is under way.
    is_accepting: bool,
    worker: Worker,
    control: Arc<Control>,
    spin: Duration,
}

impl RingLoop {
    fn run(mut self) {
        let period = sweep_period(&self.worker.limits);
        let mut swept = Instant::now();
        let mut stop_by = None;
        loop {
            let woke = self.wait(period);
            self.worker.tick(woke);
            while let Some(done) = self.ring.next() {
                self.take(done);
            }
            for key in std::mem::take(&mut self.again) {
                self.drive(key);
            }
            if woke - swept >= period {
                swept = woke;
                self.sweep();
            }
            if self.control.is_stopping() {
                let is_over = woke >= *stop_by.get_or_insert(woke + GRACE);
                self.close(is_over);
                if is_over || (self.guests.is_empty() && self.ring.in_flight() == 0) {
                    break;
                }
            }
            self.worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
        }
        for _ in 0..self.guests.len() {
            self.worker.stats().count_closed();
        }
    }

    /// Waits for completions: awake for as long as the setting `spin` says, then asleep. Returns when the wait ended.
    fn wait(&mut self, period: Duration) -> Instant {
        if self.spin > Duration::ZERO {
            let began = Instant::now();
            loop {
                self.ring.wait(Duration::ZERO);
                let now = Instant::now();
                if self.ring.is_done() || !self.again.is_empty() {
                    return now;
                }
                if now - began >= self.spin {
                    break;
                }
            }
        }
        self.ring.wait(if self.again.is_empty() { period } else { Duration::ZERO });
        Instant::now()
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Woken => {}
            Done::Accepted { stream, is_last } => self.accepted(stream, is_last),
            Done::Received { key, bytes } => self.received(key, bytes),
            Done::Sent { key, mut connection, sent } => {
                match sent {
                    Ok(n) => connection.sent(n),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => connection.abort(),
                }
                if let Some(guest) = self.guests.get_mut(key) {
                    guest.connection = Some(connection);
                }
                self.go_on(key);
            }
            Done::Writable { key } => self.go_on(key),
        }
    }

    fn accepted(&mut self, stream: Result<TcpStream, Errno>, is_last: bool) {
        match stream {
            Ok(stream) => self.admit(stream),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                self.worker.app.site().stats.count_paused();
                // The next sweep tries again.
                self.is_accepting = false;
                return;
            }
            // A client that went away while it waited, or cancelled.
            Err(_) => {}
        }
        if is_last {
            self.is_accepting = false;
            self.accept();
        }
    }

    fn accept(&mut self) {
        if let Some(listener) = self.listener.as_ref().filter(|_| !self.is_accepting) {
            self.ring.accept(listener);
            self.is_accepting = true;
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        let stats = &self.worker.app.site().stats;
        let is_full = stats.open() >= self.worker.limits.connections as u64;
        self.worker.stats().count_accepted();
        if is_full {
            stats.count_refused();
            self.worker.stats().count_closed();
            return;
        }
        let connection = Some(Box::new(Connection::new(self.worker.limits)));
        let watch = Watch::new(self.worker.now_ms);
        let key = self.guests.insert(Guest { stream, connection, waits: Waits::Nothing, is_doomed: false, watch });
        self.drive(key);
    }

    fn received(&mut self, key: usize, bytes: Result<Option<crate::runtime::ring::Buffer>, Errno>) {
        let connection = self.guests.get_mut(key).and_then(|guest| guest.connection.as_mut());
        match (bytes, connection) {
            (Ok(Some(buffer)), connection) => {
                if let Some(connection) = connection {
                    connection.receive(self.ring.bytes(&buffer), &mut self.worker.app);
                }
                self.ring.recycle(buffer);
            }
            (Ok(None), Some(connection)) => connection.end_of_input(),
            // Cancelled because its time is over, or no buffer was left for it at that moment: it goes on.
            (Err(Errno::CANCELED | Errno::NOBUFS | Errno::INTR | Errno::AGAIN), _) | (_, None) => {}
            (Err(_), Some(connection)) => connection.abort(),
        }
        self.go_on(key);
    }

    /// The operation of a connection is over.
    fn go_on(&mut self, key: usize) {
        let Some(guest) = self.guests.get_mut(key) else { return };
        guest.waits = Waits::Nothing;
        if guest.is_doomed { self.remove(key) } else { self.drive(key) }
    }

    /// Does what a connection asks for until it has to wait.
    fn drive(&mut self, key: usize) {
        for _ in 0..ROUNDS {
            let Some(guest) = self.guests.get_mut(key) else { return };
            let Some(connection) = guest.connection.as_mut().filter(|_| guest.waits == Waits::Nothing) else { return };
            guest.watch.note(connection, self.worker.now_ms);
            match connection.next() {
                Next::Read => {
                    self.ring.receive(key, &guest.stream);
                    guest.waits = Waits::Bytes;
                }
                Next::Write if matches!(connection.outbox().front(), Front::File { .. }) => {
                    match send(&guest.stream, connection) {
                        Ok(()) | Err(Errno::INTR) => {}
                        Err(Errno::AGAIN) => {
                            self.ring.await_writable(key, &guest.stream);
                            guest.waits = Waits::Writable;
                        }
                        Err(_) => return self.remove(key),
                    }
                }
                Next::Write => {
                    if let Some(connection) = guest.connection.take() {
                        self.ring.send(key, &guest.stream, connection);
                        guest.waits = Waits::Sent;
                    }
                }
                Next::Resume => connection.resume(&mut self.worker.app),
                Next::Shut => shut(&guest.stream, connection),
                Next::Close => return self.remove(key),
            }
        }
        self.again.push(key);
    }

    fn remove(&mut self, key: usize) {
        if self.guests.try_remove(key).is_some() {
            self.worker.stats().count_closed();
        }
    }

    /// Drops a connection, at once or as soon as its operation is over.
    fn doom(&mut self, key: usize) {
        let Some(guest) = self.guests.get_mut(key) else { return };
        let under_way = match guest.waits {
            Waits::Nothing => return self.remove(key),
            Waits::Bytes => Op::Receive(key),
            Waits::Sent => Op::Send(key),
            Waits::Writable => Op::Writable(key),
        };
        if !guest.is_doomed {
            guest.is_doomed = true;
            self.ring.cancel(under_way);
        }
    }

    /// Ends connections whose time is over, and takes up accepting again.
    fn sweep(&mut self) {
        self.accept();
        for key in 0..self.guests.capacity() {
            let Some(guest) = self.guests.get_mut(key) else { continue };
            if !guest.watch.is_over(&self.worker.limits, self.worker.now_ms) {
                continue;
            }
            match (guest.connection.as_mut(), guest.waits) {
                (Some(connection), Waits::Bytes) => {
                    connection.expire(&self.worker.app);
                    guest.watch.note(connection, self.worker.now_ms);
                    // What comes back drives it on: to its refusal, or to its end.
                    self.ring.cancel(Op::Receive(key));
                }
                _ => self.doom(key),
            }
        }
    }

    /// Stops accepting and closes connections that are between requests, or all.
    fn close(&mut self, all: bool) {
        if self.listener.take().is_some() {
            self.ring.cancel(Op::Accept);
        }
        for key in 0..self.guests.capacity() {
            let is_idle = |guest: &Guest| guest.connection.as_ref().is_some_and(|it| it.phase() == Phase::Idle);
            if self.guests.get(key).is_some_and(|guest| all || is_idle(guest)) {
                self.doom(key);
            }
        }
    }
}
