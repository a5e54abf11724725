//! Connections as tokio tasks: a future per connection that drives the engine, and the runtimes that poll them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corecurve_core::Problem;
use rustix::io::Errno;
use slab::Slab;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Sleep, sleep};

use super::RunningServer;
use super::bell::Bell;
use super::peer::{Watch, send, shut};
use super::server::{Control, GRACE, Wake};
use super::setup::Setup;
use super::worker::{Worker, sit, sit_on_any, sweep_period};
use crate::engine::{Connection, Limits, Next, Phase};
use crate::handler::Site;

/// Steps one connection may take before others have their turn.
const ROUNDS: usize = 64;
/// Pause after running out of descriptors, until some connection may have ended.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(10);
/// How often a stopping server looks whether its connections have ended.
const STOPPING_WAIT: Duration = Duration::from_millis(2);

thread_local! {
    /// Handler, read buffer and clock of this thread. Borrowed while a task is polled, never across a wait.
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

fn with_worker<T>(work: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    WORKER.with_borrow_mut(|worker| worker.as_mut().map(work))
}

/// What the tasks of one runtime share.
struct Hub {
    site: Arc<Site>,
    limits: Limits,
    control: Arc<Control>,
    /// Of every task that waits, the way to wake it when the server stops.
    bells: Mutex<Slab<Arc<Bell>>>,
}

impl Hub {
    fn new(setup: &Setup<'_>) -> Arc<Hub> {
        let (site, limits, control) = (setup.site.clone(), setup.limits, setup.control.clone());
        Arc::new(Hub { site, limits, control, bells: Mutex::default() })
    }

    fn bells(&self) -> MutexGuard<'_, Slab<Arc<Bell>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes every task, so that it sees the stop flag.
    fn wake_all(&self) {
        for (_, bell) in self.bells().iter() {
            bell.ring();
        }
    }

    /// Ready once the server stops.
    async fn stopped(self: Arc<Hub>) {
        let seat = Seat::take(self.clone());
        poll_fn(|cx| {
            let is_over = seat.bell.is_over(cx.waker(), || self.control.is_stopping());
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A task's place among the bells, given back when it is dropped.
struct Seat {
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    key: usize,
}

impl Seat {
    fn take(hub: Arc<Hub>) -> Seat {
        let bell = Arc::new(Bell::default());
        let key = hub.bells().insert(bell.clone());
        Seat { hub, bell, key }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.bells().try_remove(self.key);
    }
}

/// Starts one runtime whose workers sit on all seats.
///
/// # Errors
/// When the runtime or a worker cannot be started or pinned.
pub(crate) fn spawn_multi_thread(
    setup: &Setup<'_>,
    server: &mut RunningServer,
    listener: TcpListener,
) -> Result<(), Problem> {
    let hub = Hub::new(setup);
    let (seats, rows) = (setup.seats.to_vec(), (0..setup.seats.len()).map(|i| setup.row(i)).collect::<Vec<usize>>());
    server.spawn("runtime", None, move || {
        // This thread only waits; its CPUs are inherited until each worker takes its own.
        sit_on_any(&seats)?;
        let workers = seats.len();
        let next = AtomicUsize::new(0);
        let (report, reports) = std::sync::mpsc::channel();
        let of_workers = hub.clone();
        let begin = move || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            // Threads beyond the workers would be for blocking calls, of which there are none.
            let Some(seat) = seats.get(index) else { return };
            let seated = sit(*seat);
            let worker = Worker::new(of_workers.site.clone(), rows[index], of_workers.limits);
            WORKER.set(Some(worker));
            // The other end waits for exactly so many.
            let _ = report.send(seated);
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name("worker")
            .on_thread_start(begin)
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        for _ in 0..workers {
            reports.recv().unwrap_or_else(|_| Err(Problem::new("a worker of the runtime died while starting")))?;
        }
        Ok((wake(&hub), run(runtime, hub, listener)?))
    })?;
    Ok(())
}

/// Starts a runtime of one thread on seat number `index`.
///
/// # Errors
/// When the runtime or its thread cannot be started or pinned.
pub(crate) fn spawn_single_thread(
    setup: &Setup<'_>,
    server: &mut RunningServer,
    index: usize,
    listener: TcpListener,
) -> Result<(), Problem> {
    let (hub, row) = (Hub::new(setup), setup.row(index));
    server.spawn(&format!("worker-{row}"), Some(setup.seats[index]), move || {
        WORKER.set(Some(Worker::new(hub.site.clone(), row, hub.limits)));
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        Ok((wake(&hub), run(runtime, hub, listener)?))
    })?;
    Ok(())
}

fn failed(error: std::io::Error) -> Problem {
    Problem::new(format!("cannot start a tokio runtime: {error}"))
        .help("raise the limits of processes and open files (`ulimit -u`, `ulimit -n`)")
}

fn wake(hub: &Arc<Hub>) -> Wake {
    let hub = hub.clone();
    Arc::new(move || hub.wake_all())
}

/// What the thread that owns the runtime does.
fn run(runtime: Runtime, hub: Arc<Hub>, listener: TcpListener) -> Result<impl FnOnce(), Problem> {
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    drop(entered);
    Ok(move || {
        runtime.spawn(accept(listener, hub.clone()));
        runtime.block_on(async {
            hub.clone().stopped().await;
            let deadline = Instant::now() + GRACE;
            while !hub.bells().is_empty() && Instant::now() < deadline {
                // Whoever was busy when the flag was set has hung up a bell since.
                hub.wake_all();
                sleep(STOPPING_WAIT).await;
            }
        });
        runtime.shutdown_timeout(GRACE);
    })
}

/// Accepts until the server stops.
async fn accept(listener: tokio::net::TcpListener, hub: Arc<Hub>) {
    let seat = Seat::take(hub.clone());
    loop {
        let accepted = poll_fn(|cx| {
            let is_over = seat.bell.is_over(cx.waker(), || hub.control.is_stopping());
            if is_over { Poll::Ready(None) } else { listener.poll_accept(cx).map(Some) }
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, _))) => admit(stream, &hub),
            Some(Err(error)) => {
                let errno = Errno::from_io_error(&error);
                if matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) {
                    hub.site.stats.count_paused();
                    sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
}

fn admit(stream: TcpStream, hub: &Arc<Hub>) {
    let is_full = hub.site.stats.open() >= hub.limits.connections as u64;
    let Some((home, now_ms)) = with_worker(|worker| (worker.index(), worker.now_ms)) else { return };
    hub.site.stats.worker(home).count_accepted();
    if is_full {
        hub.site.stats.count_refused();
        hub.site.stats.worker(home).count_closed();
        return;
    }
    let guest = Guest {
        stream,
        connection: Connection::new(hub.limits),
        watch: Watch::new(now_ms),
        home,
        timer: Box::pin(sleep(sweep_period(&hub.limits))),
        seat: Seat::take(hub.clone()),
    };
    tokio::spawn(guest);
}

/// One connection: a future that is over when it is closed.
struct Guest {
    stream: TcpStream,
    connection: Connection,
    watch: Watch,
    /// The row it is counted in.
    home: usize,
    /// Goes off now and then, to look whether its time is over; not set anew for every request.
    timer: Pin<Box<Sleep>>,
    seat: Seat,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.seat.hub.site.stats.worker(self.home).count_closed();
    }
}

impl Future for Guest {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let guest = self.get_mut();
        // A thread that is no worker polls nothing of ours.
        with_worker(|worker| {
            let woke = Instant::now();
            worker.tick(woke);
            let polled = guest.poll_with(worker, cx);
            worker.stats().add_busy_ns(woke.elapsed().as_nanos() as u64);
            polled
        })
        .unwrap_or(Poll::Ready(()))
    }
}

impl Guest {
    fn poll_with(&mut self, worker: &mut Worker, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut has_moved = false;
            if self.advance(worker, cx, &mut has_moved).is_ready() {
                return Poll::Ready(());
            }
            // A look that finds nothing to do is no progress.
            if has_moved {
                self.watch.note(&self.connection, worker.now_ms);
            }
            let is_over = self.seat.bell.is_over(cx.waker(), || self.seat.hub.control.is_stopping());
            if is_over && self.connection.phase() == Phase::Idle {
                return Poll::Ready(());
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer.set(sleep(sweep_period(&worker.limits)));
            if self.watch.is_over(&worker.limits, worker.now_ms) {
                self.connection.expire(&worker.app);
                self.watch.note(&self.connection, worker.now_ms);
            }
        }
    }

    /// Does what the connection asks for: pending when it has to wait, ready when it is over. Says whether anything moved.
    fn advance(&mut self, worker: &mut Worker, cx: &mut Context<'_>, has_moved: &mut bool) -> Poll<()> {
        for round in 0..ROUNDS {
            *has_moved = round > 0;
            match self.connection.next() {
                Next::Read => {
                    let mut buffer = ReadBuf::new(&mut worker.buffer);
                    match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(_)) => return Poll::Ready(()),
                        Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.connection.end_of_input(),
                        Poll::Ready(Ok(())) => self.connection.receive(buffer.filled(), &mut worker.app),
                    }
                }
                Next::Write => match self.stream.poll_write_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => {
                        let write = || send(&self.stream, &mut self.connection).map_err(std::io::Error::from);
                        match self.stream.try_io(Interest::WRITABLE, write) {
                            Ok(()) => {}
                            // The readiness is taken back; the next look registers for it.
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                            Err(_) => return Poll::Ready(()),
                        }
                    }
                },
                Next::Resume => self.connection.resume(&mut worker.app),
                Next::Shut => shut(&self.stream, &mut self.connection),
                Next::Close => return Poll::Ready(()),
            }
        }
        *has_moved = true;
        // Behind the others.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
