//! A peer for comparison: tokio's multi-thread runtime and hyper 1, put together as their documentation does.
//!
//! Paths and options are those of all peers (`peer-common`).
//!
//! Nothing here is tuned except what a benchmark of any server would: `TCP_NODELAY`, replies of pipelined requests
//! flushed together, as many workers as asked for. CPUs are chosen by whoever starts it: the threads keep the inherited
//! affinity mask. It stops when it is told to by a signal.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use peer_common::{GREETING, Options};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    peer_common::main("peer-hyper", run)
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
        return Ok(reply(StatusCode::OK, "text/plain", Bytes::from_static(GREETING)));
    }
    Ok(match path.strip_prefix("/bytes/").and_then(peer_common::pattern) {
        Some(body) => reply(StatusCode::OK, "application/octet-stream", body),
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
