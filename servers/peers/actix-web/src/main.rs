//! A peer for comparison: actix-web 4, put together as its documentation does: a single-threaded runtime per worker, and one
//! thread that accepts and deals connections out.
//!
//! Paths and options are those of all peers (`peer-common`). Nothing is tuned except what a benchmark of any server would: no limit
//! on keep-alive and as many workers as asked for. CPUs are chosen by whoever starts it: the threads keep the inherited
//! affinity mask. It stops when it is told to by a signal.

use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use peer_common::{GREETING, Options};

fn main() -> ExitCode {
    peer_common::main("peer-actix-web", run)
}

fn run(options: Options) -> Result<(), String> {
    let app = || App::new().route("/plaintext", web::get().to(plaintext)).route("/bytes/{count}", web::get().to(bytes));
    let server = HttpServer::new(app)
        .workers(options.workers)
        .backlog(4096)
        .keep_alive(KeepAlive::Timeout(Duration::from_secs(3600)))
        .bind(("127.0.0.1", options.port))
        .map_err(|error| format!("cannot listen on port {}: {error}", options.port))?;
    rt::System::new().block_on(server.run()).map_err(|error| format!("cannot serve: {error}"))
}

async fn plaintext() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(GREETING)
}

async fn bytes(count: web::Path<String>) -> HttpResponse {
    match peer_common::pattern(&count) {
        Some(body) => HttpResponse::Ok().content_type("application/octet-stream").body(body),
        None => HttpResponse::NotFound().finish(),
    }
}
