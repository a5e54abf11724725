//! The least a client can do: what one more request costs when nothing is parsed, timed or recorded.
//!
//! Connections are asked in turn with blocking calls, one `write` and one `read` a request: no waiting for readiness, no
//! clock, no books. No client on sockets that makes these two calls costs less, so `scripts/bench/load` shows it beside
//! load generators.
//!
//! `floor PORT CONNECTIONS SECONDS`

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u16>());
    let mut number = |name: &str| numbers.next().ok_or(format!("no {name}: floor PORT CONNECTIONS SECONDS"));
    let (port, connections, seconds) = (number("PORT")??, number("CONNECTIONS")??, number("SECONDS")??);

    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.write_all(REQUEST)?;
        streams.push(stream);
    }
    let (begun, mut answers, mut answer) = (Instant::now(), 0_u64, [0; 4_096]);
    while begun.elapsed() < Duration::from_secs(seconds.into()) {
        for stream in &mut streams {
            if stream.read(&mut answer)? == 0 {
                return Err("the server closed a connection".into());
            }
            stream.write_all(REQUEST)?;
            answers += 1;
        }
    }
    Ok(writeln!(std::io::stdout(), "{:.1} requests/s", answers as f64 / begun.elapsed().as_secs_f64())?)
}
