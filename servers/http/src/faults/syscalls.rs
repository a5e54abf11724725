//! `syscalls`: cheap system calls that nobody needs, as of a server that reads byte by byte.

use std::fs::File;
use std::io::Read;

use corecurve_core::Problem;

/// How many, and the file they read from.
#[derive(Debug)]
pub struct Syscalls {
    count: u32,
    /// Always at its end.
    file: File,
}

impl Syscalls {
    /// So many per request.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened.
    pub fn new(count: u32) -> Result<Syscalls, Problem> {
        let file = File::open("/dev/null").map_err(|error| {
            Problem::new(format!("fault: /dev/null cannot be opened: {error}")).help("leave out `syscalls`")
        })?;
        Ok(Syscalls { count, file })
    }
}

/// Makes the calls of one request: reads at the end of a file, which the kernel counts in `/proc/PID/io`.
#[inline(never)]
pub fn call(syscalls: &Syscalls) {
    let mut byte = [0];
    for _ in 0..syscalls.count {
        // There is nothing to read, and nothing to do about an error.
        let _ = (&syscalls.file).read(&mut byte);
    }
}
