//! What the load generator itself can do, in a line.

use corecurve_core::CapacityRecord;

use crate::text;

/// `generator: plaintext over io_uring: G_max 105 k/s on 1 load core …`.
pub fn capacity(record: &CapacityRecord) -> String {
    text::plain_long(&format!("generator: {}", text::capacity(record)), 500)
}
