//! A peer for comparison: tokio's multi-thread runtime and hyper 1, put together as their documentation does.
//!
//! `peer-hyper --port N [--workers N]` serves on 127.0.0.1:
//!
//! | path | reply |
//! |---|---|
//! | `/plaintext` | `Hello, World!` |
//! | `/bytes/N` | N bytes of the pattern the harness knows, at most 64 MiB |
//!
//! Nothing here is tuned except what a benchmark of any server would: `TCP_NODELAY`, replies of pipelined requests
//! flushed together, as many workers as asked for. CPUs are chosen by whoever starts it: the threads keep the inherited
//! affinity mask. It stops when it is told to by a signal.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

const USAGE: &str = "usage: peer-hyper --port PORT [--workers N]";
const MAX_BYTES: usize = 64 << 20;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";

/// One long pattern; every `/bytes/N` reply is a slice of it, so that none is copied.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| ALPHABET.repeat(MAX_BYTES / ALPHABET.len()).into());

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}\n{USAGE}");
            ExitCode::from(1)
        }
    }
}

struct Options {
    port: u16,
    workers: usize,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { port: 0, workers: 1 };
        let mut port_given = false;
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let bad = |_| format!("{flag}: `{value}` is not a number in range");
            match flag.as_str() {
                "--port" => (options.port, port_given) = (value.parse().map_err(bad)?, true),
                "--workers" => options.workers = value.parse().map_err(bad)?,
                _ => return Err(format!("unknown option `{flag}`")),
            }
        }
        if !port_given || options.workers == 0 {
            return Err("a port and at least one worker are needed".to_owned());
        }
        Ok(options)
    }
}

fn run(options: Options) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.workers)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    // The accept loop runs on a worker too: the main thread only waits.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    runtime
        .block_on(async move { tokio::spawn(accept(address)).await })
        .map_err(|error| format!("the accept loop died: {error}"))?
}

async fn accept(address: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).pipeline_flush(true);
    loop {
        // A connection that failed before it was accepted is no reason to stop; running out of files is met by waiting.
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        // Only a socket that is already dead refuses this.
        let _ = stream.set_nodelay(true);
        let connection = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move {
            // A peer that goes away in the middle is the client's affair.
            let _ = connection.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", Bytes::new()));
    }
    let path = request.uri().path();
    if path == "/plaintext" {
        return Ok(reply(StatusCode::OK, "text/plain", Bytes::from_static(b"Hello, World!")));
    }
    let size = path.strip_prefix("/bytes/").and_then(|count| count.parse::<usize>().ok());
    Ok(match size.filter(|size| *size <= MAX_BYTES) {
        Some(size) => reply(StatusCode::OK, "application/octet-stream", PATTERN.slice(..size)),
        None => reply(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"not found\n")),
    })
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(SERVER, HeaderValue::from_static("hyper"));
    response
}
