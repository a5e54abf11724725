//! `/bytes/N`: N bytes from a shared pattern, so that any reply size can be loaded without a file.

use crate::engine::reply::TEXT;
use crate::engine::{Reply, Status, Tail};

/// The most `/bytes/N` sends: 64 MiB.
pub const MAX_BYTES: u64 = 64 << 20;

/// Up to this size the body is copied behind its head and leaves in one write with it.
const COPIED_BYTES: u64 = 16 << 10;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";

static PATTERN: [u8; 64 << 10] = {
    let mut pattern = [0; 64 << 10];
    let mut i = 0;
    while i < pattern.len() {
        pattern[i] = pattern_byte(i as u64);
        i += 1;
    }
    pattern
};

/// The byte at `index` of any `/bytes/N` body, for whoever verifies one.
pub const fn pattern_byte(index: u64) -> u8 {
    ALPHABET[(index % 64) as usize]
}

/// Answers `/bytes/COUNT`.
pub(super) fn answer(count: &str, reply: &mut Reply<'_>) {
    const BINARY: &str = "application/octet-stream";
    let is_number = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    match count.parse::<u64>() {
        Ok(n) if is_number && n <= COPIED_BYTES => reply.send(Status::OK, BINARY, &PATTERN[..n as usize]),
        Ok(n) if is_number && n <= MAX_BYTES => {
            let tail = Tail::Pattern { period: &PATTERN, at: 0, left: n };
            reply.send_tail(Status::OK, BINARY, &[], n, tail);
        }
        _ => reply.send(Status::BAD_REQUEST, TEXT, b"/bytes/N takes a number from 0 to 67108864\n"),
    }
}
