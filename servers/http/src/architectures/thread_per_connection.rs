//! `thread-per-connection`: a blocking thread for every client.
//!
//! One thread accepts; each connection gets a thread that reads, answers and writes with blocking calls.
//! All threads may run on all CPUs of the server and the operating system's scheduler decides which.
//! This is how servers were first written and how blocking Rust and Java ones still are; Knot and Java's
//! virtual threads show that the model need not be slow.
//!
//! **Queue discipline**: the scheduler's. No request waits behind another of the same core as long as the
//! time slice is shorter than the request: close to processor sharing, which is kind to short requests
//! among long ones.
//!
//! **Failure mode**: a context switch per request, a stack per connection, and a run queue that grows with
//! the clients. With ten thousand connections the kernel's bookkeeping shows; an idle connection still owns
//! a thread.
//!
//! **The workload that shows it**: many connections with small requests. Conversely `dist=bimodal` shows
//! what it does well.
//!
//! **What it does not show**: green threads, which keep the model and drop the kernel's part of its cost.
//!
//! Threads are not workers here, so the counts of `/stats` are kept per CPU: that of the row is the one the
//! request ran on.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corecurve_core::{Problem, Seat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags};
use slab::Slab;

use crate::engine::{Connection, Limits, Next};
use crate::factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
use crate::handler::Site;
use crate::registry::Architecture;
use crate::runtime::RunningServer;
use crate::runtime::acceptor::Acceptor;
use crate::runtime::peer::{Watch, send, shut};
use crate::runtime::server::GRACE;
use crate::runtime::setup::Setup;
use crate::runtime::worker::{Worker, sit_on_any, sweep_period};

/// The registered row.
pub const ARCHITECTURE: Architecture = Architecture {
    name: "thread-per-connection",
    summary: "a blocking thread per connection; the operating system schedules them over the server's cores",
    accept_path: AcceptPath::HandOff,
    queue_discipline: QueueDiscipline::OsScheduled,
    scheduling: Scheduling::OsThreads,
    io: IoKind::Blocking,
    failure_mode: "a context switch per request and a stack per connection; degrades with many connections",
    exposed_by: &["keepalive"],
    exposed_when: "many connections with small requests",
    settings: &[],
    has_one_worker: false,
    start,
};

/// Stack of a connection's thread. The deepest path holds an array of header fields and a small file.
const STACK_BYTES: usize = 256 << 10;
/// Read buffer of a connection's thread.
const READ_BYTES: usize = 16 << 10;

fn start(setup: &mut Setup<'_>, server: &mut RunningServer) -> Result<(), Problem> {
    let listener = setup.listen_once()?;
    let (limits, site, control) = (setup.limits, setup.site.clone(), setup.control.clone());
    let (seats, first_row) = (setup.seats.to_vec(), setup.row(0));
    server.spawn("acceptor", None, move || {
        // Threads inherit the CPUs of the one that starts them.
        sit_on_any(&seats)?;
        let (wake, acceptor) = Acceptor::new(listener, control)?;
        let house =
            Arc::new(House { site, limits, seats, first_row, guests: Mutex::default(), changed: Condvar::new() });
        Ok((wake, move || {
            acceptor.run(
                SocketFlags::empty(),
                |stream| house.clone().admit(stream),
                || house.site.stats.count_paused(),
            );
            house.close();
        }))
    })?;
    Ok(())
}

/// All connections and what their threads share.
struct House {
    site: Arc<Site>,
    limits: Limits,
    seats: Vec<Seat>,
    /// The row of the first seat in the counts.
    first_row: usize,
    /// The open connections, so that a stopping server can wake their threads.
    guests: Mutex<Slab<Arc<TcpStream>>>,
    /// Signalled when one ends.
    changed: Condvar,
}

impl House {
    fn guests(&self) -> MutexGuard<'_, Slab<Arc<TcpStream>>> {
        // A slab of handles is whole after any panic.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: Arc<House>, stream: TcpStream) {
        let row = self.row();
        let counts = self.site.stats.worker(row);
        let is_full = self.site.stats.open() >= self.limits.connections as u64;
        counts.count_accepted();
        let key = self.guests().insert(Arc::new(stream));
        let guest = Guest { house: self.clone(), key, row };
        let body = move || guest.serve();
        let builder = thread::Builder::new().name("connection".to_owned()).stack_size(STACK_BYTES);
        // A guest that finds no thread or no room leaves when it is dropped.
        if is_full || builder.spawn(body).is_err() {
            self.site.stats.count_refused();
        }
    }

    /// The row of the CPU this thread is on right now.
    fn row(&self) -> usize {
        let cpu = rustix::thread::sched_getcpu();
        self.first_row + self.seats.iter().position(|seat| seat.cpu.0 as usize == cpu).unwrap_or(0)
    }

    /// Lets requests in progress finish, then closes what is left.
    fn close(&self) {
        // Threads between requests read the end of their input and leave.
        self.shut_all(Shutdown::Read);
        self.wait_until_empty(GRACE);
        self.shut_all(Shutdown::Both);
        self.wait_until_empty(GRACE);
    }

    fn shut_all(&self, how: Shutdown) {
        for (_, stream) in self.guests().iter() {
            // A client that has gone already is what we want.
            let _ = stream.shutdown(how);
        }
    }

    fn wait_until_empty(&self, at_most: Duration) {
        let guests = self.guests();
        let waited = self.changed.wait_timeout_while(guests, at_most, |guests| !guests.is_empty());
        drop(waited);
    }
}

/// One connection's place in the house, given back when it is dropped.
struct Guest {
    house: Arc<House>,
    key: usize,
    row: usize,
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Counted before the house can be empty: a server that has stopped has no connection open.
        self.house.site.stats.worker(self.row).count_closed();
        let stream = self.house.guests().try_remove(self.key);
        drop(stream);
        self.house.changed.notify_all();
    }
}

impl Guest {
    fn serve(self) {
        let Some(stream) = self.house.guests().get(self.key).cloned() else { return };
        let limits = self.house.limits;
        // Blocked calls return this often so that time-outs are seen.
        let period = Some(sweep_period(&limits));
        if stream.set_read_timeout(period).is_err() || stream.set_write_timeout(period).is_err() {
            return;
        }
        let mut worker = Worker::with_buffer(self.house.site.clone(), self.row, limits, READ_BYTES);
        let mut connection = Connection::new(limits);
        worker.tick(Instant::now());
        let mut watch = Watch::new(worker.now_ms);
        let mut woke = Instant::now();
        loop {
            let result = match connection.next() {
                Next::Read => {
                    worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
                    let received = rustix::net::recv(&*stream, &mut *worker.buffer, RecvFlags::empty());
                    worker.count_as(self.house.row());
                    woke = Instant::now();
                    worker.tick(woke);
                    received.map(|(n, _)| match n {
                        0 => connection.end_of_input(),
                        n => connection.receive(&worker.buffer[..n], &mut worker.app),
                    })
                }
                Next::Write => send(&*stream, &mut connection),
                Next::Resume => {
                    connection.resume(&mut worker.app);
                    Ok(())
                }
                Next::Shut => {
                    shut(&*stream, &mut connection);
                    Ok(())
                }
                Next::Close => break,
            };
            match result {
                Ok(()) => watch.note(&connection, worker.now_ms),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => worker.tick(Instant::now()),
                Err(_) => break,
            }
            // Not only when a call came back empty: a byte now and then would keep it from doing so for ever.
            if watch.is_over(&limits, worker.now_ms) {
                connection.expire(&worker.app);
                watch.note(&connection, worker.now_ms);
            }
        }
    }
}
