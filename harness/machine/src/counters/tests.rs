use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use corecurve_core::{CpuId, Seat, Side};
use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::allowed::affinity;

/// Counts what `work` makes this process do.
fn count(listens: Option<SocketAddr>, link: Option<&Arc<Link>>, wanted: &Collectors, work: impl FnOnce()) -> Counters {
    let seat = |cpu: CpuId| Seat { cpu, node: None };
    let placed = Placed { server: affinity().unwrap().iter().map(seat).collect(), ..Placed::default() };
    let pids = [std::process::id()];
    let mut collecting = Collecting::prepare(&Subject { pids: &pids, listens, link, placed: &placed }, wanted);
    collecting.begin();
    work();
    collecting.look();
    collecting.end();
    collecting.tell()
}

fn spin(time: Duration) {
    let until = Instant::now() + time;
    let mut spun = 0u64;
    while Instant::now() < until {
        spun = std::hint::black_box(spun + 1);
    }
}

/// A listener that lets `backlog + 1` connections wait.
fn listener(backlog: i32) -> TcpListener {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, backlog).unwrap();
    TcpListener::from(socket)
}

#[test]
fn a_busy_thread_is_seen_and_so_is_one_that_begins_in_the_window() {
    let counters = count(None, None, &Collectors::default(), || {
        spin(Duration::from_millis(60));
        std::thread::Builder::new().name("late".into()).spawn(|| spin(Duration::from_millis(60))).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    });
    let me = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    let mine = counters.threads.iter().find(|thread| thread.tid == me).unwrap();
    // Others share the machine: it need not have had a CPU all the time.
    let had = mine.cpu_ns + mine.run_delay_ns.unwrap_or_default();
    assert!(mine.cpu_ns > Nanos(5_000_000) && had > Nanos(40_000_000), "{mine:?}");
    assert!(mine.voluntary_switches >= Some(1), "it slept: {mine:?}");
    assert!(counters.threads.iter().any(|thread| thread.name == "late" && thread.cpu_ns > Nanos::ZERO));
    assert!(counters.server_cpu().unwrap() >= mine.cpu_ns);
    assert!(counters.span_ns >= Nanos(90_000_000));
    assert!(!counters.cpus.is_empty());
    let ticked = counters.cpus.iter().map(|cpu| cpu.user_ns + cpu.system_ns).fold(Nanos::ZERO, |sum, ns| sum + ns);
    assert!(ticked > Nanos::ZERO && counters.cpus.iter().all(|cpu| cpu.side == Side::Server && cpu.net_rx.is_some()));
    assert!(counters.steal().is_some_and(|share| (0.0..=1.0).contains(&share)));
    for missing in ["accept-queue", "link"] {
        assert!(counters.why_missing(missing).unwrap().contains("does not listen"), "{:?}", counters.missing);
    }
}

#[test]
fn time_of_a_thread_that_ended_is_not_lost() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        wait.recv().unwrap();
        let before = thread_cpu();
        spin(Duration::from_millis(40));
        thread_cpu() - before
    });
    let mut spent = Nanos::ZERO;
    let counters = count(None, None, &Collectors([CollectorKind::Threads].into()), || {
        go.send(()).unwrap();
        spent = thread.join().unwrap();
    });
    let others = counters.processes.unwrap();
    assert!(others.user_ns + others.system_ns >= spent, "{others:?} of {spent}");
}

#[test]
fn time_of_a_thread_that_came_and_went_is_not_lost() {
    let mut spent = Nanos::ZERO;
    let counters = count(None, None, &Collectors([CollectorKind::Threads].into()), || {
        let short = || {
            spin(Duration::from_millis(40));
            thread_cpu()
        };
        spent = std::thread::Builder::new().name("short".into()).spawn(short).unwrap().join().unwrap();
    });
    assert!(counters.threads.iter().all(|thread| thread.name != "short"));
    let others = counters.processes.unwrap();
    assert!(others.user_ns + others.system_ns >= spent, "{others:?} of {spent}");
}

#[test]
fn a_full_accept_queue_and_its_overflows_are_seen() {
    let listener = listener(1);
    let address = listener.local_addr().unwrap();
    let clients = |n: usize| -> Vec<std::os::fd::OwnedFd> {
        let one = |_| {
            let flags = rustix::net::SocketFlags::NONBLOCK;
            let client = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
            let _ = rustix::net::connect(&client, &address);
            client
        };
        (0..n).map(one).collect()
    };
    let mut kept = Vec::new();
    let counters = count(Some(address), None, &Collectors::default(), || {
        kept = clients(6);
        std::thread::sleep(Duration::from_millis(20));
    });
    let queue = counters.accept_queue.unwrap();
    assert_eq!((queue.listeners, queue.limit, queue.longest), (1, 1, 2), "{queue:?}");
    assert!(queue.looks >= 3);
    assert!(counters.network["TcpExt.ListenOverflows"] >= 1, "{:?}", counters.network);
    assert!(counters.loopback_bytes.unwrap() > 0);
}

#[test]
fn unread_bytes_are_seen() {
    let listener = listener(8);
    let address = listener.local_addr().unwrap();
    let mut clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    let servers: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
    let counters =
        count(Some(address), None, &Collectors::default(), || clients[1].write_all(b"GET / HTTP/1.1\r\n").unwrap());
    assert_eq!(counters.unread, Some(corecurve_core::Unread { connections: 3, waiting: 1 }));
    drop(servers);
}

#[test]
fn overflows_in_the_servers_namespace_are_counted_and_the_links_bytes() {
    let cpus = affinity().unwrap();
    let link = match Link::make(&cpus, &cpus, Some(corecurve_core::BitRate(1_000_000_000))) {
        Ok(link) => Arc::new(link),
        Err(problem) => {
            assert!(!rustix::process::geteuid().is_root(), "root is refused a link: {problem}");
            return;
        }
    };
    let listener = link.server.within(|| listener(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = Vec::new();
    let counters = count(Some(address), Some(&link), &Collectors::default(), || {
        let connect = || {
            let flags = rustix::net::SocketFlags::NONBLOCK;
            let client = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
            let _ = rustix::net::connect(&client, &address);
            client
        };
        kept = link.load.within(|| (0..4).map(|_| connect()).collect()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    });
    assert!(counters.network["TcpExt.ListenOverflows"] >= 1, "{:?}", counters.network);
    // Two that arrive on two CPUs at once may both find room for one.
    assert!((1..=2).contains(&counters.accept_queue.unwrap().longest), "{:?}", counters.accept_queue);
    let bytes = counters.link.unwrap();
    assert!(bytes.to_server > 0 && bytes.to_load > 0 && bytes.packets_to_server >= 4, "{bytes:?}");
    assert_eq!((bytes.limit_bits_per_s, counters.loopback_bytes), (Some(1_000_000_000), None));
    drop(kept);
}

#[test]
fn what_is_switched_off_is_missing_and_costs_nothing() {
    let counters = count(None, None, &Collectors::none(), || ());
    assert_eq!((counters.collectors.len(), counters.missing.len()), (0, SOURCES.len()));
    assert_eq!((counters.server_cpu(), counters.steal()), (None, None));
    assert!(counters.why_missing("threads").unwrap().contains("switched off"));
    let counters = count(None, None, &Collectors([CollectorKind::Cpus].into()), || ());
    assert_eq!(counters.collectors.iter().map(|cost| cost.collector.as_str()).collect::<Vec<_>>(), ["cpus"]);
    assert!(counters.collectors[0].cpu_ns > Nanos::ZERO);
}

#[test]
fn a_process_that_went_leaves_no_sum() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let placed = Placed::default();
    let pids = [std::process::id(), child.id()];
    let subject = Subject { pids: &pids, listens: None, link: None, placed: &placed };
    let mut collecting = Collecting::prepare(&subject, &Collectors::default());
    collecting.begin();
    child.kill().unwrap();
    child.wait().unwrap();
    collecting.end();
    let counters = collecting.tell();
    assert_eq!(counters.server_cpu(), None);
    assert!(counters.why_missing("threads").unwrap().contains(&child.id().to_string()));
}
