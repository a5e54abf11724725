//! What all peers share: their options and the bytes they answer with, so that they differ in their stack alone.
//!
//! Every peer serves on 127.0.0.1, is told `--port N [--workers N]`, and answers:
//!
//! | path | reply |
//! |---|---|
//! | `/plaintext` | `Hello, World!` |
//! | `/bytes/N` | N bytes of the pattern the harness knows, at most 64 MiB |

use std::process::ExitCode;
use std::sync::LazyLock;

use bytes::Bytes;

/// The reply of `/plaintext`.
pub const GREETING: &[u8] = b"Hello, World!";
/// The longest reply of `/bytes/N`.
pub const MAX_BYTES: usize = 64 << 20;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";

/// One long pattern; every `/bytes/N` reply is a slice of it, so that none is copied.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| ALPHABET.repeat(MAX_BYTES / ALPHABET.len()).into());

/// The reply of `/bytes/N`; `None` if N is no number or too large. The first call makes the pattern.
pub fn pattern(count: &str) -> Option<Bytes> {
    let size = count.parse::<usize>().ok().filter(|size| *size <= MAX_BYTES)?;
    Some(PATTERN.slice(..size))
}

/// What a peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where to listen.
    pub port: u16,
    /// Worker threads.
    pub workers: usize,
}

impl Options {
    /// Reads `--port N [--workers N]`.
    ///
    /// # Errors
    /// Unknown options, missing values, numbers out of range.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
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

/// Reads the options, runs the peer, and says what went wrong.
pub fn main(name: &str, run: impl FnOnce(Options) -> Result<(), String>) -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}\nusage: {name} --port PORT [--workers N]");
            ExitCode::from(1)
        }
    }
}
