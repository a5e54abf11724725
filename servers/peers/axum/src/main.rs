//! A peer for comparison: axum on tokio's multi-thread runtime, put together as its documentation does.
//!
//! Paths and options are those of all peers (`peer-common`). Nothing is tuned except what a benchmark of any server would:
//! `TCP_NODELAY` and as many workers as asked for. CPUs are chosen by whoever starts it: the threads keep the inherited
//! affinity mask. It stops when it is told to by a signal.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use peer_common::{GREETING, Options};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    peer_common::main("peer-axum", run)
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
        .block_on(async move { tokio::spawn(serve(address)).await })
        .map_err(|error| format!("the accept loop died: {error}"))?
}

async fn serve(address: SocketAddr) -> Result<(), String> {
    let app = Router::new().route("/plaintext", get(plaintext)).route("/bytes/{count}", get(bytes));
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let listener = listener.tap_io(|stream| {
        // Only a socket that is already dead refuses this.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await.map_err(|error| format!("cannot serve: {error}"))
}

async fn plaintext() -> &'static str {
    // The same bytes as GREETING, as text: axum then says text/plain.
    const TEXT: &str = match str::from_utf8(GREETING) {
        Ok(text) => text,
        Err(_) => "",
    };
    TEXT
}

async fn bytes(Path(count): Path<String>) -> Result<Bytes, StatusCode> {
    peer_common::pattern(&count).ok_or(StatusCode::NOT_FOUND)
}
