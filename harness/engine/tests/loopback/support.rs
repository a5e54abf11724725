//! Small servers that are right or wrong in one way each, and the little protocol they speak.
//!
//! A request is a line `G <id>` (or `L <id>` for the last one on its connection), an answer a line `= <id> <padding>`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corecurve_core::{
    ArrivalKind, CellId, Collectors, CpuId, Decoded, Endpoint, ErrorClass, Load, Nanos, Outcome, Pid, Placed, Problem,
    Purpose, Rate, Rng, Running, Seat, TargetStats, Told, TransportKind, TrialRequest, Wire, Workload,
};
pub use corecurve_engine::io_uring_refusal;
use corecurve_engine::{StopFlag, TrialOutput, TrialSetup, run_trial};

/// The test protocol.
#[derive(Default)]
pub struct Lines {
    /// Panic at this operation.
    pub panic_at: Option<u64>,
    /// Bytes that a request carries along.
    pub padding: usize,
    /// So many connections of each load worker are preferred by three operations of four.
    pub preferred: usize,
    /// The load thread stands still so long at every tenth of the first hundred operations.
    pub pause: Option<Duration>,
}

impl Workload for Lines {
    type Op = u64;
    fn next(&mut self, id: u64, _: &mut Rng) -> u64 {
        assert!(self.panic_at != Some(id), "planted panic");
        if let Some(pause) = self.pause.filter(|_| id < 100 && id % 10 == 9) {
            std::thread::sleep(pause);
        }
        id
    }
}

impl Wire for Lines {
    type Decoder = u64;
    fn encode(&self, op: &u64, last: bool, out: &mut Vec<u8>) {
        let padding = "x".repeat(self.padding);
        writeln!(out, "{} {op}{}{padding}", if last { 'L' } else { 'G' }, if padding.is_empty() { "" } else { " " })
            .unwrap();
    }
    fn decode(&self, op: &u64, decoder: &mut u64, input: &[u8], _: bool) -> Decoded {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Decoded::Partial { consumed: 0 } };
        let line = std::str::from_utf8(&input[..end]).unwrap_or("");
        let mut words = line.split(' ');
        let outcome = match (words.next(), words.next().and_then(|id| id.parse::<u64>().ok())) {
            (Some("="), Some(id)) if id == *op => Outcome::Ok,
            (Some("="), Some(_)) => Outcome::Failed(ErrorClass::WrongBody),
            (Some("!"), Some(_)) => Outcome::Failed(ErrorClass::Status),
            _ => Outcome::Failed(ErrorClass::Protocol),
        };
        *decoder = *op * 10;
        let keep_alive = !matches!(outcome, Outcome::Failed(ErrorClass::Protocol));
        Decoded::Done { consumed: end + 1, outcome, keep_alive }
    }
    fn closed(&self, _: &u64, _: &mut u64) -> Outcome {
        Outcome::Failed(ErrorClass::Closed)
    }
    fn preferred(&self, _: usize) -> usize {
        self.preferred
    }
    fn prefers(&self, op: &u64) -> bool {
        !op.is_multiple_of(4)
    }
    fn told(&self, decoder: &u64) -> Told {
        Told { service_ns: *decoder, ended_ns: 0 }
    }
}

/// What a server does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    Right,
    /// Right, a byte at a time.
    Dribble,
    /// Right, after a while.
    Slow(Duration),
    /// Right, but the first answer of each connection comes this late.
    LateFirst(Duration),
    /// Stands still for a while from this operation on.
    Freeze {
        at: u64,
        pause: Duration,
    },
    /// Resets the connection in the middle of the answer.
    Reset,
    /// Closes it in the middle of the answer.
    CloseMidway,
    /// Never answers.
    Silent,
    /// Answers something else.
    Garbage,
    /// Answers the right thing with the wrong status.
    Status,
    /// Answers what another operation asked.
    Other,
    /// Answers twice.
    Twice,
    /// Closes the connection after each answer without having said so.
    CloseAfter,
    /// Right, but says good-bye with its answer: no more will come, though it would still read.
    HalfClose,
    /// Right, and after a while says something that nobody asked for.
    Chatter(Duration),
    /// Does not read for a while at first, then right.
    LateReader(Duration),
}

/// A server that lives as long as this.
pub struct Server {
    pub address: SocketAddr,
    pub accepted: Arc<AtomicU64>,
    /// Requests read on each connection, in the order in which they were accepted.
    pub carried: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (stop.clone(), accepted.clone());
        let carried = Arc::new(Mutex::new(Vec::new()));
        let carries = carried.clone();
        let thaw = Arc::new(AtomicU64::new(u64::MAX));
        let born = Instant::now();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let (thaw, carries) = (thaw.clone(), carries.clone());
                let place = carries.lock().unwrap().len();
                carries.lock().unwrap().push(0);
                let count = move || carries.lock().unwrap()[place] += 1;
                std::thread::spawn(move || serve(stream.unwrap(), manner, born, &thaw, &count));
            }
        });
        Server { address, accepted, carried, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection, until the client closes it or the manner does.
fn serve(stream: TcpStream, manner: Manner, born: Instant, thaw: &AtomicU64, count: &impl Fn()) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    if let Manner::LateReader(pause) = manner {
        std::thread::sleep(pause);
    }
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    let mut first = true;
    loop {
        let line = lines.next()?.ok()?;
        let mut words = line.split(' ');
        let (kind, id) = (words.next()?, words.next()?);
        let id: u64 = id.parse().ok()?;
        count();
        let answer = format!("= {id} {}\n", "x".repeat(100));
        match manner {
            Manner::Right | Manner::LateReader(_) => out.write_all(answer.as_bytes()).ok()?,
            Manner::HalfClose => {
                out.write_all(answer.as_bytes()).ok()?;
                out.shutdown(Shutdown::Write).ok()?;
            }
            Manner::Chatter(pause) => {
                out.write_all(answer.as_bytes()).ok()?;
                std::thread::sleep(pause);
                out.write_all(b"= 0 x\n").ok()?;
            }
            Manner::Dribble => answer.bytes().try_for_each(|byte| out.write_all(&[byte])).ok()?,
            Manner::Slow(pause) => {
                std::thread::sleep(pause);
                out.write_all(answer.as_bytes()).ok()?;
            }
            Manner::LateFirst(pause) => {
                if std::mem::take(&mut first) {
                    std::thread::sleep(pause);
                }
                out.write_all(answer.as_bytes()).ok()?;
            }
            Manner::Freeze { at, pause } => {
                let now = || born.elapsed().as_nanos() as u64;
                if id == at {
                    thaw.store(now() + pause.as_nanos() as u64, Ordering::SeqCst);
                }
                let until = thaw.load(Ordering::SeqCst);
                if until != u64::MAX {
                    std::thread::sleep(Duration::from_nanos(until.saturating_sub(now())));
                }
                out.write_all(answer.as_bytes()).ok()?;
            }
            Manner::Reset => {
                out.write_all(b"= ").ok()?;
                // Unread input and a zero linger time: the kernel sends RST.
                rustix::net::sockopt::set_socket_linger(&out, Some(Duration::ZERO)).ok()?;
                return None;
            }
            Manner::CloseMidway => {
                out.write_all(b"= ").ok()?;
                return None;
            }
            Manner::Silent => {}
            Manner::Garbage => out.write_all(b"HTTP/1.1 200 OK\r\n").ok()?,
            Manner::Status => out.write_all(format!("! {id}\n").as_bytes()).ok()?,
            Manner::Other => out.write_all(format!("= {} x\n", id + 1).as_bytes()).ok()?,
            Manner::Twice => out.write_all(answer.repeat(2).as_bytes()).ok()?,
            Manner::CloseAfter => {
                out.write_all(answer.as_bytes()).ok()?;
                return None;
            }
        }
        if kind == "L" {
            return None;
        }
    }
}

/// A target that is there already.
pub struct Here {
    pub endpoint: Endpoint,
    /// Says that it died, so long after the first check.
    pub dies_after: Option<Duration>,
    pub first_check: Option<Instant>,
}

impl Here {
    pub fn at(address: SocketAddr) -> Here {
        Here { endpoint: Endpoint::Tcp(address), dies_after: None, first_check: None }
    }
}

impl Running for Here {
    fn endpoint(&self) -> Endpoint {
        self.endpoint
    }
    fn pids(&self) -> Vec<Pid> {
        vec![std::process::id()]
    }
    fn check(&mut self) -> Result<(), Problem> {
        let first = *self.first_check.get_or_insert_with(Instant::now);
        match self.dies_after {
            Some(after) if first.elapsed() > after => Err(Problem::new("the server died by signal 9")),
            _ => Ok(()),
        }
    }
    fn stop(self: Box<Self>) -> Result<TargetStats, Problem> {
        Ok(TargetStats::default())
    }
}

/// A short trial with few connections and a given warm-up.
pub fn setup(transport: TransportKind, load: Load, window_ms: u64) -> TrialSetup {
    TrialSetup {
        cell: CellId("00-test".into()),
        rep: 0,
        attempt: 0,
        trial: 0,
        target: "test".into(),
        workload: "lines".into(),
        // No seat: the load thread is not pinned. Shared: it does not spin, because the servers need these cores too.
        placed: Placed { shared: true, ..Placed::default() },
        cores: 1,
        arrival: ArrivalKind::Poisson,
        connections: Some(16),
        requests_per_connection: None,
        transport,
        link: None,
        counters: Collectors::default(),
        caveats: Vec::new(),
        faults: Vec::new(),
        request: TrialRequest {
            purpose: Purpose::Fixed,
            load,
            window: Nanos(window_ms * 1_000_000),
            limits: vec![Nanos(50_000_000)],
            fresh_target: false,
        },
        seed: 11,
        warmup: Some(Nanos(100_000_000)),
        warmup_max: Nanos(1_000_000_000),
        timeout: Nanos(5_000_000_000),
        trace: false,
        profile: false,
        strict: false,
    }
}

pub fn open(transport: TransportKind, rate: f64, window_ms: u64) -> TrialSetup {
    setup(transport, Load::Open(Rate(rate)), window_ms)
}

/// Seats for so many load workers, on the CPUs this process may use, shared if need be.
pub fn seats(workers: usize) -> Vec<Seat> {
    let cpus: Vec<CpuId> = corecurve_machine::allowed::affinity().unwrap().iter().collect();
    (0..workers).map(|w| Seat { cpu: cpus[w % cpus.len()], node: None }).collect()
}

pub fn run(setup: &TrialSetup, here: &mut Here) -> TrialOutput {
    let output = run_trial(setup, here, &|_, _| Lines::default(), &StopFlag::new(), &mut |_, _| {}).unwrap();
    let record = &output.record;
    assert!(record.counts.balanced(), "{:?}", record.counts);
    assert_eq!(record.intervals.iter().map(|i| i.scheduled).sum::<u64>(), record.counts.scheduled);
    assert_eq!(output.histograms.total().len(), record.counts.ok);
    output
}
